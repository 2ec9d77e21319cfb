"""Rainfall-runoff models: plain torch modules, x_d (B, T, F) and x_s (B, S) to y (B, T)."""

from collections.abc import Callable

from torch import nn

from hydroml.models.ealstm import EALSTM
from hydroml.models.lstm import LSTM

__all__ = ["EALSTM", "LSTM", "MODELS", "build_model"]

MODELS: dict[str, Callable[..., nn.Module]] = {
    "ealstm": EALSTM,
    "lstm": LSTM,
    "lstm-nostatic": LSTM,
}
"""Every model by the name the configuration uses."""


def build_model(name: str, dynamic: int, static: int, **options: float | str) -> nn.Module:
    """Make a model of `MODELS` for so many dynamic inputs and static attributes.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    dynamic, static : int
        Number of inputs; ``lstm-nostatic`` is built with none of the statics.
    **options
        Passed on: hidden, dropout, forget_bias, initial_weights.

    Examples
    --------
    >>> sum(p.numel() for p in build_model("ealstm", 5, 27, hidden=64).parameters())
    15297
    """
    return MODELS[name](dynamic, 0 if name == "lstm-nostatic" else static, **options)
