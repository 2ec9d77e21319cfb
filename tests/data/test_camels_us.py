"""The CAMELS-US reader against files whose numbers are known."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hydroml.data.camels_text import parse_discharge, parse_forcing
from hydroml.data.camels_us import open_camels_us
from hydroml.data.source import SkipBasin
from hydroml.errors import ConfigError, SourceError
from hydroml.units import FORCING_PRODUCTS
from tests.data.camels_files import (
    HEADERS,
    flow_file,
    flow_text,
    forcing_file,
    forcing_text,
    write,
    write_camels,
    zip_camels,
)

GAUGES = ["01022500", "01031500"]


def test_discharge_becomes_mm_with_the_area_of_the_header(tmp_path: Path) -> None:
    dataset = open_camels_us(write_camels(tmp_path, GAUGES)).read("01022500")
    # area 86.4 km2: 1 m3/s is 86400 m3 a day over 86.4e6 m2, 1 mm; -999 is NaN
    np.testing.assert_allclose(dataset.qobs, [1, 2, np.nan, 4, 5], rtol=1e-6)
    np.testing.assert_allclose(dataset.prcp, [1.5, 2.5, 3.5, 4.5, 5.5])
    np.testing.assert_allclose(dataset.tmax, [0, 1, 2, 3, 4])
    assert float(dataset.area_forcing) == 86.4
    assert str(dataset.time.values[2])[:10] == "2000-02-29"


def test_layouts_read_alike(tmp_path: Path) -> None:
    tree = write_camels(tmp_path / "tree", GAUGES)
    series, attributes = zip_camels(tree, tmp_path / "zips")
    layouts = [
        tree,
        [tree / "basin_dataset_public_v1p2", tree / "camels_attributes_v2.0"],
        [series, attributes],
        tmp_path / "zips",
    ]
    expected = open_camels_us(tree)
    for layout in layouts:
        source = open_camels_us(layout)
        assert source.gauges() == GAUGES
        assert source.read("01031500").identical(expected.read("01031500"))
        pd.testing.assert_frame_equal(source.attributes(), expected.attributes())


def test_archive_without_the_upper_folder(tmp_path: Path) -> None:
    tree = write_camels(tmp_path / "tree", GAUGES)
    series, _ = zip_camels(tree / "basin_dataset_public_v1p2", tmp_path / "zips")
    import zipfile

    with zipfile.ZipFile(series, "w") as packed:
        for file in (tree / "basin_dataset_public_v1p2").rglob("*.txt"):
            packed.write(file, file.relative_to(tree / "basin_dataset_public_v1p2").as_posix())
    assert open_camels_us(series).gauges() == GAUGES


def test_attributes_keep_text_and_missing(tmp_path: Path) -> None:
    table = open_camels_us(write_camels(tmp_path, GAUGES)).attributes()
    row = table.loc["01022500"]
    assert row["huc_02"] == "01"
    assert row["dom_land_cover"] == "Mixed Forests"
    assert row["area_gages2"] == 86.4
    assert np.isnan(row["root_depth_50"])


def test_several_products_stand_side_by_side(tmp_path: Path) -> None:
    write_camels(tmp_path, GAUGES, FORCING_PRODUCTS)
    source = open_camels_us(tmp_path, ["nldas", "maurer_extended"])
    assert source.forcing == "nldas+maurer_extended"
    dataset = source.read("01022500")
    assert {"prcp_nldas", "prcp_maurer_extended", "vp_nldas", "qobs"} <= set(dataset.data_vars)
    assert "prcp" not in dataset


def test_default_product_is_daymet_or_the_only_one(tmp_path: Path) -> None:
    write_camels(tmp_path / "all", GAUGES, FORCING_PRODUCTS)
    assert open_camels_us(tmp_path / "all").products == ("daymet",)
    write_camels(tmp_path / "one", GAUGES, ("nldas",))
    assert open_camels_us(tmp_path / "one").products == ("nldas",)


@pytest.mark.parametrize("product", FORCING_PRODUCTS)
def test_every_product_has_the_same_names(product: str) -> None:
    values = parse_forcing(forcing_text(product).encode(), "f").values
    assert list(values) == ["dayl", "prcp", "srad", "swe", "tmax", "tmin", "vp"]


def test_forcing_without_discharge_is_kept(tmp_path: Path) -> None:
    root = write_camels(tmp_path, GAUGES) / "basin_dataset_public_v1p2"
    flow_file(root, "01022500", "02").unlink()
    dataset = open_camels_us(tmp_path).read("01022500")
    assert np.isnan(dataset.qobs).all()
    assert np.isfinite(dataset.prcp).all()


def test_discharge_without_forcing_is_skipped_with_the_reason(tmp_path: Path) -> None:
    root = write_camels(tmp_path, GAUGES) / "basin_dataset_public_v1p2"
    forcing_file(root, "01022500").unlink()
    with pytest.raises(SkipBasin) as skipped:
        open_camels_us(tmp_path).read("01022500")
    assert skipped.value.reason == "no daymet forcing"


def test_periods_and_gaps_are_joined_on_one_daily_axis(tmp_path: Path) -> None:
    root = write_camels(tmp_path, GAUGES) / "basin_dataset_public_v1p2"
    days = pd.DatetimeIndex(["2000-03-01", "2000-03-04"])
    write(forcing_file(root, "01022500"), forcing_text(days=days))
    write(flow_file(root, "01022500", "02"), flow_text("01022500", [7.0], "2000-02-28"))
    dataset = open_camels_us(tmp_path).read("01022500")
    assert [str(t)[5:10] for t in dataset.time.values[[0, -1]]] == ["02-28", "03-04"]
    np.testing.assert_allclose(dataset.qobs, [7, *[np.nan] * 5], rtol=1e-6)
    np.testing.assert_allclose(dataset.prcp, [np.nan, np.nan, 1.5, np.nan, np.nan, 2.5])


def test_gauge_in_two_folders_must_be_the_same_file(tmp_path: Path) -> None:
    root = write_camels(tmp_path, GAUGES) / "basin_dataset_public_v1p2"
    write(flow_file(root, "01022500", "05"), flow_text("01022500", [1, 2, None, 4, 5]))
    open_camels_us(tmp_path).read("01022500")
    write(flow_file(root, "01022500", "05"), flow_text("01022500", [9.0]))
    with pytest.raises(SourceError, match="01022500 has two different files"):
        open_camels_us(tmp_path).read("01022500")


def test_source_is_small_to_send(tmp_path: Path) -> None:
    source = open_camels_us(write_camels(tmp_path, [f"0{i}022500" for i in range(10)]))
    one = source.narrowed("01022500")
    assert len(pickle.dumps(one)) < 1500
    assert pickle.loads(pickle.dumps(one)).read("01022500").identical(source.read("01022500"))


BAD_FORCING: dict[str, tuple[Callable[[str], str], str]] = {
    "wrong column": (lambda t: t.replace("prcp(mm/day)", "rain(mm/day)"), r"line 4: wrong columns"),
    "wrong units": (lambda t: t.replace("prcp(mm/day)", "prcp(in/day)"), r"prcp\(in/day\)"),
    "garbled value": (lambda t: t.replace("2.50", "2.x0"), "line 6 is garbled"),
    "short line": (lambda t: t.replace("\t-5.00\t300.00", "", 1), "line 5 is garbled"),
    "long line": (lambda t: t.replace("300.00", "300.00 1", 1), "line 5 is garbled"),
    "cut short": (lambda t: t[:-30], "line 9 is garbled"),
    "duplicate date": (lambda t: t.replace("2000 02 28", "2000 02 27"), "line 6.*stands twice"),
    "unsorted": (lambda t: t.replace("2000 02 28", "1999 02 28"), "line 6.*1999-02-28 follows"),
    "no date": (lambda t: t.replace("2000 02 28", "2000 02 30"), "line 6: 2000-2-30 is no date"),
    "no area": (lambda t: t.replace("86400000", "area"), "line 3: the area is 'area'"),
    "area zero": (lambda t: t.replace("86400000", "0"), "line 3: the area is 0"),
    "no data": (lambda t: "\n".join(t.split("\n")[:4]), "ends before its data"),
    "empty": (lambda t: "", "ends before its data"),
}


@pytest.mark.parametrize("case", BAD_FORCING)
def test_bad_forcing_names_file_and_line(case: str) -> None:
    spoil, message = BAD_FORCING[case]
    with pytest.raises(SourceError, match=rf"^some_file.*{message}") as error:
        parse_forcing(spoil(forcing_text()).encode(), "some_file")
    assert error.value.remedy


BAD_FLOW: dict[str, tuple[Callable[[str], str], str]] = {
    "garbled": (lambda t: t.replace("2000 02 28", "2000 xx 28"), "line 2 is garbled"),
    "short line": (lambda t: t.replace(" A:e", "", 1).replace("2000 02 27", "2000"), "line 1 is"),
    "duplicate": (
        lambda t: t.replace("02 28", "02 27"),
        "line 2: the date 2000-02-27 stands twice",
    ),
    "unsorted": (lambda t: t.replace("02 28", "01 28"), "line 2: the date 2000-01-28 follows"),
    "empty": (lambda t: " \n", "is empty"),
}


@pytest.mark.parametrize("case", BAD_FLOW)
def test_bad_discharge_names_file_and_line(case: str) -> None:
    spoil, message = BAD_FLOW[case]
    with pytest.raises(SourceError, match=rf"^some_file.*{message}"):
        parse_discharge(spoil(flow_text("01022500", [1.0, 2.0, 3.0])).encode(), "some_file")


def test_id_that_lost_its_zero_is_refused(tmp_path: Path) -> None:
    root = write_camels(tmp_path, GAUGES) / "basin_dataset_public_v1p2"
    forcing_file(root, "01022500").rename(forcing_file(root, "1022500"))
    with pytest.raises(SourceError, match="1022500 lost its leading zero") as error:
        open_camels_us(tmp_path)
    assert "01022500" in error.value.remedy


def test_attribute_table_that_is_garbled_names_the_line(tmp_path: Path) -> None:
    write_camels(tmp_path, GAUGES)
    file = tmp_path / "camels_attributes_v2.0" / "camels_topo.txt"
    table = "gauge_id;elev_mean\n01022500;1\n01031500;x\n01047000;2\n"
    for text, message in (
        (table, r"camels_topo\.txt, line 3, column 'elev_mean': 'x' is no number"),
        ("id;elev_mean\n01022500;1\n", "no column 'gauge_id'"),
        ("gauge_id;a\n01022500;1\n01022500;1\n", "line 3: gauge 01022500 stands twice"),
        ("gauge_id;a\n01022500;1;2;3\n", "is not a table of attributes"),
        ("", "is not a table of attributes"),
    ):
        write(file, text)
        with pytest.raises(SourceError, match=message):
            open_camels_us(tmp_path).attributes()


def test_products_that_are_not_there_are_named(tmp_path: Path) -> None:
    write_camels(tmp_path, GAUGES)
    with pytest.raises(SourceError, match=r"no CAMELS-US forcing of nldas .*daymet"):
        open_camels_us(tmp_path, ["nldas"])
    with pytest.raises(ConfigError, match="Unknown forcing product 'daymett'") as error:
        open_camels_us(tmp_path, ["daymett"])
    assert "'daymet'" in error.value.remedy


def test_folder_without_camels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no CAMELS-US forcing"):
        open_camels_us(tmp_path)


def test_headers_cover_the_products() -> None:
    assert set(HEADERS) == set(FORCING_PRODUCTS)
