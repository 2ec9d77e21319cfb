"""Roots of covariances, and the trace of the root of a product, with a slope everywhere.

T(S_1, S_2) = Tr (R_1 S_2 R_1)^(1/2) = sum of s        R_1 R_2 = U diag(s) V'
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def symmetric_root(covariance: Tensor) -> Tensor:
    """Symmetric root R of a covariance S, R R = S; eigenvalues below 0 by rounding count as 0.

    Parameters
    ----------
    covariance : Tensor
        (d, d), symmetric.

    Raises
    ------
    ValueError
        An eigenvalue is negative by more than rounding.

    Examples
    --------
    >>> symmetric_root(torch.tensor([[4.0, 0.0], [0.0, 0.0]]))
    tensor([[2., 0.],
            [0., 0.]])
    """
    values, vectors = torch.linalg.eigh(covariance)
    rounding = torch.finfo(values.dtype).eps ** 0.5 * values.abs().max()
    if values.min() < -rounding:
        raise ValueError(
            f"A matrix with the eigenvalue {float(values.min()):.3g} is no covariance; give "
            "covariances, not correlations of pairs or differences."
        )
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


class _RootOverlap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cov1: Tensor, cov2: Tensor) -> Tensor:
        root1, root2 = symmetric_root(cov1), symmetric_root(cov2)
        u, s, vh = torch.linalg.svd(root1 @ root2)
        ctx.save_for_backward(root1, root2, u, s, vh)
        return s.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        root1, root2, u, s, vh = ctx.saved_tensors
        smallest = len(s) * torch.finfo(s.dtype).eps * s.max()
        inverse = torch.where(s > smallest, 1 / s.clamp(min=smallest), 0.0)
        inverse = torch.nan_to_num(inverse, posinf=0.0)  # all of s is 0
        of1 = root2 @ (vh.T * inverse) @ vh @ root2
        of2 = root1 @ (u * inverse) @ u.T @ root1
        return slope * of1 / 2, slope * of2 / 2


def root_overlap(cov1: Tensor, cov2: Tensor) -> Tensor:
    """Trace of ``(cov1^(1/2) cov2 cov1^(1/2))^(1/2)``; symmetric, differentiable once.

    Parameters
    ----------
    cov1, cov2 : Tensor
        Covariances (d, d), any rank.

    Returns
    -------
    Tensor
        A number. Where s is 0 its slope is infinite; that part is left out, the rest is finite.

    Examples
    --------
    >>> root_overlap(torch.eye(3), 4 * torch.eye(3))
    tensor(6.)
    """
    overlap: Tensor = _RootOverlap.apply((cov1 + cov1.T) / 2, (cov2 + cov2.T) / 2)
    return overlap
