"""Cell states as classifiers: the states are the model's, the labels are arithmetic."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import hydroml
from hydroml.data.store import open_store, write_store
from hydroml.errors import RunError, StoreError
from hydroml.explanation import states
from hydroml.explanation.cell_states import cell_states
from hydroml.explanation.labels import (
    LABELS,
    Conditions,
    Thresholds,
    Weather,
    cut,
    find_weather,
    low_pass,
    thresholds,
)
from hydroml.explanation.snow import degree_day_snow
from hydroml.models import EALSTM, LSTM
from hydroml.models.loops import ealstm_loop, lstm_loop
from hydroml.report.states import draw_states
from hydroml.training.rundir import RunDirectory
from tests.conftest import tiny_dataset

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory):
    return shutil.copytree(tiny_run, tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def analysed(run):
    return hydroml.classify_states(run, device="cpu"), run / "states"


@pytest.mark.parametrize("kind", ["lstm", "nostatic", "ealstm"])
def test_cell_states_are_those_of_the_recurrence(kind):
    torch.manual_seed(0)
    model = {
        "lstm": lambda: LSTM(3, 2, hidden=5),
        "nostatic": lambda: LSTM(3, 0, hidden=5),
        "ealstm": lambda: EALSTM(3, 2, hidden=5),
    }[kind]().double()
    loop = ealstm_loop if kind == "ealstm" else lstm_loop
    x_d, x_s = np.random.default_rng(1).normal(size=(4, 11, 3)), np.ones((4, 2))
    found = cell_states(model, x_d, x_s, CPU, slice(6, 10))
    expected = [
        loop(model, torch.from_numpy(x_d[:, : day + 1]), torch.from_numpy(x_s))[1][1]
        for day in range(6, 10)
    ]
    torch.testing.assert_close(found, torch.stack(expected, 1), rtol=0, atol=1e-14)


def test_a_model_without_cells_is_told():
    with pytest.raises(TypeError, match="not Linear"):
        cell_states(torch.nn.Linear(1, 1), np.ones((1, 2, 1)), np.ones((1, 1)), CPU, slice(0, 2))


def test_snow_melts_by_three_millimetres_a_degree():
    # 0 degC: half of 8 mm is snow; 1 degC: none is, 3 mm melt; 2 degC: the last mm melts
    temperature = np.array([[0.0, 1.0, 2.0]])
    snow = degree_day_snow(np.array([[8.0, 5.0, 0.0]]), temperature)
    assert snow.tolist() == [[4.0, 1.0, 0.0]]


def test_missing_weather_neither_falls_nor_melts():
    snow = degree_day_snow(np.array([[8.0, np.nan, 1.0]]), np.array([[-5.0, -5.0, np.nan]]))
    assert snow.tolist() == [[8.0, 8.0, 8.0]]


def test_water_on_the_ground_is_never_more_than_fell():
    rng = np.random.default_rng(2)
    prcp, temperature = rng.gamma(1, 5, (3, 400)), rng.normal(0, 5, (3, 400))
    snow = degree_day_snow(prcp, temperature)
    assert (snow >= 0).all()
    assert (snow <= prcp.cumsum(axis=1) + 1e-3).all()
    assert (degree_day_snow(prcp, temperature + 3) <= snow + 1e-4).all()  # warmer, less snow


def test_the_low_pass_remembers_by_e_in_its_days():
    response = low_pass(np.eye(1, 91), 30)
    assert response[0, 60] / response[0, 30] == pytest.approx(np.exp(-1), rel=1e-5)
    assert low_pass(np.ones((1, 1000)), 30)[0, -1] == pytest.approx(1.0, abs=1e-6)


def test_labels_by_hand():
    snow = np.array([[0.0, 2.0, 4.0, 6.0, 0.0]])
    wetness = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])
    flow = np.array([[1.0, 2.0, np.nan, 3.0, -9.0]])
    found = Conditions(snow, wetness, flow)
    limits = thresholds(found)
    assert limits.deep.item() == 4.0
    assert limits.wetness.item() == 3.0
    assert (limits.low.item(), limits.high.item()) == pytest.approx((1.1, 2.9))
    usable = np.array([[True, True, True, True, False]])
    labels = dict(zip(LABELS, cut(found, limits, usable)[0].T, strict=True))
    nan = np.nan
    np.testing.assert_equal(labels["snow"], [0, 1, 1, 1, nan])
    np.testing.assert_equal(labels["deep"], [nan, 0, 0, 1, nan])
    np.testing.assert_equal(labels["wet"], [0, 0, 0, 1, nan])
    np.testing.assert_equal(labels["high"], [0, 0, nan, 1, nan])
    np.testing.assert_equal(labels["low"], [1, 0, nan, 0, nan])


def test_basins_without_discharge_or_snow_have_no_such_label():
    nothing = Conditions(np.zeros((1, 4)), np.arange(4.0)[None], np.full((1, 4), np.nan))
    limits = thresholds(nothing)
    assert np.isnan([limits.high[0], limits.low[0], limits.deep[0]]).all()
    labels = cut(nothing, limits, np.ones((1, 4), bool))[0]
    assert np.isnan(labels[:, [1, 3, 4]]).all()
    assert labels[:, 2].tolist() == [0, 0, 1, 1]


def test_limits_are_those_of_the_years_that_are_given():
    limits = Thresholds(np.array([9.0]), np.array([2.5]), np.array([50.0]), np.array([0.5]))
    other = Conditions(np.full((1, 2), 5.0), np.array([[2.0, 3.0]]), np.array([[0.4, 60.0]]))
    labels = cut(other, limits, np.ones((1, 2), bool))[0]
    assert labels.tolist() == [[1, 0, 0, 0, 1], [1, 0, 1, 1, 0]]


def test_weather_is_that_of_the_inputs_and_snow_that_is_zero_is_none():
    dataset = tiny_dataset()
    dataset["swe"] = 0 * dataset["prcp"]
    basins = dataset["basin"].values
    inputs = ["prcp", "tmax", "tmin"]
    assert find_weather(dataset, inputs, basins) == Weather("prcp", ("tmax", "tmin"))
    dataset["swe"] = dataset["prcp"].where(dataset["basin"] == basins[0], 0)
    assert find_weather(dataset, inputs, basins).snow == "swe"
    assert find_weather(dataset, inputs, basins[1:]).snow == ""
    dataset["srad"] = 0 * dataset["prcp"]
    assert find_weather(dataset, inputs, basins).radiation == ("srad",)  # with gauge_lat
    assert find_weather(dataset.drop_vars("gauge_lat"), inputs, basins).radiation == ()
    dataset["pet"] = 0 * dataset["prcp"]
    found = find_weather(dataset, inputs, basins)
    assert (found.evaporation, found.radiation) == ("pet", ())
    assert "less pet" in found.described["wetness_source"]


def test_a_store_without_temperature_is_told():
    dataset = tiny_dataset().drop_vars(["tmax", "tmin"])
    with pytest.raises(StoreError, match="temperature"):
        find_weather(dataset, ["prcp"], dataset["basin"].values)


def test_a_cell_that_holds_the_label_is_found_and_scored_in_other_years(run, monkeypatch):
    """The cells of each network are replaced: one of the members' is snow, turned, and noise."""
    planted = 3

    def plant(source, part, device):
        rng = np.random.default_rng(len(source.name))
        basins, days = part.conditions.snow.shape
        count = 3 if source.kind == "input" else 8
        units = torch.from_numpy(rng.normal(size=(basins, days, count)).astype("f4"))
        if source.kind == "trained":
            units[..., planted] = -torch.from_numpy(part.conditions.snow)
        return units

    monkeypatch.setattr(states, "_activations", plant)
    monkeypatch.setattr(states, "FEWEST_DAYS", 5)
    dataset = open_store(_store_of(run))
    request = states.StatesRequest(
        [str(b) for b in dataset["basin"].values],
        (np.datetime64("1999-10-01"), np.datetime64("2001-09-30")),
        (np.datetime64("2001-10-01"), np.datetime64("2003-09-30")),
    )
    directory = RunDirectory.open(run)
    found = states.classify(directory, dataset, request, CPU).sel(label="snow")
    trained = found.sel(network="tiny")
    assert trained["unit"].item() == f"cell {planted}"
    assert trained["direction"].item() == -1
    assert trained["auc_report"].item() == 1.0
    assert (trained["auc"] == 1.0).all()
    assert trained["same_unit"].item() == 1.0
    assert trained["auc_other_year"].item() < 0.9
    assert found.sel(network="tiny_untrained")["auc_report"].item() < 0.7
    np.testing.assert_allclose(found["shown_cell"][0], found["shown_snow"], rtol=1e-6)


