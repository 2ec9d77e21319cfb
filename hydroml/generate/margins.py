"""Margins by basin and calendar month, as normal scores and back.

A value x of a month is told by the normal score ``z = Phi^-1(F(x))``; F is kept as quantiles at
evenly spaced scores. Beyond the scores that a few years can tell, quantiles go on as a straight
line (a normal tail), those of precipitation as a generalised Pareto distribution.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hydroml.generate.weather import Floats, Months

EDGE = 4.5
"""Largest score: once in 800 years of days."""
STEP = 0.125
NODES: Floats = np.arange(-EDGE, EDGE + STEP / 2, STEP)
_TOLD = 2.25  # score up to which quantiles are those of the data: 3 days of 270
_SLOPE_FROM = 1.25  # the straight line continues the way from here to there
TAIL = 0.95
"""Share of all days of a month below the precipitation at which its Pareto tail begins."""
_SHAPES = (-0.2, 0.3)
"""Bounds of the tail's shape: what daily precipitation has been found to have, and some more."""


@dataclass(frozen=True)
class Margins:
    """Quantiles of F variables in B basins and 12 months.

    Parameters
    ----------
    quantiles : ndarray
        At `NODES`, (B, 12, F, nodes), not falling.
    """

    quantiles: Floats

    def scores(self, values: NDArray[np.floating], months: Months) -> NDArray[np.float32]:
        """Turn values (B, T, F) into normal scores."""
        found = np.empty(values.shape, dtype="float32")
        for month in np.unique(months):
            own = months == month
            for b, f in np.ndindex(values.shape[0], values.shape[2]):
                found[b, own, f] = np.interp(values[b, own, f], self._of(b, month, f), NODES)
        return found

    def values(self, scores: NDArray[np.floating], months: Months) -> Floats:
        """Turn normal scores (B, T, F) into values."""
        found = np.empty(scores.shape)
        for month in np.unique(months):
            own = months == month
            for b, f in np.ndindex(scores.shape[0], scores.shape[2]):
                found[b, own, f] = np.interp(scores[b, own, f], NODES, self._of(b, month, f))
        return found

    def _of(self, basin: int, month: int, variable: int) -> Floats:
        own: Floats = self.quantiles[basin, month - 1, variable]
        return own


def fit_margins(values: NDArray[np.floating], months: Months) -> Margins:
    """Take the quantiles of each basin, month and variable, with straight tails.

    Parameters
    ----------
    values : ndarray
        (B, T, F).
    months : ndarray
        Calendar month of each day, (T,); each month has to occur.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(5, 2, (1, 48_000, 1))
    >>> months = np.arange(48_000) // 4000 + 1
    >>> margins = fit_margins(z, months)
    >>> abs(margins.scores(z, months)[0, :, 0] - (z[0, :, 0] - 5) / 2).mean() < 0.05
    np.True_
    """
    told = np.abs(NODES) <= _TOLD
    quantiles = np.empty((values.shape[0], 12, values.shape[2], len(NODES)))
    for month in range(1, 13):
        own = values[:, months == month]
        known = np.moveaxis(np.quantile(own, ndtr(NODES[told]), axis=1), 0, -1)  # (B, F, nodes)
        quantiles[:, month - 1][..., told] = known
        quantiles[:, month - 1][..., ~told] = _straight(known, NODES[told], NODES[~told])
    return Margins(quantiles)


def with_pareto_tail(
    margins: Margins, variable: int, values: NDArray[np.floating], months: Months
) -> Margins:
    """Let a variable's upper quantiles be those of a generalised Pareto distribution.

    Above each month's `TAIL` quantile u, ``P(x > u + y) = (1 - TAIL) (1 + xi y / s)^(-1 / xi)``.
    The mean excess is the month's, ``s = (1 - xi) mean excess``; the shape xi is the basin's, by
    L-moments of the excesses over all months, each divided by its month's mean: ``xi = 2 - l1 /
    l2`` (Hosking and Wallis 1987, doi 10.1080/00401706.1987.10488243).

    Parameters
    ----------
    margins : Margins
        Of `fit_margins`.
    variable : int
        Which one.
    values : ndarray
        The variable, (B, T).
    months : ndarray
        (T,).
    """
    basins = len(values)
    starts, means = np.empty((basins, 12)), np.empty((basins, 12))
    scaled: list[list[Floats]] = [[] for _ in range(basins)]
    for month in range(1, 13):
        own = values[:, months == month].astype(np.float64)
        starts[:, month - 1] = np.quantile(own, TAIL, axis=1)
        for b in range(basins):
            excess = own[b][own[b] > starts[b, month - 1]] - starts[b, month - 1]
            means[b, month - 1] = excess.mean() if excess.size else 0.0
            scaled[b].append(excess / (means[b, month - 1] or 1.0))
    shape = np.array([_pareto_shape(np.concatenate(own)) for own in scaled])
    upper = ndtr(NODES) > TAIL
    rarer = (1 - ndtr(NODES[upper])) / (1 - TAIL)
    growth = np.array([np.expm1(-xi * np.log(rarer)) / xi for xi in shape])  # (B, nodes)
    excess = ((1 - shape) * means.T).T[..., None] * growth[:, None]  # (B, 12, nodes)
    quantiles = margins.quantiles.copy()
    quantiles[:, :, variable, upper] = starts[..., None] + excess
    return Margins(quantiles)


def _pareto_shape(excess: Floats) -> float:
    """Shape by L-moments; the exponential's, nearly 0, of fewer than ten excesses."""
    if excess.size < 10 or not excess.any():
        return 1e-6
    ordered = np.sort(excess)
    rank = np.arange(len(ordered))
    l1 = ordered.mean()
    l2 = 2 * (rank * ordered).mean() / (len(ordered) - 1) - l1
    shape = float(np.clip(2 - l1 / l2, *_SHAPES)) if l2 > 0 else 0.0
    return shape if abs(shape) > 1e-6 else 1e-6


def _straight(known: Floats, told: Floats, wanted: Floats) -> Floats:
    """Continue quantiles (..., told) at scores beyond either end."""
    above = (known[..., -1:] - _at(known, told, _SLOPE_FROM)) / (told[-1] - _SLOPE_FROM)
    below = (_at(known, told, -_SLOPE_FROM) - known[..., :1]) / (-_SLOPE_FROM - told[0])
    return np.where(
        wanted > 0,
        known[..., -1:] + above * (wanted - told[-1]),
        known[..., :1] + below * (wanted - told[0]),
    )


def _at(known: Floats, told: Floats, score: float) -> Floats:
    place = int(np.argmin(np.abs(told - score)))
    return known[..., place : place + 1]
