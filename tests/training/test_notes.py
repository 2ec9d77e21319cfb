import numpy as np
import pytest
import torch

from hydroml import api
from hydroml.data.store import open_store, write_store
from tests.conftest import tiny_config, tiny_dataset


@pytest.fixture
def notes(tmp_path):
    """Make the notes of a run on a changed `tiny_dataset`."""

    def call(dataset, *settings: str) -> list[str]:
        store = write_store(dataset, tmp_path / "s.zarr")
        _, assembly = api.prepare_run(tiny_config(*settings), store, "all", False)
        assert assembly.samples.device == torch.device("cpu")
        return api.messages(open_store(store), assembly)

    return call


def test_a_sound_run_says_what_it_is_and_no_more(notes):
    (line,) = notes(tiny_dataset(), "device=cpu")
    assert line.startswith("ealstm on 4 basins, 3 inputs, 2 attributes, 1999-10-01 to 2001-09-30")
    assert line.endswith(", cpu, 0.1 MB of series in host memory")


def test_a_streamed_run_says_that_it_is_one(notes):
    (line,) = notes(tiny_dataset(), "device=cpu", "data.memory=0.00001")
    assert line.endswith(
        ", cpu, 0.1 MB of series streamed from the store in 1 pool of about 0.1 MB"
    )


def test_what_may_be_a_mistake_is_said(notes):
    dataset = tiny_dataset()
    dataset["qobs"][1] = np.nan
    found = notes(dataset, "device=cpu", "data.test=2001-01-01..2006-01-01")
    assert len(found) == 4
    assert found[1].startswith("1 of 4 basins have no day with discharge")
    assert "overlaps the training period" in found[2]
    assert "lies outside the store (1998-10-01 to 2004-09-29)" in found[3]