def _store_of(run):
    return RunDirectory.open(run).facts().store


def test_parts_of_basins_give_the_same(run, monkeypatch, analysed, tmp_path):
    table, _ = analysed
    monkeypatch.setattr("hydroml.explanation.cell_states.BASINS_AT_ONCE", 3)
    again = hydroml.classify_states(run, device="cpu", out=tmp_path / "again")
    pd.testing.assert_frame_equal(again, table, rtol=1e-4)


def test_every_nth_day_where_there_are_many(run, monkeypatch, analysed, tmp_path):
    monkeypatch.setattr(states, "SAMPLES_POOLED", 500)
    again = hydroml.classify_states(run, device="cpu", out=tmp_path / "thin")
    both = analysed[0].merge(again, on=["label", "network"])
    inputs = both[both["network"] == "inputs"].dropna(subset="auc_report_x")
    assert len(inputs) >= 3
    assert (inputs["auc_report_x"] - inputs["auc_report_y"]).abs().max() < 0.15


def test_the_files_say_what_the_table_says(analysed):
    table, folder = analysed
    assert {p.name for p in folder.iterdir()} == {
        "states.nc", "states.csv", "basins.csv", "summary.json", "states.png",
    }  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_csv(folder / "states.csv").fillna({"unit": ""}), table)
    basins = pd.read_csv(folder / "basins.csv", dtype={"gauge_id": str})
    one = table[(table["label"] == "wet") & (table["network"] == "inputs")].iloc[0]
    of_one = basins[(basins["label"] == "wet") & (basins["network"] == "inputs")]
    assert len(of_one) == one["basins"] == 4
    assert of_one["auc"].median() == pytest.approx(one["auc_median"])
    assert (of_one["unit_own"] == one["unit"]).mean() == pytest.approx(one["same_unit"])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["auc"]["wet"]["input"]["auc_report"] == pytest.approx(
        one["auc_report"], abs=1e-4
    )
    assert summary["synthetic"] == "true"
    with xr.open_dataset(folder / "states.nc") as found:
        assert found.attrs["chosen_in"] == "1999-10-01..2001-09-30"
        assert found.attrs["period"] == "2001-10-01..2003-09-30"
        assert found.sizes["network"] == 3


