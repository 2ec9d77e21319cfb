"""Weather without its climate: normal scores by basin and month, and the way back.

What remains is dependence: how long weather lasts, which variables go together. That is what the
adversarial generator learns; the climate comes back through the inverse.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from hydroml.data.water_years import YEAR, calendar_months, days_since_october
from hydroml.generate.margins import EDGE, Margins, fit_margins, with_pareto_tail
from hydroml.generate.season import Season, fit_season
from hydroml.generate.weather import Floats, Weather

TRACE = 0.1
"""Precipitation below which nothing fell [mm d-1]; its month's mean is given back."""


@dataclass(frozen=True)
class Climate:
    """What turns weather into scores: everything that belongs to a basin and a time of year.

    Parameters
    ----------
    rain : int
        Place of precipitation among the inputs.
    season : Season
        Yearly courses of all inputs; precipitation is taken as it is.
    margins : Margins
        Of what is left, by basin and month.
    dry : ndarray
        Score below which nothing falls, (B, 12).
    trace : ndarray
        Mean precipitation of such days [mm d-1], (B, 12).
    """

    rain: int
    season: Season
    margins: Margins
    dry: Floats
    trace: Floats

    def scores(self, weather: Weather) -> NDArray[np.float32]:
        """Turn weather into normal scores (B, T, F); dry days are at the threshold."""
        found = self.margins.scores(self._standardised(weather), weather.months)
        threshold = self.threshold(weather.time)
        rain = np.maximum(found[..., self.rain], threshold)
        found[..., self.rain] = np.where(weather.precipitation < TRACE, threshold, rain)
        return found

    def weather(self, scores: NDArray[np.floating], like: Weather) -> NDArray[np.float32]:
        """Turn scores (B, T, F) back into values on the days of `like`."""
        residual = self.margins.values(scores, like.months)
        values = self.season.mean_on(like.time) + self.season.std_on(like.time) * residual
        dry = scores[..., self.rain] <= self.threshold(like.time)
        wet = np.maximum(residual[..., self.rain], TRACE)
        values[..., self.rain] = np.where(dry, self.trace[:, like.months - 1], wet)
        return values.astype("float32")

    def threshold(self, time: NDArray[np.datetime64]) -> NDArray[np.float32]:
        """Score below which a day is dry, (B, T)."""
        return self.dry[:, calendar_months(time) - 1].astype("float32")

    def _standardised(self, weather: Weather) -> Floats:
        mean, std = self.season.mean_on(weather.time), self.season.std_on(weather.time)
        found: Floats = (weather.values - mean) / std
        found[..., self.rain] = weather.precipitation
        return found


def fit_climate(weather: Weather) -> Climate:
    """Fit courses, margins and dry thresholds of some years of weather."""
    rain, months = weather.rain, weather.months
    season = fit_season(weather.values, weather.time)
    standard = (weather.values - season.mean_on(weather.time)) / season.std_on(weather.time)
    standard[..., rain] = weather.precipitation
    margins = fit_margins(standard, months)
    margins = with_pareto_tail(margins, rain, weather.precipitation, months)
    share, trace = np.empty((2, len(weather.basins), 12))
    for month in range(1, 13):
        own = weather.precipitation[:, months == month].astype(np.float64)
        dry = own < TRACE
        share[:, month - 1] = dry.mean(axis=1)
        trace[:, month - 1] = (own * dry).sum(axis=1) / np.maximum(dry.sum(axis=1), 1)
    return Climate(rain, season, margins, np.clip(ndtri(share), -EDGE, EDGE), trace)


def dependence(scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """Tell what sets basins apart: autocorrelations and correlations of their scores.

    Parameters
    ----------
    scores : ndarray
        (B, T, F).

    Returns
    -------
    ndarray
        Lag-1 autocorrelation of each variable, then the correlation of each pair, standardised
        over the basins, (B, F + F (F - 1) / 2); 0 where basins do not differ.
    """
    centred = scores - scores.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=1))
    scale = np.where(scale > 0, scale, 1)
    lagged = (centred[:, 1:] * centred[:, :-1]).mean(axis=1) / scale**2
    pairs = [
        (centred[..., f] * centred[..., g]).mean(axis=1) / (scale[:, f] * scale[:, g])
        for f, g in combinations(range(scores.shape[2]), 2)
    ]
    told = np.column_stack([lagged, *pairs])
    spread = told.std(axis=0)
    return ((told - told.mean(axis=0)) / np.where(spread > 1e-6, spread, 1)).astype("float32")


def conditions(
    climate: Climate, told: NDArray[np.float32], time: NDArray[np.datetime64]
) -> NDArray[np.float32]:
    """Lay out what both networks are told on each day.

    Returns
    -------
    ndarray
        Threshold of dry days, cosine and sine of the day in the year, what `dependence` tells:
        (B, 3 + D, T).
    """
    angle = 2 * np.pi * days_since_october(time) / YEAR
    basins, days = len(told), len(time)
    parts = [
        climate.threshold(time)[:, None],
        np.broadcast_to(np.stack([np.cos(angle), np.sin(angle)]), (basins, 2, days)),
        np.broadcast_to(told[:, :, None], (*told.shape, days)),
    ]
    return np.concatenate(parts, axis=1).astype("float32")
