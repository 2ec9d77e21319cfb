import json

import numpy as np
import pytest
import xarray as xr

from hydroml.atomic import atomic_path, sweep_leftovers
from hydroml.data.store import damaged_files, open_store, write_store
from hydroml.errors import HydromlError, StoreError
from tests.conftest import tiny_dataset


def test_round_trip_keeps_values_ids_and_attributes(tmp_path):
    written = tiny_dataset()
    opened = open_store(write_store(written, tmp_path / "s.zarr"))
    assert opened.basin.values.tolist() == written.basin.values.tolist()
    np.testing.assert_array_equal(opened.qobs.values, written.qobs.values.astype("float32"))
    assert opened.prcp.attrs["units"] == "mm d-1"
    assert opened.attrs["synthetic"] is True


def test_chunk_is_64_basins_and_all_time(tmp_path):
    opened = open_store(write_store(tiny_dataset(basins=70, years=1), tmp_path / "s.zarr"))
    assert opened.prcp.data.chunks == ((64, 6), (365,))


def test_same_content_same_fingerprint_lazy_or_not(tmp_path):
    one = write_store(tiny_dataset(), tmp_path / "a.zarr")
    two = write_store(tiny_dataset().chunk(basin=1), tmp_path / "b.zarr")
    other = write_store(tiny_dataset(seed=1), tmp_path / "c.zarr")
    prints = [open_store(p).attrs["fingerprint"] for p in (one, two, other)]
    assert prints[0] == prints[1] != prints[2]


def test_all_missing_chunk_is_a_file_and_a_lost_file_is_noticed(tmp_path):
    ds = tiny_dataset(years=1)
    ds["qobs"] = ds.qobs * np.nan
    store = write_store(ds, tmp_path / "s.zarr")
    assert np.isnan(open_store(store).qobs.values).all()
    (store / "qobs" / "c" / "0" / "0").unlink()
    with pytest.raises(StoreError, match="qobs/c/0/0 is missing"):
        open_store(store)


def test_file_cut_short_is_refused_and_flipped_byte_is_found(tmp_path):
    store = write_store(tiny_dataset(years=1), tmp_path / "s.zarr")
    chunk = store / "prcp" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    assert damaged_files(store) == ["prcp/c/0/0"]
    chunk.write_bytes(content[:-10])
    with pytest.raises(StoreError, match=r"prcp/c/0/0 has \d+ bytes instead of"):
        open_store(store)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "There is no store"),
        (lambda p: p.mkdir(), "is not a hydroml store"),
        (lambda p: p.with_name("s.zarr.partial").mkdir(), "is not finished"),
    ],
)
def test_what_is_no_store_is_refused_with_the_remedy(tmp_path, make, message):
    make(tmp_path / "s.zarr")
    with pytest.raises(StoreError, match=message) as caught:
        open_store(tmp_path / "s.zarr")
    assert caught.value.remedy


def test_a_foreign_folder_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="left as it was"):
        write_store(tiny_dataset(), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_failed_write_leaves_the_old_store(tmp_path, monkeypatch):
    store = write_store(tiny_dataset(), tmp_path / "s.zarr")
    before = open_store(store).attrs["fingerprint"]

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", full)
    with pytest.raises(HydromlError, match="disk is full"):
        write_store(tiny_dataset(seed=1), store)
    monkeypatch.undo()
    assert open_store(store).attrs["fingerprint"] == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_schema_faults_are_named(tmp_path):
    ds = tiny_dataset(years=1)
    with pytest.raises(StoreError, match="stand twice: \\['01000000'\\]"):
        write_store(ds.assign_coords(basin=["01000000"] * 2 + ["3", "4"]), tmp_path / "s.zarr")
    with pytest.raises(StoreError, match="irregular after 1998-10-10"):
        write_store(ds.drop_isel(time=10), tmp_path / "s.zarr")
    del ds.attrs["source"]
    with pytest.raises(StoreError, match="source"):
        write_store(ds, tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == []


def test_manifest_that_is_garbled_is_named(tmp_path):
    store = write_store(tiny_dataset(years=1), tmp_path / "s.zarr")
    (store / "manifest.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(StoreError, match="manifest"):
        open_store(store)


def test_leftovers_of_a_killed_writer_are_swept_and_nothing_else(tmp_path):
    (tmp_path / ".git").mkdir()
    with atomic_path(tmp_path / "run" / "a.txt") as scratch:
        scratch.write_text("killed while writing")
        sweep_leftovers(tmp_path)
        assert not scratch.parent.exists()
        scratch.parent.mkdir()
        scratch.write_text("done")
    assert sorted(p.name for p in tmp_path.rglob("*")) == [".git", "a.txt", "run"]


def test_atomic_file_replaces_only_on_success(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as scratch:
            scratch.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
