"""The reference experiment's initial weights.

Kratzert et al. (2019), published code: input and static weights orthogonal, recurrent weights
the identity repeated for each gate, biases zero but for the forget gate's.
"""

import torch
from torch import Tensor, nn


@torch.no_grad()
def initialise_gates(
    weights: dict[str, Tensor], w_hh: Tensor, bias: Tensor, forget: slice, forget_bias: float
) -> None:
    """Fill the weights of a recurrent layer in place.

    Parameters
    ----------
    weights : dict of Tensor
        Input and static weights, (gates * H, inputs) each; made orthogonal.
    w_hh : Tensor
        Recurrent weights, (gates * H, H); becomes the identity, once a gate.
    bias : Tensor
        Biases, (gates * H,); zero, `forget_bias` on the slice `forget`.
    forget : slice
        Rows of the forget gate in `bias`.
    forget_bias : float
        A large value makes the cell remember at first (5 in 2019, 3 in later papers).
    """
    for weight in weights.values():
        nn.init.orthogonal_(weight)
    hidden = w_hh.shape[1]
    w_hh.copy_(torch.eye(hidden).repeat(w_hh.shape[0] // hidden, 1))
    bias.zero_()
    bias[forget] = forget_bias
