"""The benchmark of donors runs at toy size, and its read-outs are a ridge regression."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hydroml.data.store import write_store
from tests.regionalisation.donor_stores import two_kinds

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_it_prints_and_writes_every_method(tmp_path):
    store = write_store(two_kinds(), tmp_path / "two.zarr")
    (tmp_path / "out.txt").write_text("slow0\nfast0\n")
    (tmp_path / "in.txt").write_text(
        "\n".join(f"{kind}{i}" for kind in ("slow", "fast") for i in range(1, 6))
    )
    done = subprocess.run(
        [
            sys.executable, str(FOLDER / "donors.py"), str(store), "--gauged",
            str(tmp_path / "in.txt"), "--ungauged", str(tmp_path / "out.txt"), "--chosen",
            "2000-10-01..2001-09-30", "--test", "2001-10-01..2003-09-30", "--methods",
            "nearest,hopfield", "--out", str(tmp_path / "scores.csv"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "10 gauged basins (0 without a whole year left out), 2 ungauged" in done.stdout
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table["method"].tolist() == ["nearest in attributes", "Hopfield, attributes"]
    assert (table[["slow0", "fast0"]] > 0.9).all(axis=None)


def test_read_outs_are_ridge_corrections_of_the_regional_one(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    donors = importlib.import_module("donors")
    rng = np.random.default_rng(0)
    states = rng.normal(size=(2, 2000, 3)).astype(np.float32)
    regional, change = np.array([1.0, 0.0, -1.0]), np.array([0.5, 0.2, 0.0])
    flow = states.astype(float) @ (regional + change)
    flow[1, 300:] = np.nan  # less than a year
    found = donors.fit_readouts(states, flow, regional)
    # var(q) = 1.5^2 + 0.2^2 + 1 = 3.29 and the states' variance is 1: change / (1 + ridge 3.29)
    for ridge, corrections in found.items():
        assert corrections[0] == pytest.approx(change / (1 + 3.29 * ridge), abs=0.03)
        assert (corrections[1] == 0).all()
