"""Statistics of high and low flow of many series at once, and their changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydroml.data.water_years import YEAR, calendar_months, daily, shift
from hydroml.sensitivity.annual import (
    climatic_year_statistics,
    or_nan,
    water_year_statistics,
)
from hydroml.sensitivity.percentiles import at_rank, percentile_of, ranked_values
from hydroml.sensitivity.statistics import STATISTICS

Floats = NDArray[np.float64]

LOW, HIGH = 0.05, 0.99
"""Quantiles of the baseline below and above which a day is one of low and of high flow."""
TOP_SHARE, BOTTOM_SHARE = 0.02, 0.30
"""Shares of the days in the volumes of the highest and the lowest flow, as in FHV and FLV."""

_STORMS = ("storm_peak", "storm_volume")
_PERCENTILES = {"q01": 0.01, "q05": 0.05, "q95": 0.95, "q99": 0.99}
_ROWS_AT_ONCE = 64  # rows of ten years stay in the cache of a core; temporaries in the MB


@dataclass(frozen=True)
class Thresholds:
    """Flows of the baseline that divide low, common and high flow.

    Parameters
    ----------
    low, high : ndarray (N,)
        5th and 99th percentile of each baseline series [mm d-1].
    """

    low: Floats
    high: Floats


def thresholds(q: ArrayLike) -> Thresholds:
    """Compute the thresholds of baseline series.

    Parameters
    ----------
    q : array (N, T)
        Daily discharge of the baseline [mm d-1]; NaN is left out.

    Returns
    -------
    Thresholds
        NaN for a series without any value.

    Examples
    --------
    >>> thresholds([np.arange(101.0)])
    Thresholds(low=array([5.]), high=array([99.]))
    """
    series = np.asarray(q)
    found = np.empty((2, len(series)))
    for rows in _blocks(len(series)):
        ranked, n = ranked_values(series[rows])
        found[:, rows] = percentile_of(ranked, n, LOW), percentile_of(ranked, n, HIGH)
    return Thresholds(low=found[0], high=found[1])


def extreme_statistics(q: ArrayLike, time: ArrayLike, limits: Thresholds) -> Floats:
    """Sum up daily series in the numbers of `STATISTICS`.

    Percentiles, volumes, days and spells are of all days with a value; what is "per year" is
    per 365.25 of them. Annual maxima and their return levels, annual 7-day minima, dates,
    centre of timing and winter share are of whole years without a missing day: see
    `hydroml.sensitivity.annual`.

    - ``high_volume``, ``low_volume``: the ``round(0.02 n)`` highest and ``round(0.3 n)`` lowest
      of n days.
    - A spell is a run of days strictly above (below) the threshold; a missing day ends it.
      ``low_deficit`` is ``sum(max(low - q, 0))``.

    Parameters
    ----------
    q : array (N, T)
        Daily discharge [mm d-1], such as the float32 of a model; NaN is missing.
    time : array (T,)
        Consecutive days, datetime64.
    limits : Thresholds
        Of the baseline of each of the N series.

    Returns
    -------
    array (N, K)
        In the order and units of `STATISTICS`; those of design storms are NaN.

    Raises
    ------
    HydromlError
        Days do not follow each other.

    Examples
    --------
    >>> time = np.arange("2000-10-01", "2001-10-01", dtype="datetime64[D]")
    >>> q = np.ones((1, 365))
    >>> q[0, 100] = 51.0
    >>> found = dict(zip(STATISTICS, extreme_statistics(q, time, thresholds(q))[0].round(2)))
    >>> [float(found[name]) for name in ("annual_max", "annual_max_date", "high_spells")]
    [51.0, 100.0, 1.0]
    """
    series, days = np.asarray(q), daily(time)
    assert series.shape[1] == len(days)
    assert limits.low.shape == limits.high.shape == (len(series),)
    found = np.empty((len(series), len(STATISTICS)))
    for rows in _blocks(len(series)):
        of_block = Thresholds(low=limits.low[rows], high=limits.high[rows])
        found[rows] = _block_statistics(series[rows], days, of_block)
    return found


def changes(values: ArrayLike, baseline: ArrayLike) -> Floats:
    """Compute changes of the statistics against a baseline.

    Relative ones are ``100 (v - b) / b`` [%], absolute ones ``v - b``, and those of dates the
    shorter way round a year of 365.25 days, see `hydroml.data.water_years.shift`.

    Parameters
    ----------
    values, baseline : array (..., K)
        In the order of `STATISTICS`, broadcast against each other.

    Returns
    -------
    array (..., K)
        In the ``change_units`` of each statistic; NaN where a relative change has a baseline
        of 0.

    Examples
    --------
    >>> b, v = np.full(len(STATISTICS), 10.0), np.full(len(STATISTICS), 360.0)
    >>> dict(zip(STATISTICS, changes(v, b).tolist()))["annual_max_date"]  # 15 days earlier
    -15.25
    """
    v, b = np.broadcast_arrays(np.asarray(values, np.float64), np.asarray(baseline, np.float64))
    kinds = np.array([s.kind for s in STATISTICS.values()])
    found = v - b
    relative = np.broadcast_to(kinds == "relative", found.shape)
    np.divide(100 * found, b, out=found, where=relative & (b != 0))
    found[relative & (b == 0)] = np.nan
    dates = kinds == "date"
    found[..., dates] = shift(v[..., dates], b[..., dates])
    return found


def monthly_means(q: ArrayLike, time: ArrayLike) -> Floats:
    """Compute the mean flow of each calendar month.

    Parameters
    ----------
    q : array (N, T)
        Daily discharge [mm d-1]; NaN is left out.
    time : array (T,)
        Consecutive days, datetime64.

    Returns
    -------
    array (N, 12)
        January to December [mm d-1], over all days of that month with a value.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2002-01-01", dtype="datetime64[D]")
    >>> monthly_means([np.arange(365.0)], time)[0, :3]
    array([15. , 44.5, 74. ])
    """
    series, days = np.asarray(q), daily(time)
    of_month = (calendar_months(days)[:, None] == np.arange(1, 13)).astype(np.float64)  # (T, 12)
    found = np.empty((len(series), 12))
    for rows in _blocks(len(series)):
        block = series[rows].astype(np.float64)
        there = np.isfinite(block)
        count = there.astype(np.float64) @ of_month
        found[rows] = np.where(there, block, 0.0) @ of_month / or_nan(count)
    return found


def _block_statistics(
    q: NDArray[np.floating], days: NDArray[np.datetime64], limits: Thresholds
) -> Floats:
    ranked, n = ranked_values(q)
    series = q.astype(np.float64)
    found = _of_duration_curve(ranked, n)
    found |= _of_days_beyond(series, limits, n)
    found |= water_year_statistics(series, days)
    found |= climatic_year_statistics(series, days)
    found |= dict.fromkeys(_STORMS, np.full(len(q), np.nan))
    return np.stack([found[name] for name in STATISTICS], axis=1)


def _of_duration_curve(ranked: Floats, n: NDArray[np.int64]) -> dict[str, Floats]:
    # (N, T + 1), the volume of the k lowest days
    volume = np.zeros((len(ranked), ranked.shape[1] + 1))
    np.cumsum(np.where(np.isfinite(ranked), ranked, 0.0), axis=1, out=volume[:, 1:])
    total, years = at_rank(volume, n), or_nan(n / YEAR)
    top = np.rint(TOP_SHARE * n).astype(np.int64)
    bottom = np.rint(BOTTOM_SHARE * n).astype(np.int64)
    high, low = total - at_rank(volume, n - top), at_rank(volume, bottom)
    found = {name: percentile_of(ranked, n, share) for name, share in _PERCENTILES.items()}
    return found | {
        "mean": total / or_nan(n),
        "maximum": at_rank(ranked, np.maximum(n - 1, 0)),
        "high_volume": np.where(top > 0, high, np.nan) / years,
        "low_volume": np.where(bottom > 0, low, np.nan) / years,
    }


def _of_days_beyond(q: Floats, limits: Thresholds, n: NDArray[np.int64]) -> dict[str, Floats]:
    low = limits.low[:, None]
    above, below = q > limits.high[:, None], q < low  # NaN is neither
    years_high = np.where(np.isnan(limits.high), np.nan, or_nan(n / YEAR))
    years_low = np.where(np.isnan(limits.low), np.nan, or_nan(n / YEAR))
    return {
        "high_days": above.sum(axis=1) / years_high,
        "high_spells": _spells(above) / years_high,
        "low_days": below.sum(axis=1) / years_low,
        "low_spells": _spells(below) / years_low,
        "low_deficit": np.where(below, low - q, 0.0).sum(axis=1) / years_low,
    }


def _spells(beyond: NDArray[np.bool_]) -> NDArray[np.int64]:
    return beyond[:, 0] + (beyond[:, 1:] & ~beyond[:, :-1]).sum(axis=1)


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS_AT_ONCE) for start in range(0, rows, _ROWS_AT_ONCE))
