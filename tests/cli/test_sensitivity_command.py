"""``hydroml sensitivity``: what it prints, writes, refuses and leaves behind."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from hydroml.api import climate
from hydroml.sensitivity import parts


@pytest.fixture
def run(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "runs" / "tiny")


@pytest.fixture
def no_maps(monkeypatch):
    monkeypatch.setattr(climate, "draw_sensitivity", lambda folder: [])


def test_one_command_makes_tables_and_maps(command, run):
    code, out, err = command("sensitivity", run, "--gradients", "--device", "cpu")
    assert code == 0, err
    folder = run / "sensitivity"
    made = {p.name for p in folder.iterdir()}
    assert made >= {
        "response.nc", "elasticity.csv", "plausibility.csv", "plausibility.nc", "gradients.nc",
        "scenarios.yaml", "floods_per_degree.png", "response_surfaces.png", "storms.png",
    }  # fmt: skip
    for name in made:
        assert f"  {name}\n" in out
    with xr.open_dataset(folder / "response.nc") as response:
        assert response.sizes == {
            "scenario": 72, "basin": 4, "statistic": 24, "member": 1, "month": 12, "input": 3,
        }  # fmt: skip
        assert response.attrs["synthetic"] == "true"
        assert response.attrs["statics"] == "held"
        assert float(abs(response["change"].sel(scenario="baseline", statistic="mean")).max()) == 0
        change = response["change"].sel(scenario="p+20%", statistic="mean").mean("member")
        assert f"{float(change.median()):+.1f}" in out
        documents = list(yaml.safe_load_all(response.attrs["scenarios"]))
        assert [d["name"] for d in documents] == ["grid", "seasons", "storms"]
        assert list(yaml.safe_load_all((folder / "scenarios.yaml").read_text())) == documents
    assert "SYNTHETIC DATA" in out
    assert "of     4  less mean flow although wetter" in out
    table = pd.read_csv(folder / "elasticity.csv", dtype={"gauge_id": str})
    assert set(table["gauge_id"]) == {"01000000", "02000000", "03000000", "04000000"}
    assert not list(run.glob(".sensitivity*"))  # parts are gone


@pytest.mark.usefixtures("no_maps")
def test_an_interrupted_command_goes_on_and_replaces_nothing_before(command, run, monkeypatch):
    base = ("sensitivity", run, "--scenarios", "martel", "--device", "cpu")
    assert command(*base)[0] == 0
    before = (run / "sensitivity" / "response.nc").read_bytes()
    monkeypatch.setattr(parts, "BASINS_PER_PART", 1)
    respond, done = parts.respond, []

    def interrupted(members, dataset, basins, *rest, **more):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(basins)
        return respond(members, dataset, basins, *rest, **more)

    monkeypatch.setattr(parts, "respond", interrupted)
    code, _, err = command(*base)
    assert code == 130
    assert "Interrupted." in err
    assert (run / "sensitivity" / "response.nc").read_bytes() == before
    done.clear()
    assert command(*base)[0] == 0
    assert len(done) == 1  # of four basins three were there
    with xr.open_dataset(run / "sensitivity" / "response.nc") as found:
        assert np.isfinite(found["value"].sel(statistic="mean")).all()


@pytest.mark.usefixtures("no_maps")
def test_gradients_survive_an_interruption(command, run, monkeypatch):
    words = ("sensitivity", run, "--scenarios", "martel", "--gradients", "--device", "cpu")
    compute, done = parts.gradients_of_some, []
    monkeypatch.setattr(
        parts, "gradients_of_some", lambda *a, **k: [compute(*a, **k), done.append(1)][0]
    )

    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(climate, "draw_sensitivity", interrupted)
    code, _, err = command(*words)
    assert (code, "The same command goes on" in err) == (130, True)
    monkeypatch.setattr(climate, "draw_sensitivity", lambda folder: [])
    assert command(*words)[0] == 0
    assert len(done) == 1
    assert (run / "sensitivity" / "gradients.nc").is_file()
    assert not list(run.glob(".sensitivity*"))


@pytest.mark.usefixtures("no_maps")
def test_members_of_an_ensemble_are_told_apart(command, run):
    shutil.copytree(run, run.with_name("other"))
    code, out, err = command(
        "sensitivity", run, run.with_name("other"), "--scenarios", "martel", "--device", "cpu"
    )
    assert code == 0, err
    (folder,) = run.parent.glob("ensemble_of_2_*/sensitivity")
    assert f"Written to {folder}" in out
    with xr.open_dataset(folder / "response.nc") as response:
        assert response["member"].values.tolist() == ["tiny", "other"]


@pytest.mark.usefixtures("no_maps")
def test_options_reach_the_study(command, run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "scenarios:\n- name: hot_july\n  changes:\n"
        "  - {kind: add, variable: temperature, amount: 2, months: [7]}\n"
    )
    out_folder = tmp_path / "study"
    code, out, err = command(
        "sensitivity", run, "--scenarios", file, "--basins", "02000000", "--out", out_folder,
        "--period", "2002-01-01..2002-12-31", "--vapour-pressure", "held", "--device", "cpu",
    )  # fmt: skip
    assert code == 0, err
    with xr.open_dataset(out_folder / "response.nc") as response:
        assert response["basin"].values.tolist() == ["02000000"]
        assert response["scenario"].values.tolist() == ["baseline", "hot_july"]
        assert response.attrs["vapour_pressure"] == "held"
        assert response.attrs["period"] == "2002-01-01..2002-12-31"
    assert not (out_folder / "elasticity.csv").exists()  # no grid
    assert "hot_july" in out


BAD = {
    "unknown variable": ("{kind: add, variable: wind, amount: 1}", "'wind'"),
    "month 13": ("{kind: add, variable: temperature, amount: 1, months: [13]}", "13"),
    "negative factor": ("{kind: multiply, variable: precipitation, factor: -1}", "-1"),
    "no file": ("{kind: file, path: none.nc, operation: add}", "none.nc"),
    "one temperature": ("{kind: add, variable: tmax, amount: 1}", "belong together"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_scenario_is_refused_by_name(command, run, tmp_path, case):
    change, says = BAD[case]
    file = tmp_path / "mine.yaml"
    file.write_text(f"scenarios:\n- name: odd_one\n  changes:\n  - {change}\n")
    code, _, err = command("sensitivity", run, "--scenarios", file, "--device", "cpu")
    assert code == 1
    assert "odd_one" in err
    assert says in err
    assert "What to do:" in err
    assert "Traceback" not in err
    assert not list(run.glob("*sensitivity*"))
    assert not list(run.glob(".sensitivity*"))


def test_a_file_that_does_not_cover_the_period(command, run, tmp_path):
    time = pd.date_range("2002-01-01", "2002-12-31")
    basins = ["01000000", "02000000", "03000000", "04000000"]
    xr.Dataset(
        {"prcp": (("basin", "time"), np.ones((4, 365)))}, {"basin": basins, "time": time}
    ).to_netcdf(tmp_path / "model.nc")
    file = tmp_path / "mine.yaml"
    file.write_text(
        "scenarios:\n- name: model\n  changes:\n"
        "  - {kind: file, path: model.nc, operation: replace}\n"
    )
    code, _, err = command("sensitivity", run, "--scenarios", file, "--device", "cpu")
    assert code == 1
    assert "2002-01-01 to 2002-12-31" in err
    assert "2001-10-01" in err
    code, _, err = command(
        "sensitivity", run, "--scenarios", file, "--device", "cpu",
        "--period", "2002-01-01..2002-12-31", "--basins", "01000000",
    )  # fmt: skip
    assert code == 0, err


def test_what_cannot_be_asked(command, run, tmp_path):
    code, _, err = command("sensitivity", run, "--scenarios", "gird")
    assert (code, "Did you mean 'grid'" in err) == (1, True)
    code, _, err = command("sensitivity", run, "--statics", "recomputed", "--device", "cpu")
    assert (code, "no climatic attributes" in err) == (1, True)
    code, _, err = command("sensitivity", run, "--statics", "moved", "--device", "cpu")
    assert (code, "'moved'" in err) == (1, True)
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("dear")
    code, _, err = command("sensitivity", run, "--out", full, "--device", "cpu")
    assert (code, "not a study of sensitivity" in err) == (1, True)
    assert (full / "letter.txt").read_text() == "dear"


def test_runs_that_are_no_ensemble_are_refused_before_anything_is_computed(
    command, run, tmp_path, tiny_store, monkeypatch
):
    from hydroml import api
    from tests.conftest import tiny_config

    monkeypatch.setattr(parts, "respond", None)  # calling it would be an error of another kind
    twin = shutil.copytree(run, tmp_path / "elsewhere" / "tiny")
    code, _, err = command("sensitivity", run, twin, "--device", "cpu")
    assert (code, "called 'tiny'" in err) == (1, True)
    config = tiny_config("model.name=lstm-nostatic", "epochs=1")
    bare = api.train(tiny_store, config=config, name="bare", runs=run.parent)
    code, _, err = command("sensitivity", run, bare, "--gradients", "--device", "cpu")
    assert (code, "bare has other inputs or attributes" in err) == (1, True)


@pytest.mark.usefixtures("no_maps")
def test_only_parts_of_studies_are_removed(command, run):
    mine = run / ".sensitivity-notes"  # a user's own folder
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    given_up = run / ".sensitivity-0123456789abcdef.parts"
    given_up.mkdir()
    assert command("sensitivity", run, "--scenarios", "martel", "--device", "cpu")[0] == 0
    assert (mine / "letter.txt").read_text() == "dear"
    assert not given_up.exists()
