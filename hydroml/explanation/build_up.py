"""Weeks before great floods as symbols, aligned: a search for the path that leads to a flood.

Align-RUDDER (Patil et al. 2022, arXiv:2009.14108) aligns a few good episodes and scores how far a
new one has come along what they share. Here an episode is the weeks before a great flood, each week
one of seven symbols, and the score is to tell weeks that a great flood follows from the same weeks
of other years. Exploratory: docs/toolkit/build_up.md has the verdict.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.data.water_years import OCTOBER, whole_years
from hydroml.explanation.snow import degree_day_snow
from hydroml.toolkit.credit.align_rudder import ProfileModel

Floats = NDArray[np.floating]

SYMBOLS = ("dry", "damp", "wet", "snow falls", "snow lies", "snow melts", "rain on snow")
"""What a week was, by the numbers that stand for it."""

WEEKS = 12
"""Weeks of a sequence."""
GREAT = 0.8
"""A flood is great above this quantile of its basin's annual floods in the years learned from."""
PACK = 10.0
"""Water equivalent from which snow lies [mm]."""
FALL = 5.0
"""Water equivalent of a week from which snow falls [mm]."""


@dataclass(frozen=True)
class Water:
    """What reaches the ground, from daily weather [mm d-1], (B, T) each.

    Parameters
    ----------
    rain, snowfall, melt : ndarray
        Rain, snow as water, melt water.
    pack : ndarray
        Snow on the ground at the end of each day [mm].
    """

    rain: Floats
    snowfall: Floats
    melt: Floats
    pack: Floats

    @property
    def input(self) -> Floats:
        """Rain and melt water [mm d-1]."""
        return self.rain + self.melt


def water_of(prcp: Floats, temperature: Floats) -> Water:
    """Part precipitation into rain and snow, and let snow melt, by degree days.

    Parameters
    ----------
    prcp : ndarray
        [mm d-1], (B, T).
    temperature : ndarray
        Daily mean [degC], (B, T).
    """
    pack = degree_day_snow(prcp, temperature)
    snowfall = np.nan_to_num(prcp * np.clip((1 - temperature) / 2, 0, 1))
    before = np.concatenate([np.zeros((len(pack), 1), pack.dtype), pack[:, :-1]], axis=1)
    melt = np.maximum(before + snowfall - pack, 0)
    return Water(np.nan_to_num(prcp) - snowfall, snowfall, melt, pack)


def weeks_before(water: Water, levels: Floats, basin: int, day: int) -> NDArray[np.int64]:
    """Describe the weeks that end on the day before a day.

    Parameters
    ----------
    water : Water
        Of all basins.
    levels : ndarray
        Weekly rain and melt water [mm] of the basin's median and 90 % week, (B, 2).
    basin, day : int
        Places; at least ``7 * WEEKS`` days lie before.

    Returns
    -------
    ndarray
        (WEEKS,), places in `SYMBOLS`, the latest last.
    """
    days = slice(day - 7 * WEEKS, day)

    def weekly(values: Floats) -> Floats:
        return np.asarray(values[basin, days]).reshape(WEEKS, 7)

    rain, fall, melt = (weekly(v).sum(1) for v in (water.rain, water.snowfall, water.melt))
    pack = weekly(water.pack)[:, 0]
    total = rain + melt
    median, high = levels[basin]
    found = np.select(
        [
            (pack >= PACK) & (rain >= max(median, FALL)),
            (melt > rain) & (melt >= max(median, FALL)),
            (fall >= FALL) & (fall > total),
            (pack >= PACK) & (total < median),
            total >= high,
            total >= median,
        ],
        [6, 5, 3, 4, 2, 1],
        0,
    )
    return found.astype(np.int64)


