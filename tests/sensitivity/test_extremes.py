import tracemalloc
from collections import defaultdict
from datetime import date, timedelta
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydroml.data.water_years import (
    APRIL,
    OCTOBER,
    days_since_october,
    mean_date,
    shift,
    whole_years,
)
from hydroml.errors import HydromlError
from hydroml.sensitivity.extremes import (
    Thresholds,
    changes,
    extreme_statistics,
    monthly_means,
    thresholds,
)
from hydroml.sensitivity.return_levels import return_levels
from hydroml.sensitivity.statistics import STATISTICS

NAMES = list(STATISTICS)
IN_MM = [s.name for s in STATISTICS.values() if s.units.startswith("mm")]
DATES = ["annual_max_date", "low7_date", "centre_timing"]
STORMS = ["storm_peak", "storm_volume"]


def days(first, last):
    """Days from `first` to `last`, both included."""
    return np.arange(first, np.datetime64(last) + 1, dtype="datetime64[D]")


def statistics_of(q, time, limits=None):
    """Statistics of one series as a dict, against its own thresholds or given ones."""
    q = np.asarray(q)[None]
    limits = thresholds(q) if limits is None else Thresholds(*np.array(limits, float)[:, None])
    return dict(zip(NAMES, extreme_statistics(q, time, limits)[0].tolist(), strict=True))


def rivers(count, time, seed=0):
    """Skewed, autocorrelated, seasonal discharge as float32."""
    rng = np.random.default_rng(seed)
    storms = rng.gamma(0.1, 20, (count, len(time)))
    storms *= 1 + 0.8 * np.sin(2 * np.pi * days_since_october(time) / 365.25)
    q = np.ones((count, len(time)))
    for t in range(1, len(time)):
        q[:, t] = 0.93 * q[:, t - 1] + 0.07 * storms[:, t]
    return q.astype("f4")


# ---- a slow, plain reference of one series -------------------------------------------------


def plain_statistics(q, time, low, high):
    q, calendar = [float(x) for x in q], [d.item() for d in time]
    values = sorted(x for x in q if x == x)
    n, years = len(values), sum(x == x for x in q) / 365.25
    below, above = [x < low for x in q], [x > high for x in q]
    found = {name: np.percentile(values, p) for name, p in PERCENTILES.items()}
    found |= {
        "mean": sum(values) / n,
        "maximum": max(values),
        "high_volume": sum(values[n - round(0.02 * n) :]) / years,
        "low_volume": sum(values[: round(0.3 * n)]) / years,
        "high_days": sum(above) / years,
        "high_spells": sum(key for key, _ in groupby(above)) / years,
        "low_days": sum(below) / years,
        "low_spells": sum(key for key, _ in groupby(below)) / years,
        "low_deficit": sum(low - x for x in values if x < low) / years,
    }
    return found | plain_water_years(q, calendar) | plain_climatic_years(q, calendar)


PERCENTILES = {"q01": 1, "q05": 5, "q95": 95, "q99": 99}


def plain_years(q, calendar, month):
    """The whole years without a gap, each a dict of date to flow."""
    years = defaultdict(dict)
    for day, x in zip(calendar, q, strict=True):
        if x == x:
            years[day.year if day.month >= month else day.year - 1][day] = x
    length = {y: (date(y + 1, month, 1) - date(y, month, 1)).days for y in years}
    return [flow for y, flow in sorted(years.items()) if len(flow) == length[y]]


def since(day):
    return (day - date(day.year if day.month >= 10 else day.year - 1, 10, 1)).days


def plain_mean_date(found):
    if not found:
        return np.nan
    angle = np.angle(np.mean([np.exp(2j * np.pi * since(d) / 365.25) for d in found]))
    return angle * 365.25 / (2 * np.pi) % 365.25


def plain_water_years(q, calendar):
    years = plain_years(q, calendar, 10)
    peaks = [max(flow.values()) for flow in years]
    winter = [x for flow in years for day, x in flow.items() if day.month in (12, 1, 2)]
    centres = [
        sum(since(day) * x for day, x in flow.items()) / sum(flow.values()) for flow in years
    ]
    total = sum(sum(flow.values()) for flow in years)
    floods = return_levels(peaks, [2, 10, 50]) if years else [np.nan] * 3
    return dict(zip(["flood2", "flood10", "flood50"], floods, strict=True)) | {
        "annual_max": np.mean(peaks) if years else np.nan,
        "annual_max_date": plain_mean_date([max(flow, key=flow.get) for flow in years]),
        "centre_timing": np.mean(centres) if years else np.nan,
        "winter_share": 100 * sum(winter) / total if years else np.nan,
    }


