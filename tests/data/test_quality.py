"""Every finding of the data report, provoked on purpose."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml.data.quality import check_store, quality_report
from hydroml.data.store import write_store
from tests.conftest import tiny_dataset

DAYS = pd.date_range("1990-01-01", "1995-12-31")  # 2191 days


def constant(basins: int = 2, **values: float) -> xr.Dataset:
    """Constant series (and attributes) of some basins."""
    size = (basins, len(DAYS))
    start = {"prcp": 4.0, "tmax": 10.0, "tmin": 5.0, "qobs": 2.0} | values
    dynamic = {n: (("basin", "time"), np.full(size, v, "f4")) for n, v in start.items()}
    return xr.Dataset(
        {**dynamic, "q_mean": ("basin", np.full(basins, 2.0))},
        coords={"basin": [f"{i:02d}" for i in range(basins)], "time": DAYS},
        attrs={"source": "tests", "forcing": "none", "synthetic": True},
    )


def test_sound_data_have_no_findings() -> None:
    report = quality_report(constant(), {"99": "no forcing"})
    assert report["findings"] == {}
    assert (report["n_basins"], report["n_skipped"]) == (2, 1)
    assert report["period"] == ["1990-01-01", "1995-12-31"]
    assert report["skipped"] == {"99": "no forcing"}
    facts = report["basins"]["00"]
    assert (facts["qobs_days"], facts["qobs_mean"], facts["runoff_ratio"]) == (2191, 2, 0.5)


def test_gaps_count_within_the_period_only() -> None:
    dataset = constant()
    dataset["qobs"][0, :100] = np.nan  # before the record begins: no gap
    dataset["qobs"][0, 200:207] = np.nan
    dataset["prcp"][1, 50:53] = np.nan
    report = quality_report(dataset)
    assert report["findings"] == {"forcing_gap_days": {"01": 3}, "qobs_gap_days": {"00": 7}}
    assert report["basins"]["00"]["qobs_start"] == "1990-04-11"
    assert report["basins"]["00"]["start"] == "1990-01-01"


def test_values_that_cannot_be() -> None:
    dataset = constant()
    dataset["qobs"][0, 3:5] = -1.0
    dataset["prcp"][1, 9] = 5000.0
    dataset["tmin"][1, 10:14] = 11.0
    found = quality_report(dataset)["findings"]
    assert found["negative_discharge"] == {"00": 2}
    assert found["out_of_range_prcp"] == {"01": 1}
    assert found["out_of_range_qobs"] == {"00": 2}
    assert found["tmin_above_tmax"] == {"01": 4}


def test_product_suffixes_are_compared_with_their_own() -> None:
    dataset = constant().rename(tmin="tmin_nldas", tmax="tmax_nldas")
    dataset["tmin_nldas"][0, 0] = 20.0
    assert quality_report(dataset)["findings"]["tmin_nldas_above_tmax_nldas"] == {"00": 1}


def test_discharge_and_area_against_attributes() -> None:
    dataset = constant()
    dataset["q_mean"] = ("basin", [2.0, 1.6])  # 2.0 is 25 % more than 1.6
    dataset["area_forcing"] = ("basin", [100.0, 100.0])
    dataset["area_gages2"] = ("basin", [125.0, 99.0])  # 100 is 20 % less than 125
    found = quality_report(dataset)["findings"]
    assert found["q_mean_difference"] == {"01": 0.25}
    assert found["area_difference"] == {"00": -0.2}


def test_q_mean_is_compared_over_its_own_years() -> None:
    dataset = constant()
    dataset["time"] = DAYS + pd.Timedelta(days=365 * 25)  # after 2009
    dataset["q_mean"] = ("basin", [9.0, 9.0])
    assert quality_report(dataset)["findings"] == {}


def test_more_discharge_than_precipitation() -> None:
    found = quality_report(constant(prcp=1.0))["findings"]
    assert found["more_discharge_than_precipitation"] == {"00": 2, "01": 2}


def test_basins_without_discharge_or_with_little() -> None:
    dataset = constant()
    dataset["qobs"][0] = np.nan
    dataset["qobs"][1, 100:] = np.nan
    report = quality_report(dataset)
    assert report["findings"]["without_discharge"] == {"00": 0}
    assert report["findings"]["short_discharge"] == {"01": 100}
    assert report["basins"]["00"]["qobs_start"] is None
    json.dumps(report, allow_nan=False)


def test_basins_without_attributes() -> None:
    dataset = constant()
    dataset["q_mean"] = ("basin", [2.0, np.nan])
    assert quality_report(dataset)["findings"] == {"without_attributes": {"01": 1}}


def test_blocks_do_not_matter() -> None:
    many = tiny_dataset(basins=70, years=1)
    one = quality_report(many.isel(basin=[69]))
    assert quality_report(many)["basins"][str(many.basin.values[69])] == next(
        iter(one["basins"].values())
    )


def test_check_finds_damage(tmp_path: Path) -> None:
    store = write_store(constant(), tmp_path / "s.zarr")
    assert check_store(store)["damaged_files"] == []
    file = next(p for p in (store / "qobs").rglob("*") if p.is_file() and p.name != "zarr.json")
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)
    report = check_store(store)
    assert report["damaged_files"] == [file.relative_to(store).as_posix()]
    assert "findings" not in report


@pytest.mark.parametrize("name", ["qobs", "prcp"])
def test_a_missing_variable_is_no_error(name: str) -> None:
    assert quality_report(constant().drop_vars(name))["n_basins"] == 2
