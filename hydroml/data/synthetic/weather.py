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
from scipy.special import ndtr

from hydroml.data.radiation import (
    daylight_seconds,
    extraterrestrial_radiation,
    saturation_vapour_pressure,
)
from hydroml.data.synthetic.fields import Field


class Weather:
    """Daily weather of many basins, drawn some at a time, in order.

    Parameters
    ----------
    places, climate : pandas.DataFrame
        From `draw_places` and `climate_of`, one row a basin.
    time : pandas.DatetimeIndex
        Days.
    rng : numpy.random.Generator
        Source of chance.

    Examples
    --------
    >>> from hydroml.data.synthetic.climate import climate_of
    >>> from hydroml.data.synthetic.places import draw_places
    >>> rng = np.random.default_rng(0)
    >>> places = draw_places(2, rng)
    >>> time = pd.date_range("2000-01-01", periods=30)
    >>> found = Weather(places, climate_of(places, rng), time, rng).draw(2)
    >>> bool((found["tmax"] > found["tmin"]).all())
    True
    """

    def __init__(
        self,
        places: pd.DataFrame,
        climate: pd.DataFrame,
        time: pd.DatetimeIndex,
        rng: np.random.Generator,
    ) -> None:
        self._places, self._climate, self._drawn = places, climate, 0
        self._day = time.day_of_year.to_numpy()
        rain, warmth, sky = rng.spawn(3)
        self._rain = Rain(places, len(time), rain)
        self._weather = Field(places, len(time), 900.0, 0.03, 0.72, warmth)
        self._local = Field(places, len(time), 500.0, 0.2, 0.3, warmth)
        self._cloud = Field(places, len(time), 500.0, 0.15, 0.4, sky)

    def draw(self, basins: int) -> dict[str, np.ndarray]:
        """Draw the weather of the next basins.

        Returns
        -------
        dict of str to numpy.ndarray
            (basin, time), float32: ``prcp`` [mm d-1], ``srad`` [W m-2], ``tmax``, ``tmin``
            [degC], ``vp`` [Pa], ``dayl`` [s].
        """
        part = slice(self._drawn, self._drawn + basins)
        self._drawn += basins
        places, climate, day = self._places[part], self._climate[part], self._day
        prcp = self._rain.draw(climate, day)
        wet = prcp > 0
        tmean, spread = _temperature(
            climate, day, wet, self._weather.draw(basins), self._local.draw(basins)
        )
        tmin = tmean - spread / 2
        daylight = daylight_seconds(places.lat.to_numpy(), day)
        solar = _solar(places, climate, day, prcp, self._cloud.draw(basins))
        summer = 0.5 - 0.5 * np.cos(_angle(day) - _angle(200) + np.pi)
        # dew point: tmin on humid days, below it where and when it is dry (FAO-56, annex 6)
        below = 0.3 + 5.0 * _column(climate.dryness) * (0.4 + 0.6 * summer) * np.where(
            wet, 0.3, 1.0
        )
        found = {
            "prcp": prcp,
            "srad": solar * 1e6 / daylight,
            "tmax": tmean + spread / 2,
            "tmin": tmin,
            "vp": saturation_vapour_pressure(tmin - below),
            "dayl": daylight,
        }
        return {name: values.astype(np.float32) for name, values in found.items()}


