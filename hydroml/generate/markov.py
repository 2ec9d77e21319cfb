"""The plain weather generator: Markov chain, gamma amounts, and Richardson's other variables.

Richardson (1981, doi 10.1029/WR017i001p00182). Precipitation: a first-order chain of wet and dry
days, and on wet days gamma amounts above the threshold, each independent of the day before. All
other variables: yearly courses of mean and standard deviation, apart for wet and dry days, around
which residuals follow a first-order linear series with the correlations observed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydroml.data.series import Days
from hydroml.generate.amounts import fit_gamma
from hydroml.generate.bounds import within_bounds
from hydroml.generate.chain import WET, fit_chain, run_chain
from hydroml.generate.linear import fit_linear
from hydroml.generate.season import Season, fit_season
from hydroml.generate.weather import Floats, Months, Weather, days_of
from hydroml.progress import Advance, silent

_FEWEST = 10
"""Wet days from which a month has amounts of its own; below, they are the basin's."""
_LEAST_EXCESS = 0.01  # [mm d-1]: the precision of the data; an excess of 0 has no logarithm
_SPIN_UP = 50  # days in which the linear series forgets its start


@dataclass(frozen=True)
class MarkovWeather:
    """A fitted generator; made by `fit_markov`.

    Parameters
    ----------
    learned : Weather
        What it was fitted to.
    chain : ndarray
        Probability of a wet day after a dry and a wet one, (B, 12, 2).
    shape, scale : ndarray
        Of the gamma amounts above the threshold, (B, 12); scale in [mm d-1].
    drizzle : ndarray
        What a dry day brings [mm d-1], (B, 12).
    seasons : tuple of Season
        Courses of the other variables on dry days, on wet days.
    step, innovate : ndarray
        A and B of their residuals, (B, F - 1, F - 1).
    """

    learned: Weather
    chain: Floats
    shape: Floats
    scale: Floats
    drizzle: Floats
    seasons: tuple[Season, Season]
    step: Floats
    innovate: Floats

    def generate(
        self, period: Days, members: int, seed: int, on_progress: Advance = silent
    ) -> list[Weather]:
        """Make the days of a period, several times.

        Parameters
        ----------
        period : tuple of datetime64
            First and last day.
        members : int
            How many; they are independent of each other, and so are basins.
        seed : int
            Another gives other weather.
        on_progress : callable
            Told of the members done.
        """
        days, rng = days_of(period), np.random.default_rng(seed)
        shape = (len(self.learned.basins), len(days), len(self.learned.names))
        found = []
        for _ in range(members):
            like = self.learned.with_values(np.empty(shape, dtype="float32"), days)
            wet = run_chain(self.chain, like.months, rng.random(shape[:2]))
            like.values[..., like.rain] = self._amounts(wet, like.months, rng)
            like.values[..., like.others] = self._others(wet, like, rng)
            found.append(within_bounds(like, self.learned))
            on_progress(1)
        return found

    def _amounts(self, wet: NDArray[np.bool_], months: Months, rng: np.random.Generator) -> Floats:
        own = months - 1
        excess = rng.gamma(self.shape[:, own]) * self.scale[:, own]
        return np.where(wet, WET + excess, self.drizzle[:, own])

    def _others(self, wet: NDArray[np.bool_], like: Weather, rng: np.random.Generator) -> Floats:
        residual = self._residuals(len(like.time), rng)
        dry_season, wet_season = self.seasons
        on = wet[..., None]
        mean = np.where(on, wet_season.mean_on(like.time), dry_season.mean_on(like.time))
        std = np.where(on, wet_season.std_on(like.time), dry_season.std_on(like.time))
        return mean + std * residual

    def _residuals(self, days: int, rng: np.random.Generator) -> Floats:
        basins, size, _ = self.step.shape
        state, found = np.zeros((basins, size, 1)), np.empty((basins, days, size))
        for t in range(-_SPIN_UP, days):
            state = self.step @ state + self.innovate @ rng.normal(size=(basins, size, 1))
            if t >= 0:
                found[:, t] = state[..., 0]
        return found


def fit_markov(weather: Weather) -> MarkovWeather:
    """Fit the plain generator to some years of weather.

    Parameters
    ----------
    weather : Weather
        Years to learn from; every calendar month has to occur.
    """
    rain, wet = weather.precipitation.astype(np.float64), weather.precipitation >= WET
    shape, scale = _fit_amounts(rain, wet, weather.months)
    others = weather.values[..., weather.others]
    seasons = (fit_season(others, weather.time, ~wet), fit_season(others, weather.time, wet))
    on = wet[..., None]
    mean = np.where(on, seasons[1].mean_on(weather.time), seasons[0].mean_on(weather.time))
    std = np.where(on, seasons[1].std_on(weather.time), seasons[0].std_on(weather.time))
    step, innovate = fit_linear((others - mean) / std)
    drizzle = _monthly(np.where(wet, 0, rain), ~wet, weather.months)
    chain = fit_chain(wet, weather.months)
    return MarkovWeather(weather, chain, shape, scale, drizzle, seasons, step, innovate)


def _fit_amounts(rain: Floats, wet: NDArray[np.bool_], months: Months) -> tuple[Floats, Floats]:
    excess = np.where(wet, np.maximum(rain - WET, _LEAST_EXCESS), 1.0)
    days = np.stack([(wet & (months == month)).sum(axis=1) for month in range(1, 13)], axis=1)
    mean, mean_log = _monthly(excess, wet, months), _monthly(np.log(excess), wet, months)
    count = np.maximum(days.sum(axis=1), 1)
    whole = (excess * wet).sum(axis=1) / count, (np.log(excess) * wet).sum(axis=1) / count
    few = days < _FEWEST
    mean = np.where(few, np.maximum(whole[0], _LEAST_EXCESS)[:, None], mean)
    return fit_gamma(mean, np.where(few, whole[1][:, None], mean_log))


def _monthly(values: Floats, where: NDArray[np.bool_], months: Months) -> Floats:
    """Mean of the days that count in each calendar month, (B, 12); 0 where none does."""
    found = np.empty((len(values), 12))
    for month in range(1, 13):
        own = where & (months == month)
        found[:, month - 1] = (values * own).sum(axis=1) / np.maximum(own.sum(axis=1), 1)
    return found
