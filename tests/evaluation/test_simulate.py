"""What is saved is what is scored: clipped, masked, with its units and its origin."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from hydroml import api
from hydroml.data.store import write_store
from hydroml.errors import ConfigError, RunError, StoreError
from hydroml.evaluation.evaluate import score_simulations, write_evaluation
from hydroml.evaluation.metrics import score
from hydroml.evaluation.simulate import Simulation, simulate_runs, to_discharge
from hydroml.report.figures import read_metrics
from hydroml.training.rundir import RunDirectory
from tests.conftest import tiny_config, tiny_dataset

CPU = torch.device("cpu")
TEST = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))
BASINS = ["01000000", "02000000", "03000000", "04000000"]


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def members(tiny_store, tmp_path_factory):
    runs = tmp_path_factory.mktemp("members")
    return [
        api.train(tiny_store, config=tiny_config(f"seed={s}"), name=f"s{s}", runs=runs)
        for s in (1, 2, 3)
    ]


@pytest.fixture(scope="module")
def evaluated(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated") / "test"
    api.evaluate(tiny_run, out=folder, device="cpu")
    return folder


def opened(folder) -> xr.Dataset:
    with xr.open_dataset(folder / "simulations.nc") as dataset:
        return dataset.load()


def test_discharge_is_clipped_and_masked(tiny_run):
    scaler = RunDirectory(tiny_run).scaler()
    y = np.array([[-100.0, 0.0, 1.0, 2.0]], "float32")
    usable = np.array([[True, True, True, False]])
    q = to_discharge(y, usable, scaler)
    expected = [0.0, scaler.target_mean, scaler.target_mean + scaler.target_std, np.nan]
    np.testing.assert_allclose(q[0], expected, rtol=1e-6)


def test_saved_simulations_give_the_saved_scores(evaluated):
    saved, table = opened(evaluated), read_metrics(evaluated / "metrics.csv")
    assert table.index.tolist() == BASINS  # strings that kept their zero
    again = score(saved.qobs, saved.qsim)
    for name in table.columns:
        np.testing.assert_allclose(table[name], again[name], rtol=1e-6, err_msg=name)
    obs, sim = saved.qobs.values.astype(float), saved.qsim.values.astype(float)
    for b, basin in enumerate(BASINS):  # and by the definition
        valid = np.isfinite(obs[b]) & np.isfinite(sim[b])
        o, s = obs[b][valid], sim[b][valid]
        nse = 1 - ((o - s) ** 2).sum() / ((o - o.mean()) ** 2).sum()
        assert table.loc[basin, "NSE"] == pytest.approx(nse, rel=1e-6)
        assert table.loc[basin, "n_days"] == valid.sum()


def test_files_follow_the_conventions_and_say_synthetic(evaluated, tiny_run):
    saved = opened(evaluated)
    assert saved.sizes == {"basin": 4, "time": 730}
    assert [str(saved.time.values[i])[:10] for i in (0, -1)] == ["2001-10-01", "2003-09-30"]
    for name in ("qobs", "qsim"):
        assert saved[name].dims == ("basin", "time")
        assert saved[name].dtype == np.float32
        assert saved[name].attrs["units"] == "mm d-1"
    assert saved.attrs["Conventions"] == "CF-1.11"
    assert saved.attrs["mode"] == "continuous"
    assert saved.basin.attrs["cf_role"] == "timeseries_id"
    assert saved.gauge_lat.values.tolist() == pytest.approx(np.linspace(35, 45, 4))
    summary = json.loads((evaluated / "summary.json").read_text())
    assert (saved.attrs["synthetic"], summary["synthetic"]) == ("true", "true")
    assert RunDirectory(tiny_run).facts().synthetic
    assert "SYNTHETIC" in saved.attrs["title"]
    assert summary["period"] == "2001-10-01..2003-09-30"
    assert summary["basins"] == 4
    table = read_metrics(evaluated / "metrics.csv")
    assert summary["median"]["NSE"] == pytest.approx(table["NSE"].median())


def test_the_attributes_the_run_reads_are_beside_its_discharge(evaluated):
    found, truth = opened(evaluated), tiny_dataset()
    for name in ("recession", "area_gages2"):
        np.testing.assert_allclose(found[name], truth[name], rtol=1e-6)


def test_the_continuous_pass_is_the_models_own(evaluated, tiny_run):
    # in plain torch: a year of lead, standardise, one forward pass, back to mm d-1, clip at 0
    run = RunDirectory(tiny_run)
    scaler, (model,) = run.scaler(), run.load_models(CPU)
    dataset = tiny_dataset().sel(time=slice("2000-10-01", "2003-09-30"))
    names = [dataset[n].values for n in scaler.dynamic]
    x_d = (np.stack(names, axis=2) - scaler.dynamic_mean) / scaler.dynamic_std
    x_s = np.stack([dataset[n].values for n in scaler.static], axis=1)
    x_s = (x_s - scaler.static_mean) / scaler.static_std
    with torch.no_grad():
        y, _ = model(torch.tensor(x_d).float(), torch.tensor(x_s).float())
    q = np.maximum(y.numpy() * scaler.target_std + scaler.target_mean, 0)
    np.testing.assert_allclose(opened(evaluated).qsim, q[:, 365:], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", ["continuous", "windowed"])
def test_missing_inputs_leave_gaps_as_long_as_the_memory(mode, tiny_run):
    # rain of basin 2 is missing on 10 and 11 Jan 2002; the run's memory is its warm-up, 30
    # days: the first day whose last 30 days are all there is the 30th after the 11th, 10 Feb
    dataset = tiny_dataset().assign_attrs(fingerprint="f")
    dataset.prcp.loc["02000000", "2002-01-10":"2002-01-11"] = np.nan
    request = Simulation(BASINS[:2], TEST, mode)
    q = simulate_runs([RunDirectory(tiny_run)], dataset, request, CPU).qsim
    missing = np.isnan(q.sel(basin="02000000").values)
    days = pd.DatetimeIndex(q.time.values[missing])
    assert (str(days[0])[:10], str(days[-1])[:10], len(days)) == ("2002-01-10", "2002-02-09", 31)
    assert not np.isnan(q.sel(basin="01000000")).any()
    assert float(q.min()) >= 0


def test_a_windowed_day_is_the_model_on_its_window(tiny_run, tmp_path, evaluated):
    api.evaluate(tiny_run, mode="windowed", out=tmp_path / "w", device="cpu")
    windowed = opened(tmp_path / "w")
    assert windowed.attrs["mode"] == "windowed"
    # 30 days, the run's warm-up, up to 2002-06-15, on their own as a period of one day
    day = np.datetime64("2002-06-15")
    dataset = tiny_dataset().sel(time=slice(day - 29, day)).assign_attrs(fingerprint="f")
    request = Simulation(BASINS, (day, day), "continuous")
    alone = simulate_runs([RunDirectory(tiny_run)], dataset, request, CPU).qsim[:, 0]
    # the continuous pass starts a year earlier, on missing input: zero, the mean
    plain = simulate_runs(
        [RunDirectory(tiny_run)], dataset, Simulation(BASINS, (day, day), "windowed"), CPU
    )
    found = windowed.qsim.sel(time=day)
    np.testing.assert_allclose(found, plain.qsim[:, 0], rtol=1e-5)
    assert not np.allclose(found, alone, rtol=1e-5)
    assert not np.array_equal(windowed.qsim, opened(evaluated).qsim)


def test_scores_on_training_days_or_of_half_a_run_say_so(tiny_run, tmp_path):
    def notes(run, **options):
        _, folder = api.evaluate_into(run, device="cpu", **options)
        return json.loads((folder / "summary.json").read_text())["notes"]

    name = tiny_run.name
    assert notes(tiny_run, out=tmp_path / "test") == []
    (note,) = notes(tiny_run, period="train", out=tmp_path / "train")
    assert note.startswith(f"{name} was trained on days of this period")
    half = shutil.copytree(tiny_run, tmp_path / name)
    last = max((half / "checkpoints").glob("epoch*"))
    last.unlink()
    done = int(last.stem[-3:])
    assert notes(half) == [f"{name} has finished {done - 1} of {done} epochs"]


def test_an_ensemble_keeps_its_members_and_scores_their_mean(members, tmp_path):
    table = api.evaluate(members, out=tmp_path / "e", device="cpu")
    saved = opened(tmp_path / "e")
    assert saved.qsim.dims == ("basin", "time", "member")
    assert saved.member.values.tolist() == ["s1", "s2", "s3"]
    expected = score(saved.qobs, saved.qsim.mean("member"))
    np.testing.assert_allclose(table["NSE"], expected.NSE, rtol=1e-5)
    each = pd.read_csv(tmp_path / "e" / "members.csv", dtype={"gauge_id": str})
    each = each.set_index(["gauge_id", "member"])["NSE"]
    assert len(each) == 12
    alone = api.evaluate(members[1], out=tmp_path / "alone", device="cpu")
    np.testing.assert_allclose(each.xs("s2", level="member"), alone["NSE"], rtol=1e-6)
    # the mean of three is never worse than the worst
    assert (table["NSE"] >= each.groupby("gauge_id").min()).all()


def test_the_mean_is_missing_where_a_member_is():
    q = xr.DataArray(
        [[[1.0, 3.0], [2.0, np.nan], [5.0, 5.0]]],
        {"basin": ["1"], "time": pd.date_range("2000", periods=3), "member": ["a", "b"]},
    )
    data = xr.Dataset({"qsim": q, "qobs": q.isel(member=0, drop=True)})
    table, members = score_simulations(data, "kratzert2019")
    assert table["n_days"].tolist() == [2]  # means 2 and 5; the second day has one of two
    assert members is not None
    assert members["n_days"].to_dict() == {("1", "a"): 3, ("1", "b"): 2}


def test_ensembles_that_make_no_sense_are_refused(members, tiny_store, tmp_path):
    with pytest.raises(RunError, match="called 's1'"):
        api.evaluate([members[0], members[0]], device="cpu")
    settings = ("data.test=2002-10-01..2003-09-30", "data.target=tmax")
    for setting, message in zip(settings, ("The test period of", "different targets"), strict=True):
        name = setting[5:9]
        other = api.create_run(tiny_store, config=tiny_config(setting), name=name, runs=tmp_path)
        shutil.copy(RunDirectory(members[0]).weights_file(1), other.run.weights_file(1))
        with pytest.raises(RunError, match=message):
            api.evaluate([members[0], other.run.path], device="cpu")
    with pytest.raises(RunError, match="No run is given"):
        api.evaluate([])


def other_store(folder, change=lambda dataset: dataset, seed=9):
    dataset = tiny_dataset(basins=3, seed=seed)
    dataset["basin"] = ["91000000", "92000000", "93000000"]
    return write_store(change(dataset), folder / "else.zarr")


def test_another_store_is_scored_whole_and_apart(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "tiny")
    table, folder = api.evaluate_into(run, data=other_store(tmp_path), device="cpu")
    assert folder == run / "else-test"
    assert table.index.tolist() == ["91000000", "92000000", "93000000"]
    assert opened(folder).attrs["store_source"] == "tests"


def test_attributes_are_scaled_by_the_training_basins(tiny_run, tmp_path):
    # the same basin under another id in a store of its own scores the same
    dataset = tiny_dataset().isel(basin=[2]).assign_coords(basin=["93000000"])
    store = write_store(dataset, tmp_path / "one.zarr")
    alone = api.evaluate(tiny_run, data=store, out=tmp_path / "a", device="cpu")
    among = api.evaluate(tiny_run, basins="03000000", out=tmp_path / "b", device="cpu")
    np.testing.assert_allclose(alone, among, rtol=1e-5)


def test_a_basin_without_an_attribute_is_refused_or_left_out(tiny_run, tmp_path):
    def lose(dataset):
        dataset["recession"][1] = np.nan
        return dataset

    store = other_store(tmp_path, lose)
    with pytest.raises(StoreError, match="'recession' of basin 92000000 is missing") as caught:
        api.evaluate(tiny_run, data=store, device="cpu", out=tmp_path / "x")
    assert "--allow-missing" in caught.value.remedy
    table = api.evaluate(tiny_run, data=store, device="cpu", out=tmp_path / "x", allow_missing=True)
    assert table.index.tolist() == ["91000000", "93000000"]


@pytest.mark.parametrize(
    ("name", "what"), [("prcp", "variable 'prcp'"), ("recession", "attribute 'recession'")]
)
@pytest.mark.parametrize("allow_missing", [False, True])
def test_a_store_without_an_input_is_refused(tiny_run, tmp_path, name, what, allow_missing):
    store = other_store(tmp_path, lambda dataset: dataset.drop_vars(name))
    with pytest.raises(StoreError, match=f"The store has no {what}"):
        api.evaluate(tiny_run, data=store, device="cpu", allow_missing=allow_missing)


def test_a_store_that_changed_is_scored_only_when_asked_for(tmp_path):
    store = write_store(tiny_dataset(), tmp_path / "s.zarr")
    run = api.train(store, config=tiny_config("epochs=1"), name="r", runs=tmp_path)
    write_store(tiny_dataset(seed=1), store)
    with pytest.raises(RunError, match="has changed since") as caught:
        api.evaluate(run, device="cpu")
    assert f"--data {store}" in caught.value.remedy
    assert api.evaluate_into(run, data=store, device="cpu")[1] == run / "s-test"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "window"}, ConfigError, "Unknown mode 'window'"),
        ({"flavour": "kratzert"}, ConfigError, "Unknown flavour"),
        ({"device": "gpu"}, ConfigError, "Unknown device 'gpu'"),
        ({"period": "tset"}, ConfigError, "Unknown period 'tset'"),
        ({"period": "validation"}, ConfigError, "no validation period"),
        ({"period": "2003-01-01..2002-01-01"}, ConfigError, "ends before it starts"),
        ({"period": "2003-01-01..soon"}, ConfigError, "'soon' is no date"),
        ({"period": "2003-01-01..2013-01-01"}, StoreError, "lies outside the data"),
        ({"basins": "99"}, StoreError, "99 basins are asked for"),
        ({"basins": "02000001"}, StoreError, "no basin '02000001'"),
    ],
)
def test_requests_that_make_no_sense_are_refused(tiny_run, options, error, message):
    before = sorted(tiny_run.rglob("*"))
    with pytest.raises(error, match=message):
        api.evaluate(tiny_run, **({"device": "cpu"} | options))
    assert sorted(tiny_run.rglob("*")) == before


def test_an_evaluation_replaces_an_evaluation_and_nothing_else(tiny_run, tmp_path, evaluated):
    simulations = opened(evaluated)
    folder = tmp_path / "mine"
    folder.mkdir()
    write_evaluation(folder, [simulations], "kratzert2019")  # an empty folder will do
    (folder / "old.png").write_text("of the evaluation before")
    write_evaluation(folder, [simulations], "kratzert2019")
    assert sorted(p.name for p in folder.iterdir()) == [
        "metrics.csv",
        "simulations.nc",
        "summary.json",
    ]
    for taken in (tiny_run, tmp_path, tiny_run / "config.yaml"):
        with pytest.raises(RunError, match="is not an evaluation; it is left as it was"):
            api.evaluate(tiny_run, out=taken, device="cpu")
        assert taken.exists()
    assert (tiny_run / "checkpoints").is_dir()


def test_a_run_trained_in_fp16_is_scored_without_a_gpu(tiny_run, tmp_path, evaluated):
    run = shutil.copytree(tiny_run, tmp_path / "tiny")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("precision: fp32", "precision: fp16"))
    table = api.evaluate(run, device="cpu")
    np.testing.assert_allclose(table["NSE"], read_metrics(evaluated / "metrics.csv")["NSE"])
