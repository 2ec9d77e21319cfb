"""The Caravan reader."""

from pathlib import Path

import numpy as np
import pytest

from hydroml.data.caravan import open_caravan
from hydroml.data.source import SkipBasin
from hydroml.errors import SourceError
from tests.data.camels_files import damage, write, write_caravan

GAUGES = ["camels_01022500", "camels_01031500", "hysets_01AD002"]


@pytest.mark.parametrize("kind", ["netcdf", "csv"])
def test_streamflow_becomes_qobs(tmp_path: Path, kind: str) -> None:
    source = open_caravan(write_caravan(tmp_path, GAUGES, kind))
    assert source.gauges() == GAUGES
    dataset = source.read("camels_01022500")
    np.testing.assert_allclose(dataset.qobs, [1, 2, np.nan, 4, 5])
    np.testing.assert_allclose(dataset.total_precipitation_sum, np.arange(5))
    assert dict(dataset.sizes) == {"time": 5}


def test_subsets_can_be_chosen(tmp_path: Path) -> None:
    source = open_caravan(write_caravan(tmp_path, GAUGES), ["hysets"])
    assert source.gauges() == ["hysets_01AD002"]
    assert source.attributes().index.tolist() == ["hysets_01AD002"]


def test_attributes_of_all_tables_and_subsets(tmp_path: Path) -> None:
    write_caravan(tmp_path, GAUGES)
    extra = tmp_path / "attributes" / "camels" / "attributes_other_camels.csv"
    write(extra, 'gauge_id,gauge_name\ncamels_01022500,"Creek, at B"\n')
    table = open_caravan(tmp_path).attributes()
    assert table.index.tolist() == GAUGES
    assert table.loc["camels_01022500", "gauge_name"] == "Creek, at B"
    assert (table["aridity"] == 0.5).all()


def test_no_attribute_file_is_an_empty_table(tmp_path: Path) -> None:
    write_caravan(tmp_path, GAUGES[:1])
    next((tmp_path / "attributes").rglob("*.csv")).unlink()
    assert open_caravan(tmp_path).attributes().empty


def test_missing_discharge_is_kept_and_missing_forcing_skipped(tmp_path: Path) -> None:
    write_caravan(tmp_path, GAUGES[:1])
    folder = tmp_path / "timeseries" / "csv" / "camels"
    write(folder / "camels_a.csv", "date,total_precipitation_sum\n2000-01-01,1.0\n")
    write(folder / "camels_b.csv", "date,streamflow\n2000-01-01,1.0\n")
    write(folder / "camels_c.csv", "date,total_precipitation_sum,streamflow\n")
    source = open_caravan(tmp_path)
    assert np.isnan(source.read("camels_a").qobs).all()
    with pytest.raises(SkipBasin, match="no forcing"):
        source.read("camels_b")
    with pytest.raises((SkipBasin, SourceError)):
        source.read("camels_c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,p\n2000-01-01,1\n2000-01-01,2\n", "day 2: the date 2000-01-01 stands twice"),
        ("date,p\n2000-01-02,1\n2000-01-01,2\n", "day 2: the date 2000-01-01 follows 2000-01-02"),
        ("date,p\n2000-01-01,1\n2000-01-02,x\n", "line 3, column 'p': 'x' is no number"),
        ("day,p\n2000-01-01,1\n", "is no Caravan table"),
        ("date,p\nyesterday,1\n", "no date"),
        ("", "is no Caravan table"),
    ],
)
def test_bad_table_names_file_and_place(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "timeseries" / "csv" / "camels" / "camels_a.csv", text)
    with pytest.raises(SourceError, match=rf"camels_a\.csv.*{message}"):
        open_caravan(tmp_path).read("camels_a")


def test_truncated_netcdf_is_named(tmp_path: Path) -> None:
    write_caravan(tmp_path, GAUGES[:1])
    damage(tmp_path / "timeseries" / "netcdf" / "camels" / f"{GAUGES[0]}.nc", 0.5)
    with pytest.raises(SourceError, match=r"camels_01022500\.nc is no readable NetCDF file"):
        open_caravan(tmp_path).read(GAUGES[0])


def test_folder_without_caravan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no Caravan time series"):
        open_caravan(tmp_path)
    write_caravan(tmp_path, GAUGES)
    with pytest.raises(SourceError, match="of lamah"):
        open_caravan(tmp_path, ["lamah"])
    with pytest.raises(SourceError, match="is no folder"):
        open_caravan(write(tmp_path / "caravan.zip", "x"))
