"""Whatever a user gets wrong in training or evaluation ends in one message with the remedy."""

import errno
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hydroml import atomic
from hydroml.data import scaling
from hydroml.data.store import write_store
from hydroml.evaluation.parts import PARTS
from hydroml.training import checkpoint
from hydroml.training.rundir import RunDirectory
from tests.cli.test_train_command import QUICK
from tests.conftest import tiny_dataset


@pytest.fixture
def refused(command, tmp_path):
    """Run a command that must fail; gives its message. Nothing may be left in ``runs``."""

    def call(*arguments: object) -> str:
        runs = tmp_path / "runs"
        before = sorted(runs.rglob("*"))
        code, out, err = command(*arguments)
        assert code == 1, (out, err)
        assert "Traceback" not in out + err
        assert err.count("Error: ") == 1
        assert err.count("What to do: ") == 1
        assert sorted(runs.rglob("*")) == before
        return err

    return call


@pytest.fixture
def train(refused, tiny_store, tmp_path):
    def call(*arguments: object, data: Path = tiny_store) -> str:
        return refused(*QUICK, "--data", data, "--runs", tmp_path / "runs", *arguments)

    return call


@pytest.fixture
def run(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "runs" / "tiny")


@pytest.mark.parametrize(
    ("options", "named", "remedy"),
    [
        ("--basins 02000001", "no basin '02000001'", "Did you mean '02000000'?"),
        ("--basins 02000000,99", "Of the 2 basins asked for, 1 are", "--allow-missing"),
        ("--basins 1000000", "'1000000' lost its leading zero", "01000000"),
        ("--basins 99", "99 basins are asked for, but there are only 4", "'all'"),
        ("--basins none.txt", "no file of basins none.txt", "path"),
        ("--model ealstmm", "model.name = 'ealstmm'", "Did you mean 'ealstm'?"),
        ("--preset quik", "Unknown preset 'quik'", "Did you mean 'quick'?"),
        ("--device gpu", "device = 'gpu' is not a choice", "cuda"),
        ("--epochs 0", "epochs = 0", "epochs"),
        ("--seed -1", "seed = -1", "seed"),
        ("--config none.yaml", "no configuration file none.yaml", "--config"),
        ("--set model.hiden=3", "Unknown setting 'model.hiden'", "'hidden'"),
        ("--set model.hidden", "has no '='", "key=value"),
        ("--set data.dynamic=[prcp", "'data.dynamic=[prcp' cannot be read", "brackets"),
        ("--set optimizer.schedule.peak=.inf", "peak = inf", "finite"),
        ("--set data.dynamic=[3]", "data.dynamic.0 = 3", "data.dynamic"),
        ("--set seed=9e30", "seed = ", "Change seed"),
        ("--set data.dynamic=[prpc]", "no variable 'prpc'", "Did you mean 'prcp'?"),
        ("--set data.static=[recesion]", "no attribute 'recesion'", "'recession'"),
        ("--set data.target=qobss", "no variable 'qobss'", "'qobs'"),
        (
            "--set data.train=1990-10-01..1999-09-30",
            "The train period does not fit the store. The period 1990-10-01 to 1999-09-30 lies "
            "outside the data, which go from 1998-10-01 to 2004-09-29",
            "data.train=",
        ),
        ("--set data.validation=2004-01-01..2009-01-01", "validation period does not", "--set"),
        ("--set data.train=2001-01-01..2000-01-01", "2001-01-01 comes after", "data"),
        ("--set data.train=1999-02-30..2000-01-01", "data.train", "data.train"),
        ("--set precision=fp16", "fp16 needs a CUDA device", "bf16"),
        ("--name a/b", "'a/b' is no name of a run", "--runs"),
    ],
)
def test_training_refuses(train, options, named, remedy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    err = train(*options.split())
    assert named in err
    assert remedy in err


def test_no_cuda_when_asked_for(train, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    err = train("--device", "cuda")
    assert "There is no cuda device here" in err
    assert "--device auto" in err


def test_an_existing_name(train, run):
    assert f"{run} exists already" in train("--name", "tiny")


def test_a_missing_attribute(train, tmp_path):
    dataset = tiny_dataset()
    dataset["recession"][1] = np.nan
    err = train(
        "--set", "data.static=recession", data=write_store(dataset, tmp_path / "gappy.zarr")
    )
    assert "'recession' of basin 02000000 is missing" in err
    assert "--allow-missing" in err


def test_a_store_that_is_missing_foreign_or_cut_short(train, tiny_store, tmp_path):
    assert "There is no store at" in train(data=tmp_path / "none.zarr")
    assert "is not a hydroml store" in train(data=tmp_path)
    cut = shutil.copytree(tiny_store, tmp_path / "cut.zarr")
    chunk = max((cut / "qobs").rglob("*"), key=lambda p: p.stat().st_size)
    chunk.write_bytes(chunk.read_bytes()[:-5])
    err = train(data=cut)
    assert f"The store {cut} is damaged" in err
    assert "qobs" in err


@pytest.mark.parametrize("change", ["infinite rain", "no rain", "no discharge"])
def test_data_no_model_can_learn_from(train, tmp_path, change):
    dataset = tiny_dataset()
    if change == "infinite rain":
        dataset["prcp"][2, 500] = np.inf
        named = "prcp of basin 03000000 is infinite on 2000-02-13"
    elif change == "no rain":
        dataset["prcp"][:] = 0.0
        named = "prcp does not vary"
    else:
        dataset["qobs"][:] = np.nan
        named = "No day of the training period has both discharge and complete inputs"
    assert named in train(data=write_store(dataset, tmp_path / "bad.zarr"))


def test_runs_is_a_file(train, tmp_path):
    (tmp_path / "runs").write_text("mine")
    assert str(tmp_path / "runs") in train("--epochs", 1)


def test_a_folder_that_must_not_be_written(train, tmp_path, monkeypatch):
    # the superuser of a container may write anywhere, so the refusal is played
    def denied(suffix, prefix, folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    monkeypatch.setattr(tempfile, "mkdtemp", denied)
    err = train("--epochs", 1)
    assert f"{tmp_path / 'runs'}: Permission denied" in err
    assert "who may write there" in err


def test_disk_full_when_the_run_is_made(train, tmp_path, monkeypatch):
    # netCDF4 says no more than this on a full disk
    def full(*arguments, **options):
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(scaling.xr.Dataset, "to_netcdf", full)
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    err = train("--name", "r")
    assert "The disk is full: could not write" in err
    assert "Free some space" in err


def test_an_hdf_error_with_room_on_the_disk_is_no_full_disk(monkeypatch, tmp_path):
    with pytest.raises(RuntimeError, match="HDF error"), atomic.atomic_path(tmp_path / "a"):
        raise RuntimeError("NetCDF: HDF error")


def test_disk_full_at_a_checkpoint_can_be_resumed(command, tiny_store, tmp_path, monkeypatch):
    runs, saved = tmp_path / "runs", checkpoint.save_file

    def full(tensors, path, metadata):
        if Path(path).name == "epoch002.safetensors":
            Path(path).write_bytes(b"half")
            raise checkpoint.SafetensorError("I/O error: No space left on device (os error 28)")
        saved(tensors, path, metadata=metadata)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        arguments = ["--data", tiny_store, "--runs", runs, "--name", "r", "--epochs", 2]
        code, _, err = command(*QUICK, *arguments)
    assert code == 1
    assert "The disk is full: could not write" in err
    assert "epoch002.safetensors" in err
    assert "Traceback" not in err
    names = [p.name for p in (runs / "r" / "checkpoints").iterdir()]
    assert sorted(names) == ["epoch001.safetensors", "last"]
    assert command("train", "--resume", runs / "r")[0] == 0
    assert RunDirectory(runs / "r").last_weights().name == "epoch002.safetensors"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--epochs", "9"], "--epochs"),
        (["--set", "model.hidden=3", "--seed", "2"], "--set, --seed"),
        (["--config", "a.yaml", "--allow-missing"], "--config, --allow-missing"),
        (["--runs", "elsewhere", "--dry-run"], "--runs, --dry-run"),
    ],
)
def test_resume_takes_no_other_option(refused, run, options, named):
    err = refused("train", "--resume", run, *options)
    assert f"{named} cannot change it" in err


def test_resume_of_what_is_no_run(refused, tmp_path):
    assert "nowhere is missing" in refused("train", "--resume", tmp_path / "nowhere")
    assert "is no run directory" in refused("train", "--resume", tmp_path)


def test_resume_with_the_state_of_another_model(refused, run):
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("hidden: 8", "hidden: 9"))
    log = (run / "log.txt").read_text()
    err = refused("train", "--resume", run)
    assert "state.safetensors does not fit this run" in err
    assert (run / "log.txt").read_text().startswith(log)


