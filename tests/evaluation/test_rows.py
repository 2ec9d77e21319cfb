"""A file that grows by rows is the file of the whole, however the rows come."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from hydroml.evaluation import rows
from hydroml.evaluation.rows import write_rows
from tests.conftest import tiny_dataset


@pytest.fixture
def whole(monkeypatch):
    monkeypatch.setattr(rows, "ROWS", 2)
    dataset = tiny_dataset(basins=7, years=1).drop_vars("qobs").assign_attrs(synthetic="true")
    names = np.array([f"Bäch {i}" * (i + 1) for i in range(7)], dtype=object)
    dataset = dataset.assign_coords(gauge_name=("basin", names), basin=dataset.basin.astype(object))
    dataset["count"] = ("basin", np.arange(7))
    members = dataset.prcp.expand_dims(member=np.array(["a", "b"], object), axis=0)
    return dataset.assign(q=members.astype("f4"), lags=("lag", [1.0, 2.0]))


@pytest.mark.parametrize("cuts", [[0, 7], [0, 2, 7], [0, 2, 4, 6, 7], [0, 6, 7]])
def test_cuts_do_not_matter(whole, cuts, tmp_path):
    parts = [whole.isel(basin=slice(a, b)) for a, b in pairwise(cuts)]
    write_rows(iter(parts), tmp_path / "a.nc")
    write_rows([whole], tmp_path / "b.nc")
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    with xr.open_dataset(tmp_path / "a.nc") as found:
        assert found["q"].encoding["chunksizes"] == (1, 2, 365)  # member, basins, all days
        xr.testing.assert_identical(found.load(), whole)
