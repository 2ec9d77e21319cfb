"""Activation functions by the names that torch gives them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "celu": torch.celu,
    "elu": F.elu,
    "erf": torch.erf,
    "exp": torch.exp,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "relu": torch.relu,
    "selu": torch.selu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "sin": torch.sin,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}
"""Name and function: element by element, finite in, finite out (but for the range of ``exp``)."""


def activation_named(name: str) -> Callable[[Tensor], Tensor]:
    """Find an activation function.

    Parameters
    ----------
    name : str
        Key of `ACTIVATIONS`.

    Raises
    ------
    ValueError
        Unknown name.

    Examples
    --------
    >>> activation_named("relu")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"no activation {name!r}; choose one of: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
