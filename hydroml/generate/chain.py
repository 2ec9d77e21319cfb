"""Wet and dry days as a first-order Markov chain, by basin and calendar month.

A day is wet where 1 mm or more falls (the wet day of the climate-change indices, Zhang et al. 2011,
doi 10.1002/wcc.147). Whether it is depends on the day before alone (Gabriel and Neumann 1962, doi
10.1002/qj.49708837511).
"""

import numpy as np
from numpy.typing import NDArray

from hydroml.generate.weather import Floats, Months

WET = 1.0
"""Precipitation from which a day is wet [mm d-1]."""


def fit_chain(wet: NDArray[np.bool_], months: Months) -> Floats:
    """Estimate the probability that a day is wet, after a dry and after a wet day.

    Transitions are counted in the month of the later day, half of one added to each kind, so that
    what never happened in a few years is rare and not impossible.

    Parameters
    ----------
    wet : ndarray
        (B, T).
    months : ndarray
        Calendar month of each day, (T,).

    Returns
    -------
    ndarray
        (B, 12, 2).

    Examples
    --------
    >>> wet = np.array([[False, True, True, False, False]])
    >>> fit_chain(wet, np.ones(5, dtype=int))[0, 0]
    array([0.5, 0.5])
    """
    found = np.empty((len(wet), 12, 2))
    for month in range(1, 13):
        own = months[1:] == month
        for before in (0, 1):
            here = own & (wet[:, :-1] == before)
            hits = (here & wet[:, 1:]).sum(axis=1)
            found[:, month - 1, before] = (hits + 0.5) / (here.sum(axis=1) + 1)
    return found


def run_chain(probabilities: Floats, months: Months, uniform: Floats) -> NDArray[np.bool_]:
    """Run the chains.

    Parameters
    ----------
    probabilities : ndarray
        Of `fit_chain`, (B, 12, 2).
    months : ndarray
        (T,).
    uniform : ndarray
        Uniform random numbers, (B, T).

    Returns
    -------
    ndarray
        Whether each day is wet, (B, T). The first follows the month's share of wet days.
    """
    rows = np.arange(len(probabilities))
    wet = np.empty(uniform.shape, dtype=bool)
    first = probabilities[:, months[0] - 1]
    wet[:, 0] = uniform[:, 0] < first[:, 0] / (1 + first[:, 0] - first[:, 1])
    for t in range(1, len(months)):
        chance = probabilities[rows, months[t] - 1, wet[:, t - 1].astype(np.int64)]
        wet[:, t] = uniform[:, t] < chance
    return wet