def test_resume_with_a_state_cut_short(refused, run):
    state = RunDirectory(run).state_file
    state.write_bytes(state.read_bytes()[:1000])
    assert f"{state} cannot be read" in refused("train", "--resume", run)


@pytest.mark.parametrize(
    ("options", "named", "remedy"),
    [
        ("--period tset", "Unknown period 'tset'", "test"),
        ("--period 2003-01-01..2013-01-01", "lies outside the data", "period"),
        ("--period validation", "no validation period", "--period"),
        ("--basins 1000000", "lost its leading zero", "01000000"),
        ("--basins 02000001", "no basin '02000001'", "'02000000'"),
        ("--mode window", "Unknown mode 'window'", "'windowed'"),
        ("--flavour kratzert", "Unknown flavour", "kratzert2019"),
        ("--device gpu", "Unknown device 'gpu'", "cuda"),
        ("--data none.zarr", "There is no store at none.zarr", "--data"),
    ],
)
def test_evaluation_refuses(refused, run, options, named, remedy):
    err = refused("evaluate", run, *options.split())
    assert named in err
    assert remedy in err


def test_evaluation_refuses_to_replace_a_run(refused, run):
    assert "is not an evaluation" in refused("evaluate", run, "--out", run)


def test_evaluation_of_what_is_no_run(refused, run, tmp_path):
    assert "nowhere is missing" in refused("evaluate", tmp_path / "nowhere")
    assert "is no run directory" in refused("evaluate", run, tmp_path)


