"""What weather is judged by: numbers of each basin that a generator has to get right.

Each criterion gives, for a variable or a pair of them, an array (B, K): a number a basin, or one
for each month, and the like. What belongs to the season is taken off before correlations.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hydroml.data.water_years import OCTOBER, whole_years
from hydroml.errors import ConfigError
from hydroml.generate.chain import WET
from hydroml.generate.season import fit_season
from hydroml.generate.spells import spell_statistics
from hydroml.generate.weather import Floats, Weather

CRITERIA = {
    "wet_frequency": ("share of wet days, by month", "1"),
    "wet_spell_mean": ("mean wet spell", "d"),
    "wet_spell_p90": ("90th percentile of wet spells", "d"),
    "dry_spell_mean": ("mean dry spell", "d"),
    "dry_spell_p90": ("90th percentile of dry spells", "d"),
    "max_1day": ("mean annual maximum of a day", "mm"),
    "max_5day": ("mean annual maximum of five days", "mm"),
    "p99.9": ("99.9th percentile of days", "mm"),
    "hottest": ("mean of the years' hottest days", "degC"),
    "coldest": ("mean of the years' coldest days", "degC"),
    "monthly_mean": ("mean, by month", ""),
    "monthly_std": ("standard deviation of days, by month", ""),
    "lag1": ("correlation with the day before", "1"),
    "correlation": ("correlation of two variables", "1"),
    "annual_std": ("standard deviation of annual sums", "mm"),
    "between_basins": ("correlation between basins", "1"),
    "flow_mean": ("mean flow", "mm d-1"),
    "flow_q95": ("95th percentile of flow", "mm d-1"),
    "flow_max": ("mean annual maximum of flow", "mm d-1"),
    "flow_low7": ("mean of the years' lowest 7-day flows", "mm d-1"),
    "flow_lag1": ("correlation of flow with the day before", "1"),
    "flow_annual_std": ("standard deviation of annual flows", "mm d-1"),
    "hydrograph": ("Frechet distance of hydrographs", "1"),
}
"""Name to what it says and its units; empty where they are the variable's."""

Key = tuple[str, str]
"""Criterion and variable, or two joined by a blank."""


def weather_criteria(weather: Weather) -> dict[Key, Floats]:
    """Work out every criterion of some years of weather.

    Parameters
    ----------
    weather : Weather
        At least two whole water years.

    Returns
    -------
    dict
        Criterion and variable to (B, K); `between_basins` has the basins' pairs along K, one row.

    Raises
    ------
    ConfigError
        Fewer than two whole water years.
    """
    years = require_years(weather.time)
    found = dict(_of_precipitation(weather, years))
    found |= dict(_of_temperature(weather, years))
    for f, name in enumerate(weather.names):
        found["monthly_mean", name], found["monthly_std", name] = monthly_moments(
            weather.values[..., f], weather.months
        )
    return found | dict(_of_dependence(weather))


def flow_criteria(flow: NDArray[np.floating], time: NDArray[np.datetime64]) -> dict[Key, Floats]:
    """Work out what flow (B, T) [mm d-1] is judged by; criterion to (B, 1)."""
    years = require_years(time)
    q = flow.astype(np.float64)
    week = moving_sum(q, 7) / 7
    found = {
        "flow_mean": q.mean(axis=1),
        "flow_q95": np.quantile(q, 0.95, axis=1),
        "flow_max": _annual(q, years, np.max).mean(axis=1),
        "flow_low7": _annual(week, [slice(y.start, y.stop - 6) for y in years], np.min).mean(
            axis=1
        ),
        "flow_lag1": lagged_correlation(q[..., None])[:, 0],
        "flow_annual_std": _annual(q, years, np.mean).std(axis=1, ddof=1),
    }
    return {(name, "flow"): values[:, None] for name, values in found.items()}


def require_years(time: NDArray[np.datetime64]) -> list[slice]:
    """Cut days into whole water years.

    Raises
    ------
    ConfigError
        There are fewer than two.
    """
    years = whole_years(time, OCTOBER)
    if len(years) < 2:
        raise ConfigError(
            f"{time[0]} to {time[-1]} has {len(years)} whole water years (October to September); "
            "weather is judged by two or more.",
            "Give longer periods: --period FROM..TO, --train FROM..TO.",
        )
    return years


