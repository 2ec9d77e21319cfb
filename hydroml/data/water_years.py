"""Years of hydrology in a daily record, and dates that go round the year."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydroml.errors import HydromlError

Floats = NDArray[np.float64]

YEAR = 365.25
"""Mean length of a year [d]."""

OCTOBER = 10
"""First month of a water year: its floods of autumn to spring lie in one year."""
APRIL = 4
"""First month of a climatic year: its low flows of summer and autumn lie in one year."""

_NO_DIRECTION = 1e-9  # dates whose unit vectors cancel to less than this have no mean


def daily(time: ArrayLike) -> NDArray[np.datetime64]:
    """Make sure that a time axis is daily.

    Parameters
    ----------
    time : array (T,)
        Days, datetime64 of any unit.

    Returns
    -------
    ndarray (T,)
        The same as datetime64[D].

    Raises
    ------
    HydromlError
        There is no day, or two days do not follow each other.
    """
    days = np.asarray(time).astype("datetime64[D]")
    if days.size == 0:
        raise HydromlError("A record of discharge has no day.", "Give at least one day.")
    broken = np.flatnonzero(np.diff(days) != np.timedelta64(1, "D"))
    if broken.size:
        first = broken[0]
        raise HydromlError(
            f"Days must follow each other, but {days[first]} is followed by {days[first + 1]}.",
            "Reindex the record to daily steps; missing days are NaN.",
        )
    return days


def whole_years(time: NDArray[np.datetime64], first_month: int) -> list[slice]:
    """Cut a daily record into the years that lie wholly in it.

    Parameters
    ----------
    time : ndarray (T,)
        Consecutive days, datetime64[D].
    first_month : int
        Month whose first day begins a year: `OCTOBER` for water years, `APRIL` for climatic
        years.

    Returns
    -------
    list of slice
        The days of each year (365 or 366), in order; none for a record that is too short.

    Examples
    --------
    >>> time = np.arange("1999-09-01", "2001-10-02", dtype="datetime64[D]")
    >>> whole_years(time, OCTOBER)
    [slice(30, 396, None), slice(396, 761, None)]
    """
    january = np.arange(time[0].astype("datetime64[Y]"), time[-1].astype("datetime64[Y]") + 2)
    first = january.astype("datetime64[M]") + (first_month - 1)
    edges = (first.astype("datetime64[D]") - time[0]).astype(np.int64)
    return [
        slice(int(start), int(stop))
        for start, stop in pairwise(edges)
        if start >= 0 and stop <= len(time)
    ]


def days_since_october(time: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Count the days since the last 1 October, which is day 0.

    Parameters
    ----------
    time : ndarray (T,)
        Days, datetime64[D].

    Returns
    -------
    ndarray (T,)
        0 to 364, in leap years 365.

    Examples
    --------
    >>> days_since_october(np.array(["2000-10-01", "2001-01-01"], dtype="datetime64[D]"))
    array([ 0, 92])
    """
    # nine months later the water year is the calendar year
    water_year = (time.astype("datetime64[M]") + 3).astype("datetime64[Y]")
    october = (water_year.astype("datetime64[M]") - 3).astype("datetime64[D]")
    return (time - october).astype(np.int64)


def calendar_months(time: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Tell the calendar month of days, 1 to 12."""
    return time.astype("datetime64[M]").astype(np.int64) % 12 + 1


def mean_date(dates: ArrayLike) -> Floats:
    """Average dates as angles, so that 30 September and 2 October give 1 October.

    ``mean = atan2(sum sin a, sum cos a)``, ``a = 2 pi date / 365.25``: the mean direction of
    Bayliss & Jones (1993) and, for floods, Burn (1997, doi 10.1016/S0022-1694(97)00068-1).

    Parameters
    ----------
    dates : array (..., years)
        Days since 1 October; NaN is left out.

    Returns
    -------
    array (...)
        Mean date in [0, 365.25); NaN where no year has a date or the dates cancel (two that
        are half a year apart).

    Examples
    --------
    >>> mean_date([[10.0, 20.0, np.nan], [365.25 - 4, 4.0, 3.0]]).round(2)
    array([15., 1.])
    """
    given = np.asarray(dates, dtype=np.float64)
    there = np.isfinite(given)
    angle = np.where(there, given, 0.0) * (2 * np.pi / YEAR)
    east = np.sum(np.sin(angle), axis=-1, where=there)
    north = np.sum(np.cos(angle), axis=-1, where=there)
    date = np.arctan2(east, north) * (YEAR / (2 * np.pi)) % YEAR
    date = np.where(date >= YEAR, 0.0, date)  # the remainder of -1e-17 is the divisor itself
    return np.where(np.hypot(east, north) > _NO_DIRECTION, date, np.nan)


def shift(later: ArrayLike, earlier: ArrayLike) -> Floats:
    """Count the days from one date to another, the shorter way round the year.

    Parameters
    ----------
    later, earlier : array
        Days since 1 October, broadcast against each other.

    Returns
    -------
    array
        In (-182.625, 182.625]; negative where `later` comes earlier in the year.

    Examples
    --------
    >>> shift(5.0, 360.25), shift(360.25, 5.0)
    (array(10.), array(-10.))
    """
    half = YEAR / 2
    apart = np.subtract(later, earlier, dtype=np.float64)
    return np.asarray(half - (half - apart) % YEAR)
