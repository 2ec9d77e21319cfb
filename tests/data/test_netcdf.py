"""Own data from NetCDF and Zarr."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hydroml.data.netcdf import open_netcdf
from hydroml.data.source import SkipBasin
from hydroml.errors import SourceError
from tests.conftest import tiny_dataset
from tests.data.camels_files import damage


def save(dataset: xr.Dataset, path: Path) -> Path:
    if path.suffix == ".zarr":
        dataset.to_zarr(path, zarr_format=3, consolidated=False)
    else:
        dataset.assign_attrs(synthetic=1).to_netcdf(path, engine="netcdf4")
    return path


def own(**names: str) -> xr.Dataset:
    dataset = tiny_dataset(basins=3, years=1)
    return dataset.assign_coords(basin=dataset.basin.astype(object)).rename(names)


@pytest.mark.parametrize("file", ["own.nc", "own.zarr"])
def test_reads_variables_and_attributes(tmp_path: Path, file: str) -> None:
    source = open_netcdf(save(own(), tmp_path / file))
    expected = own()
    assert source.gauges() == ["01000000", "02000000", "03000000"]
    assert source.synthetic
    for name in ("prcp", "qobs"):
        found = source.read("02000000")[name]
        np.testing.assert_allclose(found, expected[name].values[1], rtol=1e-6)
        assert found.attrs["units"] == "mm d-1"
    np.testing.assert_allclose(source.attributes()["recession"], expected.recession)


@pytest.mark.parametrize(("basin", "time"), [("gauge_id", "date"), ("station", "time")])
def test_obvious_synonyms_are_understood(tmp_path: Path, basin: str, time: str) -> None:
    names = {old: new for old, new in (("basin", basin), ("time", time)) if old != new}
    source = open_netcdf(save(own(**names), tmp_path / "own.nc"))
    assert source.read("01000000").sizes["time"] == 365


def test_ambiguous_or_unknown_dimensions_are_refused(tmp_path: Path) -> None:
    two = own(basin="station").assign(x=(("gauge",), [1.0]))
    with pytest.raises(SourceError, match="several that could be"):
        open_netcdf(save(two, tmp_path / "two.nc"))
    with pytest.raises(SourceError, match=r"no dimension 'basin', only \['catchments', 'time'\]"):
        open_netcdf(save(own(basin="catchments"), tmp_path / "none.nc"))


def test_discharge_is_named_or_asked_for(tmp_path: Path) -> None:
    file = save(own(qobs="flow"), tmp_path / "own.nc")
    with pytest.raises(SourceError, match="no discharge 'qobs'") as error:
        open_netcdf(file)
    assert "--discharge" in error.value.remedy
    assert "qobs" in open_netcdf(file, "flow").read("01000000")


def test_ids_that_are_numbers_or_absent_are_refused(tmp_path: Path) -> None:
    numbers = own().assign_coords(basin=[1022500, 2, 3])
    with pytest.raises(SourceError, match="numbers lose leading zeros"):
        open_netcdf(save(numbers, tmp_path / "numbers.nc"))
    with pytest.raises(SourceError, match="names no gauges"):
        open_netcdf(save(own().drop_vars("basin"), tmp_path / "none.nc"))
    twice = own().assign_coords(basin=np.array(["a", "a", "b"], object))
    with pytest.raises(SourceError, match="gauge a stands twice"):
        open_netcdf(save(twice, tmp_path / "twice.nc"))


def test_ids_may_stand_in_a_variable(tmp_path: Path) -> None:
    dataset = own().reset_index("basin").reset_coords("basin").rename(basin="gauge_id")
    dataset = dataset.rename_dims(basin="basin") if "basin" in dataset.dims else dataset
    assert open_netcdf(save(dataset, tmp_path / "own.nc")).gauges()[0] == "01000000"


def test_dates_must_be_dates_and_ascend(tmp_path: Path) -> None:
    dataset = own()
    with pytest.raises(SourceError, match="'time' holds no dates"):
        open_netcdf(save(dataset.assign_coords(time=np.arange(365)), tmp_path / "n.nc"))
    twice = dataset.isel(time=[0, 1, 1, 2])
    with pytest.raises(SourceError, match="day 3: the date 1998-10-02 stands twice"):
        open_netcdf(save(twice, tmp_path / "t.nc"))


def test_basin_without_forcing_is_skipped(tmp_path: Path) -> None:
    dataset = own()
    for name in ("prcp", "tmax", "tmin"):
        dataset[name][0] = np.nan
    source = open_netcdf(save(dataset, tmp_path / "own.nc"))
    with pytest.raises(SkipBasin, match="discharge only"):
        source.read("01000000")


def test_truncated_file_is_named(tmp_path: Path) -> None:
    file = damage(save(own(), tmp_path / "own.nc"), 0.5)
    with pytest.raises(SourceError, match=r"own\.nc is no readable NetCDF"):
        open_netcdf(file)
