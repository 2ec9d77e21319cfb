"""hydroml from Python: plain objects in and out, and heavy packages only when they are needed."""

import subprocess
import sys

import pytest

import hydroml
from hydroml import api
from hydroml.data.store import open_store, write_store
from hydroml.errors import ConfigError, RunError, StoreError
from hydroml.report.figures import read_metrics
from hydroml.training.rundir import RunDirectory
from tests.conftest import TINY, tiny_config, tiny_dataset

HEAVY = ("torch", "xarray", "pandas", "matplotlib", "zarr", "dask", "netCDF4", "numpy")


def loaded_after(code: str) -> set[str]:
    """Heavy packages a fresh process has loaded after some code."""
    report = f"{code}\nimport sys; print('|' + ','.join(set({HEAVY}) & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True
    )
    return set(found.stdout.rpartition("|")[2].strip().split(",")) - {""}


def test_import_is_light_and_attributes_are_not():
    assert loaded_after("import hydroml; hydroml.__version__") == set()
    assert "torch" in loaded_after("import hydroml; hydroml.train")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["evaluate", "-h"], ["models"]])
def test_the_command_line_loads_nothing_to_answer(words):
    call = (
        f"import sys; sys.argv = {['hydroml', *words]}\nfrom hydroml.cli.main import main; main()"
    )
    assert loaded_after(call) == set()


def test_every_public_name_is_there_and_others_are_not():
    assert all(callable(getattr(hydroml, n)) for n in hydroml.__all__ if n != "__version__")
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = hydroml.trian


def test_train_resume_evaluate_open_store(tiny_store, tmp_path):
    config = hydroml.load_config("quick", settings=[*TINY, "epochs=1"])
    run = hydroml.train(
        tiny_store, ["02000000", "04000000"], config=config, name="r", runs=tmp_path / "runs"
    )
    assert run == tmp_path / "runs" / "r"
    assert hydroml.resume(str(run)) == run  # finished: nothing left to do
    table = hydroml.evaluate(str(run), device="cpu")
    assert table.index.tolist() == ["02000000", "04000000"]
    assert read_metrics(run / "test" / "metrics.csv")["NSE"].tolist() == pytest.approx(
        table["NSE"].tolist()
    )
    assert hydroml.open_store(tiny_store).sizes["basin"] == 4


def test_the_store_comes_from_the_environment(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"no store at data/store\.zarr") as caught:
        hydroml.train(config=tiny_config())
    for way in ("data synth", "data prepare", "--data", "HYDROML_DATA"):
        assert way in caught.value.remedy
    monkeypatch.setenv("HYDROML_DATA", str(tiny_store))
    prepared = api.create_run(config=tiny_config(), name="r", runs=tmp_path)
    assert prepared.run.facts().store == str(tiny_store.resolve())


def test_the_default_name_tells_model_basins_and_seed_and_is_never_taken(tiny_store, tmp_path):
    names = [
        api.create_run(
            tiny_store, basins, config=tiny_config("seed=3"), runs=tmp_path
        ).run.path.name.partition("_")[2]
        for basins in ("all", "2", 2, "2", "02000000,03000000,04000000")
    ]
    assert names == [
        "ealstm_all_seed3",
        "ealstm_2_seed3",
        "ealstm_2_seed3-2",
        "ealstm_2_seed3-3",
        "ealstm_3_seed3",
    ]


@pytest.mark.parametrize("name", ["", "..", "a/b", "/tmp/a"])
def test_a_name_is_no_path(tiny_store, tmp_path, name):
    with pytest.raises(ConfigError, match="is no name of a run"):
        hydroml.train(tiny_store, config=tiny_config(), name=name, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_taken_name_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "r").mkdir()
    with pytest.raises(RunError, match="exists already"):
        hydroml.train(tmp_path / "no store", config=tiny_config(), name="r", runs=tmp_path)


def test_basins_without_an_attribute_are_left_out_when_allowed(tmp_path):
    dataset = tiny_dataset()
    dataset["recession"][2] = float("nan")
    store = write_store(dataset, tmp_path / "s.zarr")
    config = tiny_config("data.static=recession,area_gages2")
    with pytest.raises(StoreError, match="'recession' of basin 03000000 is missing"):
        api.create_run(store, config=config, runs=tmp_path)
    prepared = api.create_run(store, config=config, runs=tmp_path, allow_missing=True)
    assert prepared.assembly.scaler.basins == ("01000000", "02000000", "04000000")
    dataset["recession"][:] = float("nan")
    write_store(dataset, store)
    with pytest.raises(StoreError, match="None of the 4 basins has all of the 2 attributes"):
        api.create_run(store, config=config, runs=tmp_path, allow_missing=True)


def test_auto_inputs_are_what_varies_and_tells_no_answer(tmp_path):
    # equal everywhere, missing somewhere, computed from discharge, hidden truth: none is taken
    dataset = tiny_dataset()
    dataset["same"] = ("basin", [1.0] * 4)
    dataset["gappy"] = ("basin", [1.0, 2.0, 3.0, float("nan")])
    dataset["q_mean"] = ("basin", [1.0, 2.0, 3.0, 4.0])
    dataset["truth_k"] = ("basin", [1.0, 2.0, 3.0, 4.0])
    dataset["qtrue"] = dataset["qobs"]
    config = api.plan(tiny_config(), write_store(dataset, tmp_path / "s.zarr"), "all", False)
    assert set(config[0].config.data.dynamic) == {"prcp", "tmax", "tmin"}
    assert set(config[0].config.data.static) == {"recession", "area_gages2"}


def test_a_model_without_attributes_takes_none(tiny_store):
    assembly, cost, _ = api.plan(tiny_config("model.name=lstm-nostatic"), tiny_store, "all", False)
    assert assembly.config.data.static == ()
    # four gates of 8 units: 3 inputs, 8 recurrent, one bias; a head of 8 and one
    assert cost.parameters == 4 * 8 * (3 + 8 + 1) + 9


def test_an_ealstm_needs_attributes(tmp_path):
    dataset = tiny_dataset().drop_vars(["recession", "area_gages2"])
    store = write_store(dataset, tmp_path / "s.zarr")
    with pytest.raises(ConfigError, match="needs static attributes") as caught:
        hydroml.train(store, config=tiny_config(), runs=tmp_path / "runs")
    assert "lstm-nostatic" in caught.value.remedy
    assert not (tmp_path / "runs").exists()


def test_a_plan_leaves_what_it_plans_as_it_was(tiny_store):
    # the same first epoch, planned or not: model and random state are untouched
    planned, _, _ = api.plan(tiny_config(), tiny_store, "all", False)
    _, fresh = api.prepare_run(tiny_config(), tiny_store, "all", False)
    (mine,), (theirs,) = planned.models, fresh.models
    for own, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert (own == other).all()


def test_a_validation_period_without_discharge_scores_nothing(tmp_path):
    dataset = tiny_dataset()
    dataset.qobs.loc[:, "2001-10-01":"2002-09-30"] = float("nan")
    store = write_store(dataset, tmp_path / "s.zarr")
    config = tiny_config("epochs=1", "data.validation=2001-10-01..2002-09-30")
    run = hydroml.train(store, config=config, name="r", runs=tmp_path)
    assert RunDirectory(run).read_metrics()[0]["validation_NSE"] == "nan"
    assert open_store(store).sizes["basin"] == 4
