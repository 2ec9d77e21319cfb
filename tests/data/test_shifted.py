"""Forcing dated some days earlier or later than discharge says."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml.data.netcdf import open_netcdf
from hydroml.data.prepare import prepare_store
from hydroml.data.shifted import ShiftedSource
from hydroml.data.store import open_store
from hydroml.errors import ConfigError
from tests.conftest import tiny_dataset


@pytest.fixture
def source(tmp_path):
    dataset = tiny_dataset(basins=2, years=1)
    dataset.attrs["synthetic"] = "true"
    dataset.to_netcdf(tmp_path / "own.nc")
    return open_netcdf(tmp_path / "own.nc")


@pytest.mark.parametrize("days", [-1, 2])
def test_forcing_moves_and_discharge_stays(source, days):
    gauge = source.gauges()[1]
    before, after = source.read(gauge), ShiftedSource(source, days).read(gauge)
    assert set(after.data_vars) == set(before.data_vars)
    one = np.timedelta64(1, "D")
    assert after.sizes["time"] == before.sizes["time"] + abs(days)
    assert (np.diff(after["time"]) == one).all()
    for name in ("prcp", "tmax", "tmin"):
        moved = after[name].sel(time=before["time"] + days * one)
        np.testing.assert_array_equal(moved, before[name])
        assert np.isnan(after[name].drop_sel(time=moved["time"])).all()
        assert after[name].dtype == before[name].dtype
        assert after[name].attrs == before[name].attrs | {"dates_shifted_by_days": days}
    np.testing.assert_array_equal(after["qobs"].sel(time=before["time"]), before["qobs"])
    assert "dates_shifted_by_days" not in after["qobs"].attrs


def test_a_store_of_a_shifted_source(source, tmp_path):
    plain = prepare_store(source, tmp_path / "plain.zarr", workers=1)
    moved = prepare_store(ShiftedSource(source, -1), tmp_path / "moved.zarr", workers=1)
    a, b = open_store(plain), open_store(moved)
    assert b.attrs["forcing"] == f"{a.attrs['forcing']} (-1 d)"
    assert a.attrs["fingerprint"] != b.attrs["fingerprint"]
    day = pd.Timestamp("1999-01-05")
    xr.testing.assert_equal(
        b["prcp"].sel(time=day).drop_vars("time"),
        a["prcp"].sel(time=day + pd.Timedelta(days=1)).drop_vars("time"),
    )
    xr.testing.assert_equal(b["qobs"].sel(time=day), a["qobs"].sel(time=day))
    xr.testing.assert_equal(a["recession"], b["recession"])


def test_an_unfinished_build_is_not_taken_for_one_of_another_shift(source):
    assert source.identity() != ShiftedSource(source, -1).identity()
    assert ShiftedSource(source, 1).identity() != ShiftedSource(source, -1).identity()


def test_a_long_shift_is_refused(source):
    with pytest.raises(ConfigError, match="365 days is more than any product needs"):
        ShiftedSource(source, 365)


def test_on_the_command_line(command, source, tmp_path):
    words = ("data", "prepare", tmp_path / "own.nc", "--out", tmp_path / "s.zarr")
    code, _, err = command(*words, "--shift-forcing", -1)
    assert code == 0, err
    code, out, err = command("data", "info", tmp_path / "s.zarr")
    assert code == 0, err
    assert "(-1 d)" in out