def monthly_moments(
    values: NDArray[np.floating], months: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the days of each calendar month, (B, 12) each."""
    own = [values[:, months == month].astype(np.float64) for month in range(1, 13)]
    return np.stack([v.mean(1) for v in own], 1), np.stack([v.std(1) for v in own], 1)


def moving_sum(values: Floats, days: int) -> Floats:
    """Sum over `days` days, (B, T - days + 1).

    Examples
    --------
    >>> moving_sum(np.array([[1.0, 2.0, 3.0]]), 2)
    array([[3., 5.]])
    """
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    difference: Floats = total[:, days:] - total[:, :-days]
    return difference


def lagged_correlation(values: NDArray[np.floating]) -> Floats:
    """Correlation of each day with the day before, (B, T, F) to (B, F)."""
    return correlation(values[:, 1:], values[:, :-1])


def correlation(x: NDArray[np.floating], y: NDArray[np.floating]) -> Floats:
    """Pearson's correlation over days, (B, T, F) each to (B, F); 0 where one never varies."""
    a = x - x.mean(axis=1, keepdims=True)
    b = y - y.mean(axis=1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), scale, out=np.zeros(scale.shape), where=scale > 0)


def _of_precipitation(weather: Weather, years: list[slice]) -> Iterator[tuple[Key, Floats]]:
    name = weather.names[weather.rain]
    rain = weather.precipitation.astype(np.float64)
    wet = rain >= WET
    months = weather.months
    yield ("wet_frequency", name), monthly_moments(wet.astype(np.float64), months)[0]
    for kind, spells in (("wet", wet), ("dry", ~wet)):
        mean, tail = spell_statistics(spells)
        yield (f"{kind}_spell_mean", name), mean[:, None]
        yield (f"{kind}_spell_p90", name), tail[:, None]
    five = moving_sum(rain, 5)
    whole = [slice(year.start, year.stop - 4) for year in years]
    yield ("max_1day", name), _annual(rain, years, np.max).mean(axis=1)[:, None]
    yield ("max_5day", name), _annual(five, whole, np.max).mean(axis=1)[:, None]
    yield ("p99.9", name), np.quantile(rain, 0.999, axis=1)[:, None]
    yield ("annual_std", name), _annual(rain, years, np.sum).std(axis=1, ddof=1)[:, None]


def _of_temperature(weather: Weather, years: list[slice]) -> Iterator[tuple[Key, Floats]]:
    found = weather.of_role("temperature")
    if not found:
        return
    level = [weather.values[..., f].mean() for f in found]
    warm, cold = found[int(np.argmax(level))], found[int(np.argmin(level))]
    values = weather.values.astype(np.float64)
    hottest = _annual(values[..., warm], years, np.max)
    coldest = _annual(values[..., cold], years, np.min)
    yield ("hottest", weather.names[warm]), hottest.mean(axis=1)[:, None]
    yield ("coldest", weather.names[cold]), coldest.mean(axis=1)[:, None]


def _of_dependence(weather: Weather) -> Iterator[tuple[Key, Floats]]:
    anomaly = weather.values - fit_season(weather.values, weather.time).mean_on(weather.time)
    lagged = lagged_correlation(anomaly)
    for f, name in enumerate(weather.names):
        yield ("lag1", name), lagged[:, f : f + 1]
    for f, g in combinations(range(len(weather.names)), 2):
        together = correlation(anomaly[..., f : f + 1], anomaly[..., g : g + 1])
        yield ("correlation", f"{weather.names[f]} {weather.names[g]}"), together
    if len(weather.basins) > 1:
        pairs = np.triu_indices(len(weather.basins), 1)
        for f, name in enumerate(weather.names):
            matrix = np.asarray(np.corrcoef(anomaly[..., f]))
            yield ("between_basins", name), np.nan_to_num(matrix)[pairs][None]


def _annual(values: Floats, years: list[slice], reduce: Callable[..., Floats]) -> Floats:
    """One number a year, (B, years)."""
    return np.stack([reduce(values[:, year], axis=1) for year in years], axis=1)
