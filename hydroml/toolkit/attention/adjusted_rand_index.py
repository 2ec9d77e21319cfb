"""Agreement of two ways to group the same elements, corrected for chance.

n_ij elements are in group i of the one and in group j of the other, a_i and b_j are the sums over
rows and columns, pairs(n) = n (n - 1) / 2:

    index    = sum_ij pairs(n_ij)
    expected = sum_i pairs(a_i) sum_j pairs(b_j) / pairs(n)
    ARI      = (index - expected) / ((sum_i pairs(a_i) + sum_j pairs(b_j)) / 2 - expected)

Hubert and Arabie (1985): Comparing partitions. Journal of Classification 2, 193-218,
doi:10.1007/BF01908075.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def adjusted_rand_index(true: Tensor, found: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compare groupings of the elements of several sets.

    Parameters
    ----------
    true, found : Tensor
        Labels (B, N), integers from 0 upwards; their names do not matter.
    mask : Tensor, optional
        (B, N) bool; False for elements that do not count, such as the background.

    Returns
    -------
    Tensor
        (B,), float64: 1 for the same groups, around 0 for chance, and 1 where there is nothing
        to disagree about (fewer than two elements, or one group, or all apart in both).

    Raises
    ------
    ValueError
        Shapes that do not fit, or labels that are no integers from 0 upwards.

    References
    ----------
    Hubert and Arabie (1985), doi:10.1007/BF01908075.

    Examples
    --------
    >>> true = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]])
    >>> adjusted_rand_index(true, torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1]]))
    tensor([ 1.0000, -0.5000], dtype=torch.float64)
    """
    for name, labels in (("true", true), ("found", found)):
        if labels.ndim != 2 or labels.shape != true.shape:
            raise ValueError(f"{name} is {tuple(labels.shape)}: give both as (batch, elements)")
        if labels.is_floating_point() or labels.dtype == torch.bool or (labels < 0).any():
            raise ValueError(f"{name} has no labels 0, 1, ...: take argmax of shares, over slots")
    if mask is not None and (mask.shape != true.shape or mask.dtype != torch.bool):
        raise ValueError(
            f"mask is {tuple(mask.shape)}, {mask.dtype}: give bool {tuple(true.shape)}"
        )
    if not true.numel():
        return torch.ones(len(true), dtype=torch.float64, device=true.device)
    groups, others = F.one_hot(true.long()).double(), F.one_hot(found.long()).double()
    if mask is not None:
        groups = groups * mask.unsqueeze(-1)
    counts = groups.mT @ others  # (B, groups, others)
    index = _pairs(counts).sum((1, 2))
    rows, columns = _pairs(counts.sum(2)).sum(1), _pairs(counts.sum(1)).sum(1)
    expected = rows * columns / _pairs(counts.sum((1, 2))).clamp_min(1)
    room = (rows + columns) / 2 - expected
    nothing = room == 0
    return torch.where(nothing, 1.0, (index - expected) / room.masked_fill(nothing, 1.0))


def _pairs(n: Tensor) -> Tensor:
    return n * (n - 1) / 2
