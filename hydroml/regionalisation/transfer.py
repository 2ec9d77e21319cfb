"""Discharge from donors: weighted means of their observed flow, and how good they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hydroml.evaluation.moments import moments
from hydroml.evaluation.moments import nse as nse_of

Floats = NDArray[np.float64]
Choice = TypeVar("Choice")

LEAST_DAYS = 365
"""Days of flow below which a basin is not scored."""


def mix(weights: Floats, flow: Floats) -> Floats:
    """Weighted mean of the donors' discharge; a donor counts on the days it has flow.

    Parameters
    ----------
    weights : ndarray (Q, N)
        Of donors, rows sum to one.
    flow : ndarray (N, T)
        Specific discharge [mm d-1]; NaN is missing.

    Returns
    -------
    ndarray (Q, T)
        NaN on days on which no donor that counts has flow.

    Examples
    --------
    >>> mix(np.array([[0.75, 0.25]]), np.array([[1.0, np.nan, np.nan], [5.0, 5.0, np.nan]]))
    array([[ 2.,  5., nan]])
    """
    there = np.isfinite(flow)
    total = weights @ np.where(there, flow, 0)
    weight = weights @ there.astype(np.float64)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def transferred(weights: Floats, flow: Floats, donor_rain: Floats, rain: Floats) -> Floats:
    """`mix`, each donor's discharge scaled by the ratio of mean precipitation.

    Parameters
    ----------
    weights, flow
        As for `mix`.
    donor_rain : ndarray (N,)
        Mean precipitation of the donors [mm d-1], above 0.
    rain : ndarray (Q,)
        And of the basins without flow.
    """
    return mix(weights, flow / donor_rain[:, None]) * rain[:, None]


def nse(obs: Floats, sim: Floats) -> Floats:
    """Nash-Sutcliffe efficiency of rows [-]; NaN with less than `LEAST_DAYS` days.

    Parameters
    ----------
    obs, sim : ndarray (Q, T)
        Discharge [mm d-1]; days without either do not count.
    """
    found = moments(obs, sim, np.isfinite(obs) & np.isfinite(sim))
    return np.where(found.n >= LEAST_DAYS, nse_of(found), np.nan)


@dataclass(frozen=True)
class Chosen(Generic[Choice]):
    """What leave-one-out chose.

    Parameters
    ----------
    choice : object
        The best of what was offered.
    score : float
        Median NSE of the gauged basins with it, each transferred from the others.
    scores : dict
        The same of every choice.
    """

    choice: Choice
    score: float
    scores: dict[Choice, float]


def choose(
    offered: Sequence[Choice], simulate: Callable[[Choice], Floats], flow: Floats
) -> Chosen[Choice]:
    """Choose by the median NSE of gauged basins, each simulated from the others.

    Parameters
    ----------
    offered : sequence
        Choices; of equally good ones the first is taken.
    simulate : callable
        From a choice to discharge (N, T) of all gauged basins, none of it their own.
    flow : ndarray (N, T)
        Their observed discharge [mm d-1].
    """
    scores = {choice: float(np.nanmedian(nse(flow, simulate(choice)))) for choice in offered}
    best = max(scores, key=lambda choice: scores[choice])
    return Chosen(best, scores[best], scores)