def test_evaluation_without_weights(refused, run):
    for file in (run / "checkpoints").glob("epoch*"):
        file.unlink()
    err = refused("evaluate", run)
    assert "has no weights yet" in err
    assert f"hydroml train --resume {run}" in err


def test_evaluation_with_a_checkpoint_from_another_model(refused, run):
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("name: ealstm", "name: lstm"))
    err = refused("evaluate", run)
    assert "are of another model (ealstm)" in err


def test_evaluation_with_weights_cut_short(refused, run):
    file = RunDirectory(run).last_weights()
    file.write_bytes(file.read_bytes()[:500])
    assert f"{file} cannot be read" in refused("evaluate", run)


@pytest.mark.usefixtures("no_figures")
def test_evaluation_on_a_full_disk_keeps_the_one_before(command, run, monkeypatch):
    assert command("evaluate", run, "--device", "cpu")[0] == 0
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}

    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("pandas.DataFrame.to_csv", full)
        code, _, err = command("evaluate", run, "--device", "cpu")
    assert code == 1
    assert "The disk is full" in err
    # what was simulated is kept, hidden, for when there is room again
    hidden = {p for p in run.rglob("*") if PARTS in str(p.relative_to(run))}
    assert {p: p.stat().st_mtime_ns for p in set(run.rglob("*")) - hidden} == before
    assert command("evaluate", run, "--device", "cpu")[0] == 0
    assert not any(PARTS in p.name for p in run.rglob("*"))


def test_a_wrong_option_is_a_usage_error_with_the_nearest(command):
    code, _, err = command("train", "--epoch", "3", "--sed", "3")
    assert code == 2
    assert "No such option" in err
    assert "Traceback" not in err
