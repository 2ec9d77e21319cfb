r"""What is asked of cell states: snow, deep snow, wetness, high and low flow.

========== ======================================================================================
``snow``   more than 1 mm of snow on the ground: the store's ``swe`` where it is not zero
           throughout, else `hydroml.explanation.snow.degree_day_snow`
``deep``   more snow than on half of the basin's days of snow; days without snow do not count, so
           that winter alone does not answer it
``wet``    the mean of past precipitation less potential evaporation, weights falling by e in 30
           days, above the basin's median: :math:`W_t = a W_{t-1} + (1 - a)(P_t - E_t)`,
           :math:`a = e^{-1/30}`; without potential evaporation an antecedent precipitation index
``high``   observed discharge at or above the basin's 95th percentile
``low``    observed discharge at or below the basin's 5th percentile
========== ======================================================================================

Medians and percentiles are those of the training years, for whatever years are labelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.radiation import daylight_seconds, potential_evaporation
from hydroml.data.roles import Role, role_of
from hydroml.data.series import Series
from hydroml.data.store import dynamic_variables
from hydroml.errors import StoreError
from hydroml.explanation.snow import degree_day_snow
from hydroml.units import DYNAMIC, variable

LABELS = {
    "snow": "snow on the ground",
    "deep": "much snow, on days of snow",
    "wet": "wetter than the median",
    "high": "high flow",
    "low": "low flow",
}
SNOW_MM = 1.0
WETNESS_DAYS = 30
HIGH, LOW = 0.95, 0.05
"""Quantiles of observed discharge."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Weather:
    """Where the variables come from that labels are made of.

    Parameters
    ----------
    precipitation : str
        Variable of the store.
    temperature : tuple of str
        Variables whose mean is the daily mean.
    snow : str
        Variable of snow water equivalent; empty for the degree-day model.
    evaporation : str
        Variable of potential evaporation; empty where there is none.
    radiation : tuple of str
        What it is computed from instead: radiation [W m-2 in daylight], and the length of the
        day where the store has it. With neither, wetness is of precipitation alone.
    """

    precipitation: str
    temperature: tuple[str, ...]
    snow: str = ""
    evaporation: str = ""
    radiation: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable, once."""
        every = (
            self.precipitation, *self.temperature, self.snow, self.evaporation, *self.radiation,
        )  # fmt: skip
        return tuple(dict.fromkeys(name for name in every if name))

    @property
    def described(self) -> dict[str, str]:
        """In words, for the files: where snow and wetness come from."""
        temperature = " and ".join(self.temperature)
        snow = f"{self.snow} of the store"
        if not self.snow:
            snow = f"degree-day model of {self.precipitation} and mean of {temperature}"
        wet = f"{self.precipitation}, {WETNESS_DAYS} days"
        if self.evaporation:
            wet = f"{self.precipitation} less {self.evaporation}, {WETNESS_DAYS} days"
        elif self.radiation:
            wet = (
                f"{self.precipitation} less potential evaporation (Hargreaves, "
                f"{self.radiation[0]} and mean of {temperature}), {WETNESS_DAYS} days"
            )
        return {"snow_source": snow, "wetness_source": wet}


def find_weather(dataset: xr.Dataset, inputs: Sequence[str], basins: Sequence[str]) -> Weather:
    """Find the variables in a store, those that are inputs of the run first.

    Parameters
    ----------
    dataset : xarray.Dataset
        The open store.
    inputs : sequence of str
        Dynamic inputs of the run.
    basins : sequence of str
        Whose ``swe`` is looked at: in CAMELS' own files it may be zero throughout.

    Raises
    ------
    StoreError
        No precipitation or no temperature.
    """
    stored = [n for n in dynamic_variables(dataset) if n not in inputs]

    def of(role: Role) -> tuple[str, ...]:
        # a store may hold several products: those the run does not read serve only if it has none
        mine = tuple(n for n in inputs if role_of(n, dataset) == role)
        return mine or tuple(n for n in stored if role_of(n, dataset) == role)

    rain, warmth = of("precipitation"), of("temperature")
    if not rain or not warmth:
        what = "precipitation" if not rain else "air temperature"
        raise StoreError(
            f"Neither run nor store has {what}, from which labels are made.",
            "Give a store that has it, with --data.",
        )
    evaporation = of("potential_evaporation")[:1]
    radiation: tuple[str, ...] = ()
    if not evaporation:
        sun, length = (
            tuple(n for n in (*inputs, *stored) if variable(n) is DYNAMIC[known])[:1]
            for known in ("srad", "dayl")
        )
        radiation = sun + length if sun and (length or "gauge_lat" in dataset) else ()
    snow = [n for n in (*inputs, *stored) if variable(n) is DYNAMIC["swe"]]
    there = [n for n in snow if bool((dataset[n].sel(basin=list(basins)) > 0).any())]
    return Weather(rain[0], warmth, "".join(there[:1]), "".join(evaporation), radiation)


@dataclass(frozen=True)
class Conditions:
    """What labels are cut from, of some basins, (B, T) each.

    Parameters
    ----------
    snow : ndarray
        On the ground [mm].
    wetness : ndarray
        Mean of past precipitation less potential evaporation [mm d-1].
    discharge : ndarray
        Observed [mm d-1], NaN where missing.
    """

    snow: Array
    wetness: Array
    discharge: Array

    def during(self, days: slice) -> "Conditions":
        """Those of some days."""
        return Conditions(*(a[:, days] for a in (self.snow, self.wetness, self.discharge)))


def conditions(
    series: Series, names: Sequence[str], weather: Weather, latitude: NDArray[np.floating] | None
) -> Conditions:
    """Compute snow and wetness of every day of a series.

    Parameters
    ----------
    series : Series
        Raw; its first days are the time that snow and wetness have to settle.
    names : sequence of str
        Of the variables in ``series.x_d``, `Weather.names` among them.
    weather : Weather
        Which is which.
    latitude : ndarray or None
        Of the basins [degrees north], (B,); used where the store has no day length.
    """
    of = {name: series.x_d[..., column] for column, name in enumerate(names)}
    prcp = of[weather.precipitation]
    temperature = np.mean([of[name] for name in weather.temperature], axis=0)
    snow = of[weather.snow] if weather.snow else degree_day_snow(prcp, temperature)
    demand = _demand(of, weather, temperature, series.time, latitude)
    return Conditions(snow, low_pass(prcp - demand, WETNESS_DAYS), series.y)


def low_pass(values: NDArray[np.floating], days: float) -> Array:
    """Mean of the past with weights that fall by e in so many days, (B, T).

    What is missing counts as 0, as does all before the first day.

    Examples
    --------
    >>> low_pass(np.array([[1.0, 0.0]]), days=1 / np.log(2)).round(3)
    array([[0.5 , 0.25]], dtype=float32)
    """
    keep = np.exp(-1 / days)
    given = (1 - keep) * np.nan_to_num(values).T
    state, found = np.zeros(given.shape[1]), np.empty(given.shape, "float32")
    for day in range(len(given)):
        state = keep * state + given[day]
        found[day] = state
    return found.T


@dataclass(frozen=True)
class Thresholds:
    """Of each basin, (B,): NaN where the training years have no value."""

    deep: NDArray[np.float64]
    wetness: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]


def thresholds(training: Conditions) -> Thresholds:
    """Medians of snow and wetness, percentiles of discharge of each basin in the training years."""
    flow = np.where(training.discharge >= 0, training.discharge, np.nan)
    snow = np.where(training.snow > SNOW_MM, training.snow, np.nan)
    deep, high, low = (_quantile(v, q) for v, q in ((snow, 0.5), (flow, HIGH), (flow, LOW)))
    return Thresholds(deep, _quantile(training.wetness, 0.5), high, low)


def _quantile(values: NDArray[np.floating], share: float) -> NDArray[np.float64]:
    """Of what is there, (B,); NaN where nothing is."""
    found = np.full(len(values), np.nan)
    there = np.isfinite(values).any(axis=1)
    if there.any():
        found[there] = np.nanquantile(values[there], share, axis=1)
    return found


def cut(found: Conditions, limits: Thresholds, usable: NDArray[np.bool_]) -> Array:
    """Label each day, in the order of `LABELS`.

    Parameters
    ----------
    found : Conditions
        Of the days to be labelled.
    limits : Thresholds
        Of the same basins.
    usable : ndarray
        (B, T): days on which the network has the inputs it needs.

    Returns
    -------
    ndarray
        (B, T, 5): 1, 0, or NaN where unknown: no discharge, no snow, or inputs missing.
    """
    high, low, deep = (limit[:, None] for limit in (limits.high, limits.low, limits.deep))
    flow = np.where(found.discharge >= 0, found.discharge, np.nan)
    snowy = np.isfinite(deep) & (found.snow > SNOW_MM)
    labels = np.stack(
        [
            found.snow > SNOW_MM,
            np.where(snowy, found.snow > deep, np.nan),
            found.wetness > limits.wetness[:, None],
            np.where(np.isfinite(flow + high), flow >= high, np.nan),
            np.where(np.isfinite(flow + low), flow <= low, np.nan),
        ],
        axis=2,
    ).astype("float32")
    labels[~usable] = np.nan
    return labels


def _demand(
    of: dict[str, Array],
    weather: Weather,
    temperature: NDArray[np.floating],
    time: NDArray[np.datetime64],
    latitude: NDArray[np.floating] | None,
) -> NDArray[np.floating]:
    if weather.evaporation:
        return of[weather.evaporation]
    if not weather.radiation:
        return np.zeros_like(temperature)
    if len(weather.radiation) == 2:
        length: NDArray[np.floating] = of[weather.radiation[1]]
    else:
        assert latitude is not None
        length = daylight_seconds(latitude, day_of_year(time))
    return potential_evaporation(temperature, of[weather.radiation[0]], length)


def day_of_year(time: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Count days from 1 January, which is 1.

    Examples
    --------
    >>> day_of_year(np.array(["2000-03-01"], "datetime64[D]"))
    array([61])
    """
    return (time - time.astype("datetime64[Y]")).astype("int64") + 1
