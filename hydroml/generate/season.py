"""The year's course of a variable: Fourier series of its mean and standard deviation.

``m(t) = a_0 + sum_k a_k cos(k w t) + b_k sin(k w t)``, ``w = 2 pi / 365.25``, as Richardson (1981,
doi 10.1029/WR017i001p00182) describes the variables of wet and of dry days.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydroml.data.water_years import YEAR, days_since_october
from hydroml.generate.weather import Floats

HARMONICS = 3
"""Waves a year: a year, a half and a third of it."""
_LEAST_VARIANCE = 0.1  # of the year's mean: a Fourier series may fall below zero
_RIDGE = 1e-6  # of the number of days: wet days of one season only leave others undetermined


@dataclass(frozen=True)
class Season:
    """Yearly courses of F variables in B basins.

    Parameters
    ----------
    mean, variance : ndarray
        Coefficients, (B, 2 `HARMONICS` + 1, F).
    """

    mean: Floats
    variance: Floats

    def mean_on(self, time: NDArray[np.datetime64]) -> Floats:
        """Work out means on days, (B, T, F)."""
        return np.einsum("tk,bkf->btf", waves(time), self.mean)

    def std_on(self, time: NDArray[np.datetime64]) -> Floats:
        """Work out standard deviations on days, (B, T, F); never 0."""
        variance = np.einsum("tk,bkf->btf", waves(time), self.variance)
        least = np.maximum(_LEAST_VARIANCE * self.variance[:, :1], 1e-12)
        return np.sqrt(np.maximum(variance, least))


def waves(time: NDArray[np.datetime64]) -> Floats:
    """Constant, cosines and sines of the day in the year, (T, 2 `HARMONICS` + 1)."""
    angle = 2 * np.pi * days_since_october(time)[:, None] / YEAR * np.arange(1, HARMONICS + 1)
    return np.concatenate([np.ones((len(time), 1)), np.cos(angle), np.sin(angle)], axis=1)


def fit_season(
    values: NDArray[np.floating],
    time: NDArray[np.datetime64],
    where: NDArray[np.bool_] | None = None,
) -> Season:
    """Fit yearly courses by least squares.

    Parameters
    ----------
    values : ndarray
        (B, T, F).
    time : ndarray
        Days, (T,).
    where : ndarray, optional
        Days that count, (B, T), for example the wet ones; all without.

    Examples
    --------
    >>> time = np.arange("2000-10-01", "2004-10-01", dtype="datetime64[D]")
    >>> wave = 3 + 2 * np.cos(2 * np.pi * days_since_october(time) / YEAR)
    >>> fit_season(wave[None, :, None], time).mean[0, :2, 0].round(3)
    array([3., 2.])
    """
    design = waves(time)
    counts = np.ones(values.shape[:2]) if where is None else where.astype(np.float64)
    width = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(time), -1)
    gram = (counts @ products).reshape(-1, width, width)
    ridge = _RIDGE * np.maximum(counts.sum(axis=1), 1)[:, None, None] * np.eye(width)
    # the ridge must not pull the mean towards 0: the series is fitted around it
    total = np.einsum("bt,btf->bf", counts, values) / np.maximum(counts.sum(axis=1), 1)[:, None]

    def solve(x: Floats, level: Floats) -> Floats:
        right = np.einsum("tk,bt,btf->bkf", design, counts, x - level[:, None], optimize=True)
        found: Floats = np.linalg.solve(gram + ridge, right)
        found[:, 0] += level
        return found

    mean = solve(np.asarray(values, dtype=np.float64), total)
    square = (values - np.einsum("tk,bkf->btf", design, mean)) ** 2
    level = np.einsum("bt,btf->bf", counts, square) / np.maximum(counts.sum(axis=1), 1)[:, None]
    return Season(mean, solve(square, level))
