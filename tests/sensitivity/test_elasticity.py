import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from hydroml.errors import ConfigError
from hydroml.sensitivity.climates import climate_groups
from hydroml.sensitivity.elasticity import (
    DISAGREE,
    agreement,
    elasticities,
    has_grid,
    response_surface,
)
from hydroml.sensitivity.statistics import STATISTICS
from tests.sensitivity.samples import sample_elasticity, sample_response

GRID = [(t, p) for t in range(7) for p in (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)]


def response_of(change, places=GRID):
    """A response of one basin and the statistic ``mean``: changes (S[, M]) at places (S)."""
    change = np.asarray(change, dtype="f4").reshape(len(places), 1, 1, -1)
    warming, factor = np.array(places, dtype=float).T
    return xr.Dataset(
        {"change": (("scenario", "basin", "statistic", "member"), change)},
        coords={
            "scenario": [f"s{i}" for i in range(len(places))],
            "temperature_change": ("scenario", warming),
            "precipitation_factor": ("scenario", factor),
            "basin": ["01022500"],
            "statistic": ["mean"],
            "statistic_title": ("statistic", ["mean flow"]),
            "change_units": ("statistic", ["%"]),
            "member": [f"seed{m}" for m in range(change.shape[3])],
        },
    )


def grid(places=GRID):
    """Warming [K] and change of precipitation [%] of each place."""
    warming, factor = np.array(places, dtype=float).T
    return warming, 100 * (factor - 1)


def row_of(change, places=GRID):
    return elasticities(response_of(change, places)).iloc[0]


def slopes_of(change, places=GRID):
    return row_of(change, places)[["per_percent_precipitation", "per_degree"]].tolist()


def test_a_plane_is_told_exactly():
    t, p = grid()
    row = row_of(2 * p - 3 * t)
    assert row["per_percent_precipitation"] == pytest.approx(2, abs=1e-5)
    assert row["per_degree"] == pytest.approx(-3, abs=1e-5)
    assert not row["nonlinear_precipitation"]
    assert not row["nonlinear_temperature"]


def test_curvature_does_not_touch_the_slope_at_the_baseline():
    t, p = grid()
    bent = 1.5 * p - 2 * t + 0.02 * p**2 + 0.3 * t**2 - 0.05 * p * t
    assert slopes_of(bent) == pytest.approx([1.5, -2.0], abs=1e-4)


@given(e=st.floats(0.5, 3), a=st.floats(0, 0.1))
@settings(deadline=None, max_examples=50)
def test_a_power_law_has_its_exponent_as_elasticity(e, a):
    # q = P^e exp(-a T): dq/q = e dP/P - a dT at the origin. What is not in the second order
    # (third derivatives over +-20 % and 3 degrees) may move the slopes by 1.5 %.
    t, p = grid()
    found = slopes_of(100 * ((1 + p / 100) ** e * np.exp(-a * t) - 1))
    assert found[0] == pytest.approx(e, rel=0.015)
    assert found[1] == pytest.approx(-100 * a, rel=0.015, abs=0.02)


def test_a_noisy_series_equals_plain_least_squares():
    t, p = grid()
    rng = np.random.default_rng(0)
    change = (rng.normal(size=len(GRID)) * 5).astype("f4")
    change[GRID.index((0, 1.0))] = 0
    near = (np.abs(p) < 21) & (t <= 3) & ((p != 0) | (t != 0))
    p, t = p[near], t[near]
    design = np.stack([p, t, p**2, t**2, p * t], axis=1)
    expected = np.linalg.lstsq(design, change[near].astype(float), rcond=None)[0][:2]
    assert slopes_of(change) == pytest.approx(expected, rel=1e-6)


def test_only_scenarios_near_the_present_count():
    t, p = grid()
    change = 2 * p - 3 * t
    far = (np.abs(p) > 21) | (t > 3)
    assert slopes_of(np.where(far, 1000, change)) == pytest.approx([2, -3], abs=1e-5)


def test_four_single_scenarios_suffice():
    # +-20 %: slope of the parabola through -18, 0, +22 is (22 + 18) / 40 = 1;
    # -9 % at +3 degrees: -3 a degree; +6 degrees is not near
    places = [(0, 1.0), (0, 0.8), (0, 1.2), (3, 1.0), (6, 1.0)]
    assert slopes_of([0, -18, 22, -9, 500], places) == pytest.approx([1, -3], abs=1e-5)


