"""``hydroml explain``: what it writes and prints, and how it refuses."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.conftest import tiny_config


@pytest.fixture
def run(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "tiny")


def test_a_peak_is_explained_and_written(command, run):
    code, out, err = command("explain", run, "--basin", "02000000", "--event", "peak")
    assert code == 0, err
    assert "SYNTHETIC DATA: 02000000" in out
    assert "the lesser of observed and simulated flow is greatest" in out
    assert "mm d-1" in out
    assert "left unexplained (gap)" in out
    (folder,) = (run / "explain").iterdir()
    assert sorted(f.name for f in folder.iterdir()) == [
        "days.csv", "explanation.nc", "explanation.png", "summary.json",
    ]  # fmt: skip
    with xr.open_dataset(folder / "explanation.nc") as found:
        assert found["how"].values.tolist() == ["ig", "lrp"]
        assert found.sizes["time"] == 365
        last = found.isel(time=-1)
        total = found["relevance"].sum(["time", "input"]) + found["earlier"] + found["gap"]
        difference = (last["qsim"] - last["qbase"]).values
        np.testing.assert_allclose(
            total.values, np.broadcast_to(difference, total.shape), atol=1e-4
        )
        day = str(found["time"].values[-1])[:10]
    assert folder.name == f"02000000_{day}"
    told = json.loads((folder / "summary.json").read_text())
    assert told["date"] == day
    assert told["event"] == "peak"
    days = pd.read_csv(folder / "days.csv", index_col="date")
    assert days.index[-1] == day


def test_a_date_a_window_and_methods_are_taken_as_given(command, run, tmp_path):
    words = ("--date", "2003-03-01", "--days", "20", "--method", "occlusion", "--baseline", "mean")
    out = tmp_path / "here"
    code, _, err = command("explain", run, "--basin", "03000000", *words, "--out", out)
    assert code == 0, err
    with xr.open_dataset(out / "explanation.nc") as found:
        assert found["how"].values.tolist() == ["occlusion"]
        assert found.sizes["time"] == 20
        assert found.attrs["baseline"] == "mean"
        assert str(found["time"].values[-1]).startswith("2003-03-01")


def test_several_members_and_runs_are_averaged(command, run, tiny_store, tmp_path):
    from hydroml import api

    two = api.train(
        tiny_store,
        config=tiny_config("seed=[1,2]", "model.name=ealstm", "epochs=1"),
        name="two",
        runs=tmp_path,
    )
    words = ("--basin", "02000000", "--date", "2003-03-01", "--days", "30")
    code, out, err = command("explain", run, two, *words)
    assert code == 0, err
    assert "3 members" in out
    assert "±" in out
    (folder,) = tmp_path.glob("ensemble_of_2_*/explain/02000000_2003-03-01")
    told = json.loads((folder / "summary.json").read_text())
    assert told["members"] == 3
    assert told["simulated_sd"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--basin", "02000001", "--event", "peak"), "Did you mean '02000000'?"),
        (("--basin", "2000000", "--event", "peak"), "leading zero"),
        (("--basin", "02000000"), "--event peak"),
        (("--basin", "02000000", "--event", "low", "--date", "2003-03-01"), "not both"),
        (("--basin", "02000000", "--date", "2030-01-01"), "outside the data"),
        (("--basin", "02000000", "--date", "soon"), "'soon' is no date"),
        (("--basin", "02000000", "--date", "1998-12-01"), "fewer --days"),
        (("--basin", "02000000", "--date", "2003-03-01", "--days", "1"), "--days 2"),
        (("--basin", "02000000", "--event", "peak", "--period", "1990"), "Unknown period"),
    ],
)
def test_what_cannot_be_explained_is_told(command, run, words, told):
    code, _, err = command("explain", run, *words)
    assert code == 1
    assert told in err
    assert not (run / "explain").exists()


def test_a_run_that_is_not_there_is_told(command, tmp_path):
    code, _, err = command("explain", tmp_path / "no", "--basin", "1", "--event", "peak")
    assert code == 1
    assert "is missing" in err


def test_an_unknown_method_is_told(command, run):
    code, _, err = command(
        "explain", run, "--basin", "02000000", "--event", "peak", "--method", "saliency"
    )
    assert code == 2
    assert "occlusion" in err


def test_rudder_shares_out_a_volume(command, run):
    words = ("--basin", "02000000", "--event", "peak", "--method", "rudder", "--days", "80")
    when = ("--period", "2003-01-01..2003-03-01", "--event-days", "2002-12-20..2003-03-05")
    code, out, err = command("explain", run, *words, *when)
    assert code == 0, err
    assert "SYNTHETIC DATA: 02000000" in out
    assert "Days whose weather made it" in out
    (folder,) = (run / "explain").iterdir()
    assert sorted(f.name for f in folder.iterdir()) == [
        "event_volume.csv", "event_volume.json", "event_volume.nc", "event_volume.png",
    ]  # fmt: skip
    told = json.loads((folder / "event_volume.json").read_text())
    days = pd.read_csv(folder / "event_volume.csv", index_col="date")
    total = told["expected_before"] + days["credit"].sum()
    assert total == pytest.approx(told["volume"], abs=1e-3)
    assert days["qsim"][days["in_event"]].sum() == pytest.approx(told["volume"], rel=1e-4)
    assert days.index[-1] == told["event_days"].split(" to ")[1]


def test_days_of_the_event_are_taken_as_given(command, run, tmp_path):
    words = ("--method", "rudder", "--method", "ig", "--days", "60", "--out", tmp_path / "x")
    dates = ("--date", "2003-03-01", "--event-days", "2003-02-25..2003-03-04")
    code, _, err = command("explain", run, "--basin", "03000000", *dates, *words)
    assert code == 0, err
    told = json.loads((tmp_path / "x" / "event_volume.json").read_text())
    assert told["event_days"] == "2003-02-25 to 2003-03-04"
    assert told["event_length"] == 8
    assert (tmp_path / "x" / "explanation.nc").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--event", "low", "--method", "rudder"), "A low flow has no volume"),
        (("--event", "peak", "--event-days", "2003-02-25..2003-03-04"), "Add --method rudder"),
        (
            ("--date", "2003-03-01", "--method", "rudder", "--event-days", "2003-03-04"),
            "Give FROM..TO",
        ),
        (
            (
                "--date",
                "2003-03-01",
                "--method",
                "rudder",
                "--event-days",
                "2003-04-01..2003-04-02",
            ),
            "does not hold its peak",
        ),
        (("--date", "2003-03-01", "--method", "rudder"), "Give fewer --days (now 365)"),
    ],
)
def test_what_rudder_refuses(command, run, words, said):
    code, _, err = command("explain", run, "--basin", "02000000", *words)
    assert code == 1
    assert said in err
    assert not (run / "explain").exists()