def test_raw_inputs_are_scored_by_their_own_values(analysed, run):
    """Low flow against the store itself, with nothing of the module in between."""
    from hydroml.toolkit.attribution.neurons import neuron_auc

    table, folder = analysed
    store = open_store(_store_of(run)).load()
    basin = str(store["basin"].values[2])
    choose, report = (
        store.sel(basin=basin, time=slice(*p))
        for p in (("1999-10-01", "2001-09-30"), ("2001-10-01", "2003-09-30"))
    )
    limit = choose["qobs"].quantile(0.05).item()
    row = table[(table["label"] == "low") & (table["network"] == "inputs")].iloc[0]
    auc = neuron_auc(
        torch.from_numpy(report[row["unit"]].values)[:, None],
        torch.from_numpy(report["qobs"].values <= limit)[:, None],
    ).item()
    expected = auc if row["direction"] > 0 else 1 - auc
    basins = pd.read_csv(folder / "basins.csv", dtype={"gauge_id": str})
    chosen = basins[
        (basins["gauge_id"] == basin) & (basins["label"] == "low")
        & (basins["network"] == "inputs")
    ]  # fmt: skip
    assert chosen["auc"].item() == pytest.approx(expected, abs=1e-5)


def test_a_period_without_complete_inputs_is_told(run, tmp_path):
    dataset = tiny_dataset()
    store = write_store(
        dataset.where(dataset["time"] < np.datetime64("2001-10-01")).assign(
            {n: v for n, v in dataset.data_vars.items() if "time" not in v.dims}
        ),
        tmp_path / "gone.zarr",
    )
    with pytest.raises(RunError, match="complete inputs"):
        hydroml.classify_states(run, data=store, device="cpu")


def test_a_folder_with_something_else_is_left_alone(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("x")
    with pytest.raises(RunError, match="left as it was"):
        hydroml.classify_states(run, device="cpu", out=tmp_path / "mine")


def test_nothing_to_draw_is_told(tmp_path):
    with pytest.raises(RunError, match=r"states\.nc"):
        draw_states(tmp_path)
