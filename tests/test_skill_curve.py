"""The skill benchmark's curve, at toy size: its last point is the score of the run."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import TINY

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "skill.py"


def test_curve_has_every_epoch_and_ends_at_the_scores_of_the_run(
    tiny_store, tmp_path, monkeypatch, capsys
):
    words = [w for s in (*TINY, "epochs=3") for w in ("--set", s)]
    monkeypatch.setattr(
        sys, "argv",
        ["skill.py", str(tiny_store), "--model", "lstm", "--runs", str(tmp_path), *words,
         "--curve", "--validation", "2001-10-01..2002-09-30"],
    )  # fmt: skip
    spec = importlib.util.spec_from_file_location("skill", SCRIPT)
    skill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(skill)

    skill.main()

    found = pd.read_csv(tmp_path / "tiny_quick_curve.csv")
    assert list(found["epoch"]) == [1, 2, 3]
    assert found["cpu_minutes"].is_monotonic_increasing
    scores = pd.read_csv(tmp_path / "tiny_quick_lstm_0" / "test" / "metrics.csv")
    assert found["test_NSE"].iloc[-1] == pytest.approx(scores["NSE"].median(), abs=1e-4)
    assert not found["validation_NSE"].equals(found["test_NSE"])
    assert "tiny_quick_lstm_0" in capsys.readouterr().out