def plain_climatic_years(q, calendar):
    lows, dates = [], []
    for flow in plain_years(q, calendar, 4):
        means = {
            day: np.mean([flow[day - timedelta(i)] for i in range(7)]) for day in list(flow)[6:]
        }
        lows.append(min(means.values()))
        dates.append(min(means, key=means.get))
    return {"low7": np.mean(lows) if lows else np.nan, "low7_date": plain_mean_date(dates)}


RECORDS = [
    days("1989-10-01", "1999-09-30"),
    days("1988-11-17", "2000-02-29"),  # starts and ends in the middle of a year
    days("1980-04-01", "2003-10-01"),  # long enough for the 50-year flood
    days("2000-01-05", "2001-02-01"),  # no whole year at all
]


@pytest.mark.parametrize("time", RECORDS, ids=lambda t: f"{t[0]}..{t[-1]}")
def test_many_series_equal_the_plain_reference_of_each(time):
    q = rivers(9, time)
    q[1, 100:103] = np.nan  # one year less
    q[2, np.random.default_rng(5).random(len(time)) < 0.01] = np.nan  # a gap in every year
    q[3] = np.maximum(q[3] - 0.7, 0)  # falls dry
    q[4, :200], q[4, -1] = np.nan, np.nan
    limits = thresholds(q[::-1] * np.float32(1.1))  # of another climate
    found = extreme_statistics(q, time, limits)
    for row in range(len(q)):
        expected = plain_statistics(q[row], time, limits.low[row], limits.high[row])
        expected |= dict.fromkeys(STORMS, np.nan)
        np.testing.assert_allclose(
            found[row], [expected[name] for name in NAMES], rtol=1e-9, atol=1e-9
        )


# ---- answers known by hand ------------------------------------------------------------------


def test_a_constant():
    found = statistics_of(np.full(3652, 2.0, "f4"), RECORDS[0])
    level = ("mean", "q01", "q05", "q95", "q99", "maximum", "annual_max", "low7")
    assert [found[name] for name in (*level, "flood2", "flood10")] == [2.0] * 10
    assert np.isnan(found["flood50"])  # 10 years
    nothing = ("high_days", "high_spells", "low_days", "low_spells", "low_deficit")
    assert [found[name] for name in nothing] == [0.0] * 5
    # 3652 days are 9.9986 years; 2 % are 73.04 of them, 30 % 1095.6
    assert found["high_volume"] == pytest.approx(73 * 2 * 365.25 / 3652)
    assert found["low_volume"] == pytest.approx(1096 * 2 * 365.25 / 3652)
    # 8 years centre on day 182 and the leap years 1992 and 1996 on day 182.5
    assert found["centre_timing"] == pytest.approx(182.1)
    assert found["winter_share"] == pytest.approx(100 * 902 / 3652)  # 8 * 90 + 2 * 91 days
    assert np.isnan([found["annual_max_date"], found["low7_date"]]).all()


def test_a_dry_river():
    found = statistics_of(np.zeros(3652, "f4"), RECORDS[0])
    undefined = {"annual_max_date", "low7_date", "centre_timing", "winter_share", "flood50"}
    assert {name for name in NAMES if np.isnan(found[name])} == undefined | set(STORMS)
    assert {found[name] for name in NAMES if found[name] == found[name]} == {0.0}


def test_a_sine():
    # q = 2 - cos(2 pi t / 365) from 1 October: lowest then, highest half a year later
    time = days("2000-10-01", "2001-09-30")
    t = np.arange(365)
    found = statistics_of(2 - np.cos(2 * np.pi * t / 365), time)
    for p, name in ((0.01, "q01"), (0.05, "q05"), (0.95, "q95"), (0.99, "q99")):
        # the distribution of a sine is the arcsine: F(2 - cos a) = a / pi
        assert found[name] == pytest.approx(2 - np.cos(np.pi * p), abs=0.01)
    assert found["mean"] == pytest.approx(2)
    # cos(0) counts once in 365 days: sum t cos = -365/2, so the centre is 182 + 182.5 / 730
    assert found["centre_timing"] == pytest.approx(182.25)
    assert found["annual_max_date"] == pytest.approx(182)  # and 183, equal: the first
    # Dec to Feb is t = 61 .. 150: integral of 2 - cos from 60.5 to 150.5
    a, b = 2 * np.pi * np.array([60.5, 150.5]) / 365
    share = (2 * 90 - (np.sin(b) - np.sin(a)) * 365 / (2 * np.pi)) / (2 * 365)
    assert found["winter_share"] == pytest.approx(100 * share, abs=0.01)


