"""The benchmarks run, at toy size."""

import importlib
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, *words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *words], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_recurrence_times_every_formulation_of_two_models():
    rows = [line.split() for line in run("recurrence.py", "--toy", "--precision", "fp32")]
    names = [" ".join(r[: r.index("fp32") + 1]) for r in rows if "fp32" in r and "x" not in r]
    for formulation in ("loop", "fused", "hydroml", "together", "one by one"):
        assert names.count(f"{formulation} fp32") == 2  # EA-LSTM and LSTM
    shares = [float(r[-1].rstrip("%")) for r in rows if r[-1].endswith("%")]
    assert len(shares) == len(names)
    assert all(0 <= share < 100 for share in shares)


@pytest.mark.parametrize(
    ("script", "rows"),
    [("hopfield.py", "x torch"), ("deeprc.py", "kept"), ("attribution.py", "ealstm")],
)
def test_benchmarks_of_the_toolkit_run_at_toy_size(script, rows):
    assert any(rows in line for line in run(script, "--toy"))


def test_recurrence_counts_the_operations_of_its_products(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    recurrence = importlib.import_module("recurrence")
    sizes = Namespace(hidden=256, batch=256, days=365)
    # 3 gates x 256 units x (3 x 256 + 2 x 5) x 2 x 256 samples x 365 days, and the static gate
    assert recurrence.operations("ealstm", sizes) == pytest.approx(111.66e9, rel=1e-3)
    assert recurrence.operations("lstm", sizes) == pytest.approx(148.9e9, rel=1e-3)


def test_all_gpu_benchmarks_run_at_toy_size_on_the_cpu(tmp_path):
    file = tmp_path / "RESULTS.md"
    file.write_text("# Results\n")
    words = [str(FOLDER / "gpu.sh"), "--toy", str(file)]
    subprocess.run(words, check=True, env={**os.environ, "PYTHON": sys.executable})
    text = file.read_text()
    assert text.startswith("# Results\n\n## GPU: the CPU, toy size, ")
    for script in ("recurrence", "members", "graphs", "on_device"):
        assert f"python benchmarks/{script}.py --device cpu --toy" in text
    assert text.count("```") % 2 == 0


def test_skill_reports_every_seed_and_the_ensemble(tiny_store, tmp_path):
    settings = {
        "data.train": "1999-10-01..2001-09-30",
        "data.test": "2001-10-01..2003-09-30",
        "model.hidden": "4",
        "epochs": "1",
    }
    words = [w for key, value in settings.items() for w in ("--set", f"{key}={value}")]
    seeds = ("--seed", "1", "--seed", "2", "--model", "lstm")
    out = run("skill.py", str(tiny_store), *seeds, "--runs", str(tmp_path), *words)
    runs = [line.split()[0] for line in out[-3:]]
    assert runs == ["tiny_quick_lstm_1", "tiny_quick_lstm_2", "tiny_quick_lstm"]


def test_streaming_compares_two_processes_on_a_store_it_draws(tmp_path):
    sizes = ("--basins", "70", "--years", "2", "--rounds", "1", "--seconds", "0.1")
    words = ("--store", str(tmp_path / "s.zarr"), *sizes, "--memory", "0.0001")
    drawn, _, whole, streamed, ratio = run("streaming.py", *words, "--set", "model.hidden=4")
    assert drawn.startswith("drew 70 basins x 2 years")
    assert "in host memory" in whole
    assert "streamed from the store in 2 pools" in streamed
    assert all(float(value) > 0 for value in ratio.split()[1:])


def test_limits_split_the_error_of_an_ensemble(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    limits = importlib.import_module("limits")
    observed = np.array([[1.0, 2.0, 3.0, 2.0]])
    # all members are 1 too high; two of them differ by +-.5, which their mean does not have
    members = (observed + 1)[..., None] + np.array([0.5, -0.5])
    common, own = limits.split_error(observed, members)
    # member: 4 days x (1.5^2 or .5^2), in the mean 5; mean of both: 4; V = (5 - 4) / (1 - 1/2)
    np.testing.assert_allclose((common, own), [[3.0], [2.0]])
    assert limits.nse(observed, observed + 1)[0] == pytest.approx(1 - 4 / 2)
    np.testing.assert_array_equal(limits.averaged(observed, 3), [[2.0]])
    rain = np.array([[0.0, 0, 0, 9, 0, 0, 0, 0, 0, 0]])
    flow = np.array([[1.0, 1, 1, 2, 2, 2, 2, 2, 2, 2]])
    assert limits.response_to_rain(flow, rain)[0] == pytest.approx(1)


def test_beside_published_compares_the_same_basins(tmp_path):
    gauges = [f"0{i}" for i in range(1, 7)]
    published = {"gauge_id": gauges, "pub2019_global_lstm_static_nse": [0.8] * 5 + [np.nan]}
    for other in ("pub_lstm", "benchmark_sacsma_ensemble", "benchmark_nwm_retrospective"):
        published[f"pub2019_{other}_nse"] = [0.5, 0.6, 0.7, 0.6, 0.5, 0.6]
    pd.DataFrame(published).to_csv(tmp_path / "p.csv", index=False)
    own = pd.DataFrame({"gauge_id": gauges[1:], "NSE": [0.7, 0.9, 0.6, -0.1, 0.7]})
    own.to_csv(tmp_path / "m.csv", index=False)
    lines = run(
        "beside_published.py", str(tmp_path / "p.csv"), f"ours={tmp_path / 'm.csv'}",
        "--out", str(tmp_path / "f.png"),
    )  # fmt: skip
    assert "| ours | 0.650 | 0.525 | 1 | 1 | " in "\n".join(lines)
    assert lines[-1].startswith("4 basins.")
    assert (tmp_path / "f.png").stat().st_size > 10_000
