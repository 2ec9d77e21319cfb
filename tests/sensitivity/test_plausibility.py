import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from hydroml.models import EALSTM, LSTM
from hydroml.sensitivity.plausibility import (
    AGREEMENT_OF,
    NEAR_CEILING,
    discharge_ceiling,
    plausibility_fields,
    plausibility_table,
)
from hydroml.sensitivity.statistics import STATISTICS
from tests.sensitivity.samples import sample_plausibility, sample_response

CHECKS = (
    "wetter_means_more",
    "below_precipitation",
    "below_ceiling",
    "concave_storms",
    "earlier_with_warming",
)


def good_response(basins=3, members=2):
    """A response that passes every check: a third of the rain runs off, storms in proportion."""
    response = sample_response(basins=basins, members=members)
    factor = response["precipitation_factor"].fillna(1).values[:, None, None]
    warming = response["temperature_change"].fillna(0).values[:, None, None]
    depth = response["storm_depth"].values[:, None, None]
    response["precipitation"][:] = 3 * factor[..., 0]
    response["ceiling"][:] = 60
    place(response, "value", "mean", factor)
    place(response, "value", "maximum", 20 * factor)
    place(response, "value", "storm_peak", 0.2 * depth)
    place(response, "change", "centre_timing", -3 * warming)
    return response.assign_coords(frac_snow=("basin", np.full(basins, 0.5)))


def place(response, variable, statistic, values):
    """Write (S, B, M) or what is broadcast to it."""
    response[variable].loc[{"statistic": statistic}] = np.broadcast_to(
        values, response[variable].sel(statistic=statistic).shape
    )


def at(response, warming, factor):
    """Number of the scenario at a place of the grid."""
    here = np.isclose(response["temperature_change"], warming)
    return int(np.flatnonzero(here & np.isclose(response["precipitation_factor"], factor))[0])


def set_value(response, scenario, statistic, values, variable="value"):
    place = {"scenario": scenario, "statistic": list(STATISTICS).index(statistic)}
    response[variable][place] = values


def set_storms(response, peaks, ground):
    """Peaks (D[, B]) of the storms of 25, 50 and 100 mm."""
    rows = np.flatnonzero(response["storm_antecedent"].values == ground)
    for row, peak in zip(rows, peaks, strict=True):
        set_value(response, row, "storm_peak", np.reshape(peak, (-1, 1)))


def by_basin(table, column):
    """Values with None where nothing is known."""
    return [None if pd.isna(v) else v for v in table[column]]


def test_a_good_response_passes_everything():
    table = plausibility_table(good_response())
    assert table["failed_checks"].tolist() == [0, 0, 0]
    passed = {name: name != "concave_storms" for name in CHECKS}
    assert {name: by_basin(table, name) for name in CHECKS} == {
        n: [p] * 3 for n, p in passed.items()
    }
    assert table["runoff_ratio"].tolist() == pytest.approx([1 / 3] * 3)
    assert table["ceiling_share"].tolist() == pytest.approx([20 * 1.3 / 60] * 3)


def test_the_layout_is_that_of_the_sample():
    response = sample_response()
    table, sample = plausibility_table(response), sample_plausibility(response)
    assert list(table.columns) == list(sample.columns)
    assert table.index.equals(sample.index)
    assert table.index.name == "gauge_id"
    for name in (*CHECKS, "snow_basin"):
        assert table[name].dtype == "boolean"


def test_evidence_from_the_grid_is_the_largest():
    response = good_response(basins=2)
    response["outside"][:] = 0.01
    response["outside"][at(response, 6, 1.3), 1, 2] = 0.3
    response["outside"][50:] = 0.9  # storms do not count
    for name, share in (("unusual", 0.2), ("unusual_here", 0.4)):
        response[name][:] = 0.02
        response[name][at(response, 6, 0.7), 0] = share
        response[name][49:] = 0.9
    table = plausibility_table(response)
    assert table["outside_training"].tolist() == pytest.approx([0.01, 0.3])
    assert table["unusual_days"].tolist() == pytest.approx([0.2, 0.02])
    assert table["unusual_days_here"].tolist() == pytest.approx([0.4, 0.02])


