"""Basins by name, number, file and set; periods against the data."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from hydroml.data.splits import Period, camels_set, select_basins
from hydroml.errors import ConfigError, StoreError


def store(ids: Sequence[str], *, synthetic: bool = False) -> xr.Dataset:
    days = pd.date_range("2000-01-01", "2000-12-31")
    attrs = {"synthetic": synthetic}
    return xr.Dataset(coords={"basin": list(ids), "time": days}, attrs=attrs)


SMALL = store(["01022500", "01031500", "01047000"])


def test_all_a_number_ids_and_sequences() -> None:
    assert select_basins("all", SMALL) == ["01022500", "01031500", "01047000"]
    assert select_basins("2", SMALL) == select_basins(2, SMALL) == ["01022500", "01031500"]
    assert select_basins("01047000, 01022500", SMALL) == ["01047000", "01022500"]
    assert select_basins(["01047000", "01047000"], SMALL) == ["01047000"]


def test_prefix_does_not_matter() -> None:
    caravan = store(["camels_01022500", "hysets_01AD002"])
    assert select_basins("01022500", caravan) == ["camels_01022500"]
    assert select_basins("camels_01031500", SMALL) == ["01031500"]
    assert select_basins("hysets_01AD002", caravan) == ["hysets_01AD002"]


def test_sets_have_their_size_and_531_is_part_of_671() -> None:
    assert len(set(camels_set(531))) == 531
    assert len(set(camels_set(671))) == 671
    assert set(camels_set(531)) < set(camels_set(671))


def test_531_is_the_set_on_camels_and_the_first_n_elsewhere() -> None:
    full = camels_set(671)
    assert select_basins("531", store(full)) == camels_set(531)
    assert select_basins("671", store([f"camels_{g}" for g in full]))[0] == "camels_01013500"
    assert select_basins("531", store(full, synthetic=True)) == full[:531]
    others = [f"x{i:04d}" for i in range(600)]
    assert select_basins("531", store(others)) == others[:531]


def test_a_set_that_is_not_whole_is_refused_with_the_count() -> None:
    with pytest.raises(StoreError, match=r"Of the 531 .* 3 are in the data; 528 are not") as error:
        select_basins("531", SMALL)
    assert "--allow-missing" in error.value.remedy
    assert select_basins("531", SMALL, allow_missing=True) == SMALL.basin.values.tolist()


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(StoreError, match="4 basins are asked for, but there are only 3"):
        select_basins("4", SMALL)
    assert len(select_basins("4", SMALL, allow_missing=True)) == 3
    with pytest.raises(ConfigError, match="0 basins"):
        select_basins("0", SMALL)


def test_unknown_id_gets_the_nearest() -> None:
    with pytest.raises(StoreError, match="no basin '01022501'") as error:
        select_basins("01022501", SMALL)
    assert "'01022500'" in error.value.remedy
    with pytest.raises(StoreError, match="1 are in the data; 1 are not, first '09999999'"):
        select_basins("01022500,09999999", SMALL)
    with pytest.raises(StoreError):
        select_basins("09999999", SMALL, allow_missing=True)


def test_files_of_ids(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text('gauge_id,name\n01047000,Creek\n\n# a comment\n"01022500"\n')
    assert select_basins(str(file), SMALL) == ["01047000", "01022500"]
    file.write_text("# nothing\n")
    with pytest.raises(ConfigError, match="No basin is asked for"):
        select_basins(str(file), SMALL)
    with pytest.raises(ConfigError, match=r"no file of basins .*nowhere\.txt"):
        select_basins(str(tmp_path / "nowhere.txt"), SMALL)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        select_basins(str(file), SMALL)


def test_lost_zero_is_named_in_specs_and_files(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("01031500\n1022500\n")
    for spec in ("1022500", "01031500,1022500", str(file), ["1022500"], "camels_1022500"):
        with pytest.raises(ConfigError, match="1022500' lost its leading zero") as error:
            select_basins(spec, SMALL, allow_missing=True)
        assert "Write 01022500" in error.value.remedy


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_number_gives_that_many(n: int, size: int) -> None:
    ids = [f"b{i}" for i in range(size)]
    if n <= size:
        assert select_basins(str(n), store(ids)) == ids[:n]
    else:
        assert select_basins(str(n), store(ids), allow_missing=True) == ids


def test_period_counts_both_ends() -> None:
    period = Period.parse("1999-10-01", date(2008, 9, 30))
    assert period.days == 3288  # Kratzert et al. (2019)
    assert str(period) == "1999-10-01 to 2008-09-30"
    assert SMALL.sel(time=Period.parse("2000-02-28", "2000-03-01").slice).sizes["time"] == 3


def test_period_refuses_nonsense() -> None:
    with pytest.raises(ConfigError, match="ends before it starts"):
        Period.parse("2000-01-02", "2000-01-01")
    with pytest.raises(ConfigError, match="'1999-13-01' is no date"):
        Period.parse("1999-13-01", "2000-01-01")


def test_period_outside_the_data_names_both() -> None:
    Period.parse("2000-01-01", "2000-12-31").require_inside(SMALL)
    message = "1999-12-31 to 2000-06-30 lies outside the data, which go from 2000-01-01 to 2000-12"
    with pytest.raises(StoreError, match=message):
        Period.parse("1999-12-31", "2000-06-30").require_inside(SMALL)
