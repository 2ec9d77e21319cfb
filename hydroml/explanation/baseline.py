"""The weather that an event is compared with: what "nothing happened" means."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.roles import roles_of
from hydroml.data.scaling import Scaler
from hydroml.errors import ConfigError, StoreError, nearest

SMOOTHED_DAYS = 31
"""Days of the moving window over which the usual weather of a day of the year is averaged."""

Floats = NDArray[np.float32]


class Basis(NamedTuple):
    """What baselines are made of.

    Parameters
    ----------
    mean : ndarray
        Means of the training data, (F,), in the inputs' units.
    usual : ndarray
        Usual weather of the basin on each of the days, (T, F).
    wet : ndarray
        Which inputs are precipitation, (F,), bool.
    """

    mean: Floats
    usual: Floats
    wet: NDArray[np.bool_]


def _mean(basis: Basis) -> Floats:
    return np.broadcast_to(basis.mean, basis.usual.shape)


def _dry(basis: Basis) -> Floats:
    return np.where(basis.wet, np.float32(0), _mean(basis))


def _season(basis: Basis) -> Floats:
    return basis.usual


def _dry_season(basis: Basis) -> Floats:
    return np.where(basis.wet, np.float32(0), basis.usual)


BASELINES: dict[str, tuple[Callable[[Basis], Floats], str]] = {
    "dry-season": (_dry_season, "no precipitation, all else as usual on that day of the year"),
    "season": (_season, "the weather usual on that day of the year, precipitation too"),
    "dry": (_dry, "no precipitation, all else at the mean of the training data"),
    "mean": (_mean, "everything at the mean of the training data"),
}
"""Baselines by name, and what they mean."""


def baseline_weather(
    name: str,
    dataset: xr.Dataset,
    basin: str,
    scaler: Scaler,
    normal: slice,
    time: NDArray[np.datetime64],
) -> Floats:
    """Make the weather to compare with.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.
    dataset : xarray.Dataset
        The store.
    basin : str
        Gauge id.
    scaler : Scaler
        Of the run: inputs and their means.
    normal : slice
        Days that say what is usual, for ``dataset.sel(time=...)``.
    time : ndarray
        The days wanted, (T,).

    Returns
    -------
    ndarray
        (T, F), in the inputs' units.

    Raises
    ------
    ConfigError
        Unknown name.
    StoreError
        The basin has no weather in the normal days.
    """
    if name not in BASELINES:
        raise ConfigError(f"Unknown baseline {name!r}.", nearest(name, BASELINES))
    roles = roles_of(scaler.dynamic, dataset)
    wet = np.array([roles[n] == "precipitation" for n in scaler.dynamic])
    usual = usual_weather(dataset, basin, scaler.dynamic, normal, time)
    make, _ = BASELINES[name]
    return make(Basis(scaler.dynamic_mean.astype("float32"), usual, wet)).astype("float32")


def usual_weather(
    dataset: xr.Dataset,
    basin: str,
    names: Sequence[str],
    normal: slice,
    time: NDArray[np.datetime64],
) -> Floats:
    """Average each day of the year over the normal days, and over a month around it.

    Parameters
    ----------
    dataset, basin, normal, time
        As in `baseline_weather`.
    names : sequence of str
        Inputs.

    Returns
    -------
    ndarray
        (T, F); 29 February is taken for 28 February.

    Raises
    ------
    StoreError
        An input has no value on some month of the normal days.
    """
    columns = []
    for name in names:
        values = dataset[name].sel(basin=basin, time=normal).to_series()
        by_day = values.groupby(_day_of_year(values.index)).mean().reindex(range(1, 366))
        half = SMOOTHED_DAYS // 2
        around = pd.concat([by_day.iloc[-half:], by_day, by_day.iloc[:half]])
        smooth = around.rolling(SMOOTHED_DAYS, center=True, min_periods=1).mean().iloc[half:-half]
        if smooth.isna().any():
            raise StoreError(
                f"{name} of basin {basin} has no value on some days of the year in "
                f"{normal.start} to {normal.stop}: its usual course is not known.",
                "Choose --baseline mean or dry, which need no usual course.",
            )
        columns.append(smooth.to_numpy("float32"))
    day = _day_of_year(pd.DatetimeIndex(time.astype("datetime64[ns]")))
    return np.stack(columns, axis=-1)[day - 1]


def _day_of_year(index: pd.Index) -> NDArray[np.int64]:
    """Day of a year of 365 days, 1 to 365."""
    dates = pd.DatetimeIndex(index)
    day = dates.day_of_year.to_numpy().copy()
    day[dates.is_leap_year & (day >= 60)] -= 1
    return day
