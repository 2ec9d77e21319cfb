"""The run directory: its layout, its refusals, and that nothing half-made is left."""

import json
import shutil
from importlib.metadata import version

import pytest
import torch

from hydroml import api
from hydroml.data.scaling import Scaler
from hydroml.errors import ConfigError, RunError
from hydroml.training import rundir
from hydroml.training.rundir import RunDirectory, RunFacts
from tests.conftest import tiny_config

FACTS = RunFacts(store="/s.zarr", fingerprint="abc", synthetic=True, basins="4", forcing="none")


@pytest.fixture
def scaler(tiny_run) -> Scaler:
    return RunDirectory.open(tiny_run).scaler()


@pytest.fixture
def copied(tiny_run, tmp_path):
    return RunDirectory.open(shutil.copytree(tiny_run, tmp_path / "tiny"))


def test_layout_of_a_finished_run(tiny_run):
    found = {p.relative_to(tiny_run).as_posix() for p in tiny_run.rglob("*") if p.is_file()}
    assert found == {
        "config.yaml",
        "environment.json",
        "log.txt",
        "metrics.csv",
        "losses.png",
        "scaler.nc",
        "checkpoints/epoch001.safetensors",
        "checkpoints/epoch002.safetensors",
        "checkpoints/last/state.safetensors",
    }
    assert [p.name for p in tiny_run.parent.iterdir()] == ["tiny"]


def test_a_run_says_what_it_is(tiny_run, tiny_store):
    run = RunDirectory.open(tiny_run)
    facts = run.facts()
    assert (facts.store, facts.synthetic, facts.basins) == (str(tiny_store.resolve()), True, "all")
    config = run.config()
    assert config.data.dynamic == ("prcp", "tmax", "tmin")  # auto, resolved
    assert config.data.static == ("area_gages2", "recession")
    rows = run.read_metrics()
    assert [r["epoch"] for r in rows] == ["1", "2"]
    assert set(rows[0]) == {"epoch", "seed", "loss", "learning_rate", "seconds"}
    environment = json.loads((tiny_run / "environment.json").read_text())
    assert environment["packages"]["torch"] == version("torch")
    log = (tiny_run / "log.txt").read_text().splitlines()
    assert "ealstm on 4 basins" in log[0]
    assert log[-1].endswith("finished")


def test_create_and_open_are_a_round_trip(tmp_path, scaler):
    config = tiny_config("seed=5")
    RunDirectory.create(tmp_path / "runs" / "a", config, FACTS, scaler)
    run = RunDirectory.open(tmp_path / "runs" / "a")
    assert (run.config(), run.facts()) == (config, FACTS)
    assert run.scaler().basins == scaler.basins
    assert run.read_metrics() == []
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["a"]


def test_an_existing_folder_is_refused_and_kept(tmp_path, scaler):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("keep")
    with pytest.raises(RunError, match="a exists already") as caught:
        RunDirectory.create(tmp_path / "a", tiny_config(), FACTS, scaler)
    assert f"--resume {tmp_path / 'a'}" in caught.value.remedy
    assert (tmp_path / "a" / "mine.txt").read_text() == "keep"


def test_of_two_runs_made_at_once_the_first_stays(tmp_path, scaler, monkeypatch):
    def slow(*arguments):  # another process makes the same run while this one writes
        if not (tmp_path / "a").exists():
            (tmp_path / "a").mkdir()
            (tmp_path / "a" / "config.yaml").write_text("of the other")
        return {}

    monkeypatch.setattr(rundir, "_environment", slow)
    with pytest.raises(RunError, match="exists already"):
        RunDirectory.create(tmp_path / "a", tiny_config(), FACTS, scaler)
    assert (tmp_path / "a" / "config.yaml").read_text() == "of the other"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_failure_while_making_leaves_nothing(tmp_path, scaler, monkeypatch):
    def broken(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rundir, "save_scaler", broken)
    with pytest.raises(Exception, match="The disk is full"):
        RunDirectory.create(tmp_path / "a", tiny_config(), FACTS, scaler)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="nowhere is missing"):
        RunDirectory.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match="is no run directory"):
        RunDirectory.open(tmp_path)


def test_a_run_may_be_named_from_within(tiny_run, monkeypatch):
    monkeypatch.chdir(tiny_run)
    assert RunDirectory.open(".").path.name == "tiny"


@pytest.mark.parametrize("text", ["", "[1, 2", "- a\n- b\n"])
def test_a_damaged_configuration_is_a_named_error(copied, text):
    (copied.path / "config.yaml").write_text(text)
    with pytest.raises((RunError, ConfigError)):
        copied.config()
    with pytest.raises(RunError, match=r"config\.yaml"):
        copied.facts()


def test_a_missing_scaler_is_a_named_error(copied):
    (copied.path / "scaler.nc").unlink()
    with pytest.raises(RunError, match=r"scaler\.nc cannot be read"):
        copied.load_models(torch.device("cpu"))


def test_the_last_weights_are_those_of_the_highest_epoch(copied):
    first = copied.weights_file(1)
    for epoch in (999, 1000):
        shutil.copy(first, copied.weights_file(epoch))
    assert copied.last_weights() == copied.weights_file(1000)


def test_a_run_without_weights_names_the_line_that_makes_them(copied):
    for file in (copied.path / "checkpoints").glob("epoch*"):
        file.unlink()
    with pytest.raises(RunError, match="has no weights yet") as caught:
        copied.load_models(torch.device("cpu"))
    assert f"hydroml train --resume {copied.path}" in caught.value.remedy


def test_a_run_is_trained_by_one_process_at_a_time(copied):
    other = RunDirectory.open(copied.path)
    with copied.held():
        with pytest.raises(RunError, match=r"Another process is training .*tiny") as caught:
            other.held().__enter__()
        assert "stop it" in caught.value.remedy
        with pytest.raises(RunError, match="Another process"):
            api.resume(copied.path)
    with other.held():
        pass
