"""``--scheduler`` with an address where nobody answers: one message, the remedy, nothing left."""

import shutil

import pytest

from hydroml import cluster
from tests.data.camels_files import write_camels

pytest.importorskip("distributed")
NOWHERE = "tcp://127.0.0.1:9"


@pytest.mark.parametrize("job", ["prepare", "evaluate", "sensitivity"])
def test_no_scheduler_at_the_address(job, command, tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    run = shutil.copytree(tiny_run, tmp_path / "runs" / "tiny")
    camels = write_camels(tmp_path / "camels", ["01022500"])
    words = {
        "prepare": ("data", "prepare", camels, "--out", tmp_path / "s.zarr"),
        "evaluate": ("evaluate", run),
        "sensitivity": ("sensitivity", run, "--scenarios", "martel"),
    }
    before = sorted(tmp_path.rglob("*"))
    code, out, err = command(*words[job], "--scheduler", NOWHERE)
    assert code == 1
    assert f"No Dask scheduler answers at {NOWHERE}" in err
    assert "What to do: Start one with 'dask scheduler'" in err
    assert "Traceback" not in out + err
    assert sorted(tmp_path.rglob("*")) == before
