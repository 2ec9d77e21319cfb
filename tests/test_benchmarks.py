"""The benchmarks run, at toy size."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, *words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *words], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_recurrence_times_three_formulations_of_two_models():
    sizes = ("--hidden", "4", "--batch", "2", "--days", "6", "--rounds", "1", "--last", "3")
    rows = [line.split() for line in run("recurrence.py", *sizes)[1:]]
    names = [(r[0], r[1]) for r in rows]
    assert names == [(m, f) for m in ("EALSTM", "LSTM") for f in ("fused", "loop", "hydroml")]
    assert all(r[-1] == "x1.00" for r in rows if r[1] == "fused")


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
