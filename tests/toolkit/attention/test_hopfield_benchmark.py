"""The benchmark of Hopfield layers runs, at toy size."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "hopfield.py"


def test_it_times_every_layer_in_both_settings():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--toy"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    for name in ("torch", "plain", "normalised", "plain, 1 extra", "plain, 3 extra"):
        rows = [line for line in lines if line[:20].strip() == name]
        assert len(rows) == 2
        assert all(float(number) > 0 for row in rows for number in row[20:].split())
    assert sum(line.split()[-1] == "1.00" for line in lines if line.startswith("torch")) == 2
