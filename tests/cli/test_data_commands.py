"""``hydroml data`` as a user meets it: what it says, what it leaves, how it refuses."""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hydroml.cli.data import data
from hydroml.cli.main import hydroml, main
from hydroml.data.store import open_store
from tests.data.camels_files import (
    damage,
    forcing_file,
    forcing_text,
    write,
    write_camels,
    write_caravan,
    zip_camels,
)

GAUGES = ["01022500", "01031500", "01047000"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``hydroml data ...`` the way the console script does; gives code, stdout, stderr."""
    if "data" not in hydroml.commands:
        hydroml.add_command(data)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hydroml", "data", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def camels(tmp_path: Path) -> Path:
    return write_camels(tmp_path / "camels", GAUGES)


def test_prepare_says_what_it_found_and_what_comes_next(
    run: Run, camels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "s.zarr"
    code, text, err = run("prepare", camels, "--out", out)
    assert code == 0
    assert "CAMELS-US (detected): 3 basins" in text
    assert "forcing daymet" in text
    assert "less than 5 years of discharge, days" in text
    assert f"Next: hydroml train --data {out}" in text
    assert "3/3 basins" in err
    assert open_store(out).sizes["basin"] == 3
    assert [p.name for p in out.parent.iterdir()] == ["s.zarr"]


def test_prepare_from_two_archives(run: Run, camels: Path, tmp_path: Path) -> None:
    archives = zip_camels(camels, tmp_path / "zips")
    code, text, _ = run("prepare", *archives, "--out", tmp_path / "s.zarr", "--basins", "2")
    assert code == 0, text
    assert open_store(tmp_path / "s.zarr").basin.values.tolist() == GAUGES[:2]


def test_prepare_without_attributes_says_so(run: Run, camels: Path, tmp_path: Path) -> None:
    shutil.rmtree(camels / "camels_attributes_v2.0")
    code, text, _ = run("prepare", camels, "--out", tmp_path / "s.zarr")
    assert code == 0
    assert "no attribute files" in text


def test_prepare_names_other_products(run: Run, tmp_path: Path) -> None:
    write_camels(tmp_path / "c", GAUGES, ("daymet", "nldas"))
    code, text, _ = run("prepare", tmp_path / "c", "--out", tmp_path / "s.zarr")
    assert code == 0
    assert "also there: nldas; see --forcing" in text
    both = ("--forcing", "daymet", "--forcing", "nldas", "--overwrite")
    code, text, _ = run("prepare", tmp_path / "c", "--out", tmp_path / "s.zarr", *both)
    assert "forcing daymet+nldas" in text
    assert "prcp_nldas" in open_store(tmp_path / "s.zarr")


def test_prepare_skips_bad_basins_on_request(run: Run, camels: Path, tmp_path: Path) -> None:
    bad = forcing_file(camels / "basin_dataset_public_v1p2", GAUGES[1])
    write(bad, forcing_text().replace("2.50", "??"))
    code, text, _ = run("prepare", camels, "--out", tmp_path / "s.zarr", "--skip-bad")
    assert code == 0
    assert re.search(r"1 skipped: .*line 6 is garbled.* for example\s+01031500", text, re.DOTALL)


def test_info_and_check(run: Run, camels: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    run("prepare", camels, "--out", out)
    code, text, _ = run("info", out)
    assert code == 0
    for word in ("source: CAMELS-US", "synthetic: False", "mm d-1", "area_gages2", "3 basins"):
        assert word in text
    code, text, _ = run("check", out)
    assert code == 0
    assert "every file is as it was written" in text


def test_check_refuses_a_damaged_store(run: Run, camels: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    run("prepare", camels, "--out", out)
    chunk = next(p for p in (out / "qobs").rglob("*") if p.is_file() and p.name != "zarr.json")
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    code, _, err = run("check", out)
    assert code == 1
    assert "1 files have changed, first qobs/" in err
    damage(chunk, 0.5)
    code, _, err = run("check", out)
    assert code == 1
    assert "is damaged" in err


def test_caravan_is_detected(run: Run, tmp_path: Path) -> None:
    write_caravan(tmp_path / "caravan", ["camels_01022500"])
    code, text, _ = run("prepare", tmp_path / "caravan", "--out", tmp_path / "s.zarr")
    assert code == 0
    assert "Caravan (detected): 1 basins" in text


def test_help_shows_examples_and_synth(run: Run) -> None:
    code, text, _ = run("--help")
    assert code == 0
    for word in ("prepare", "info", "check", "synth"):
        assert word in text
    code, text, _ = run("prepare", "--help")
    assert "hydroml data prepare ~/Caravan --out data/caravan.zarr" in text
    assert "camels_attributes_v2.0.zip" in text


def spoil_nothing(camels: Path) -> list[object]:
    return [camels]


def missing_path(camels: Path) -> list[object]:
    return [camels / "nowhere"]


def no_camels(camels: Path) -> list[object]:
    (camels / "empty").mkdir()
    return [camels / "empty"]


def truncated_zip(camels: Path) -> list[object]:
    series, attributes = zip_camels(camels, camels.parent / "zips")
    return [damage(series, 0.6), attributes]


def escaping_zip(camels: Path) -> list[object]:
    archive = camels.parent / "evil.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../../evil_streamflow_qc.txt", "x")
    return [archive]


def spoilt_forcing(old: str, new: str) -> Callable[[Path], list[object]]:
    def spoil(camels: Path) -> list[object]:
        file = forcing_file(camels / "basin_dataset_public_v1p2", GAUGES[1])
        write(file, forcing_text().replace(old, new))
        return [camels]

    return spoil


def with_options(*options: object) -> Callable[[Path], list[object]]:
    return lambda camels: [camels, *options]


BAD_INPUT: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "missing path": (missing_path, "There is no file or folder .*nowhere"),
    "no camels": (no_camels, "is no dataset hydroml knows"),
    "truncated zip": (truncated_zip, "basin_timeseries.*zip cannot be read.*truncated"),
    "escaping zip": (escaping_zip, "evil.zip holds an entry that escapes"),
    "wrong column": (spoilt_forcing("vp(Pa)", "vp(kPa)"), r"01031500.*line 4: wrong columns"),
    "garbled line": (spoilt_forcing("3.50", "3..5"), r"01031500.*line 7 is garbled"),
    "duplicate date": (spoilt_forcing("02 28", "02 27"), "2000-02-27 stands twice"),
    "unsorted": (spoilt_forcing("03 01", "01 01"), "2000-01-01 follows 2000-02-29"),
    "lost zero": (with_options("--basins", "1022500"), "'1022500' lost its leading zero"),
    "unknown basin": (with_options("--basins", "01022501"), "Did you mean '01022500'"),
    "set not whole": (with_options("--basins", "531"), "Of the 531 .* 3 are in the data"),
    "unknown product": (with_options("--forcing", "daymett"), "Did you mean 'daymet'"),
    "absent product": (with_options("--forcing", "nldas"), "no CAMELS-US forcing of nldas"),
    "unknown dataset": (with_options("--dataset", "camel-us"), "Did you mean 'camels-us'"),
    "no workers": (with_options("--workers", "0"), "workers = 0 is out of range"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_message_and_leaves_nothing(
    run: Run, camels: Path, tmp_path: Path, case: str
) -> None:
    spoil, message = BAD_INPUT[case]
    out = tmp_path / "out" / "s.zarr"
    code, _, err = run("prepare", *spoil(camels), "--out", out)
    assert code == 1
    assert re.search(message, err, re.DOTALL), err
    assert "What to do: " in err
    assert "Traceback" not in err
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_a_store_at_out_is_kept(run: Run, camels: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    run("prepare", camels, "--out", out, "--basins", "1")
    code, _, err = run("prepare", camels, "--out", out)
    assert code == 1
    assert "Add --overwrite" in err
    assert open_store(out).sizes["basin"] == 1


@pytest.mark.parametrize("command", ["info", "check"])
def test_no_store_is_named(run: Run, tmp_path: Path, command: str) -> None:
    code, _, err = run(command, tmp_path / "none.zarr")
    assert code == 1
    assert "There is no store at" in err


def test_the_group_loads_without_heavy_libraries() -> None:
    code = (
        "import sys, hydroml.cli.data\n"
        "print([m for m in ('numpy', 'pandas', 'xarray', 'dask', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
