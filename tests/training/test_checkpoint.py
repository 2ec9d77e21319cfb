"""What is saved comes back whole; what does not fit is refused by name; nothing is pickled."""

import re
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open

import hydroml
from hydroml.errors import HydromlError, RunError
from hydroml.models import build_model
from hydroml.training import checkpoint
from hydroml.training.checkpoint import (
    COUNTERS,
    TrainingState,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from hydroml.training.fit import new_state, take_step
from hydroml.training.samples import Batch
from tests.conftest import tiny_config

CONFIG = tiny_config("optimizer.weight_average=0.9")
CPU = torch.device("cpu")


def model(name: str = "ealstm", hidden: int = 4):
    return build_model(name, 3, 2, hidden=hidden, dropout=0.4)


def fresh(seed: int = 0) -> TrainingState:
    torch.manual_seed(seed)
    return new_state(model(), CONFIG, CPU)


def step(state: TrainingState) -> float:
    data = torch.Generator().manual_seed(5)
    batch = Batch(
        torch.randn(6, 10, 3, generator=data),
        torch.randn(6, 2, generator=data),
        torch.randn(6, 4, generator=data),
        torch.ones(6),
    )
    return take_step(state, batch, CONFIG, 0.01)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_state_comes_back_whole(tmp_path):
    state = fresh()
    for _ in range(3):
        step(state)
    state.epoch, state.step, state.loss_sum, state.loss_count, state.seconds = 2, 3, 0.1, 3, 1.5
    save_state(state, tmp_path / "state")
    random = torch.rand(4)  # what the generator gives next
    other = fresh(seed=1)
    load_state(other, tmp_path / "state")
    assert torch.equal(torch.rand(4), random)
    assert equal(other.model.state_dict(), state.model.state_dict())
    assert equal(other.average, state.average)
    assert not equal(state.average, state.model.state_dict())
    moments, expected = other.optimizer.state_dict(), state.optimizer.state_dict()
    assert moments["state"].keys() == expected["state"].keys()
    assert all(equal(moments["state"][k], m) for k, m in expected["state"].items())
    assert moments["state"][0]["step"] == 3
    assert [getattr(other, c) for c in COUNTERS] == [getattr(state, c) for c in COUNTERS]


def test_going_on_from_a_state_equals_going_on(tmp_path):
    state = fresh()
    step(state)
    save_state(state, tmp_path / "state")
    on = [step(state) for _ in range(3)]  # dropout draws from the generator
    other = fresh(seed=1)
    load_state(other, tmp_path / "state")
    assert [step(other) for _ in range(3)] == on
    assert equal(other.best_weights(), state.best_weights())


def test_weights_come_back_with_their_facts(tmp_path):
    first, second = model(), model()
    save_weights(first.state_dict(), tmp_path / "w.safetensors", {"model": "ealstm"})
    load_weights(second, tmp_path / "w.safetensors")
    assert equal(first.state_dict(), second.state_dict())
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        assert file.metadata() == {"model": "ealstm"}


@pytest.mark.parametrize(("name", "hidden"), [("lstm", 4), ("ealstm", 5)])
def test_weights_of_another_model_are_refused(tmp_path, name, hidden):
    save_weights(model(name, hidden).state_dict(), tmp_path / "w", {"model": name})
    with pytest.raises(RunError, match=rf"of another model \({name}\)"):
        load_weights(model(), tmp_path / "w")


def test_a_state_of_another_model_is_refused(tmp_path):
    save_state(fresh(), tmp_path / "state")
    with pytest.raises(RunError, match="does not fit this run"):
        load_state(new_state(model("lstm"), CONFIG, CPU), tmp_path / "state")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_file_cut_short_is_a_named_error(tmp_path, kept):
    path = tmp_path / "w.safetensors"
    save_weights(model().state_dict(), path, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunError, match=r"w\.safetensors cannot be read"):
        load_weights(model(), path)
    with pytest.raises(RunError, match=r"w\.safetensors cannot be read"):
        load_state(fresh(), path)


def test_a_missing_file_is_a_named_error(tmp_path):
    with pytest.raises(RunError, match="There are no weights at"):
        load_weights(model(), tmp_path / "none.safetensors")


def test_a_full_disk_is_named_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_weights(model().state_dict(), path, {})
    before = path.read_bytes()

    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        # the text that safetensors gives on a full disk, in an error that is no OSError
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(HydromlError, match="The disk is full: could not write"):
        save_weights(model().state_dict(), path, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_nothing_in_the_package_loads_a_pickle():
    sources = Path(hydroml.__file__).parent.rglob("*.py")
    code = {p: re.sub(r'""".*?"""|#.*', "", p.read_text(), flags=re.DOTALL) for p in sources}
    found = [p for p, text in code.items() if re.search(r"torch\.(load|save)\(|pickle", text)]
    assert len(code) > 50
    assert found == []
