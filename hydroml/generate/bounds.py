"""What weather cannot be: less than nothing, or warmer at its coldest than at its warmest."""

import numpy as np

from hydroml.generate.weather import Weather

_BY_STEM = (("tmin", "tmax"), ("temperature_2m_min", "temperature_2m_max"))


def within_bounds(weather: Weather, learned: Weather) -> Weather:
    """Mend what is not physical.

    Precipitation is 0 or more. Any other input but a temperature that was never negative where it
    was learned stays within half its smallest and, for it has no known ceiling, twice its largest
    value. A minimum temperature above the day's maximum changes places with it.

    Parameters
    ----------
    weather : Weather
        Generated.
    learned : Weather
        What it was learned from, of the same basins.
    """
    values = weather.values.copy()
    for f, name in enumerate(weather.names):
        seen = learned.values[..., f]
        if weather.roles[name] == "precipitation":
            np.maximum(values[..., f], 0, out=values[..., f])
        elif weather.roles[name] != "temperature" and seen.min() >= 0:
            low, high = seen.min(axis=1, keepdims=True), seen.max(axis=1, keepdims=True)
            values[..., f] = np.clip(values[..., f], low / 2, high * 2)
    for low_name, high_name in temperature_pairs(weather.names):
        low, high = weather.names.index(low_name), weather.names.index(high_name)
        pair = np.sort(values[..., [low, high]], axis=-1)
        values[..., low], values[..., high] = pair[..., 0], pair[..., 1]
    return weather.with_values(values)


def temperature_pairs(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Find the inputs that are a day's minimum and maximum temperature, by product.

    Examples
    --------
    >>> temperature_pairs(("prcp", "tmax_daymet", "tmin_daymet"))
    [('tmin_daymet', 'tmax_daymet')]
    """
    return [
        (name, high + name.removeprefix(low))
        for low, high in _BY_STEM
        for name in names
        if name.startswith(low) and high + name.removeprefix(low) in names
    ]
