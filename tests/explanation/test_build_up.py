"""Weeks as symbols, great floods and their other years, profiles: by hand."""

import numpy as np
import pytest
import torch

from hydroml.explanation.build_up import (
    SYMBOLS,
    WEEKS,
    Floods,
    Water,
    find_floods,
    flood_levels,
    profile_of,
    told_apart,
    water_of,
    weekly_levels,
    weeks_before,
)


def named(sequence):
    return [SYMBOLS[s] for s in sequence]


def test_water_is_neither_made_nor_lost():
    rng = np.random.default_rng(0)
    prcp = rng.gamma(0.5, 8, (3, 400))
    warmth = 8 * np.sin(np.arange(400) / 58) + rng.normal(0, 3, (3, 400))
    water = water_of(prcp, warmth)
    np.testing.assert_allclose(water.rain + water.snowfall, prcp)
    melted = (water.snowfall - water.melt).sum(1)
    np.testing.assert_allclose(melted, water.pack[:, -1], atol=1e-3)
    assert (water.melt >= 0).all()


def test_a_winter_is_told_in_symbols():
    prcp, warmth = np.zeros((1, 7 * WEEKS)), np.full((1, 7 * WEEKS), 10.0)

    def week(number, rain, degrees):
        prcp[0, 7 * number : 7 * number + 7] = rain / 7
        warmth[0, 7 * number : 7 * number + 7] = degrees

    week(0, 0, 10)
    week(1, 15, 10)  # between the median and the 90 % week
    week(2, 60, 10)
    week(3, 70, -10)  # snow
    week(4, 0, -10)  # lies
    week(5, 30, 0.9)  # rain, as good as, on the snow; 0.9 degC melts 19 mm
    week(6, 0, 3)  # 63 mm could melt: the rest of the pack goes
    week(7, 0, 10)
    water = water_of(prcp, warmth)
    sequence = weeks_before(water, np.array([[10.0, 50.0]]), 0, 7 * WEEKS)
    assert named(sequence)[:8] == [
        "dry", "damp", "wet", "snow falls", "snow lies", "rain on snow", "snow melts", "dry",
    ]  # fmt: skip


def test_levels_are_quantiles_of_weeks():
    rain = np.repeat(np.arange(1.0, 12.0), 7)[None]  # weeks of 7, 14, ..., 77 mm
    nothing = np.zeros_like(rain)
    levels = weekly_levels(Water(rain, nothing, nothing, nothing))
    np.testing.assert_allclose(levels, [[42.0, 70.0]])


@pytest.fixture
def record():
    """Six water years from 1 July 1990, floods of 10, 11, 12, 13, 14, 40 on 1 March."""
    time = np.arange("1990-07-01", "1996-10-01", dtype="datetime64[D]")
    flow = np.ones((1, len(time)))
    for peak, year in zip((10, 11, 12, 13, 14, 40), range(1991, 1997), strict=True):
        flow[0, list(time).index(np.datetime64(f"{year}-03-01"))] = peak
    return time, flow


def test_great_floods_and_the_same_day_of_other_years(record):
    time, flow = record
    level = flood_levels(flow, time)
    assert level[0] == 14.0  # the 80 % quantile of six is the fifth
    found = find_floods(flow, time, level)
    assert found.great.tolist() == [True, False, False, False, False]  # 1995 is at the level
    assert set(found.event) == {0}
    assert str(time[found.day[0]]) == "1996-03-01"
    # 1 March is day 152 of a water year with a 29 February, of others the 151st
    others = [str(d) for d in time[found.day[1:5]]]
    assert others == ["1991-03-02", "1992-03-01", "1993-03-02", "1994-03-02"]


def test_a_year_with_a_gap_around_the_day_is_no_other_year(record):
    time, flow = record
    level = flood_levels(flow, time)
    flow[0, list(time).index(np.datetime64("1993-03-05"))] = np.nan
    found = find_floods(flow, time, level)
    assert len(found.day) == 4
    assert np.isnan(flood_levels(flow * np.nan, time)).all()


def test_a_profile_scores_its_path_highest():
    rng = np.random.default_rng(1)
    background = rng.integers(0, len(SYMBOLS), (200, WEEKS))
    demos = background[:5].copy()
    demos[:, -4:] = [3, 4, 6, 5]
    profile = profile_of(demos, background)
    scores = [profile.score(torch.from_numpy(s)) for s in (demos[0], background[50])]
    assert scores[0] > scores[1]


def test_chance_is_a_half():
    event = np.repeat(np.arange(300), 4)
    great = np.tile([True, False, False, False], 300)
    zeros = np.zeros(1200, "int64")
    floods = Floods(zeros, zeros, great, event)
    scores = np.random.default_rng(0).random(1200)
    assert told_apart(scores, floods) == pytest.approx(0.5, abs=0.06)
    assert told_apart(great.astype(float), floods) == 1.0
