"""Hydrograph signatures against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydroml.data.water_years import OCTOBER, whole_years
from hydroml.regionalisation.signatures import (
    SIGNATURES,
    baseflow,
    signature_years,
    signatures,
)

YEAR = np.arange("2000-10-01", "2001-10-01", dtype="datetime64[D]")  # 365 days
TWO_YEARS = np.arange("2000-10-01", "2002-10-01", dtype="datetime64[D]")


def of(flow, rain=None, days=YEAR):
    q = np.asarray(flow, dtype=float)[None]
    p = np.ones_like(q) if rain is None else np.asarray(rain, dtype=float)[None]
    return {name: float(v[0]) for name, v in signatures(q, p, days).items()}


def test_a_river_that_never_changes():
    found = of(np.full(365, 2.0), np.full(365, 8.0))
    assert found["mean_flow"] == found["q5"] == found["q95"] == 2.0
    assert found["runoff_ratio"] == 0.25
    assert found["baseflow_index"] == pytest.approx(1.0)
    assert found["slope_fdc"] == found["flashiness"] == 0.0
    assert found["q5_to_q95"] == 1.0
    assert found["half_flow_date"] == 183  # 183 of 365 days are the first to hold half
    assert np.isnan(found["autocorrelation"])
    assert list(found) == list(SIGNATURES)


def test_a_river_that_flows_every_other_day():
    found = of(np.tile([2.0, 0.0], 183)[:365])
    # 364 steps of 2; the days after the first hold 182 twos
    assert found["flashiness"] == pytest.approx(2.0)
    assert found["autocorrelation"] == pytest.approx(-1.0)
    assert found["q5"] == found["q5_to_q95"] == 0.0
    assert np.isnan(found["slope_fdc"])  # dry more than a third of the time


def test_a_river_without_flow_has_no_ratios():
    found = of(np.zeros(365))
    assert found["mean_flow"] == found["runoff_ratio"] == 0.0
    for name in ("baseflow_index", "flashiness", "half_flow_date", "q5_to_q95"):
        assert np.isnan(found[name])


def test_all_flow_on_one_day():
    flow = np.zeros(365)
    flow[9] = 5.0  # the tenth day of October
    assert of(flow)["half_flow_date"] == 10.0


def test_the_baseflow_filter_by_hand():
    # alpha 0.5, no mirror; quick flow f = 0.5 f + 0.75 dq
    # forward:  dq 0 2 -2, f 0 1.5 -0.75           -> 1 1 1.5 1
    # backward: dq 0.5 -0.5 0, f 0.375 -0.1875 ... -> 1 1 1.125 1
    # forward:  dq 0 0.125 -0.125, f 0 0.09375 ... -> 1 1 1.03125 1
    found = baseflow(np.array([[1.0, 1.0, 3.0, 1.0]]), alpha=0.5, reflected=0)
    assert found.tolist() == [[1.0, 1.0, 1.03125, 1.0]]


def test_the_slope_of_an_exponential_duration_curve_is_its_exponent():
    q = np.exp(-1.5 * np.linspace(0, 1, 365))
    assert of(q)["slope_fdc"] == pytest.approx(1.5, rel=1e-4)


def test_gaps_do_not_count():
    q, p = np.full(365, 1.0), np.full(365, 2.0)
    q[1], p[1] = np.nan, 100.0
    q[2] = -1.0  # negative is missing, too
    found = of(q, p)
    assert found["runoff_ratio"] == 0.5
    assert found["mean_flow"] == 1.0
    assert np.isnan(found["baseflow_index"])
    assert np.isnan(found["half_flow_date"])


def test_years_with_a_gap_are_left_out():
    q = np.ones((2, 730))
    q[1, 400] = np.nan
    found = signature_years(q, np.full_like(q, 4.0), TWO_YEARS)
    assert found.shape == (2, 2, len(SIGNATURES))
    assert np.isnan(found[1, 1]).all()
    ratio = list(SIGNATURES).index("runoff_ratio")
    np.testing.assert_allclose(found[:, :, ratio], [[0.25, 0.25], [0.25, np.nan]])


def test_whole_water_years_only():
    days = np.arange("2000-10-02", "2003-09-30", dtype="datetime64[D]")
    (year,) = whole_years(days, OCTOBER)
    assert (str(days[year][0]), str(days[year][-1])) == ("2001-10-01", "2002-09-30")
    assert whole_years(days[:100], OCTOBER) == []


@given(st.floats(0.01, 100), st.integers(0, 99))
def test_only_amounts_know_the_unit(scale, seed):
    q = np.random.default_rng(seed).gamma(0.5, 3.0, 365)
    found, scaled = of(q), of(scale * q)
    for name, value in found.items():
        factor = scale if name in ("mean_flow", "runoff_ratio", "q5", "q95") else 1.0
        assert scaled[name] == pytest.approx(factor * value, rel=1e-9)
    assert 0 <= found["q5_to_q95"] <= 1
    assert 0 < found["baseflow_index"] <= 1
