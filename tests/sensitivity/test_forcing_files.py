"""Forcing from files: right numbers on right days; what does not cover is refused by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml.errors import ConfigError
from hydroml.sensitivity.forcing import Forcing
from hydroml.sensitivity.perturb import perturb, require_applicable
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.scenarios import FromFile, Scenario
from tests.sensitivity.forcings import column, forcing

LEAD = 30


@pytest.fixture
def present() -> Forcing:
    return forcing(days=400, lead=LEAD)


def period_of(present: Forcing) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(present.time[present.period])


def from_file(dataset: xr.Dataset, tmp_path: Path, operation: str) -> Scenario:
    dataset.to_netcdf(tmp_path / "f.nc")
    change = FromFile(path=str(tmp_path / "f.nc"), operation=operation)  # type: ignore[arg-type]
    return Scenario(name="model", changes=(change,))


def test_replaced_precipitation(present: Forcing, tmp_path: Path) -> None:
    time = period_of(present)
    new = np.arange(2 * len(time), dtype="float32").reshape(2, -1)
    file = xr.Dataset(
        {"prcp": (("time", "basin"), new.T)},
        coords={"basin": present.basins[::-1], "time": time},
    )
    changed = perturb(present, from_file(file, tmp_path, "replace"), Physics())
    np.testing.assert_array_equal(column(changed, "prcp")[:, LEAD:], new[::-1])
    # the file has no lead: the store's own days stay
    np.testing.assert_array_equal(
        column(changed, "prcp")[:, :LEAD], column(present, "prcp")[:, :LEAD]
    )


def test_monthly_warming_moves_both_temperatures_and_the_vapour(
    present: Forcing, tmp_path: Path
) -> None:
    delta = np.arange(1, 13, dtype="float32")
    file = xr.Dataset({"temperature": ("month", delta)}, coords={"month": np.arange(1, 13)})
    changed = perturb(present, from_file(file, tmp_path, "add"), Physics())
    for name in ("tmax", "tmin"):
        moved = column(changed, name) - column(present, name)
        np.testing.assert_allclose(moved[0], delta[present.months - 1], atol=1e-5)
    assert (column(changed, "vp") > column(present, "vp")).all()


def test_vapour_a_file_gave_does_not_follow(present: Forcing, tmp_path: Path) -> None:
    months = {"month": np.arange(1, 13)}
    file = xr.Dataset(
        {"temperature": ("month", np.full(12, 2.0)), "vp": ("month", np.full(12, 1.0))}, months
    )
    changed = perturb(present, from_file(file, tmp_path, "add"), Physics())
    np.testing.assert_allclose(column(changed, "vp"), column(present, "vp") + 1, rtol=1e-6)


def test_daily_factors_for_all_basins(present: Forcing, tmp_path: Path) -> None:
    time = period_of(present)
    file = xr.Dataset({"precipitation": ("time", np.full(len(time), 1.5))}, {"time": time})
    changed = perturb(present, from_file(file, tmp_path, "multiply"), Physics())
    was, now = column(present, "prcp"), column(changed, "prcp")
    np.testing.assert_allclose(now[:, LEAD:], 1.5 * was[:, LEAD:], rtol=1e-6)
    np.testing.assert_array_equal(now[:, :LEAD], was[:, :LEAD])


def whole(present: Forcing, name: str = "prcp", **kept: object) -> xr.Dataset:
    time = period_of(present)
    values = np.ones((2, len(time)), "float32")
    file = xr.Dataset({name: (("basin", "time"), values)}, {"basin": present.basins, "time": time})
    return file.isel(**kept)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kept", "operation", "name", "says"),
    [
        ({"basin": [0]}, "replace", "prcp", "00000002"),
        ({"time": slice(0, 300)}, "replace", "prcp", "not the whole period"),
        ({"time": slice(5, None)}, "add", "prcp", "not the whole period"),
        ({}, "replace", "snow", "'snow'"),
        ({}, "replace", "tmax", "has tmax but not tmin"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_at_once(
    kept: dict, operation: str, name: str, says: str, present: Forcing, tmp_path: Path
) -> None:
    scenario = from_file(whole(present, name, **kept), tmp_path, operation)
    with pytest.raises(ConfigError, match=says) as error:
        require_applicable(present, scenario)
    assert "model" in str(error.value)
    assert "f.nc" in str(error.value)


def test_faults_in_values_are_named(present: Forcing, tmp_path: Path) -> None:
    gap = whole(present)
    gap["prcp"][1, 7] = np.nan
    day = str(period_of(present)[7])[:10]
    with pytest.raises(ConfigError, match=f"00000002 is missing on {day}"):
        perturb(present, from_file(gap, tmp_path, "replace"), Physics())
    negative, folder = whole(present) * -0.5, tmp_path / "other"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"negative \(-0.5\)"):
        perturb(present, from_file(negative, folder, "multiply"), Physics())


def test_eleven_months_and_no_file(present: Forcing, tmp_path: Path) -> None:
    file = xr.Dataset({"prcp": ("month", np.ones(11))}, {"month": np.arange(1, 12)})
    with pytest.raises(ConfigError, match="months of prcp"):
        require_applicable(present, from_file(file, tmp_path, "add"))
    nothing = FromFile(path=str(tmp_path / "none.nc"), operation="add")
    with pytest.raises(ConfigError, match=r"none\.nc, which is not there"):
        require_applicable(present, Scenario(name="model", changes=(nothing,)))
    text = tmp_path / "text.nc"
    text.write_text("no netcdf")
    with pytest.raises(ConfigError, match="cannot be read"):
        require_applicable(
            present,
            Scenario(name="m", changes=(FromFile(path=str(text), operation="add"),)),
        )
