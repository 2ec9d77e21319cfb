"""Percentiles of many series with missing days at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ranked_values(q: NDArray[np.floating]) -> tuple[Floats, NDArray[np.int64]]:
    """Sort series upwards, missing days last, and count the days with a value.

    Parameters
    ----------
    q : ndarray (N, T)
        NaN is missing.

    Returns
    -------
    ranked : ndarray (N, T)
        float64.
    n : ndarray (N,)
        Days with a value.
    """
    ranked = np.sort(q, axis=1).astype(np.float64)
    return ranked, np.isfinite(ranked).sum(axis=1)


def percentile_of(ranked: Floats, n: NDArray[np.int64], share: float) -> Floats:
    """Interpolate linearly between ranks, as `numpy.quantile` does by default.

    Parameters
    ----------
    ranked, n : ndarray
        From `ranked_values`.
    share : float
        0 to 1.

    Returns
    -------
    ndarray (N,)
        NaN for a series without any value.

    Examples
    --------
    >>> ranked, n = ranked_values(np.array([[4.0, np.nan, 0.0, 2.0], [np.nan] * 4]))
    >>> percentile_of(ranked, n, 0.25)
    array([ 1., nan])
    """
    place = np.maximum(n - 1, 0) * share
    below = np.floor(place).astype(np.int64)
    lower = at_rank(ranked, below)
    upper = at_rank(ranked, np.minimum(below + 1, np.maximum(n - 1, 0)))
    return lower + (upper - lower) * (place - below)


def at_rank(values: Floats, rank: NDArray[np.int64]) -> Floats:
    """Pick one value of each row (N, T) by its rank (N,)."""
    return np.take_along_axis(values, rank[:, None], axis=1)[:, 0]