def test_the_centre_of_timing_follows_the_phase_of_a_sine():
    time = days("2001-10-01", "2002-09-30")
    t = np.arange(365)
    for lag in (0, 50, 150, 250):
        w = 2 * np.pi / 365
        found = statistics_of(2 + np.cos(w * (t - lag)), time)
        # sum t cos(w (t - lag)) = -365/2 cos(w lag) + 365/2 cot(w / 2) sin(-w lag) over a year
        moment = -182.5 * np.cos(w * lag) - 182.5 / np.tan(w / 2) * np.sin(w * lag)
        assert found["centre_timing"] == pytest.approx(182 + moment / 730)


def test_a_low_flow_season_across_new_year_is_not_cut():
    # lowest 7 days end on 3 January of each winter
    time = days("1990-04-01", "1994-03-31")
    q = np.ones(len(time))
    for year in range(1991, 1995):
        last = np.flatnonzero(time == np.datetime64(f"{year}-01-03"))[0]
        q[last - 6 : last + 1] = 0.3
    found = statistics_of(q, time)
    assert found["low7"] == pytest.approx(0.3)
    assert found["low7_date"] == pytest.approx(31 + 30 + 31 + 2)


def test_windows_of_seven_days_stay_within_the_climatic_year():
    # of the low week 29 March to 4 April, three days lie in one year and four in the next
    time = days("1990-04-01", "1992-03-31")
    q = np.ones(len(time))
    first = np.flatnonzero(time == np.datetime64("1991-03-29"))[0]
    q[first : first + 7] = 0.0
    expected = ((4 + 0) / 7 + (0 + 3) / 7) / 2
    found = statistics_of(q, time)
    assert found["low7"] == pytest.approx(expected)
    # the last days are 31 March (181) and 7 April (188)
    assert found["low7_date"] == pytest.approx(184.5)


def test_one_spike():
    time = RECORDS[0]
    q = np.ones(3652, "f4")
    q[np.flatnonzero(time == np.datetime64("1995-06-10"))] = 101.0
    found = statistics_of(q, time)
    assert found["maximum"] == 101
    assert found["annual_max"] == pytest.approx(11)  # (9 * 1 + 101) / 10
    assert found["annual_max_date"] == pytest.approx(252)  # 31+30+31+31+28+31+30+31 + 9
    assert found["high_volume"] == pytest.approx((72 + 101) * 365.25 / 3652)
    assert found["low_volume"] == pytest.approx(1096 * 365.25 / 3652)
    assert found["high_spells"] == found["high_days"] == pytest.approx(365.25 / 3652)
    # t = 252 weighs 101 instead of 1 in the water year 1995, that of the others is 182 or 182.5
    one = (364 * 365 / 2 + 252 * 100) / (365 + 100)
    assert found["centre_timing"] == pytest.approx((7 * 182 + 2 * 182.5 + one) / 10)


def test_a_recession():
    # q = 365, 364, ..., 1: the maximum on 1 October, the lowest week to 30 September
    time = days("2000-10-01", "2001-09-30")
    q = np.arange(365.0, 0.0, -1.0)
    found = statistics_of(q, time)
    assert (found["annual_max"], found["annual_max_date"]) == (365, 0)
    assert np.isnan([found["low7"], found["low7_date"]]).all()  # October to September cuts both
    assert found["q05"] == pytest.approx(1 + 0.05 * 364)
    assert found["low_days"] == pytest.approx(19 * 365.25 / 365)  # 1 .. 19 are below 19.2
    assert found["low_spells"] == pytest.approx(365.25 / 365)
    assert found["low_deficit"] == pytest.approx((19 * 19.2 - 190) * 365.25 / 365)
    assert found["high_volume"] == pytest.approx((359 + 365) * 7 / 2 * 365.25 / 365)  # 7.3 days
    # sum t (365 - t) / sum (365 - t) over t = 0 .. 364 is (365 - 1) / 3
    assert found["centre_timing"] == pytest.approx(364 / 3)


