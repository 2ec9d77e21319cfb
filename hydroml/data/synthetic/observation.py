"""Discharge as a gauge would have recorded it: noise and gaps over the truth."""

import numpy as np
from scipy.signal import lfilter

from hydroml.data.synthetic.fields import RowNoise


class Gauges:
    """Gauges of many basins, whose records are made some at a time, in order.

    Their errors are multiplicative and log-normal, of mean one: each day 2 to 5 % (by basin), a
    rating curve that drifts over half a year by 3 %, and up to three times as much in floods,
    where rating curves are extrapolated. One basin in four has one to four gaps of 5 to 120 days.

    Parameters
    ----------
    basins, days : int
        How many.
    rng : numpy.random.Generator
        Source of chance.

    Examples
    --------
    >>> gauges = Gauges(2, 9, np.random.default_rng(0))
    >>> gauges.observe(np.zeros((1, 9))).shape, gauges.observe(np.zeros((1, 9))).max()
    ((1, 9), np.float64(0.0))
    """

    def __init__(self, basins: int, days: int, rng: np.random.Generator) -> None:
        self._spread = rng.uniform(0.02, 0.05, (basins, 1))
        self._daily = RowNoise(basins, days, rng)
        self._drift = RowNoise(basins, days, rng)
        self._has_gaps = rng.random(basins) < 0.25
        self._rng, self._done = rng, 0

    def observe(self, discharge: np.ndarray) -> np.ndarray:
        """Record the next basins.

        Parameters
        ----------
        discharge : numpy.ndarray
            True discharge, (basin, time) [mm d-1].

        Returns
        -------
        numpy.ndarray
            (basin, time) [mm d-1], NaN in gaps.
        """
        basins, days = discharge.shape
        part = slice(self._done, self._done + basins)
        self._done += basins
        daily = self._spread[part] * self._daily.draw(basins)
        memory = np.exp(-1 / 180)
        drift = lfilter([np.sqrt(1 - memory**2)], [1, -memory], self._drift.draw(basins))
        flood = np.quantile(discharge, 0.99, axis=1, keepdims=True)
        uncertain = 1 + 2 * np.clip(discharge / np.maximum(flood, 1e-9) - 0.5, 0, 1)
        error = (daily + 0.03 * drift) * uncertain
        observed = discharge * np.exp(error - error.var(axis=1, keepdims=True) / 2)
        for basin in np.flatnonzero(self._has_gaps[part]):
            for _ in range(self._rng.integers(1, 5)):
                start = self._rng.integers(0, days)
                observed[basin, start : start + self._rng.integers(5, 121)] = np.nan
        return observed
