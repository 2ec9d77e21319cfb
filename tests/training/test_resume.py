"""Interrupted and resumed equals uninterrupted, bit for bit; processes are really killed."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from hydroml import api
from hydroml.data.store import write_store
from hydroml.errors import RunError, StoreError
from hydroml.training import fit
from hydroml.training.progress import TrainingDisplay
from hydroml.training.rundir import RunDirectory
from tests.conftest import TINY, tiny_config, tiny_dataset
from tests.training.interrupted_run import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
STEPS = 7  # of 8 samples each: 52 to 56 blocks of 60 days tile 4 basins times 731 days


@pytest.fixture(scope="module")
def whole(tiny_store, tmp_path_factory) -> Path:
    """The run that nobody interrupted."""
    runs = tmp_path_factory.mktemp("whole")
    return api.train(tiny_store, config=tiny_config(*SETTINGS), name="whole", runs=runs)


def weights(run: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {f.name: load_file(f) for f in sorted((run / "checkpoints").rglob("*.safetensors"))}


def assert_equal(run: Path, other: Path) -> None:
    """Every weight of every epoch, and the whole last state, are the same bits."""
    found, expected = weights(run), weights(other)
    assert found.keys() == expected.keys()
    for name, tensors in expected.items():
        assert found[name].keys() == tensors.keys()
        assert all(torch.equal(found[name][key], t) for key, t in tensors.items()), name
    rows, expected_rows = (
        [{k: v for k, v in r.items() if k != "seconds"} for r in RunDirectory(p).read_metrics()]
        for p in (run, other)
    )
    assert rows == expected_rows


def train_in_process_until_step(store: Path, runs: Path, step: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.interrupted_run", store, runs, str(step)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )


def test_sigkill_twice_then_resumed(tiny_store, tmp_path, whole):
    run = RunDirectory(tmp_path / "killed")
    # in the midst of epoch 1
    process = train_in_process_until_step(tiny_store, tmp_path, random.randint(2, STEPS - 1))
    assert process.wait(timeout=60) == -signal.SIGKILL
    saved = counters(run.state_file)
    assert saved["epoch"] == 0 < saved["step"] < STEPS
    # then, resumed, at the last step of epoch 2, before its weights are written
    process = train_in_process_until_step(tiny_store, tmp_path, 2 * STEPS - saved["step"])
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert [f.name for f in run.path.glob("checkpoints/epoch*")] == ["epoch001.safetensors"]
    assert_equal(api.resume(run.path), whole)


def counters(state_file: Path) -> dict[str, int]:
    with safe_open(state_file, framework="pt") as file:
        return json.loads(file.metadata()["counters"])


def test_sigkill_at_any_moment_then_resumed(tiny_store, tmp_path, whole):
    process = train_in_process_until_step(tiny_store, tmp_path, 0)
    wait_for(lambda: list((tmp_path / "killed" / "checkpoints" / "last").glob("state*")), process)
    time.sleep(random.uniform(0, 0.4))  # in a step, a checkpoint, a validation: wherever it is
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    assert_equal(api.resume(tmp_path / "killed"), whole)


def test_sigkill_before_the_first_checkpoint_starts_anew(tiny_store, tmp_path, whole):
    prepared = api.create_run(tiny_store, config=tiny_config(*SETTINGS), name="r", runs=tmp_path)
    assert not prepared.run.state_file.exists()
    torch.rand(5)  # chance elsewhere does not matter
    assert_equal(api.resume(tmp_path / "r"), whole)


def wait_for(there: Callable[[], object], process: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while not there() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    assert process.poll() is None, "the process ended by itself"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("at", [(0, 3), (0, STEPS), (1, 1)], ids=str)
def test_a_request_to_stop_saves_the_step_it_came_in(
    name, at, tiny_store, tmp_path, whole, monkeypatch
):
    def listen(self, done, where, loss):
        assert where.endswith(f"/{STEPS}")
        if where == f"epoch {at[0] + 1}/3  step {at[1]}/{STEPS}":
            assert done == pytest.approx(at[0] + at[1] / STEPS)
            signal.raise_signal(getattr(signal, name))

    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr(TrainingDisplay, "step", listen)
        with pytest.raises(fit.Interrupted):
            api.train(tiny_store, config=tiny_config(*SETTINGS), name="r", runs=tmp_path)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert "interrupted; the state is saved" in (tmp_path / "r" / "log.txt").read_text()
    assert len(RunDirectory(tmp_path / "r").read_metrics()) == at[0]
    assert_equal(api.resume(tmp_path / "r"), whole)


def test_a_second_ctrl_c_stops_at_once(tiny_store, tmp_path, monkeypatch, whole):
    def listen(*facts):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingDisplay, "step", listen)
        with pytest.raises(KeyboardInterrupt):
            api.train(tiny_store, config=tiny_config(*SETTINGS), name="r", runs=tmp_path)
    assert_equal(api.resume(tmp_path / "r"), whole)


def test_ctrl_c_on_the_command_line(tiny_store, tmp_path, command):
    settings = [word for s in TINY for word in ("--set", s)]
    arguments = ["train", "--data", tiny_store, "--preset", "quick", *settings, "--epochs", "10"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hydroml", *arguments, "--name", "r", "--runs", tmp_path],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: (tmp_path / "r/checkpoints/epoch001.safetensors").is_file(), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "all is saved" in err
    (line,) = re.findall(r"^  hydroml (train --resume .*)$", err, flags=re.MULTILINE)
    assert not list(tmp_path.glob("r/checkpoints/epoch010*"))
    code, out, _ = command(*line.split())
    assert (code, out.splitlines()[0]) == (0, f"Trained: {tmp_path / 'r'}")
    whole = api.train(
        tiny_store, config=tiny_config("epochs=10"), name="w", runs=tmp_path, basins="all"
    )
    assert_equal(tmp_path / "r", whole)


def test_resuming_a_finished_run_changes_no_weight(whole, tmp_path):
    run = Path(shutil.copytree(whole, tmp_path / "again"))
    assert api.resume(run) == run
    assert_equal(run, whole)


def test_a_changed_store_is_refused(tmp_path):
    store = write_store(tiny_dataset(), tmp_path / "s.zarr")
    api.create_run(store, config=tiny_config(), name="r", runs=tmp_path)
    write_store(tiny_dataset(seed=1), store)
    with pytest.raises(RunError, match="has changed since the run"):
        api.resume(tmp_path / "r")
    shutil.rmtree(store)
    with pytest.raises(StoreError, match="There is no store at"):
        api.resume(tmp_path / "r")


def test_the_seed_is_all_that_chance_hangs_on(whole, tiny_store, tmp_path):
    same = api.train(tiny_store, config=tiny_config(*SETTINGS), name="a", runs=tmp_path)
    assert_equal(same, whole)
    other = api.train(tiny_store, config=tiny_config(*SETTINGS, "seed=1"), name="b", runs=tmp_path)
    first, second = (weights(p)["epoch001.safetensors"] for p in (whole, other))
    assert not torch.equal(first["w_hh"], second["w_hh"])
