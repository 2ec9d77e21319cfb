"""Floods of a return period: the generalised extreme value distribution by L-moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma, gammaln

from hydroml.errors import ConfigError

Floats = NDArray[np.float64]

MIN_YEARS = 10
YEARS_SHARE = 2.5
"""A return period of T years is told from at least ``max(MIN_YEARS, T / YEARS_SHARE)`` years."""

_GUMBEL = 1e-8  # |shape| below which the limit is exact to more digits than the formula
_LOG2 = np.log(2.0)


@dataclass(frozen=True)
class LMoments:
    """Sample L-moments of N records.

    Parameters
    ----------
    l1, l2 : ndarray (...)
        Mean and L-scale, in the units of the record.
    t3 : ndarray (...)
        L-skewness ``l3 / l2``, in [-1, 1]; NaN where all values are equal.
    """

    l1: Floats
    l2: Floats
    t3: Floats


@dataclass(frozen=True)
class Gev:
    """Parameters of a generalised extreme value distribution.

    ``F(x) = exp(-(1 - shape (x - location) / scale)^(1 / shape))``: Hosking's sign of the
    shape (that of `scipy.stats.genextreme`), negative for a heavy upper tail.

    Parameters
    ----------
    location, scale : ndarray (...)
        In the units of the record; a scale of 0 is a constant.
    shape : ndarray (...)
        0 is the Gumbel distribution.
    """

    location: Floats
    scale: Floats
    shape: Floats


def return_levels(
    annual_maxima: ArrayLike,
    periods: Sequence[float],
    *,
    short: Literal["nan", "raise"] = "nan",
) -> Floats:
    """Estimate the floods that are exceeded once in T years on average.

    Parameters
    ----------
    annual_maxima : array (..., years)
        Highest flow of each year [mm d-1]; NaN is a missing year.
    periods : sequence of float
        Return periods T [yr], above 1.
    short : str
        What a record gives that is shorter than `years_needed`: ``nan``, or ``raise``.

    Returns
    -------
    array (..., P)
        Return levels [mm d-1]. Where all maxima are equal, that value.

    Raises
    ------
    ConfigError
        A return period is not above 1, or, with ``short="raise"``, a record is too short.

    Examples
    --------
    >>> maxima = [12.0, 15, 9, 22, 31, 14, 18, 11, 13, 40]
    >>> return_levels(maxima, [2, 10, 50]).round(1)  # ten years tell nothing about 50
    array([15., 30., nan])
    """
    maxima = np.asarray(annual_maxima, dtype=np.float64)
    years = np.isfinite(maxima).sum(axis=-1)
    if short == "raise":
        _refuse_short(years, periods)
    parameters = fit_gev(l_moments(maxima))
    levels = [
        np.where(years >= years_needed(period), return_level(parameters, period), np.nan)
        for period in periods
    ]
    return np.stack(levels, axis=-1) if levels else np.empty((*years.shape, 0))


def years_needed(period: float) -> float:
    """Tell from how many years a return level may be told: ``max(10, T / 2.5)``.

    Extrapolating to at most two and a half times the record keeps the 50-year flood out of
    records shorter than 20 years; below ten years, L-skewness is noise.

    Examples
    --------
    >>> [years_needed(T) for T in (2, 10, 50)]
    [10.0, 10.0, 20.0]
    """
    return max(float(MIN_YEARS), period / YEARS_SHARE)


def l_moments(x: ArrayLike) -> LMoments:
    """Compute sample L-moments by unbiased probability-weighted moments.

    With ``x_1 <= ... <= x_n``, ``b_r = 1/n sum_j x_j C(j-1, r) / C(n-1, r)``: ``l1 = b_0``,
    ``l2 = 2 b_1 - b_0``, ``l3 = 6 b_2 - 6 b_1 + b_0`` (Hosking, 1990, doi
    10.1111/j.2517-6161.1990.tb01775.x, section 3).

    Parameters
    ----------
    x : array (..., years)
        Records; NaN is left out.

    Returns
    -------
    LMoments
        Over the last axis. ``l2`` is NaN for fewer than two values, ``t3`` for fewer than three.

    Examples
    --------
    >>> found = l_moments([1.0, 2.0, 6.0])  # l2 = mean of (1, 5, 4) / 2, l3 = (6 - 2 2 + 1) / 3
    >>> float(found.l1), round(float(found.l2), 4), round(float(found.t3), 4)
    (3.0, 1.6667, 0.6)
    """
    ranked = np.sort(np.asarray(x, dtype=np.float64), axis=-1)  # NaN last
    if ranked.shape[-1] == 0:
        nothing = np.full(ranked.shape[:-1], np.nan)
        return LMoments(nothing, nothing.copy(), nothing.copy())
    n = np.isfinite(ranked).sum(axis=-1, keepdims=True)
    lowest = ranked[..., :1]  # taken off, equal values have l2 = 0 exactly, and nothing cancels
    above = np.where(np.isfinite(ranked), ranked - lowest, 0.0)
    below = np.arange(ranked.shape[-1])  # j - 1 values lie below the j-th
    p1 = below / np.where(n > 1, n - 1, np.nan)
    p2 = p1 * (below - 1) / np.where(n > 2, n - 2, np.nan)
    count = np.where(n > 0, n, np.nan)
    b0, b1, b2 = ((above * p / count).sum(axis=-1) for p in (1.0, p1, p2))
    l2 = 2 * b1 - b0
    l3 = 6 * b2 - 6 * b1 + b0
    return LMoments(lowest[..., 0] + b0, l2, l3 / np.where(l2 > 0, l2, np.nan))


def fit_gev(moments: LMoments) -> Gev:
    """Fit a generalised extreme value distribution to L-moments.

    ``c = 2 / (3 + t3) - ln 2 / ln 3``, ``shape = 7.8590 c + 2.9554 c^2``,
    ``scale = l2 shape / ((1 - 2^-shape) Gamma(1 + shape))``,
    ``location = l1 - scale (1 - Gamma(1 + shape)) / shape`` (Hosking, Wallis & Wood, 1985, doi
    10.1080/00401706.1985.10488049). The shape is good to 9e-4 between -0.5
    and 0.5.

    Parameters
    ----------
    moments : LMoments
        From `l_moments`.

    Returns
    -------
    Gev
        A constant (``l2`` of 0) has scale 0.

    Examples
    --------
    >>> gumbel = LMoments(np.array(0.5772157), np.array(np.log(2)), np.array(0.1699250))
    >>> found = fit_gev(gumbel)  # location 0, scale 1, shape 0
    >>> bool(max(abs(found.location), abs(found.scale - 1), abs(found.shape)) < 1e-5)
    True
    """
    constant = moments.l2 == 0
    t3 = np.where(constant, 2 * np.log(3.0) / _LOG2 - 3, moments.t3)  # of Gumbel, where unknown
    c = 2 / (3 + t3) - _LOG2 / np.log(3.0)
    shape = 7.8590 * c + 2.9554 * c**2
    flat = np.abs(shape) < _GUMBEL
    k = np.where(flat, 1.0, shape)
    scale = moments.l2 * np.where(flat, 1 / _LOG2, k / (-np.expm1(-k * _LOG2) * gamma(1 + k)))
    mean = np.where(flat, np.euler_gamma, -np.expm1(gammaln(1 + k)) / k)  # of (x - location)/scale
    return Gev(np.asarray(moments.l1 - scale * mean), np.asarray(scale), np.asarray(shape))


def return_level(parameters: Gev, period: ArrayLike) -> Floats:
    """Compute the quantile of non-exceedance ``F = 1 - 1/T``.

    ``x = location + scale (1 - (-ln F)^shape) / shape``, and
    ``x = location - scale ln(-ln F)`` where the shape is 0.

    Parameters
    ----------
    parameters : Gev
        From `fit_gev`.
    period : float or array
        Return period T [yr], above 1; an array is broadcast against the parameters.

    Returns
    -------
    array (...)
        Return level, in the units of the record.

    Raises
    ------
    ConfigError
        A period is not above 1.

    Examples
    --------
    >>> gumbel = Gev(np.array(10.0), np.array(2.0), np.array(0.0))
    >>> round(float(return_level(gumbel, 100)), 3)  # 10 - 2 ln(-ln 0.99)
    19.2
    """
    years = np.asarray(period, dtype=np.float64)
    if not np.all(years > 1):
        raise ConfigError(
            f"A return period must be above 1 year, not {years.min():g}.",
            "Ask for 2 years or more.",
        )
    y = np.log(-np.log1p(-1 / years))
    flat = np.abs(parameters.shape) < _GUMBEL
    k = np.where(flat, 1.0, parameters.shape)
    standard = np.where(flat, -y, -np.expm1(k * y) / k)
    return np.asarray(parameters.location + parameters.scale * standard)


def _refuse_short(years: NDArray[np.int64], periods: Sequence[float]) -> None:
    fewest = int(years.min(initial=np.iinfo(np.int64).max))
    for period in periods:
        if fewest < years_needed(period):
            raise ConfigError(
                f"A {period:g}-year flood needs {np.ceil(years_needed(period)):g} whole years, "
                f"but the record has {fewest}.",
                "Ask for a shorter return period, or give a longer record.",
            )