def test_spells_made_by_hand():
    q = [5, 0, 0, 9, 9, np.nan, 9, 1, 1, 5, 0, np.nan, np.nan, 0, 0.5, 5, 9, 8, 9]
    time = days("2001-01-01", "2001-01-19")
    found = statistics_of(q, time, limits=(1.0, 8.0))
    year = 365.25 / 16  # 16 days have a value
    # above 8: (9 9) gap (9) ... (9) 8 (9); below 1: (0 0), (0) gap (0 0.5)
    assert found["high_days"] == pytest.approx(5 * year)
    assert found["high_spells"] == pytest.approx(4 * year)
    assert found["low_days"] == pytest.approx(5 * year)
    assert found["low_spells"] == pytest.approx(3 * year)
    assert found["low_deficit"] == pytest.approx(4.5 * year)
    undefined = ["annual_max", "annual_max_date", "low7", "low7_date", "flood2"]
    assert np.isnan([found[name] for name in undefined]).all()
    assert np.isnan(found["high_volume"])  # 2 % of 16 days are no day
    assert found["low_volume"] == pytest.approx(0.5 * year)  # 0 0 0 0 0.5 of 30 % of 16


def test_series_without_a_value_and_without_a_threshold():
    time = RECORDS[0]
    q = np.stack([np.full(len(time), np.nan, "f4"), rivers(1, time)[0]])
    none = Thresholds(np.array([1.0, np.nan]), np.array([2.0, np.nan]))
    empty, river = extreme_statistics(q, time, none)
    assert np.isnan(empty).all()
    without = {name for name, x in zip(NAMES, river, strict=True) if np.isnan(x)}
    beyond = {"high_days", "high_spells", "low_days", "low_spells", "low_deficit"}
    assert without == beyond | {"flood50", *STORMS}
    assert np.isnan(thresholds(q).low).tolist() == [True, False]
    assert extreme_statistics(q[:0], time, thresholds(q[:0])).shape == (0, len(NAMES))


def test_thresholds_equal_numpy_on_what_is_there():
    q = rivers(70, RECORDS[3])  # more than a block
    q[5, 3:90] = np.nan
    found = thresholds(q)
    expected = np.nanpercentile(q.astype(float), [5, 99], axis=1)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12)


def test_missing_days_in_the_axis_are_refused():
    time = np.delete(RECORDS[3], 10)
    with pytest.raises(HydromlError, match="2000-01-14 is followed by 2000-01-16"):
        monthly_means(np.ones((1, len(time))), time)
    with pytest.raises(HydromlError, match="no day"):
        monthly_means(np.ones((1, 0)), time[:0])


def test_monthly_means():
    time = days("1999-11-15", "2001-01-31")
    month = time.astype("datetime64[M]").astype(int) % 12 + 1
    q = np.stack([month, 2.0 * month]).astype("f4")
    q[0, month == 3], q[1, 5] = np.nan, np.nan
    found = monthly_means(q, time)
    expected = np.arange(1.0, 13)
    np.testing.assert_allclose(found[1], 2 * expected)
    expected[2] = np.nan
    np.testing.assert_allclose(found[0], expected)


# ---- years, dates, changes ------------------------------------------------------------------


def test_years_are_cut_at_their_first_month():
    time = days("1999-10-01", "2001-03-31")
    assert whole_years(time, OCTOBER) == [slice(0, 366)]  # with 29 February 2000
    assert whole_years(time, APRIL) == [slice(183, 548)]
    assert whole_years(time[1:], OCTOBER) == []
    assert whole_years(time[:-1], APRIL) == []
    since_october = days_since_october(time)
    assert since_october[[0, 365, 366]].tolist() == [0, 365, 0]


def test_a_hair_before_october_is_day_0():
    assert float(mean_date([-1e-17])) == 0  # and not 365.25, which is no day


def test_dates_that_cancel_have_no_mean():
    assert np.isnan(mean_date([10.0, 10.0 + 365.25 / 2]))
    assert np.isnan(mean_date([[np.nan, np.nan]])).all()


@given(st.lists(st.integers(0, 365), min_size=1, max_size=12), st.integers(0, 365))
def test_mean_dates_turn_with_the_year(dates, turn):
    dates = np.array(dates, float)
    resultant = np.abs(np.exp(2j * np.pi * dates / 365.25).mean())
    mean, turned = mean_date(dates), mean_date((dates + turn) % 365.25)
    if resultant > 0.01:
        assert 0 <= mean < 365.25
        assert float(shift(turned, mean + turn)) == pytest.approx(0, abs=1e-6)


@given(st.floats(0, 365.25), st.floats(0, 365.25))
def test_the_shorter_way_round_the_year(later, earlier):
    found = float(shift(later, earlier))
    assert abs(found) <= 182.625
    turns = (later - earlier - found) / 365.25
    assert turns == pytest.approx(round(turns), abs=1e-9)


def test_half_a_year_is_later():
    assert float(shift(182.625, 0.0)) == float(shift(0.0, 182.625)) == 182.625


