r"""Dropout that keeps mean 0 and variance 1 of SELU activations.

Dropped units are set to :math:`\alpha' = -\lambda\alpha`, the value of a SELU far below zero, and
then everything goes through :math:`a x + b`. With keeping probability q,

.. math::
    a = \big(q + \alpha'^2 q (1 - q)\big)^{-1/2}, \qquad b = -a (1 - q) \alpha'.
"""

import torch
from torch import Tensor, nn

from hydroml.toolkit.recurrent.moments import ALPHA, LAMBDA

SATURATED = -ALPHA * LAMBDA


def alpha_dropout(x: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Drop units to the lower limit of the SELU and restore mean and variance.

    Parameters
    ----------
    x : Tensor
        Activations with mean 0 and variance 1, any shape.
    p : float
        Share of units to drop, 0 <= p < 1.
    generator : torch.Generator, optional
        Source of randomness, on the device of `x`.

    Returns
    -------
    Tensor
        Of the same shape.

    Raises
    ------
    ValueError
        `p` outside [0, 1).

    References
    ----------
    Klambauer et al. (2017), arXiv:1706.02515, section "New Dropout Technique".

    Examples
    --------
    >>> y = alpha_dropout(torch.zeros(1000), 0.5, torch.Generator().manual_seed(0))
    >>> len(y.unique())
    2
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout rate {p}: 0 or more and below 1, please")
    q = 1 - p
    a = (q + SATURATED**2 * q * p) ** -0.5
    kept = torch.rand(x.shape, generator=generator, device=x.device) < q
    return a * torch.where(kept, x, SATURATED) - a * p * SATURATED


class AlphaDropout(nn.Module):
    """`alpha_dropout` in training, nothing in evaluation.

    Parameters
    ----------
    p : float
        Share of units to drop, 0 <= p < 1.
    generator : torch.Generator, optional
        Source of randomness; `torch.nn.AlphaDropout` is the same with the global one.

    Examples
    --------
    >>> AlphaDropout(0.1).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, p: float = 0.05, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout rate {p}: 0 or more and below 1, please")
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of `x`, any shape, while training."""
        return alpha_dropout(x, self.p, self.generator) if self.training and self.p else x

    def extra_repr(self) -> str:
        """Name the rate where the module is printed."""
        return f"p={self.p}"
