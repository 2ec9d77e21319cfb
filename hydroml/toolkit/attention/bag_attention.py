"""Bags of any size in one flat tensor: softmax, sums and the choice of instances by bag.

Bag b owns ``sizes[b]`` rows that follow each other; ``sizes`` sums to the number of rows N. With
``m_b`` the largest score of bag b,

    weight_n = exp(s_n - m_b) / sum_{i in b} exp(s_i - m_b)
    pooled_b = sum_{n in b} weight_n h_n

No loop over bags: rows are added up by the number of their bag.
"""

import torch
from torch import Tensor

__all__ = ["bag_of_row", "pool_bags", "require_sizes", "segment_softmax", "subsample_bags",
           "top_of_bags"]  # fmt: skip


def require_sizes(sizes: Tensor, rows: int) -> Tensor:
    """Check the sizes of bags.

    Parameters
    ----------
    sizes : Tensor
        Integers, (B,).
    rows : int
        Number of instances, N.

    Returns
    -------
    Tensor
        `sizes` as int64.

    Raises
    ------
    TypeError
        `sizes` are no integers.
    ValueError
        There is no bag, a bag is empty, or the sizes do not add up to `rows`.
    """
    if sizes.dtype.is_floating_point or sizes.dtype.is_complex or sizes.dtype == torch.bool:
        raise TypeError(f"bag_sizes must be integers, got {sizes.dtype}.")
    if sizes.ndim != 1 or len(sizes) == 0:
        raise ValueError(
            f"bag_sizes has the shape {tuple(sizes.shape)}; give one size a bag, (B,), B >= 1."
        )
    empty = torch.nonzero(sizes < 1)
    if len(empty):
        bag = int(empty[0])
        raise ValueError(
            f"Bag {bag} is empty (size {int(sizes[bag])}): attention over nothing is not defined. "
            "Leave such bags out."
        )
    if int(sizes.sum()) != rows:
        raise ValueError(f"bag_sizes add up to {int(sizes.sum())}, but there are {rows} instances.")
    return sizes.long()


def bag_of_row(sizes: Tensor) -> Tensor:
    """Tell the bag of each row.

    Parameters
    ----------
    sizes : Tensor
        (B,), int64.

    Returns
    -------
    Tensor
        (N,), int64.

    Examples
    --------
    >>> bag_of_row(torch.tensor([2, 1]))
    tensor([0, 0, 1])
    """
    return torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)


def segment_softmax(scores: Tensor, sizes: Tensor) -> Tensor:
    """Softmax within each bag.

    Parameters
    ----------
    scores : Tensor
        (N,), finite.
    sizes : Tensor
        (B,), int64.

    Returns
    -------
    Tensor
        (N,); the weights of each bag sum to 1.

    Examples
    --------
    >>> segment_softmax(torch.tensor([0.0, 0.0, 7.0]), torch.tensor([2, 1]))
    tensor([0.5000, 0.5000, 1.0000])
    """
    bag = bag_of_row(sizes)
    # the maximum only keeps exp in range: the result does not depend on it, nor does the gradient
    highest = scores.detach().new_full((len(sizes),), -torch.inf)
    highest = highest.scatter_reduce(0, bag, scores.detach(), "amax")
    powers = torch.exp(scores - highest[bag])
    return powers / powers.new_zeros(len(sizes)).index_add(0, bag, powers)[bag]


def pool_bags(weights: Tensor, values: Tensor, sizes: Tensor) -> Tensor:
    """Add the rows of each bag up, weighted.

    Parameters
    ----------
    weights : Tensor
        (N,).
    values : Tensor
        (N, M).
    sizes : Tensor
        (B,), int64.

    Returns
    -------
    Tensor
        (B, M).
    """
    pooled = values.new_zeros(len(sizes), values.shape[1])
    return pooled.index_add(0, bag_of_row(sizes), weights[:, None] * values)


def top_of_bags(scores: Tensor, sizes: Tensor, counts: Tensor) -> Tensor:
    """Find the rows of the highest scores in each bag.

    Parameters
    ----------
    scores : Tensor
        (N,).
    sizes : Tensor
        (B,), int64.
    counts : Tensor
        How many to keep of each bag, (B,), int64, at most `sizes`.

    Returns
    -------
    Tensor
        Row numbers, ascending, (counts.sum(),). Of equal scores the earlier row comes first.

    Examples
    --------
    >>> top_of_bags(torch.tensor([1.0, 3.0, 2.0, 0.0]), torch.tensor([3, 1]), torch.tensor([2, 1]))
    tensor([1, 2, 3])
    """
    # sorted by score, then stably by bag: each bag's rows stand together, the best first
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[torch.argsort(bag_of_row(sizes)[order], stable=True)]
    ends = sizes.cumsum(0)
    rank = torch.arange(len(scores), device=scores.device) - (ends - sizes).repeat_interleave(sizes)
    return order[rank < counts.repeat_interleave(sizes)].sort().values


def subsample_bags(
    sizes: Tensor, limit: int, *, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw at most `limit` rows of each bag, without replacement.

    Parameters
    ----------
    sizes : Tensor
        (B,), int64.
    limit : int
        Rows of a bag to keep, at least 1.
    generator : torch.Generator, optional
        Of random numbers, on the device of `sizes`.

    Returns
    -------
    rows : Tensor
        Row numbers, ascending.
    sizes : Tensor
        New sizes, (B,).

    Raises
    ------
    ValueError
        `limit` below 1.

    Examples
    --------
    >>> rows, sizes = subsample_bags(torch.tensor([5, 2]), 3)
    >>> len(rows), sizes
    (5, tensor([3, 2]))
    """
    if limit < 1:
        raise ValueError(f"limit is {limit}; keep at least 1 instance of a bag.")
    counts = sizes.clamp(max=limit)
    lots = torch.rand(int(sizes.sum()), generator=generator, device=sizes.device)
    return top_of_bags(lots, sizes, counts), counts