def test_changes_by_kind():
    base, value = np.full(len(NAMES), 4.0), np.full((2, len(NAMES)), 5.0)
    value[1] = 364.25
    base[NAMES.index("q01")] = 0.0
    value[0, NAMES.index("q99")] = np.nan
    found = [dict(zip(NAMES, row, strict=True)) for row in changes(value, base)]
    for name, s in STATISTICS.items():
        expected = {"relative": (25.0, 9006.25), "absolute": (1.0, 360.25), "date": (1.0, -5.0)}
        first, second = expected[s.kind]
        if name == "q01":
            assert np.isnan([found[0][name], found[1][name]]).all()
            continue
        assert np.isnan(found[0][name]) if name == "q99" else found[0][name] == first
        assert found[1][name] == second
    assert changes(value[0], value[0])[NAMES.index("mean")] == 0


# ---- invariants -----------------------------------------------------------------------------

SHORT = days("1990-03-01", "1994-11-30")


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(-5, 5))
def test_scaling_flow_scales_what_is_in_mm_and_nothing_else(seed, power):
    q = rivers(2, SHORT, seed)
    scaled = q * np.float32(2.0**power)  # exact, so that equal flows stay equal
    found = extreme_statistics(q, SHORT, thresholds(q))
    found_scaled = extreme_statistics(scaled, SHORT, thresholds(scaled))
    factor = np.array([2.0**power if name in IN_MM else 1.0 for name in NAMES])
    np.testing.assert_array_equal(found_scaled, found * factor)
    change = changes(found_scaled, found)
    relative = [s.kind == "relative" and s.name not in STORMS for s in STATISTICS.values()]
    known = np.isfinite(found[:, relative])
    np.testing.assert_allclose(change[:, relative][known], 100 * (2.0**power - 1), atol=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(-20, 20))
def test_four_years_later_is_the_same(seed, fours):
    q = rivers(2, SHORT, seed)
    limits = thresholds(q)
    moved = SHORT + 1461 * fours  # 1910 to 2074: leap years fall on leap years
    np.testing.assert_array_equal(
        extreme_statistics(q, SHORT, limits), extreme_statistics(q, moved, limits)
    )


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 60))
def test_a_delayed_pulse_moves_the_date_by_its_delay(start, delay):
    time = days("1990-10-01", "1991-09-30")
    q = np.zeros((2, 365))
    q[0, start % 300], q[1, start % 300 + delay] = 3.0, 3.0
    found = extreme_statistics(q, time, thresholds(q))
    change = dict(zip(NAMES, changes(found[1], found[0]), strict=True))
    assert change["annual_max_date"] == pytest.approx(delay)
    assert change["centre_timing"] == pytest.approx(delay)
    assert change["annual_max"] == change["mean"] == 0


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_statistics_keep_their_order(seed):
    q = rivers(3, SHORT, seed)
    found = dict(zip(NAMES, extreme_statistics(q, SHORT, thresholds(q)).T, strict=True))
    order = ["q01", "q05", "mean", "q95", "q99", "maximum"]
    assert (np.diff([found[name] for name in order if name != "mean"], axis=0) >= 0).all()
    assert (found["annual_max"] <= found["maximum"]).all()
    assert (found["low7"] >= q.min(axis=1)).all()
    assert (found["low7"] <= found["annual_max"]).all()
    assert (found["high_volume"] + found["low_volume"] <= found["mean"] * 365.25).all()
    assert (found["high_spells"] <= found["high_days"]).all()
    assert (found["low_spells"] <= found["low_days"]).all()
    # at its own thresholds, 1 % of the days lie above and 5 % below, but for interpolation
    assert found["high_days"] == pytest.approx(3.6525, abs=365.25 / len(SHORT))
    assert found["low_days"] == pytest.approx(18.2625, abs=365.25 / len(SHORT))
    for name in DATES:
        assert ((found[name] >= 0) & (found[name] < 365.25)).all()


def test_blocks_do_not_show_and_memory_stays_bounded():
    time = RECORDS[0]
    q = np.tile(rivers(5, time), (60, 1)) * np.linspace(0.5, 2, 300, dtype="f4")[:, None]
    limits = thresholds(q)
    tracemalloc.start()
    found = extreme_statistics(q, time, limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for row in (0, 63, 64, 299):
        one = Thresholds(limits.low[row : row + 1], limits.high[row : row + 1])
        alone = extreme_statistics(q[row : row + 1], time, one)[0]
        np.testing.assert_allclose(found[row], alone, rtol=1e-12)
    assert peak < 16e6  # some float64 copies of 64 rows; float64 copies of all take 9 MB each