class Rain:
    """Daily precipitation of many basins, drawn some at a time, in order.

    The mean of a day of the year is ``p_mean (1 + p_amplitude cos(2 pi (day - p_peak) /
    365.25))``; two thirds of the cycle lie in the occurrence, the rest in the amounts. A slow
    anomaly shared by neighbours (half a year) makes wet and dry years.

    Parameters
    ----------
    places : pandas.DataFrame
        From `draw_places`, one row a basin.
    days : int
        How many.
    rng : numpy.random.Generator
        Source of chance.

    Examples
    --------
    >>> from hydroml.data.synthetic.climate import climate_of
    >>> from hydroml.data.synthetic.places import draw_places
    >>> rng = np.random.default_rng(0)
    >>> places = draw_places(2, rng)
    >>> Rain(places, 365, rng).draw(climate_of(places, rng), np.arange(1, 366)).shape
    (2, 365)
    """

    def __init__(self, places: pd.DataFrame, days: int, rng: np.random.Generator) -> None:
        self._occurrence = Field(places, days, 450.0, 0.12, 0.0, rng)
        self._slow = Field(places, days, 700.0, 0.1, np.exp(-1 / 150), rng)
        self._amount = Field(places, days, 250.0, 0.25, 0.35, rng)

    def draw(self, climate: pd.DataFrame, day: np.ndarray) -> np.ndarray:
        """Draw the next basins' precipitation [mm d-1], (basin, time).

        Parameters
        ----------
        climate : pandas.DataFrame
            Theirs, from `climate_of`.
        day : numpy.ndarray
            Day of the year of each time step.
        """
        basins = len(climate)
        cycle = _column(climate.p_amplitude) * np.cos(_angle(day) - _angle(_column(climate.p_peak)))
        share = np.clip(_column(climate.wet_share) * (1 + 0.67 * cycle), 0.005, 0.9)
        winter = 0.5 + 0.5 * np.cos(_angle(day) - _angle(15))
        persistence = np.clip(
            _column(climate.persistence) + _column(climate.persistence_winter) * winter, 0.0, 0.8
        )
        wet = wet_days(share, persistence, ndtr(self._occurrence.draw(basins)))
        mean = _column(climate.p_mean) * (1 + cycle) / share
        shape = _column(climate.storm_shape)
        scale = mean / np.vectorize(gamma)(1 + 1 / shape)
        slow = 0.28 * self._slow.draw(basins) - 0.28**2 / 2
        chance = np.clip(ndtr(self._amount.draw(basins)), 0, 1 - 1e-9)
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
    climate: pd.DataFrame,
    day: np.ndarray,
    wet: np.ndarray,
    weather: np.ndarray,
    local: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Daily mean temperature and daily range [degC], (basin, time)."""
    winter = 0.5 + 0.5 * np.cos(_angle(day) - _angle(20))
    mean = (
        _column(climate.t_mean)
        + _column(climate.t_amplitude) * np.cos(_angle(day) - _angle(202))
        + _column(climate.t_noise) * (0.75 + 0.6 * winter) * weather
        + np.where(wet, 3.0 * winter - 1.8, 0.0)  # wet days: mild in winter, cool in summer
    )
    spread = _column(climate.t_range) * (1.08 - 0.16 * winter) * np.exp(0.22 * local)
    return mean, np.maximum(spread * np.where(wet, 0.68, 1.12), 1.0)


def _solar(
    places: pd.DataFrame,
    climate: pd.DataFrame,
    day: np.ndarray,
    prcp: np.ndarray,
    cloudiness: np.ndarray,
) -> np.ndarray:
    """Daily shortwave radiation [MJ m-2 d-1]: clear sky (FAO-56, eq. 37), less clouds."""
    clear = 0.75 + 2e-5 * _column(places.elevation)
    winter = 0.5 + 0.5 * np.cos(_angle(day) - _angle(15))
    cloud = ndtr(cloudiness)
    dry_day = 1 - (0.32 - 0.12 * _column(climate.dryness)) * cloud
    wet_day = 0.78 - 0.25 * cloud - 0.2 * np.minimum(prcp / 20, 1)
    gloom = 1 - 0.25 * _column(climate.cloudy_winter) * winter
    top = extraterrestrial_radiation(places.lat.to_numpy(), day)
    return top * clear * np.where(prcp > 0, wet_day, dry_day) * gloom


def _angle(day: np.ndarray | float) -> np.ndarray:
    return 2 * np.pi * np.asarray(day, float) / 365.25


def _column(values: pd.Series) -> np.ndarray:
    return values.to_numpy(float)[:, None]