def test_without_a_grid_there_is_no_evidence_from_it():
    response = good_response().isel(scenario=[0, 49, 50, 51, 52])
    table = plausibility_table(response)
    for name in ("outside_training", "unusual_days", "unusual_days_here"):
        assert table[name].isna().all()
    assert by_basin(table, "wetter_means_more") == [None] * 3
    assert by_basin(table, "earlier_with_warming") == [None] * 3
    assert table["failed_checks"].tolist() == [0] * 3


@pytest.mark.parametrize(
    ("drier", "wetter", "passed"),
    [
        (0.8, 1.3, True),
        (0.8, 1.0, False),
        (1.0, 1.3, False),
        (1.1, 0.9, False),
        (np.nan, 1.3, None),
    ],
)
def test_more_precipitation_means_more_flow(drier, wetter, passed):
    response = good_response()
    set_value(response, at(response, 0, 0.9), "mean", drier)
    set_value(response, at(response, 0, 1.1), "mean", wetter)
    set_value(response, at(response, 0, 1.3), "mean", 0.0)  # not the next: does not count
    set_value(response, at(response, 1, 1.1), "mean", 0.0)  # nor does one with warming
    table = plausibility_table(response)
    assert by_basin(table, "wetter_means_more") == [passed] * 3
    assert table["failed_checks"].tolist() == [int(passed is False)] * 3


def test_precipitation_and_flow_are_of_the_members_mean():
    response = good_response(basins=1, members=2)
    set_value(response, at(response, 0, 1.1), "mean", [[0.5, 1.7]])  # mean 1.1 > 1
    assert by_basin(plausibility_table(response), "wetter_means_more") == [True]


def test_the_sides_of_the_baseline_need_not_be_ten_percent():
    response = good_response()
    keep = [0, at(response, 0, 0.8), at(response, 0, 1.2)]
    assert (
        by_basin(plausibility_table(response.isel(scenario=keep)), "wetter_means_more")
        == [True] * 3
    )
    only_drier = plausibility_table(response.isel(scenario=keep[:2]))
    assert by_basin(only_drier, "wetter_means_more") == [None] * 3


def test_flow_stays_below_precipitation():
    response = good_response()
    dry = at(response, 0, 0.7)  # 2.1 mm a day
    set_value(response, dry, "mean", [[2.1], [2.2], [np.nan]])
    set_value(response, 50, "mean", 30.0)  # the rain of storms is not in the record
    table = plausibility_table(response)
    assert table["runoff_ratio"].tolist() == pytest.approx([1, 2.2 / 2.1, 1 / 3], rel=1e-6)
    assert by_basin(table, "below_precipitation") == [True, False, True]
    assert table["failed_checks"].tolist() == [0, 1, 0]


def test_without_rain_there_is_no_runoff_ratio():
    response = good_response()
    response["precipitation"][:, 0] = np.nan
    response["precipitation"][:, 1] = 0
    table = plausibility_table(response)
    assert by_basin(table, "below_precipitation") == [None, None, True]
    assert table["runoff_ratio"].isna().tolist() == [True, True, False]
    assert table["failed_checks"].tolist() == [0] * 3


def test_floods_stay_clear_of_the_ceiling():
    response = good_response(basins=3, members=2)
    set_value(response, at(response, 6, 1.3), "maximum", [[1, 1], [1, 54.1], [1, 1]])
    set_storms(response, [[0, 0, 9], [0, 0, 20], [20, 53.9, 60]], "wet")
    table = plausibility_table(response)
    # 60 is the ceiling of both members; a member decides, and so does the peak of a storm
    assert table["ceiling_share"].tolist() == pytest.approx([26 / 60, 54.1 / 60, 1], rel=1e-5)
    assert NEAR_CEILING == 0.9
    assert by_basin(table, "below_ceiling") == [True, False, False]
    response["ceiling"][1, 1] = 120
    assert plausibility_table(response)["ceiling_share"].iloc[1] == pytest.approx(53.9 / 60)


def test_a_ceiling_that_is_not_known_is_no_check():
    response = good_response()
    response["ceiling"][:] = np.nan
    table = plausibility_table(response)
    assert by_basin(table, "below_ceiling") == [None] * 3
    assert table["failed_checks"].tolist() == [0] * 3


