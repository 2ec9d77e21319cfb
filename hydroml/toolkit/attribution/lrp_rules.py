r"""How relevance passes through one linear layer, and through one product of gate and signal.

Relevance is a share of the output's value that is handed from a unit to the units below it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Split = Callable[[Tensor, Tensor, Tensor, float, float], tuple[Tensor, Tensor]]


def lrp_linear(
    hin: Tensor,
    w: Tensor,
    b: Tensor,
    hout: Tensor,
    Rout: Tensor,
    n_bias_units: int,
    eps: float = 1e-3,
    bias_factor: float = 0.0,
) -> Tensor:
    r"""Pass relevance from the units of a linear layer to those that feed it.

    .. math::
        R_i = \sum_j \frac{z_i w_{ji} + \delta (b_j + \epsilon s_j) / N}
                          {z_j + \epsilon s_j} R_j
        \quad s_j = \operatorname{sign}(z_j),\ \operatorname{sign}(0) = 1

    The full pre-activation of the layer counts, whatever else feeds it: a layer with two kinds
    of input is passed twice, with the same `hout` and `n_bias_units`.

    Parameters
    ----------
    hin : Tensor
        Values that feed the layer, z_i, (..., D).
    w : Tensor
        Their weights, (M, D) as in ``nn.Linear``.
    b : Tensor
        Bias, (M,) or (..., M).
    hout : Tensor
        Full pre-activations, z_j, (..., M).
    Rout : Tensor
        Relevance of the layer's units, (..., M).
    n_bias_units : int
        N, all units that feed the layer.
    eps : float
        Stabiliser, above 0: what keeps a quotient finite where contributions cancel.
    bias_factor : float
        Delta, 0 to 1: the part of what biases and stabiliser hold that is shared out evenly. 0
        lets them keep it; with 1 relevance is conserved exactly.

    Returns
    -------
    Tensor
        Relevance of the units below, (..., D).

    References
    ----------
    Bach et al. (2015), doi 10.1371/journal.pone.0130140, eq. 58; as used for LSTMs by Arras et
    al. (2019), arXiv:1909.12114.

    Examples
    --------
    >>> hin, w, b = torch.tensor([2.0, 1.0]), torch.tensor([[1.0, -1.0]]), torch.zeros(1)
    >>> lrp_linear(hin, w, b, w @ hin + b, torch.ones(1), 2, eps=1e-6).round(decimals=3)
    tensor([ 2., -1.])
    """
    sign = signs(hout)
    share = Rout / (hout + eps * sign)  # (..., M)
    found = hin * (share @ w)
    if bias_factor:
        held = ((b + eps * sign) * share).sum(-1, keepdim=True)
        found = found + bias_factor / n_bias_units * held
    return found


def signs(z: Tensor) -> Tensor:
    """Signs with that of 0 being 1."""
    return torch.ones_like(z).copysign(z + 0.0)  # -0.0 + 0.0 is 0.0


def _all(
    gate: Tensor, signal: Tensor, R: Tensor, eps: float, bias_factor: float
) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(R), R


def _half(
    gate: Tensor, signal: Tensor, R: Tensor, eps: float, bias_factor: float
) -> tuple[Tensor, Tensor]:
    return R / 2, R / 2


def _prop(
    gate: Tensor, signal: Tensor, R: Tensor, eps: float, bias_factor: float
) -> tuple[Tensor, Tensor]:
    both = gate + signal
    held = eps * signs(both)
    share = R / (both + held)
    return share * (gate + bias_factor / 2 * held), share * (signal + bias_factor / 2 * held)


def _abs(
    gate: Tensor, signal: Tensor, R: Tensor, eps: float, bias_factor: float
) -> tuple[Tensor, Tensor]:
    return _prop(gate.abs(), signal.abs(), R, eps, bias_factor)


SPLITS: dict[str, Split] = {"all": _all, "prop": _prop, "half": _half, "abs": _abs}
"""How a product of gate and signal shares relevance out: the signal takes all; in proportion to
the values; half each; in proportion to the magnitudes."""
