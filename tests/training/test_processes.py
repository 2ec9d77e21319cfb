"""Training spread over processes: the same steps as one process, whoever is interrupted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hydroml import api
from hydroml.training.processes import Processes
from hydroml.training.rundir import RunDirectory
from tests.conftest import TINY, tiny_config

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("epochs=3", "optimizer.weight_average=0.9", "optimizer.batch_size=9")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("total", [0, 1, 5, 8])
def test_shares_are_disjoint_and_whole(count, total):
    cpu = torch.device("cpu")
    rows = [list(range(total))[Processes(k, count, cpu).share(total)] for k in range(count)]
    assert [row for own in rows for row in own] == list(range(total))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def torchrun(count: int, *arguments: object, stop_after: int = 0) -> subprocess.CompletedProcess:
    """``torchrun --nproc-per-node COUNT -m tests.training.of_many ...``."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
        str(count), "-m", "tests.training.of_many", str(stop_after), *map(str, arguments),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def arguments(store: Path, runs: Path, name: str, *settings: str) -> list[object]:
    words = [word for s in (*TINY, *SETTINGS, *settings) for word in ("--set", s)]
    return ["train", "--data", store, "--preset", "quick", *words, "--runs", runs, "--name", name]


def assert_same(run: Path, whole: Path) -> None:
    """Equal to rounding: sums over a batch are added up in another order."""
    rows, expected = (RunDirectory(p).read_metrics() for p in (run, whole))
    assert [r["epoch"] for r in rows] == [r["epoch"] for r in expected]
    for own, other in zip(rows, expected, strict=True):
        assert float(own["loss"]) == pytest.approx(float(other["loss"]), rel=1e-4)
    found, weights = (load_file(RunDirectory(p).last_weights()) for p in (run, whole))
    for name, tensor in weights.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-5)


def test_two_processes_train_what_one_trains(tiny_store, tmp_path):
    seeds = "[5, 6]"
    whole = api.train(
        tiny_store, config=tiny_config(*SETTINGS, f"seed={seeds}"), name="one", runs=tmp_path
    )
    done = torchrun(2, *arguments(tiny_store, tmp_path, "two", f"seed={seeds}"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained:") == 1
    assert done.stderr.count("epoch   3/3") == 1
    assert_same(tmp_path / "two", whole)
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == sorted(
        p.name for p in whole.iterdir()
    )


@pytest.mark.parametrize(("first", "then"), [(2, 1)])
def test_resumed_by_another_number_of_processes(tiny_store, tmp_path, first, then):
    whole = api.train(
        tiny_store, config=tiny_config(*SETTINGS, "seed=5"), name="whole", runs=tmp_path
    )
    given = arguments(tiny_store, tmp_path, "r", "seed=5")
    done = torchrun(first, *given, stop_after=9)
    assert "all is saved" in done.stderr, done.stderr
    assert len(RunDirectory(tmp_path / "r").read_metrics()) == 1
    done = torchrun(then, "train", "--resume", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "r", whole)


def test_a_mistake_ends_all_processes_with_the_message(tiny_store, tmp_path):
    done = torchrun(2, *arguments(tiny_store, tmp_path, "r", "data.static=[nonsense]"))
    assert done.returncode != 0
    assert "nonsense" in done.stderr, done.stderr
    assert not (tmp_path / "r").exists()
