"""Years of daily flow, cut out of the records of basins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydroml.data.water_years import OCTOBER, daily, whole_years

YEAR_DAYS = 365
"""Days of a year: 30 September of leap years is left out."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Years:
    """Water years without a gap.

    Parameters
    ----------
    flow : ndarray
        [mm d-1], (N, 365).
    basin : ndarray
        Place of each year's basin, (N,).
    start : ndarray
        Place of each year's first day in the record, (N,).
    """

    flow: NDArray[np.float32]
    basin: NDArray[np.int64]
    start: NDArray[np.int64]


def cut_years(time: NDArray[np.datetime64], flow: Floats, *others: Floats) -> list[Years]:
    """Cut records into the water years in which none of them has a gap.

    Parameters
    ----------
    time : ndarray
        Consecutive days, (T,).
    flow, *others : ndarray
        Records of the same basins and days [mm d-1], (B, T), NaN where missing.

    Returns
    -------
    list of Years
        Of each record, the same years of the same basins, basin by basin.

    Raises
    ------
    HydromlError
        Days that do not follow each other.

    Examples
    --------
    >>> time = np.arange("1999-10-01", "2001-10-01", dtype="datetime64[D]")
    >>> flow = np.ones((1, 731)); flow[0, 10] = np.nan
    >>> cut_years(time, flow)[0].start
    array([366])
    """
    starts = [year.start for year in whole_years(daily(time), OCTOBER)]
    records = (flow, *others)
    if not starts:
        return [_no_years() for _ in records]
    place = np.asarray(starts)[:, None] + np.arange(YEAR_DAYS)  # (years, 365)
    cut = [record[:, place] for record in records]  # (B, years, 365)
    basin, year = np.nonzero(np.logical_and.reduce([np.isfinite(c).all(-1) for c in cut]))
    return [Years(c[basin, year].astype("float32"), basin, place[year, 0]) for c in cut]


def _no_years() -> Years:
    nothing = np.zeros(0, "int64")
    return Years(np.zeros((0, YEAR_DAYS), "float32"), nothing, nothing)
