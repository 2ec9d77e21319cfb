import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from hydroml.errors import ConfigError
from hydroml.sensitivity.statistics import STATISTICS
from hydroml.sensitivity.truth_comparison import COLUMNS, compare_with_truth
from tests.sensitivity.samples import sample_response


def changes(values, statistic="mean", scenario="p+20%", basins=None):
    """A response of one scenario and statistic: changes of B basins, (B[, M])."""
    values = np.asarray(values, dtype="f4").reshape(len(values), 1, -1)
    values = np.stack([np.zeros_like(values), values])
    basins = basins or [f"{b:08d}" for b in range(values.shape[1])]
    return xr.Dataset(
        {"change": (("scenario", "basin", "statistic", "member"), values)},
        coords={
            "scenario": ["baseline", scenario],
            "storm_depth": ("scenario", [np.nan, np.nan]),
            "basin": basins,
            "statistic": [statistic],
            "change_units": ("statistic", [STATISTICS[statistic].change_units]),
        },
    )


def compared(simulated, true, **more):
    table = compare_with_truth(changes(simulated, **more), changes(true, **more))
    assert len(table) == 1
    return table.iloc[0]


def test_numbers_derived_by_hand():
    # errors 5, -10, 0, 20: median 2.5; sizes 0, 5, 10, 20: median 7.5
    # true ranks 1 2 3 4, simulated 2 1 3 4: sum of d^2 is 2, 1 - 6 * 2 / (4 * 15) = 0.8
    found = compared([15, 10, 30, 60], [10, 20, 30, 40])
    assert found["n"] == 4
    assert found["rank_correlation"] == pytest.approx(0.8)
    assert found["bias"] == 2.5
    assert found["mae"] == 7.5
    assert found["true_median"] == 25
    assert found["simulated_median"] == 22.5
    assert found["sign_agreement"] == 1
    assert found["n_sign"] == 4


def test_the_truth_agrees_with_itself():
    response = sample_response(members=1)
    table = compare_with_truth(response, response)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 49 * (len(STATISTICS) - 2)  # 48 of the grid, a winter; no storms
    assert not table["scenario"].str.startswith(("baseline", "storm")).any()
    assert not table["statistic"].str.startswith("storm").any()
    assert np.allclose(table["rank_correlation"], 1)
    assert set(table["sign_agreement"].dropna()) == {1.0}
    assert (table[["bias", "mae"]] == 0).all(axis=None)


def test_the_opposite_agrees_nowhere():
    response = sample_response(members=1)
    table = compare_with_truth(response.assign(change=-response["change"]), response)
    assert np.allclose(table["rank_correlation"], -1)
    assert set(table["sign_agreement"].dropna()) == {0.0}


def test_small_true_changes_have_no_sign():
    # 1 % and less do not count; a simulated zero has not the sign of 5 %
    found = compared([-9, -9, 3, 0, 7], [1.0, -0.5, 2, 5, -4])
    assert found["n_sign"] == 3
    assert found["sign_agreement"] == pytest.approx(1 / 3)
    assert found["n"] == 5
    nothing = compared([1, 2, 3], [0, 0.5, -0.5])
    assert nothing["n_sign"] == 0
    assert np.isnan(nothing["sign_agreement"])


@pytest.mark.parametrize(
    ("statistic", "counted"),
    [("mean", 1), ("high_days", 1), ("centre_timing", 1), ("low_deficit", 1), ("low_spells", 3)],
)
def test_the_tolerance_follows_the_units(statistic, counted):
    found = compared([1, 1, 1, 1], [0.05, 0.2, 0.9, 1.1], statistic=statistic)
    assert found["n_sign"] == counted


def test_basins_without_a_number_on_either_side_count_nowhere():
    nan = np.nan
    found = compared([15, 10, 30, 60, nan, 1e6], [10, 20, 30, 40, -1e6, nan])
    full = compared([15, 10, 30, 60], [10, 20, 30, 40])
    columns = list(COLUMNS[2:])
    assert found[columns].tolist() == pytest.approx(full[columns].tolist())


def test_no_basin_with_a_number_gives_nan_without_a_warning():
    found = compared([np.nan, np.nan], [1, 2])
    assert found["n"] == 0
    assert found[["rank_correlation", "sign_agreement", "bias", "true_median"]].isna().all()


def test_ranks_of_too_few_or_equal_basins_are_not_told():
    assert np.isnan(compared([1, 2], [1, 2])["rank_correlation"])
    assert np.isnan(compared([5, 5, 5], [1, 2, 3])["rank_correlation"])
    assert compared([1, 2, 3], [1, 2, 3])["rank_correlation"] == pytest.approx(1)


@given(
    arrays("f4", (2, 9), elements=st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0, 7.0, np.nan])),
)
@settings(deadline=None, max_examples=80)
def test_rank_correlation_is_scipys(pair):
    simulated, true = pair
    found = compared(simulated, true)["rank_correlation"]
    both = np.isfinite(simulated) & np.isfinite(true)
    a, b = simulated[both], true[both]
    if len(a) < 3 or len(set(a)) == 1 or len(set(b)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-9)


def test_the_mean_of_members_is_judged():
    found = compared([[0, 20], [10, 30], [20, np.nan]], [10, 20, 20])
    assert found["bias"] == 0
    assert found["simulated_median"] == 20


def test_dates_differ_the_shorter_way_round_the_year():
    # 180 days later and 175 earlier are 355 days apart, 10.25 the other way
    found = compared([-175, -175, -175], [180, 180, 180], statistic="annual_max_date")
    assert found["bias"] == pytest.approx(10.25)
    assert found["mae"] == pytest.approx(10.25)
    centre = compared([-175, -175, -175], [180, 180, 180], statistic="centre_timing")
    assert centre["bias"] == -355  # no date: within a year


def test_basins_are_matched_by_their_ids():
    response = changes([1, 2, 3], basins=["a", "b", "c"])
    truth = changes([30, 10, 99, 20], basins=["c", "a", "new", "b"])
    found = compare_with_truth(response, truth).iloc[0]
    assert found["n"] == 3
    assert found["rank_correlation"] == pytest.approx(1)


def test_scenarios_keep_their_order_and_their_numbers():
    response = sample_response(members=2)
    truth = response.isel(member=[0]).isel(scenario=slice(None, None, -1))
    table = compare_with_truth(response, truth)
    names = response["scenario"].values[1:50].tolist()
    assert table["scenario"].drop_duplicates().tolist() == names
    row = table.set_index(["scenario", "statistic"]).loc[("t+3_p+20", "q95")]
    change = response["change"].sel(scenario="t+3_p+20", statistic="q95").values
    assert row["simulated_median"] == pytest.approx(np.median(change.mean(axis=1)))
    assert row["true_median"] == pytest.approx(np.median(change[:, 0]))


def test_nothing_in_common_is_refused_by_name():
    with pytest.raises(ConfigError, match="3 basins, 0 scenarios"):
        compare_with_truth(changes([1, 2, 3]), changes([1, 2, 3], scenario="t+3"))
    with pytest.raises(ConfigError, match="0 basins"):
        compare_with_truth(changes([1], basins=["a"]), changes([1], basins=["b"]))
