"""The climate of a place: what the weather generator needs to know of each basin."""

import numpy as np
import pandas as pd


def climate_of(places: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give each place a plausible climate.

    Smooth functions of longitude, latitude, elevation and mountains, with some deviation of
    each basin: wet Pacific Northwest with winter rain, dry interior, wetter in its mountains,
    plains with summer rain, humid East, heavy storms in the South-east.

    Parameters
    ----------
    places : pandas.DataFrame
        From `draw_places`.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    pandas.DataFrame
        One row a basin. Precipitation: ``p_mean`` [mm d-1], ``p_amplitude`` (0..1) and
        ``p_peak`` [day of year] of its annual cycle, ``wet_share`` of days, ``persistence``
        of wet and dry (lag-1 correlation) and its change in winter ``persistence_winter``,
        ``storm_shape`` (Weibull; below 1 is heavier than exponential). Temperature:
        ``t_mean``, ``t_amplitude``, ``t_noise``, ``t_range`` [degC]. ``dryness``,
        ``cloudy_winter`` (0..1).

    Examples
    --------
    >>> from hydroml.data.synthetic.places import draw_places
    >>> rng = np.random.default_rng(0)
    >>> bool((climate_of(draw_places(50, rng), rng).p_mean > 0.4).all())
    True
    """
    west = _step(-104.5 - places.lon, 1.5)
    # degrees of longitude from the Pacific coast, which turns south-east below 40 N
    inland = places.lon + 124.2 - 0.95 * np.maximum(0, 40 - places.lat)
    marine = _step(3.3 - inland, 0.45)
    found = _precipitation(places, west, marine, rng)
    dryness = np.clip((3.4 - found["p_mean"]) / 2.8, 0, 1)
    noise = rng.normal(size=(2, len(places)))
    found |= {
        "t_mean": 20.5 - 0.76 * (places.lat - 30) - 0.0048 * places.elevation + 1.5 * west
        + 2.0 * marine + 0.6 * noise[0],
        "t_amplitude": (8.0 + 0.36 * (places.lat - 30)) * (1 - 0.45 * marine),
        "t_noise": 3.6 * (1 - 0.35 * marine) + 0.06 * (places.lat - 30),
        "t_range": 10.2 + 3.8 * dryness - 1.0 * marine + 0.6 * noise[1],
        "dryness": dryness,
        "cloudy_winter": marine * _step(places.lat - 41, 1.5),
    }  # fmt: skip
    return pd.DataFrame(found)


def _step(x: pd.Series, width: float) -> pd.Series:
    return 1 / (1 + np.exp(-x / width))


def _precipitation(
    places: pd.DataFrame, west: pd.Series, marine: pd.Series, rng: np.random.Generator
) -> dict[str, pd.Series]:
    lon, lat = places.lon, places.lat
    ranges = places.ranges / 1000
    gulf = _step(36 - lat, 2.2) * (1 - west) * np.clip((lon + 101) / 8, 0, 1)
    humid = np.clip((lon + 105) / 15, 0, 1)
    pacific = 1.2 + 4.6 * _step(lat - 40, 2.2) + 0.9 * ranges
    interior = 0.60 + 0.45 * places.elevation / 1000 + 1.1 * ranges * _step(lat - 42.5, 1.5)
    east = 0.85 + humid * (1.95 + 1.15 * _step(37 - lat, 2.5)) + 0.9 * ranges * humid
    mean = west * (marine * pacific + (1 - marine) * interior) + (1 - west) * east
    mean = np.maximum(0.5, mean * np.exp(rng.normal(0, 0.15, len(places))))
    # annual cycle: winter rain of the Pacific, summer rain of the plains, a little in the East
    winter = west * (marine + 0.45 * (1 - marine) * _step(-111 - lon, 2)) * (
        0.62 + 0.45 * _step(39.5 - lat, 2.0))  # fmt: skip
    plains = np.exp(-(((lon + 100) / 8) ** 2)) * (0.2 + 0.55 * _step(lat - 37, 3))
    summer = plains + 0.12 * (1 - west) * (1 - gulf) - 0.10 * gulf
    cycle = winter * np.exp(2j * np.pi * 10 / 365.25) + summer * np.exp(2j * np.pi * 178 / 365.25)
    share = 0.11 + 0.092 * np.minimum(mean, 3.4) + 0.03 * np.maximum(mean - 3.4, 0)
    share += 0.07 * np.minimum(ranges, 1.5) + 0.04 * _step(lat - 41, 2) - 0.05 * gulf
    return {
        "p_mean": mean,
        "p_amplitude": np.minimum(np.abs(cycle), 0.97),
        "p_peak": np.angle(cycle) / (2 * np.pi) * 365.25 % 365.25,
        "wet_share": np.clip(share, 0.08, 0.7),
        "persistence": 0.30 + 0.06 * gulf + 0.15 * west + 0.05 * rng.normal(size=len(places)),
        "persistence_winter": 0.03 + 0.16 * marine,
        "storm_shape": 0.76 - 0.08 * gulf - 0.12 * np.exp(-(((lon + 99) / 6) ** 2))
        + 0.22 * marine * _step(lat - 41, 2) + 0.10 * west * (1 - marine) * np.minimum(ranges, 1)
        + 0.03 * rng.normal(size=len(places)),
    }  # fmt: skip
