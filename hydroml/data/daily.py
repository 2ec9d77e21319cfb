"""The daily axis: dates that ascend, series of different periods side by side."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from hydroml.errors import SourceError


def require_ascending(time: np.ndarray, label: str, first: int, remedy: str) -> None:
    """Refuse dates that stand twice or are not sorted; gaps are allowed.

    Parameters
    ----------
    time : numpy.ndarray
        Days (T,), datetime64[D].
    label : str
        Where they stand: the file, and the word for a position (``a.txt, line``).
    first : int
        Position of the first day.
    remedy : str
        What to do.

    Raises
    ------
    SourceError
        Names file, position and date.

    Examples
    --------
    >>> require_ascending(np.array(["2000-01-01", "2000-01-03"], "datetime64[D]"), "a", 1, "")
    """
    ascending = np.diff(time) > np.timedelta64(0, "D")
    if ascending.all():
        return
    at = int(np.argmin(ascending)) + 1
    problem = "stands twice" if time[at] == time[at - 1] else f"follows {time[at - 1]}"
    raise SourceError(
        f"{label} {at + first}: the date {time[at]} {problem}; "
        "dates must ascend without duplicates.",
        remedy,
    )


def on_daily_axis(series: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> xr.Dataset:
    """Put series of different periods on one daily axis, NaN where they have no value.

    Parameters
    ----------
    series : mapping of str to (time, values)
        Name to days (datetime64[D], ascending) and values.

    Returns
    -------
    xarray.Dataset
        float32 variables (time) from the first day of all to the last.

    Examples
    --------
    >>> days = np.array(["2000-01-01", "2000-01-03"], "datetime64[D]")
    >>> on_daily_axis({"prcp": (days, np.array([1.0, 2.0]))}).prcp.values
    array([ 1., nan,  2.], dtype=float32)
    """
    start = min(time[0] for time, _ in series.values())
    end = max(time[-1] for time, _ in series.values())
    axis = np.arange(start, end + 1)
    variables = {}
    for name, (time, values) in series.items():
        placed = np.full(len(axis), np.nan, "float32")
        placed[(time - start).astype("int64")] = values
        variables[name] = ("time", placed)
    return xr.Dataset(variables, coords={"time": axis.astype("datetime64[ns]")})
