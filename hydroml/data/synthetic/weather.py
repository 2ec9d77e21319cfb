"""A stochastic weather generator over many basins that share their weather.

Daily weather comes from standard normal fields that are smooth in space: neighbours rain
together. Richardson (1981, doi 10.1029/WR017i001p00182) is the model: occurrence is a
first-order Markov chain of the season, temperature a cycle and AR(1) noise that knows whether
the day is wet. Amounts are Weibull (stretched exponential; Wilson and Toumi 2005, doi
10.1029/2005GL022465).
"""

from math import gamma

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import ndtr

from hydroml.data.radiation import (
    daylight_seconds,
    extraterrestrial_radiation,
    saturation_vapour_pressure,
)

_MODES = 96  # waves a smooth field is made of


def simulate_weather(
    places: pd.DataFrame, climate: pd.DataFrame, time: pd.DatetimeIndex, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Simulate daily weather.

    Parameters
    ----------
    places, climate : pandas.DataFrame
        From `draw_places` and `climate_of`, one row a basin.
    time : pandas.DatetimeIndex
        Days.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    dict of str to numpy.ndarray
        (basin, time), float32: ``prcp`` [mm d-1], ``srad`` [W m-2], ``tmax``, ``tmin`` [degC],
        ``vp`` [Pa], ``dayl`` [s].

    Examples
    --------
    >>> from hydroml.data.synthetic.climate import climate_of
    >>> from hydroml.data.synthetic.places import draw_places
    >>> rng = np.random.default_rng(0)
    >>> places = draw_places(2, rng)
    >>> time = pd.date_range("2000-01-01", periods=30)
    >>> found = simulate_weather(places, climate_of(places, rng), time, rng)
    >>> bool((found["tmax"] > found["tmin"]).all())
    True
    """
    day = time.day_of_year.to_numpy()
    rain, warmth, sky = rng.spawn(3)
    prcp = precipitation(places, climate, day, rain)
    wet = prcp > 0
    tmean, spread = _temperature(places, climate, day, wet, warmth)
    tmin = tmean - spread / 2
    daylight = daylight_seconds(places.lat.to_numpy(), day)
    solar = _solar(places, climate, day, prcp, sky)
    summer = 0.5 - 0.5 * np.cos(_angle(day) - _angle(200) + np.pi)
    # dew point: tmin on humid days, below it where and when it is dry (FAO-56, annex 6)
    below = 0.3 + 5.0 * _column(climate.dryness) * (0.4 + 0.6 * summer) * np.where(wet, 0.3, 1.0)
    found = {
        "prcp": prcp,
        "srad": solar * 1e6 / daylight,
        "tmax": tmean + spread / 2,
        "tmin": tmin,
        "vp": saturation_vapour_pressure(tmin - below),
        "dayl": daylight,
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def precipitation(
    places: pd.DataFrame, climate: pd.DataFrame, day: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Simulate daily precipitation [mm d-1], (basin, time).

    The mean of a day of the year is ``p_mean (1 + p_amplitude cos(2 pi (day - p_peak) /
    365.25))``; two thirds of the cycle lie in the occurrence, the rest in the amounts. A slow
    anomaly shared by neighbours (half a year) makes wet and dry years.

    Parameters
    ----------
    places, climate : pandas.DataFrame
        One row a basin.
    day : numpy.ndarray
        Day of the year of each time step.
    rng : numpy.random.Generator
        Source of chance.

    Examples
    --------
    >>> from hydroml.data.synthetic.climate import climate_of
    >>> from hydroml.data.synthetic.places import draw_places
    >>> rng = np.random.default_rng(0)
    >>> places = draw_places(2, rng)
    >>> precipitation(places, climate_of(places, rng), np.arange(1, 366), rng).shape
    (2, 365)
    """
    cycle = _column(climate.p_amplitude) * np.cos(_angle(day) - _angle(_column(climate.p_peak)))
    share = np.clip(_column(climate.wet_share) * (1 + 0.67 * cycle), 0.005, 0.9)
    winter = 0.5 + 0.5 * np.cos(_angle(day) - _angle(15))
    persistence = np.clip(
        _column(climate.persistence) + _column(climate.persistence_winter) * winter, 0.0, 0.8
    )
    wet = wet_days(share, persistence, ndtr(_field(places, day.size, 450.0, 0.12, 0.0, rng)))
    mean = _column(climate.p_mean) * (1 + cycle) / share
    shape = _column(climate.storm_shape)
    scale = mean / np.vectorize(gamma)(1 + 1 / shape)
    slow = 0.28 * _field(places, day.size, 700.0, 0.1, np.exp(-1 / 150), rng) - 0.28**2 / 2
    chance = np.clip(ndtr(_field(places, day.size, 250.0, 0.25, 0.35, rng)), 0, 1 - 1e-9)
    return np.where(wet, scale * (-np.log1p(-chance)) ** (1 / shape) * np.exp(slow), 0.0)


def wet_days(share: np.ndarray, persistence: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """First-order Markov chain of wet and dry days.

    ``P(wet | dry) = share (1 - persistence)`` and ``P(wet | wet) = P(wet | dry) +
    persistence``: the chain is wet on `share` of the days and has lag-1 autocorrelation
    `persistence` (Richardson 1981).

    Parameters
    ----------
    share, persistence : numpy.ndarray
        (basin, time), 0 to 1.
    chance : numpy.ndarray
        (basin, time), uniform on 0 to 1, independent in time.

    Returns
    -------
    numpy.ndarray
        Boolean, (basin, time).

    Examples
    --------
    >>> wet_days(np.full((1, 3), 0.5), np.zeros((1, 3)), np.array([[0.4, 0.6, 0.1]]))
    array([[ True, False,  True]])
    """
    after_dry = np.ascontiguousarray((share * (1 - persistence)).T)  # (T, B): days in a row
    after_wet = after_dry + persistence.T
    chance = np.ascontiguousarray(chance.T)
    wet = np.empty(chance.shape, dtype=bool)
    wet[0] = chance[0] < share[:, 0]
    for t in range(1, len(wet)):
        wet[t] = chance[t] < np.where(wet[t - 1], after_wet[t], after_dry[t])
    return wet.T


def _temperature(
    places: pd.DataFrame,
    climate: pd.DataFrame,
    day: np.ndarray,
    wet: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Daily mean temperature and daily range [degC], (basin, time)."""
    winter = 0.5 + 0.5 * np.cos(_angle(day) - _angle(20))
    weather = _field(places, day.size, 900.0, 0.03, 0.72, rng)
    mean = (
        _column(climate.t_mean)
        + _column(climate.t_amplitude) * np.cos(_angle(day) - _angle(202))
        + _column(climate.t_noise) * (0.75 + 0.6 * winter) * weather
        + np.where(wet, 3.0 * winter - 1.8, 0.0)  # wet days: mild in winter, cool in summer
    )
    local = _field(places, day.size, 500.0, 0.2, 0.3, rng)
    spread = _column(climate.t_range) * (1.08 - 0.16 * winter) * np.exp(0.22 * local)
    return mean, np.maximum(spread * np.where(wet, 0.68, 1.12), 1.0)


def _solar(
    places: pd.DataFrame,
    climate: pd.DataFrame,
    day: np.ndarray,
    prcp: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Daily shortwave radiation [MJ m-2 d-1]: clear sky (FAO-56, eq. 37), less clouds."""
    clear = 0.75 + 2e-5 * _column(places.elevation)
    winter = 0.5 + 0.5 * np.cos(_angle(day) - _angle(15))
    cloud = ndtr(_field(places, day.size, 500.0, 0.15, 0.4, rng))
    dry_day = 1 - (0.32 - 0.12 * _column(climate.dryness)) * cloud
    wet_day = 0.78 - 0.25 * cloud - 0.2 * np.minimum(prcp / 20, 1)
    gloom = 1 - 0.25 * _column(climate.cloudy_winter) * winter
    top = extraterrestrial_radiation(places.lat.to_numpy(), day)
    return top * clear * np.where(prcp > 0, wet_day, dry_day) * gloom


def _field(
    places: pd.DataFrame,
    days: int,
    length_km: float,
    own: float,
    memory: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw standard normal noise (basin, time), alike at places nearer than `length_km`.

    A sum of random waves in space (random Fourier features of a Gaussian covariance; Rahimi
    and Recht 2007) with AR(1) amplitudes of lag-1 correlation `memory`; the share `own` of
    the variance belongs to each basin alone.
    """
    x = np.stack([places.lon * 111.0 * 0.77, places.lat * 111.0], axis=1) / length_km
    waves = np.cos(x @ rng.normal(size=(2, _MODES)) + rng.uniform(0, 2 * np.pi, _MODES))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    shared = waves @ _memory(rng.normal(size=(_MODES, days)), memory)
    alone = _memory(rng.normal(size=shared.shape), memory)
    return np.sqrt(1 - own) * shared + np.sqrt(own) * alone


def _memory(noise: np.ndarray, memory: float) -> np.ndarray:
    """AR(1) series of variance 1 from white noise along the last axis."""
    if memory == 0:
        return noise
    scaled = noise * np.sqrt(1 - memory**2)
    scaled[:, 0] = noise[:, 0]
    return lfilter([1.0], [1.0, -memory], scaled, axis=-1)


def _angle(day: np.ndarray | float) -> np.ndarray:
    return 2 * np.pi * np.asarray(day, float) / 365.25


def _column(values: pd.Series) -> np.ndarray:
    return values.to_numpy(float)[:, None]
