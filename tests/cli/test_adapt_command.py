"""``hydroml adapt``: what it prints, writes and refuses."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml.regionalisation.readout_files import load_readouts

BASINS = "01000000,03000000"


@pytest.fixture
def run(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "runs" / "tiny")


def test_one_command_adapts_scores_and_draws(command, run):
    code, out, err = command("adapt", run, "--basins", BASINS, "--years", 1, "--years", 0.5)
    assert code == 0, err
    folder = run / "adapted"
    assert {p.name for p in folder.iterdir()} == {
        "metrics.csv", "summary.json", "simulations.nc", "adaptation.png",
        "readouts_0.5y.safetensors", "readouts_1y.safetensors",
    }  # fmt: skip
    table = pd.read_csv(folder / "metrics.csv", dtype={"gauge_id": str})
    table = table.set_index(["gauge_id", "years"])
    assert list(table.index) == [(b, y) for b in BASINS.split(",") for y in (0.0, 0.5, 1.0)]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["method"] == "shrunk"
    assert summary["notes"] == ["2 of the basins were among those the run was trained on"]
    before, after = (table.xs(y, level="years")["NSE"] for y in (0.0, 1.0))
    assert summary["years"]["1"]["median"]["NSE"] == pytest.approx(after.median())
    assert summary["years"]["1"]["basins_better"] == int((after > before).sum())
    assert after.mean() > before.mean()  # a run of two epochs leaves much to learn
    assert f"{after.median():.3f}" in out
    assert "SYNTHETIC DATA" in out
    with xr.open_dataset(folder / "simulations.nc") as found:
        assert found["qsim"].dims == ("years", "basin", "time")
        assert found.attrs["learned_from"] == "1999-10-01 to 2001-09-30"
        error = ((found["qsim"] - found["qobs"]) ** 2).mean("time")
        spread = ((found["qobs"] - found["qobs"].mean("time")) ** 2).mean("time")
        expected = (1 - error / spread).sel(years=1.0).values
    np.testing.assert_allclose(expected, after.values, atol=1e-6)
    readouts, facts = load_readouts(folder / "readouts_1y.safetensors")
    assert list(readouts.basins) == BASINS.split(",")
    assert facts["run"] == "tiny"
    np.testing.assert_allclose(readouts.strength, table.xs(1.0, level="years")["strength"])


def test_what_was_learned_from_is_not_what_is_scored_unless_asked(command, run):
    words = ("adapt", run, "--basins", BASINS, "--years", 1, "--method", "last_layer")
    code, out, err = command(*words, "--period", "train", "--out", run / "here")
    assert code == 0, err
    assert "Note: the scored period overlaps the one learned from." in out
    code, _, err = command(*words, "--learn", "2001-10-01..2003-09-30", "--period", "train")
    assert code == 0, err
    notes = json.loads((run / "adapted" / "summary.json").read_text())["notes"]
    assert not any("overlaps" in note for note in notes)


def test_python_does_the_same(run):
    import hydroml

    table = hydroml.adapt(run, basins=BASINS.split(","), years=1)
    assert table.index.names == ["gauge_id", "years"]
    written = pd.read_csv(run / "adapted" / "metrics.csv", dtype={"gauge_id": str})
    pd.testing.assert_frame_equal(table, written.set_index(["gauge_id", "years"]))


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--basins", "01000001"], ["There is no basin '01000001'", "Did you mean '01000000'?"]),
        (["--basins", BASINS, "--years", 5], ["too little flow for 5 years", "fewer --years"]),
        (["--basins", BASINS, "--years", 0], ["Years to learn from", "--years 2"]),
        (["--basins", BASINS, "--method", "shrink"], ["Unknown method 'shrink'", "'shrunk'"]),
        (["--basins", BASINS, "--period", "tests"], ["Unknown period 'tests'"]),
    ],
)
def test_mistakes_are_named(command, run, words, messages):
    code, _, err = command("adapt", run, *words)
    assert code == 1
    for message in messages:
        assert message in err
    assert not (run / "adapted").exists()


def test_a_run_that_is_not_there_and_a_folder_of_something_else(command, run, tmp_path):
    code, _, err = command("adapt", tmp_path / "none", "--basins", BASINS)
    assert (code, "none is missing." in err) == (1, True)
    (run / "adapted").mkdir()
    (run / "adapted" / "mine.txt").write_text("keep")
    code, _, err = command("adapt", run, "--basins", BASINS, "--years", 1)
    assert (code, "is not an adaptation" in err) == (1, True)
    assert (run / "adapted" / "mine.txt").read_text() == "keep"


def test_basins_with_too_little_flow_may_be_left_out(command, run, tmp_path):
    from hydroml.data.store import write_store
    from tests.conftest import tiny_dataset

    dataset = tiny_dataset()
    dataset["qobs"][1, 700:1400] = np.nan
    other = write_store(dataset, tmp_path / "gaps.zarr")
    words = ("adapt", run, "--basins", "all", "--data", other, "--years", 1.5)
    code, _, err = command(*words)
    assert (code, "basin 02000000" in err) == (1, True)
    code, out, err = command(*words, "--allow-missing")
    assert code == 0, err
    assert "3 basins" in out
    assert (run / "gaps-adapted" / "metrics.csv").is_file()
