"""Ranks with ties, and the share of pairs in the right order that follows from them."""

import torch
from torch import Tensor

NUMBERS_AT_ONCE = 1 << 22
"""Activations that are ranked at once; ranking holds a few arrays of that size."""


def midranks(values: Tensor) -> Tensor:
    """Rank each column from 1, equal values sharing the mean of their ranks.

    Parameters
    ----------
    values : Tensor
        (n, h), without NaN.

    Returns
    -------
    Tensor
        (n, h), float64.

    Examples
    --------
    >>> midranks(torch.tensor([[3.0], [1.0], [3.0]])).T
    tensor([[2.5000, 1.0000, 2.5000]], dtype=torch.float64)
    """
    n = len(values)
    if n == 0:
        return values.double()
    ordered, order = values.sort(dim=0)
    changes = ordered[1:] != ordered[:-1]
    place = torch.arange(n, device=values.device)[:, None]
    edge = torch.ones_like(ordered[:1], dtype=torch.bool)
    # of each run of equal values its first place, carried forward, and its last, carried back
    first = torch.where(torch.cat([edge, changes]), place, 0).cummax(0).values
    last = torch.where(torch.cat([changes, edge]), place, n - 1).flip(0).cummin(0).values.flip(0)
    ranks = (first + last).double() / 2 + 1
    return torch.empty_like(ranks).scatter_(0, order, ranks)


def ordered_share(positive: Tensor, ranks: Tensor) -> Tensor:
    """Share of pairs (with, without label) that are in order, from the sum of midranks.

    Parameters
    ----------
    positive : Tensor
        (s, n), float64: 1 where a sample has the label, else 0.
    ranks : Tensor
        (n, h), of `midranks`.

    Returns
    -------
    Tensor
        (s, h); 0.5 where there is no pair.
    """
    have = positive.sum(1, keepdim=True)
    pairs = have * (positive.shape[1] - have)
    # sums of halves below 2^53: exact in float64
    order = positive @ ranks - have * (have + 1) / 2
    return torch.where(pairs > 0, order / pairs.clamp(min=1), 0.5)


def units_at_once(samples: int) -> int:
    """How many columns of so many samples are ranked together."""
    return max(1, NUMBERS_AT_ONCE // max(samples, 1))