def weekly_levels(water: Water) -> Floats:
    """Rain and melt water of the median and of the 90 % week [mm], (B, 2)."""
    weeks = water.input.shape[1] // 7
    sums = np.asarray(water.input[:, : 7 * weeks]).reshape(-1, weeks, 7).sum(-1)
    return np.quantile(sums, [0.5, 0.9], axis=1).T


@dataclass(frozen=True)
class Floods:
    """Great floods, and the same day of other years, when there was none.

    Parameters
    ----------
    basin, day : ndarray
        Places, (N,).
    great : ndarray
        Whether a great flood came on that day, (N,), bool.
    event : ndarray
        Number of the flood that a row belongs to, (N,): it and its other years.
    """

    basin: NDArray[np.int64]
    day: NDArray[np.int64]
    great: NDArray[np.bool_]
    event: NDArray[np.int64]


def flood_levels(flow: Floats, time: NDArray[np.datetime64]) -> Floats:
    """Flow above which an annual flood is great [mm d-1], (B,); NaN where no year is whole."""
    floods = [flow[:, year].max(1) for year in whole_years(time, OCTOBER)]
    if not floods:
        return np.full(len(flow), np.nan)
    annual = np.stack(floods, 1)
    return np.array([np.quantile(a[np.isfinite(a)], GREAT) if np.isfinite(a).any() else np.nan
                     for a in annual])  # fmt: skip


def find_floods(flow: Floats, time: NDArray[np.datetime64], levels: Floats) -> Floods:
    """Find great annual floods and, for each, the same day of other years without one.

    Parameters
    ----------
    flow : ndarray
        Observed [mm d-1], (B, T).
    time : ndarray
        Consecutive days, (T,).
    levels : ndarray
        Of `flood_levels`, (B,).

    Returns
    -------
    Floods
        Days with at least `WEEKS` weeks before them; other years whose flow of the two weeks
        around the day is not missing and stays below the level.
    """
    years = [y for y in whole_years(time, OCTOBER) if y.start >= 7 * WEEKS]
    rows: list[tuple[int, int, bool, int]] = []
    event = 0
    for basin in range(len(flow)):
        for year in years:
            own = flow[basin, year]
            if not np.isfinite(own).all() or own.max() <= levels[basin]:
                continue
            offset = int(own.argmax())
            rows.append((basin, year.start + offset, True, event))
            for other in years:
                day = other.start + offset
                around = flow[basin, max(0, day - 7) : day + 7]
                if other != year and (around < levels[basin]).all():
                    rows.append((basin, day, False, event))
            event += 1
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Floods(table[:, 0], table[:, 1], table[:, 2].astype(bool), table[:, 3])


def profile_of(sequences: NDArray[np.int64], background: NDArray[np.int64]) -> ProfileModel:
    """Align sequences of weeks and make their profile.

    Parameters
    ----------
    sequences : ndarray
        Demonstrations, (n, WEEKS).
    background : ndarray
        Sequences at large, (m, WEEKS); every symbol is counted once more than it is seen.
    """
    counts = np.bincount(background.ravel(), minlength=len(SYMBOLS)) + 1
    demos = [torch.from_numpy(s) for s in sequences]
    return ProfileModel.from_demos(demos, torch.from_numpy(counts))


def told_apart(scores: Floats, floods: Floods) -> float:
    """Share of pairs (a great flood, the same day of another year) in which the flood's is higher.

    Each flood counts the same; 0.5 is chance, a tie half.

    Examples
    --------
    >>> one = Floods(np.zeros(3, "int64"), np.arange(3), np.array([True, False, False]),
    ...              np.zeros(3, "int64"))
    >>> told_apart(np.array([2.0, 1.0, 2.0]), one)
    0.75
    """
    shares = []
    for event in np.unique(floods.event):
        own = floods.event == event
        flood, others = scores[own & floods.great], scores[own & ~floods.great]
        if len(others):
            shares.append(float(np.mean((flood > others) + 0.5 * (flood == others))))
    return float(np.mean(shares)) if shares else float("nan")