def test_one_driver_alone_leaves_the_other_unknown():
    slopes = slopes_of([0, -10, 10], [(0, 1.0), (0, 0.9), (0, 1.1)])
    assert slopes[0] == pytest.approx(1, abs=1e-5)
    assert np.isnan(slopes[1])
    slopes = slopes_of([0, -2, -4], [(0, 1.0), (1, 1.0), (2, 1.0)])
    assert np.isnan(slopes[0])
    assert slopes[1] == pytest.approx(-2, abs=1e-5)


@pytest.mark.parametrize(
    "places",
    [
        [(0, 1.0)],
        [(0, 1.0), (6, 1.0), (0, 0.7)],  # none near
        [(0, 1.0), (1, 1.1), (2, 1.2)],  # warming and rain always together
        [(0, 1.0), (np.nan, np.nan)],  # a storm
    ],
)
def test_scenarios_that_tell_no_slope_are_refused_by_name(places):
    response = response_of(np.zeros(len(places)), places)
    assert not has_grid(response)
    with pytest.raises(ConfigError, match=r"near the present climate(?s:.*)--scenarios grid"):
        elasticities(response)


def test_has_grid_needs_one_of_the_drivers():
    assert has_grid(response_of([0, 1], [(0, 1.0), (0, 1.1)]))
    assert has_grid(response_of([0, 1], [(0, 1.0), (2, 1.0)]))
    assert has_grid(sample_response(basins=1))


def test_members_that_disagree():
    # slopes 1, 1, -4: mean -2/3, of which one member has the sign;
    # deviations 5/3, 5/3, -10/3, sum of squares 150/9, over n - 1: 75/9
    _, p = grid()
    row = row_of(p[:, None] * [1.0, 1.0, -4.0])
    assert row["per_percent_precipitation"] == pytest.approx(-2 / 3, abs=1e-5)
    assert row["agreement_precipitation"] == pytest.approx(1 / 3)
    assert row["agreement_precipitation"] < DISAGREE
    assert row["spread_precipitation"] == pytest.approx(np.sqrt(75 / 9), rel=1e-5)


def test_one_member_has_no_spread():
    t, p = grid()
    row = row_of(p - t)
    assert np.isnan(row["spread_precipitation"])
    assert np.isnan(row["spread_temperature"])
    assert row["agreement_precipitation"] == 1


def test_a_member_without_numbers_does_not_count():
    t, p = grid()
    row = row_of(np.stack([p - t, 3 * p - t, np.full(len(p), np.nan)], axis=1))
    assert row["per_percent_precipitation"] == pytest.approx(2, abs=1e-5)
    assert row["spread_precipitation"] == pytest.approx(np.sqrt(2), rel=1e-5)
    assert row["agreement_precipitation"] == 1


def test_missing_scenarios_leave_the_rest_to_tell():
    t, p = grid()
    change = 2 * p - 3 * t
    change[[GRID.index((1, 0.9)), GRID.index((0, 1.2)), GRID.index((3, 1.0))]] = np.nan
    assert slopes_of(change) == pytest.approx([2, -3], abs=1e-4)
    no_warm = np.where(t > 0, np.nan, 2 * p)
    assert slopes_of(no_warm) == pytest.approx([2, np.nan], abs=1e-4, nan_ok=True)


def test_no_numbers_at_all_give_nan_and_no_flag():
    row = row_of(np.full(len(GRID), np.nan))
    numbers = [c for c in row.index if c.startswith(("per_", "spread_", "agreement_"))]
    assert row[numbers].isna().all()
    assert not row["nonlinear_precipitation"]
    assert not row["nonlinear_temperature"]


def test_a_river_that_does_not_change_is_linear():
    row = row_of(np.zeros((len(GRID), 3)))
    assert row["per_percent_precipitation"] == 0
    assert row["agreement_precipitation"] == 1
    assert not row["nonlinear_precipitation"]


@pytest.mark.parametrize(
    ("change", "precipitation", "temperature"),
    [
        (lambda t, p: 0.02 * p**2 - t, True, False),  # wetter and drier both raise it
        (lambda t, p: p - 10.0 * (t >= 2), False, True),  # nothing before a threshold
        (lambda t, p: np.maximum(p, 0) ** 2 + t**3, True, True),
        (lambda t, p: 100 * ((1 + p / 100) ** 3.3 - 1) - t, False, False),
        (lambda t, p: 100 * ((1 + p / 100) ** 3.7 - 1) - t, True, False),
    ],
)
def test_nonlinear_answers_are_flagged_driver_by_driver(change, precipitation, temperature):
    row = row_of(change(*grid()))
    assert bool(row["nonlinear_precipitation"]) is precipitation
    assert bool(row["nonlinear_temperature"]) is temperature


