"""Noise over many basins, drawn some basins at a time as if for all at once.

A stream of chance is sequential: what is drawn for later basins, or later purposes, begins where
the draw for all basins before it ends. So each noise keeps a copy of its stream at its own place,
and the stream itself is moved behind the draw for all basins at the start.
"""

from copy import deepcopy

import numpy as np
import pandas as pd
from scipy.signal import lfilter

BASINS_AT_ONCE = 128
"""Basins drawn together: enough to spread the cost of a day, few enough to fit memory."""

_MODES = 96  # waves a smooth field is made of


class RowNoise:
    """Standard normal noise (basin, time), given out basin by basin.

    Parameters
    ----------
    basins, days : int
        Size of the whole.
    rng : numpy.random.Generator
        Source of chance; left as if all had been drawn from it.

    Examples
    --------
    >>> noise = RowNoise(3, 2, np.random.default_rng(0))
    >>> parts = np.concatenate([noise.draw(1), noise.draw(2)])
    >>> bool((parts == np.random.default_rng(0).normal(size=(3, 2))).all())
    True
    """

    def __init__(self, basins: int, days: int, rng: np.random.Generator) -> None:
        self._days, self._rng = days, deepcopy(rng)
        for start in range(0, basins, BASINS_AT_ONCE):
            rng.normal(size=(min(BASINS_AT_ONCE, basins - start), days))

    def draw(self, basins: int) -> np.ndarray:
        """Give the noise of the next basins, (basins, days)."""
        return self._rng.normal(size=(basins, self._days))


class Field:
    """Standard normal noise (basin, time), alike at places nearer than `length_km`.

    A sum of random waves in space (random Fourier features of a Gaussian covariance; Rahimi
    and Recht 2007) with AR(1) amplitudes of lag-1 correlation `memory`; the share `own` of
    the variance belongs to each basin alone.

    Parameters
    ----------
    places : pandas.DataFrame
        From `draw_places`.
    days : int
        How many.
    length_km, own, memory : float
        See above.
    rng : numpy.random.Generator
        Source of chance; left as if all had been drawn from it.
    """

    def __init__(
        self,
        places: pd.DataFrame,
        days: int,
        length_km: float,
        own: float,
        memory: float,
        rng: np.random.Generator,
    ) -> None:
        x = np.stack([places.lon * 111.0 * 0.77, places.lat * 111.0], axis=1) / length_km
        waves = np.cos(x @ rng.normal(size=(2, _MODES)) + rng.uniform(0, 2 * np.pi, _MODES))
        self._waves = waves / np.linalg.norm(waves, axis=1, keepdims=True)
        self._amplitudes = _remembered(rng.normal(size=(_MODES, days)), memory)
        self._alone = RowNoise(len(places), days, rng)
        self._own, self._memory, self._drawn = own, memory, 0

    def draw(self, basins: int) -> np.ndarray:
        """Give the noise of the next basins, (basins, days)."""
        waves = self._waves[self._drawn : self._drawn + basins]
        self._drawn += basins
        alone = _remembered(self._alone.draw(basins), self._memory)
        return np.sqrt(1 - self._own) * (waves @ self._amplitudes) + np.sqrt(self._own) * alone


def _remembered(noise: np.ndarray, memory: float) -> np.ndarray:
    """AR(1) series of variance 1 from white noise along the last axis."""
    if memory == 0:
        return noise
    scaled = noise * np.sqrt(1 - memory**2)
    scaled[:, 0] = noise[:, 0]
    return lfilter([1.0], [1.0, -memory], scaled, axis=-1)
