"""neuralhydrology's EA-LSTM and LSTM, as models to time; its classes only."""

from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn

INSTALLED = find_spec("neuralhydrology") is not None


def peer(
    kind: str, x_d: Tensor, x_s: Tensor, hidden: int, last: int
) -> tuple[nn.Module, Callable[[], Tensor]]:
    """Make neuralhydrology's model of a kind, ``ealstm`` or ``lstm``, and its forward pass."""
    from neuralhydrology.modelzoo import get_model
    from neuralhydrology.utils.config import Config

    dynamic = [f"d{n}" for n in range(x_d.shape[2])]
    settings = {
        "model": {"ealstm": "ealstm", "lstm": "cudalstm"}[kind],
        "head": "regression",
        "output_activation": "linear",
        "hidden_size": hidden,
        "initial_forget_bias": 5,
        "output_dropout": 0.4,
        "dynamic_inputs": dynamic,
        "static_attributes": [f"s{n}" for n in range(x_s.shape[1])],
        "target_variables": ["q"],
        "predict_last_n": last,
        "seq_length": x_d.shape[1],
        "use_frequencies": [],
    }
    model = get_model(Config(settings)).to(x_d.device)
    data = {"x_d": dict(zip(dynamic, torch.unbind(x_d.unsqueeze(-1), 2), strict=True)), "x_s": x_s}
    return model, lambda: model(data)["y_hat"][:, -last:, 0]
