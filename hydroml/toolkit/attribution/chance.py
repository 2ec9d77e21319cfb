"""How well the best of many units does for labels that mean nothing.

The same units are scored against labels whose tie to the samples is broken, many times over; of
each draw the best unit counts, so that the distribution is that of a maximum over all units (the
max statistic of Westfall and Young 1993, Resampling-based multiple testing, Wiley). Samples of a
time series are not independent: permuted one by one, labels lose their memory and chance looks too
small. `series` rotates them within each series instead, each series by an amount of its own.
"""

import torch
from torch import Tensor

from hydroml.toolkit.attribution.midranks import (
    NUMBERS_AT_ONCE,
    midranks,
    ordered_share,
    units_at_once,
)


def chance_auc(
    activations: Tensor,
    labels: Tensor,
    *,
    draws: int = 100,
    series: int = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw what the best unit reaches for labels that were permuted or rotated.

    Parameters
    ----------
    activations : Tensor
        (n, H), without NaN.
    labels : Tensor
        (n, S): bool, or 0 and 1; all known.
    draws : int
        How often.
    series : int
        0: labels are permuted over all samples. Above: samples are rows of that many series of
        equal length, one after another, and the labels of each are rotated.
    generator : torch.Generator, optional
        On the CPU.

    Returns
    -------
    Tensor
        (draws, S), float64: the best unit's max(A, 1 - A).

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN, other labels, no draws, or `series` that does not divide n.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> activations = torch.randn(40, 8, generator=generator)
    >>> chance = chance_auc(activations, activations[:, :1] > 0, draws=50, generator=generator)
    >>> bool((chance >= 0.5).all() and (chance < 0.9).all())
    True
    """
    _require_known(activations, labels, draws, series)
    n, count = labels.shape
    positive = (labels == 1).T.double()  # (S, n)
    best = activations.new_full((draws, count), 0.5, dtype=torch.float64)
    orders = torch.stack([_order(n, series, generator) for _ in range(draws)])
    at_once = max(1, NUMBERS_AT_ONCE // (n * count))
    for units in activations.split(units_at_once(n), dim=1):
        ranks = midranks(units)
        for some in torch.arange(draws).split(at_once):
            shuffled = positive[:, orders[some].to(positive.device)]  # (S, d, n)
            auc = ordered_share(shuffled.flatten(0, 1), ranks).unflatten(0, (count, len(some)))
            reached = torch.maximum(auc, 1 - auc).amax(2).T
            some = some.to(best.device)
            best[some] = torch.maximum(best[some], reached)
    return best


def chance_level(reached: Tensor, chance: Tensor) -> Tensor:
    """Share of draws in which chance does as well: a p value corrected for the choice of unit.

    Parameters
    ----------
    reached : Tensor
        (S,), max(A, 1 - A) of the best unit.
    chance : Tensor
        (draws, S), of `chance_auc`.

    Returns
    -------
    Tensor
        (S,): (1 + draws at least as good) / (1 + draws); never 0.

    Examples
    --------
    >>> chance_level(torch.tensor([0.9]), torch.tensor([[0.6], [0.95], [0.7]]))
    tensor([0.5000])
    """
    if chance.ndim != 2 or tuple(reached.shape) != (chance.shape[1],) or len(chance) == 0:
        raise ValueError(
            f"chance must be (draws, S) and reached (S,), not {tuple(chance.shape)} and "
            f"{tuple(reached.shape)}"
        )
    return (1 + (chance >= reached).sum(0)) / (1 + len(chance))


def _order(n: int, series: int, generator: torch.Generator | None) -> Tensor:
    """Draw which sample's label each sample gets."""
    if not series:
        return torch.randperm(n, generator=generator)
    length = n // series
    shift = torch.randint(length, (series, 1), generator=generator)
    within = (torch.arange(length) + shift) % length
    return (within + length * torch.arange(series)[:, None]).flatten()


def _require_known(activations: Tensor, labels: Tensor, draws: int, series: int) -> None:
    if activations.ndim != 2 or activations.numel() == 0 or activations.isnan().any():
        raise ValueError(
            f"activations must be (n, H) without NaN, n and H at least 1, not "
            f"{tuple(activations.shape)}"
        )
    if labels.ndim != 2 or len(labels) != len(activations) or labels.shape[1] == 0:
        raise ValueError(f"labels must be ({len(activations)}, S), not {tuple(labels.shape)}")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("labels must be true or false; leave samples of unknown label out")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    if series < 0 or (series and len(activations) % series):
        raise ValueError(f"series must be 0 or divide the {len(activations)} samples, not {series}")