@pytest.mark.parametrize(
    ("peaks", "concave"),
    [
        ([5, 10, 20], False),  # straight: 0.2 a mm
        ([5, 10, 20.2], False),
        ([5, 10, 19.1], False),  # .2, then .182: within 10 % of straight
        ([5, 10, 18.9], True),  # .2, then .178
        ([5, 7.1, 10], True),  # a square root
        ([1, 4, 16], False),  # a parabola
        ([5, 5, 5], True),  # no growth
        ([5, 6, 4], True),
        ([5, np.nan, 20], None),
    ],
)
def test_storms_that_grow_less_and_less(peaks, concave):
    response = good_response()
    for ground in ("wet", "dry"):
        set_storms(response, peaks, ground)
    table = plausibility_table(response)
    assert by_basin(table, "concave_storms") == [concave] * 3
    assert table["failed_checks"].tolist() == [int(concave is True)] * 3


@pytest.mark.parametrize(
    ("peaks", "concave"),
    [
        ([1, 6, 10, 14], True),  # slopes .2, .08, .04
        ([1, 6, 7, 27], False),  # .2, .02, .2: as steep in the end as anywhere
        ([1, 2, 10, 14], True),  # .04, .16, .04: an S flattens, too
    ],
)
def test_the_end_decides(peaks, concave):
    response = good_response()
    longer = response.isel(scenario=[52, 55, *range(56)])  # depths need not be in order
    depth = longer["storm_depth"].values.copy()
    depth[:2] = 200
    longer = longer.assign_coords(storm_depth=("scenario", depth))
    for ground in ("wet", "dry"):
        rows = np.flatnonzero(longer["storm_antecedent"].values == ground)
        for row, peak in zip([*rows[1:], rows[0]], peaks, strict=True):
            set_value(longer, row, "storm_peak", peak)
    assert by_basin(plausibility_table(longer), "concave_storms") == [concave] * 3


def test_storms_are_concave_on_both_grounds_or_not_at_all():
    response = good_response()
    nan = np.nan
    set_storms(response, [[5, 5, 5], [7, 10, nan], [8, 20, 9]], "wet")
    set_storms(response, [[5, 5, 5], [10, nan, nan], [20, 7, 9]], "dry")
    # concave and straight; straight and unknown; unknown twice
    assert by_basin(plausibility_table(response), "concave_storms") == [False, False, None]


def test_one_ground_alone_is_judged():
    response = good_response()
    set_storms(response, [5, 7, 8], "wet")
    wet = response.isel(scenario=response["storm_antecedent"] != "dry")
    assert by_basin(plausibility_table(wet), "concave_storms") == [True] * 3
    assert (
        by_basin(plausibility_table(wet.isel(scenario=slice(-1))), "concave_storms") == [None] * 3
    )


def test_snow_basins_flow_earlier_when_it_is_warmer():
    response = good_response(basins=5).assign_coords(
        frac_snow=("basin", [0.31, 0.5, 0.3, np.nan, 0.5])
    )
    warm = at(response, 3, 1.0)
    shifts = np.array([-1.0, 2.0, 2.0, 2.0, np.nan]).reshape(5, 1)
    set_value(response, warm, "centre_timing", shifts, variable="change")
    table = plausibility_table(response)
    assert by_basin(table, "snow_basin") == [True, True, False, None, True]
    assert by_basin(table, "earlier_with_warming") == [True, False, None, None, None]
    assert table["failed_checks"].tolist() == [0, 1, 0, 0, 0]


def test_the_nearest_warming_is_taken():
    response = good_response()
    keep = [0, at(response, 1, 1.0), at(response, 4, 1.0), at(response, 3, 1.1)]
    set_value(response, keep[1], "centre_timing", 9, variable="change")
    set_value(response, keep[3], "centre_timing", 9, variable="change")
    table = plausibility_table(response.isel(scenario=keep))
    assert by_basin(table, "earlier_with_warming") == [True] * 3


def test_without_attributes_no_basin_is_known_to_have_snow():
    table = plausibility_table(good_response().drop_vars("frac_snow"))
    assert by_basin(table, "snow_basin") == [None] * 3
    assert by_basin(table, "earlier_with_warming") == [None] * 3


