"""Initial weights, by name."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


@torch.no_grad()
def kratzert2019(weights: list[Tensor], w_hh: Tensor, bias: Tensor) -> None:
    """Input and static weights orthogonal, recurrent weights the identity for each gate, no bias.

    As in the published code of Kratzert et al. (2019, doi 10.5194/hess-23-5089-2019).
    """
    for weight in weights:
        nn.init.orthogonal_(weight)
    hidden = w_hh.shape[1]
    w_hh.copy_(torch.eye(hidden).repeat(w_hh.shape[0] // hidden, 1))
    bias.zero_()


@torch.no_grad()
def uniform(weights: list[Tensor], w_hh: Tensor, bias: Tensor) -> None:
    """Everything uniform within +-1/sqrt(H), as torch's own LSTM starts."""
    bound = w_hh.shape[1] ** -0.5
    for weight in (*weights, w_hh, bias):
        weight.uniform_(-bound, bound)


Initialisation = Callable[[list[Tensor], Tensor, Tensor], None]

INITIALISATIONS: dict[str, Initialisation] = {"kratzert2019": kratzert2019, "uniform": uniform}
"""Fill input and static weights (gates * H, inputs), recurrent weights (gates * H, H) and
biases (gates * H,) in place, by the name the configuration uses."""


@torch.no_grad()
def initialise_gates(
    name: str, weights: list[Tensor], w_hh: Tensor, bias: Tensor, forget: slice, forget_bias: float
) -> None:
    """Fill the weights of a recurrent layer in place.

    Parameters
    ----------
    name : str
        A key of `INITIALISATIONS`.
    weights : list of Tensor
        Input and static weights.
    w_hh, bias : Tensor
        Recurrent weights and biases.
    forget : slice
        Rows of the forget gate in `bias`.
    forget_bias : float
        Added to the forget gate's bias: a large one makes the cell remember at first (5 in 2019,
        3 in later papers).
    """
    INITIALISATIONS[name](weights, w_hh, bias)
    bias[forget] += forget_bias
