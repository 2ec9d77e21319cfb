"""Statistics of whole years: annual maxima and 7-day minima, their dates, timing of the flow."""

import numpy as np
from numpy.typing import NDArray

from hydroml.data.water_years import (
    APRIL,
    OCTOBER,
    calendar_months,
    days_since_october,
    mean_date,
    whole_years,
)
from hydroml.sensitivity.return_levels import return_levels

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

PERIODS = {"flood2": 2, "flood10": 10, "flood50": 50}
"""Return periods of the floods [yr]."""


def water_year_statistics(q: Floats, days: Days) -> dict[str, Floats]:
    """Sum up whole water years, October to September.

    ``annual_max`` is the mean of the highest daily flows, ``annual_max_date`` their mean date
    (see `hydroml.data.water_years.mean_date`), and ``flood2`` to ``flood50`` are their
    return levels. ``centre_timing`` is ``sum(t q) / sum(q)`` with t in days since 1 October,
    of each year, averaged over the years (Stewart et al., 2005, doi 10.1175/JCLI3321.1);
    ``winter_share`` the volume of December to February over that of all the years.

    Only years without a missing day count. Of equal maxima in a year the first gives the date;
    a year whose flow never changes gives none, one without flow no centre of timing.

    Parameters
    ----------
    q : ndarray (N, T)
        Daily discharge [mm d-1], float64; NaN is missing.
    days : ndarray (T,)
        Consecutive days, datetime64[D].

    Returns
    -------
    dict of ndarray (N,)
        By name of the statistic; NaN where no year counts.

    Examples
    --------
    >>> days = np.arange("2000-10-01", "2001-10-01", dtype="datetime64[D]")
    >>> found = water_year_statistics(np.ones((1, 365)), days)
    >>> found["centre_timing"], found["winter_share"].round(2)  # 90 of 365 days
    (array([182.]), array([24.66]))
    """
    years = whole_years(days, OCTOBER)
    since = days_since_october(days).astype(np.float64)
    winter = np.isin(calendar_months(days), (12, 1, 2)).astype(np.float64)
    weights = np.stack([np.ones(len(days)), since, winter], axis=1)  # (T, 3)
    maxima, dates = np.empty((2, len(q), len(years)))
    volumes = np.empty((3, len(q), len(years)))
    for i, year in enumerate(years):
        maxima[:, i], dates[:, i] = _highest(q[:, year], since[year])
        volumes[:, :, i] = (q[:, year] @ weights[year]).T
    total, moment, in_winter = volumes
    floods = return_levels(maxima, tuple(PERIODS.values()))
    return dict(zip(PERIODS, floods.T, strict=True)) | {
        "annual_max": _mean_of_years(maxima),
        "annual_max_date": mean_date(dates),
        "centre_timing": _mean_of_years(moment / or_nan(total)),
        "winter_share": 100 * _mean_of_years(in_winter) / or_nan(_mean_of_years(total)),
    }


def climatic_year_statistics(q: Floats, days: Days) -> dict[str, Floats]:
    """Sum up whole climatic years, April to March, in which no low-flow season is cut.

    ``low7`` is the mean of the lowest flows over seven days that lie within the year (7Q),
    ``low7_date`` the mean date of the last of the seven days. The year is that of the U.S.
    Geological Survey (Riggs, 1972, Low-flow investigations, Techniques of Water-Resources
    Investigations, book 4, chapter B1).

    Only years without a missing day count. Of equal minima in a year the first gives the date
    (in a river that falls dry: a week after it did); a year whose flow never changes gives none.

    Parameters
    ----------
    q : ndarray (N, T)
        Daily discharge [mm d-1], float64; NaN is missing.
    days : ndarray (T,)
        Consecutive days, datetime64[D].

    Returns
    -------
    dict of ndarray (N,)
        By name of the statistic; NaN where no year counts.

    Examples
    --------
    >>> days = np.arange("2000-04-01", "2001-04-01", dtype="datetime64[D]")
    >>> recession = np.arange(365.0, 0.0, -1.0)[None]  # the lowest week is that to 31 March
    >>> climatic_year_statistics(recession, days)
    {'low7': array([4.]), 'low7_date': array([181.])}
    """
    years = whole_years(days, APRIL)
    since = days_since_october(days).astype(np.float64)
    minima, dates = np.empty((2, len(q), len(years)))
    for i, year in enumerate(years):
        lowest, dates[:, i] = _highest(-_sums_of_7(q[:, year]), since[year][6:])
        minima[:, i] = -lowest / 7
    return {"low7": _mean_of_years(minima), "low7_date": mean_date(dates)}


def or_nan(divisor: NDArray[np.floating] | NDArray[np.integer]) -> Floats:
    """Turn divisors that are not above 0 into NaN."""
    return np.where(divisor > 0, divisor, np.nan)


def _highest(q: Floats, since: Floats) -> tuple[Floats, Floats]:
    # a missing day makes the maximum NaN, and NaN < NaN is False: no value and no date
    highest = q.max(axis=1)
    return highest, np.where(q.min(axis=1) < highest, since[q.argmax(axis=1)], np.nan)


def _sums_of_7(q: Floats) -> Floats:
    sums = q[:, 6:].copy()  # added day by day: a running total would leave its rounding behind
    for lag in range(1, 7):
        sums += q[:, 6 - lag : -lag]
    return sums


def _mean_of_years(values: Floats) -> Floats:
    there = np.isfinite(values)
    return np.sum(values, axis=1, where=there) / or_nan(there.sum(axis=1))
