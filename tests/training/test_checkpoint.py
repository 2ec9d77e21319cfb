"""What is saved comes back whole; what does not fit is refused by name; nothing is pickled."""

import re
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

import hydroml
from hydroml.errors import HydromlError, RunError
from hydroml.models import build_model
from hydroml.training import checkpoint
from hydroml.training.checkpoint import (
    PROGRESS,
    SUMS,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from hydroml.training.samples import Batch
from hydroml.training.state import TrainingState, new_state
from hydroml.training.step import Task, take_step
from tests.conftest import tiny_config

CONFIG = tiny_config("optimizer.weight_average=0.9", "model.hidden=4")
SEVERAL = CONFIG.model_copy(update={"seed": (3, 5, 8)})
CPU = torch.device("cpu")


def model(name: str = "ealstm", hidden: int = 4):
    return build_model(name, 3, 2, hidden=hidden, dropout=0.4)


def fresh(seed: int = 0, config=CONFIG) -> TrainingState:
    torch.manual_seed(seed)
    return new_state([model() for _ in config.seed], config, CPU)


def step(state: TrainingState, config=CONFIG) -> list[float]:
    data = torch.Generator().manual_seed(5)
    batch = Batch(
        torch.randn(6, 10, 3, generator=data),
        torch.randn(6, 2, generator=data),
        torch.randn(6, 4, generator=data),
        torch.ones(6),
    )
    return take_step([Task(member, batch, 6, 0.01) for member in state.members], config)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("config", [CONFIG, SEVERAL], ids=["one", "three"])
def test_a_state_comes_back_whole(tmp_path, config):
    state = fresh(config=config)
    for _ in range(3):
        step(state, config)
    state.epoch, state.pool, state.step, state.seconds = 2, 1, 3, 1.5
    for k, member in enumerate(state.members):
        member.loss_sum, member.loss_count = 0.1 * k, 3
    save_state(state, tmp_path / "state")
    other = fresh(1, config)
    load_state(other, tmp_path / "state")
    assert [getattr(other, c) for c in PROGRESS] == [getattr(state, c) for c in PROGRESS]
    for mine, theirs in zip(other.members, state.members, strict=True):
        assert torch.equal(mine.chance.get_state(), theirs.chance.get_state())
        assert equal(mine.model.state_dict(), theirs.model.state_dict())
        assert equal(mine.average, theirs.average)
        assert not equal(theirs.average, theirs.model.state_dict())
        moments, expected = mine.optimizer.state_dict(), theirs.optimizer.state_dict()
        assert moments["state"].keys() == expected["state"].keys()
        assert all(equal(moments["state"][k], m) for k, m in expected["state"].items())
        assert moments["state"][0]["step"] == 3
        assert [getattr(mine, c) for c in SUMS] == [getattr(theirs, c) for c in SUMS]


@pytest.mark.parametrize("config", [CONFIG, SEVERAL], ids=["one", "three"])
def test_going_on_from_a_state_equals_going_on(tmp_path, config):
    state = fresh(config=config)
    step(state, config)
    save_state(state, tmp_path / "state")
    on = [step(state, config) for _ in range(3)]  # dropout draws from the members' generators
    other = fresh(1, config)
    load_state(other, tmp_path / "state")
    assert [step(other, config) for _ in range(3)] == on
    for mine, theirs in zip(other.members, state.members, strict=True):
        assert equal(mine.best_weights(), theirs.best_weights())


def test_a_state_before_the_first_step_comes_back(tmp_path):
    state, other = fresh(), fresh(1)
    save_state(state, tmp_path / "state")
    load_state(other, tmp_path / "state")
    assert [step(state) for _ in range(3)] == [step(other) for _ in range(3)]


def test_a_state_of_other_seeds_is_refused(tmp_path):
    save_state(fresh(config=SEVERAL), tmp_path / "state")
    with pytest.raises(RunError, match="it holds 3 members"):
        load_state(fresh(), tmp_path / "state")
    save_state(fresh(), tmp_path / "state")
    with pytest.raises(RunError, match="does not fit this run"):
        load_state(fresh(config=SEVERAL), tmp_path / "state")


@pytest.mark.parametrize("count", [1, 3])
def test_weights_come_back_with_their_facts(tmp_path, count):
    first, second = ([model() for _ in range(count)] for _ in range(2))
    save_weights([m.state_dict() for m in first], tmp_path / "w", {"model": "ealstm"})
    load_weights(second, tmp_path / "w")
    assert all(equal(a.state_dict(), b.state_dict()) for a, b in zip(first, second, strict=True))
    with safe_open(tmp_path / "w", framework="pt") as file:
        assert file.metadata() == {"model": "ealstm", "members": str(count)}
        assert file.get_slice("w_hh").get_shape() == [count, 12, 4]


def test_weights_without_the_axis_of_members_are_read(tmp_path):
    first, second = model(), model()
    save_file(dict(first.state_dict()), tmp_path / "w", metadata={"model": "ealstm"})
    load_weights([second], tmp_path / "w")
    assert equal(first.state_dict(), second.state_dict())


@pytest.mark.parametrize(
    ("name", "hidden", "count"), [("lstm", 4, 1), ("ealstm", 5, 1), ("ealstm", 4, 2)]
)
def test_weights_of_another_model_are_refused(tmp_path, name, hidden, count):
    weights = [model(name, hidden).state_dict()] * count
    save_weights(weights, tmp_path / "w", {"model": name})
    with pytest.raises(RunError, match=rf"of another model \({name}\)"):
        load_weights([model()], tmp_path / "w")


def test_a_state_of_another_model_is_refused(tmp_path):
    save_state(fresh(), tmp_path / "state")
    with pytest.raises(RunError, match="does not fit this run"):
        load_state(new_state([model("lstm")], CONFIG, CPU), tmp_path / "state")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_file_cut_short_is_a_named_error(tmp_path, kept):
    path = tmp_path / "w.safetensors"
    save_weights([model().state_dict()], path, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunError, match=r"w\.safetensors cannot be read"):
        load_weights([model()], path)
    with pytest.raises(RunError, match=r"w\.safetensors cannot be read"):
        load_state(fresh(), path)


def test_a_missing_file_is_a_named_error(tmp_path):
    with pytest.raises(RunError, match="There are no weights at"):
        load_weights([model()], tmp_path / "none.safetensors")


def test_a_full_disk_is_named_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_weights([model().state_dict()], path, {})
    before = path.read_bytes()

    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        # the text that safetensors gives on a full disk, in an error that is no OSError
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(HydromlError, match="The disk is full: could not write"):
        save_weights([model().state_dict()], path, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_nothing_in_the_package_loads_a_pickle():
    sources = Path(hydroml.__file__).parent.rglob("*.py")
    code = {p: re.sub(r'""".*?"""|#.*', "", p.read_text(), flags=re.DOTALL) for p in sources}
    loads = r"torch\.load\((?!.*weights_only=True\))|import .*pickle|pickle\.|allow_pickle"
    unsafe = re.compile(rf"torch\.save\(|read_pickle|{loads}")
    found = [p for p, text in code.items() if unsafe.search(text)]
    assert len(code) > 50
    assert found == []
