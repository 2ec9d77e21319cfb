"""Discharge as a gauge would have recorded it: noise and gaps over the truth."""

import numpy as np
from scipy.signal import lfilter


def observe(discharge: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add the errors of a gauge to true discharge.

    Multiplicative and log-normal, of mean one: each day 2 to 5 % (by basin), a rating curve
    that drifts over half a year by 3 %, and up to three times as much in floods, where rating
    curves are extrapolated. One basin in four has one to four gaps of 5 to 120 days.

    Parameters
    ----------
    discharge : numpy.ndarray
        (basin, time) [mm d-1].
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        (basin, time) [mm d-1], NaN in gaps.

    Examples
    --------
    >>> bool((observe(np.zeros((1, 9)), np.random.default_rng(0)) == 0).all())
    True
    """
    basins, days = discharge.shape
    daily = rng.uniform(0.02, 0.05, (basins, 1)) * rng.normal(size=discharge.shape)
    memory = np.exp(-1 / 180)
    drift = lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=discharge.shape))
    flood = np.quantile(discharge, 0.99, axis=1, keepdims=True)
    uncertain = 1 + 2 * np.clip(discharge / np.maximum(flood, 1e-9) - 0.5, 0, 1)
    error = (daily + 0.03 * drift) * uncertain
    observed = discharge * np.exp(error - error.var(axis=1, keepdims=True) / 2)
    for basin in np.flatnonzero(rng.random(basins) < 0.25):
        for _ in range(rng.integers(1, 5)):
            start = rng.integers(0, days)
            observed[basin, start : start + rng.integers(5, 121)] = np.nan
    return observed
