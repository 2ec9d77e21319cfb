"""Several seeds in one run: each member is what a run of its seed alone is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hydroml import api
from hydroml.errors import TrainingError
from hydroml.training import fit
from hydroml.training.progress import TrainingDisplay
from hydroml.training.rundir import RunDirectory
from tests.conftest import tiny_config

SEEDS = (4, 11, 7)
# 4 basins, 731 days: a step of 8 samples; the seeds draw 52 to 56 blocks, so that some idle or
# have a smaller last batch
SETTINGS = ("epochs=2", "optimizer.weight_average=0.9", "data.validation=2001-10-01..2002-09-30")


def trained(store: Path, runs: Path, seed: object, *settings: str) -> RunDirectory:
    config = tiny_config(*SETTINGS, f"seed={seed}", *settings)
    return RunDirectory(api.train(store, config=config, name=f"r{seed}", runs=runs))


def assert_close(found: dict, expected: dict, k: int) -> None:
    """Weights of member k and of the run of its seed are the same to rounding."""
    for name, own in expected.items():
        torch.testing.assert_close(found[name][k : k + 1], own, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("model", ["ealstm", "lstm", "lstm-nostatic"])
def test_a_member_equals_the_run_of_its_seed(tiny_store, tmp_path, model):
    many = trained(tiny_store, tmp_path, list(SEEDS), f"model.name={model}")
    found = load_file(many.last_weights())
    rows = many.read_metrics()
    assert [(int(r["epoch"]), int(r["seed"])) for r in rows] == [
        (e, s) for e in (1, 2) for s in SEEDS
    ]
    for k, seed in enumerate(SEEDS):
        alone = trained(tiny_store, tmp_path, seed, f"model.name={model}")
        assert_close(found, load_file(alone.last_weights()), k)
        for own, expected in zip(rows[k :: len(SEEDS)], alone.read_metrics(), strict=True):
            assert float(own["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-4)
            assert own["learning_rate"] == expected["learning_rate"]
            nse = float(expected["validation_NSE"])
            assert float(own["validation_NSE"]) == pytest.approx(nse, abs=1e-3)


def test_members_differ(tiny_store, tmp_path):
    found = load_file(trained(tiny_store, tmp_path, list(SEEDS)).last_weights())
    assert all(len(t) == 3 and not torch.equal(t[0], t[1]) for t in found.values())


def test_an_interrupted_ensemble_goes_on_bit_for_bit(tiny_store, tmp_path, monkeypatch):
    whole = trained(tiny_store, tmp_path / "a", list(SEEDS))
    steps = []

    def listen(self, done, where, loss):
        steps.append(where)
        if len(steps) == 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingDisplay, "step", listen)
        patch.setattr(fit, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            trained(tiny_store, tmp_path / "b", list(SEEDS))
    (path,) = (tmp_path / "b").glob("r*")
    api.resume(path)
    again = RunDirectory(path)
    for name in ("epoch001.safetensors", "epoch002.safetensors", "last/state.safetensors"):
        ours, theirs = (load_file(r.path / "checkpoints" / name) for r in (again, whole))
        assert all(torch.equal(ours[key], t) for key, t in theirs.items()), name


def test_one_member_that_breaks_is_named_by_its_seed(tiny_store, tmp_path):
    prepared = api.create_run(
        tiny_store, config=tiny_config("seed=[1, 2]"), name="r", runs=tmp_path
    )
    with torch.no_grad():
        prepared.assembly.models[1].w_ih[0, 0] = np.nan
    with pytest.raises(TrainingError, match="loss of seed 2 or its gradient is nan"):
        prepared.fit()


def test_an_ensemble_from_end_to_end(tiny_store, tmp_path, command):
    from tests.conftest import TINY

    settings = [word for s in (*TINY, "epochs=1") for word in ("--set", s)]
    code, _, err = command(
        "train", "--data", tiny_store, "--preset", "quick", *settings,
        "--seed", 1, "--seed", 2, "--runs", tmp_path,
    )  # fmt: skip
    assert code == 0, err
    (run,) = tmp_path.iterdir()
    assert run.name.endswith("_ealstm_all_2seeds")
    code, _, err = command("evaluate", run)
    assert code == 0, err
    assert (run / "test" / "members.csv").is_file()
    assert (run / "losses.png").is_file()
