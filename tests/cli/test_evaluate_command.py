"""``hydroml evaluate``: what it prints and where it writes."""

import json
import re
import shutil

import pytest

from hydroml.evaluation import simulate
from hydroml.report.figures import read_metrics


@pytest.fixture
def run(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "runs" / "tiny")


def test_it_prints_the_scores_it_writes(command, run):
    code, out, err = command("evaluate", run, "--device", "cpu")
    assert code == 0, err
    table = read_metrics(run / "test" / "metrics.csv")
    title = "SYNTHETIC DATA: 4 basins, 2001-10-01..2003-09-30, continuous"
    assert title in " ".join(out.split())
    (median, mean) = re.search(r"NSE\s+│\s+(\S+)\s+│\s+(\S+)", out).groups()
    assert float(median) == pytest.approx(table["NSE"].median(), abs=5e-4)
    assert float(mean) == pytest.approx(table["NSE"].mean(), abs=5e-4)
    assert f"Basins with NSE <= 0: {(table['NSE'] <= 0).sum()} of 4" in out
    for file in (run / "test").iterdir():
        assert f"  {file.name}\n" in out
    assert {p.name for p in (run / "test").iterdir()} >= {
        "simulations.nc",
        "metrics.csv",
        "summary.json",
        "nse_map.png",
        "nse_distribution.png",
        "hydrographs.png",
    }


@pytest.mark.usefixtures("no_figures")
def test_options_reach_the_evaluation(command, run):
    code, _, err = command(
        "evaluate", run, "--device", "cpu", "--period", "2002-01-01..2002-12-31",
        "--basins", "03000000,01000000", "--mode", "windowed", "--flavour", "neuralhydrology",
    )  # fmt: skip
    assert code == 0, err
    folder = run / "2002-01-01_2002-12-31"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["mode"] == "windowed"
    assert summary["flavour"] == "neuralhydrology"
    table = read_metrics(folder / "metrics.csv")
    assert table.index.tolist() == ["03000000", "01000000"]
    assert table["n_days"].tolist() == [365, 365]


@pytest.mark.usefixtures("no_figures")
def test_several_runs_are_an_ensemble_beside_them(command, run):
    shutil.copytree(run, run.with_name("other"))
    code, out, err = command("evaluate", run, run.with_name("other"), "--device", "cpu")
    assert code == 0, err
    (folder,) = run.parent.glob("ensemble_of_2_*/test")
    assert f"Written to {folder}" in out
    assert (folder / "members.csv").is_file()
    assert not (run / "test").exists()


@pytest.mark.usefixtures("no_figures")
def test_ctrl_c_leaves_the_evaluation_before_it_as_it_was(command, run, monkeypatch):
    assert command("evaluate", run, "--device", "cpu")[0] == 0
    before = (run / "test" / "metrics.csv").read_bytes()

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate, "predict_continuous", interrupted)
    code, _, err = command("evaluate", run, "--device", "cpu")
    assert code == 130
    assert "Interrupted." in err
    assert "Traceback" not in err
    assert (run / "test" / "metrics.csv").read_bytes() == before
    assert sorted(p.name for p in run.iterdir() if p.name.startswith(".")) == []


@pytest.mark.filterwarnings("ignore:.*the covariance lacks full rank")
def test_realism_is_measured_beside_the_scores(command, run, monkeypatch):
    from hydroml.evaluation import realism

    code, _, err = command("evaluate", run, "--realism")
    assert code == 1
    assert "needs 40 water years without a gap; 4 basins have 8 in 2001-10-01" in err
    assert not (run / "test").exists()
    monkeypatch.setattr(realism, "FEWEST_YEARS", 8)
    monkeypatch.setattr(realism, "STEPS", 2)
    code, out, err = command("evaluate", run, "--realism")
    assert code == 0, err
    assert "Realism of 8 years (Frechet hydrograph distance, less is better): simulated" in out
    told = json.loads((run / "test" / "realism.json").read_text())
    assert told["years"] == 8
    assert told["distances"]["simulated"] > 0
    assert (run / "test" / "realism.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = command("evaluate", run)
    assert code == 0
    assert not (run / "test" / "realism.json").exists()  # of the evaluation before