def test_failures_add_up():
    response = good_response()
    set_value(response, at(response, 0, 1.1), "mean", 0.0)
    set_value(response, at(response, 0, 0.7), "mean", 5.0)
    set_value(response, at(response, 0, 0.7), "maximum", 59.0)
    set_storms(response, [5, 7, 8], "wet")
    set_storms(response, [5, 7, 8], "dry")
    set_value(response, at(response, 3, 1.0), "centre_timing", 1.0, variable="change")
    assert plausibility_table(response)["failed_checks"].tolist() == [5] * 3


def test_a_response_of_nan_fails_nothing_and_warns_of_nothing():
    response = good_response()
    for name in response.data_vars:
        response[name][:] = np.nan
    table = plausibility_table(response)
    assert table["failed_checks"].tolist() == [0] * 3
    assert all(by_basin(table, name) == [None] * 3 for name in CHECKS)


def test_fields_hold_the_evidence_of_each_scenario(tmp_path):
    response = good_response()
    response["outside"][:] = 0.0
    response["outside"][4, 1, 2] = 0.3
    change = response["change"].sel(statistic="low7").values * 0 + [1.0, -0.5]
    place(response, "change", "low7", change)
    fields = plausibility_fields(response)
    grid = slice(0, 49)
    assert np.allclose(fields["runoff_ratio"][grid], 1 / 3)
    assert np.isnan(fields["runoff_ratio"][50:]).all()
    factor = response["precipitation_factor"].values[grid, None]
    assert np.allclose(fields["ceiling_share"][grid], 20 * factor / 60)
    assert float(fields["outside"][4, 1]) == pytest.approx(0.3)
    assert float(fields["outside"].sum()) == pytest.approx(0.3)
    assert fields["agreement"]["statistic"].values.tolist() == list(AGREEMENT_OF)
    assert (fields["agreement"].sel(statistic="low7") == 0.5).all()
    for name, field in fields.items():
        assert field.dims[:2] == ("scenario", "basin"), name
        assert field.attrs["units"] == "1"
        assert field.attrs["long_name"]
    fields.to_netcdf(tmp_path / "plausibility.nc")
    with xr.open_dataset(tmp_path / "plausibility.nc") as read:
        assert read["title"].values.tolist() == response["title"].values.tolist()
        assert read.attrs["synthetic"] == "false"


def models(hidden=16, seed=0):
    torch.manual_seed(seed)
    return LSTM(5, 3, hidden=hidden).eval(), EALSTM(5, 3, hidden=hidden).eval()


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("size", [1.0, 1e2, 1e6])
def test_no_weather_exceeds_the_ceiling(which, size):
    model = models()[which]
    ceiling = discharge_ceiling(model, target_mean=1.5, target_std=3.6)
    torch.manual_seed(1)
    with torch.no_grad():
        y, _ = model(size * torch.randn(64, 50, 5), size * torch.randn(64, 3))
    highest = float(y.max()) * 3.6 + 1.5
    assert highest <= ceiling * (1 + 1e-6)  # rounding of h to 1


@pytest.mark.parametrize("which", [0, 1])
def test_saturated_states_approach_the_ceiling(which):
    # gates wide open and g with the sign of the head's weight: c(t) = t sign(w), h -> sign(w)
    model = models()[which]
    with torch.no_grad():
        sign = model.head.linear.weight[0].sign()
        assert set(sign.tolist()) == {-1.0, 1.0}
        for weight in model.parameters():
            if weight.shape != model.head.linear.weight.shape and weight.dim() == 2:
                weight.zero_()
        open_gates = torch.full((16,), 50.0)
        g = 50 * sign
        if which == 0:
            model.bias.copy_(torch.cat([open_gates, open_gates, g, open_gates]))  # i f g o
        else:
            model.bias.copy_(torch.cat([open_gates, g, open_gates]))  # f g o; i is sigmoid(0)
        y, _ = model(torch.zeros(1, 60, 5), torch.zeros(1, 3))
    ceiling = discharge_ceiling(model, target_mean=0.0, target_std=1.0)
    assert float(y[0, 0]) < 0.95 * ceiling
    assert float(y[0, -1]) == pytest.approx(ceiling, rel=1e-5)