def test_the_layout_is_that_of_the_sample():
    response = sample_response()
    table, sample = elasticities(response), sample_elasticity(response)
    assert list(table.columns) == list(sample.columns)
    assert (table.dtypes == sample.dtypes).all()
    for column in ("gauge_id", "statistic", "change_units"):
        assert table[column].tolist() == sample[column].tolist()
    assert not table["statistic"].str.startswith("storm").any()


def test_basins_and_statistics_keep_their_own_slopes():
    response = sample_response(basins=5, members=2)
    t = response["temperature_change"].fillna(0)
    p = 100 * (response["precipitation_factor"].fillna(1) - 1)
    number = xr.DataArray(np.arange(len(STATISTICS)), dims="statistic")
    slope = xr.DataArray(np.arange(5.0), dims="basin") + 10 * number
    change = slope * p - (1 + number) * t + 0 * response["change"].fillna(0)
    table = elasticities(response.assign(change=change))
    order = [list(STATISTICS).index(s) for s in table["statistic"]]
    basin = table["gauge_id"].astype(int) - 1
    assert np.allclose(table["per_percent_precipitation"], basin + 10 * np.array(order), atol=1e-6)
    assert np.allclose(table["per_degree"], -1 - np.array(order), atol=1e-6)


def test_agreement_by_hand():
    members = [[1, 1, 1], [3, -1, -1], [2, -1, np.nan], [0, 0, 0], [np.nan] * 3, [0, 0, 3]]
    found = agreement(xr.DataArray(members, dims=("basin", "member")))
    # means 1, 1/3, 1/2, 0, none, 1
    assert found.values == pytest.approx([1, 1 / 3, 1 / 2, 1, np.nan, 1 / 3], nan_ok=True)
    assert found.dims == ("basin",)


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=9))
def test_agreement_is_of_one_member_at_least(values):
    share = float(agreement(xr.DataArray(np.array(values, "f8"), dims="member")))
    flipped = float(agreement(xr.DataArray(-np.array(values, "f8"), dims="member")))
    assert share == flipped
    if sum(values):
        assert 1 / len(values) <= share <= 1


def test_response_surface_puts_each_scenario_in_its_place():
    shuffled = np.random.default_rng(0).permutation(len(GRID))
    places = [GRID[i] for i in shuffled]
    t, p = grid(places)
    change = np.stack([p - 3 * t, p - 5 * t], axis=1)
    surface = response_surface(response_of(change, places), "01022500", "mean")
    assert surface.dims == ("temperature_change", "precipitation_factor")
    assert surface["temperature_change"].values.tolist() == [0, 1, 2, 3, 4, 5, 6]
    expected = 100 * (surface["precipitation_factor"] - 1) - 4 * surface["temperature_change"]
    assert np.allclose(surface, expected.transpose(*surface.dims), atol=1e-4)
    assert surface.attrs == {"units": "%", "long_name": "change of mean flow"}


def test_response_surface_is_nan_where_there_is_no_scenario():
    places = [(0, 1.0), (3, 1.0), (0, 1.2), (np.nan, np.nan), (0, 1.0)]
    surface = response_surface(response_of([0, -9, 22, 7, 5], places), "01022500", "mean")
    # the last repeats the baseline's place: the first one counts
    assert surface.values.ravel() == pytest.approx([0, 22, -9, np.nan], nan_ok=True)


def test_response_surface_names_what_is_not_there():
    response = response_of(np.zeros(len(GRID)))
    with pytest.raises(ConfigError, match=r"no basin '0102250'(?s:.*)'01022500'"):
        response_surface(response, "0102250", "mean")
    with pytest.raises(ConfigError, match=r"no statistic 'means'(?s:.*)'mean'"):
        response_surface(response, "01022500", "means")
    storms = response_of([1.0], [(np.nan, np.nan)])
    with pytest.raises(ConfigError, match=r"no uniform scenarios"):
        response_surface(storms, "01022500", "mean")


def test_climate_groups_at_their_bounds():
    aridity = [1.0, 1.01, 1.0, 1.01, np.nan, 0.5]
    snow = [0.3, 0.3, 0.31, 0.31, 0.5, np.nan]
    climate = {"aridity": ("basin", aridity), "frac_snow": ("basin", snow)}
    groups = climate_groups(xr.Dataset(coords={"basin": list("abcdef"), **climate}))
    assert groups.values.tolist() == [
        "humid",
        "dry",
        "humid with snow",
        "dry with snow",
        "unknown",
        "unknown",
    ]
    assert groups["basin"].values.tolist() == list("abcdef")


def test_climate_is_unknown_without_attributes():
    response = sample_response(basins=2).drop_vars("aridity")
    assert climate_groups(response).values.tolist() == ["unknown", "unknown"]
