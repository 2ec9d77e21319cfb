"""The command `hydroml data synth`."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hydroml.cli.synth import synth
from hydroml.data.store import open_store
from hydroml.errors import ConfigError


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(synth, [str(a) for a in arguments])


def test_store_and_text_files_are_written_and_the_next_command_named(tmp_path: Path):
    out, native = tmp_path / "synth.zarr", tmp_path / "native"
    done = _run("--out", out, "--basins", 3, "--years", 2, "--seed", 4, "--native", native)
    assert done.exit_code == 0, done.output
    assert open_store(out).sizes == {"basin": 3, "time": 731}
    assert len(list(native.rglob("*_streamflow_qc.txt"))) == 3
    assert "3 synthetic basins, 2007-01-01 to 2008-12-31" in done.output
    assert f"hydroml train --data {out}" in done.output


def test_store_is_replaced_only_when_asked(tmp_path: Path):
    out = tmp_path / "synth.zarr"
    assert _run("--out", out, "--basins", 1, "--years", 1).exit_code == 0
    refused = _run("--out", out, "--basins", 2, "--years", 1)
    assert isinstance(refused.exception, ConfigError)
    assert "--overwrite" in refused.exception.remedy
    assert open_store(out).sizes["basin"] == 1
    assert _run("--out", out, "--basins", 2, "--years", 1, "--overwrite").exit_code == 0
    assert open_store(out).sizes["basin"] == 2


@pytest.mark.parametrize("option", ["--basins", "--years"])
def test_bad_numbers_leave_nothing_behind(option: str, tmp_path: Path):
    refused = _run("--out", tmp_path / "synth.zarr", option, 0)
    assert isinstance(refused.exception, ConfigError)
    assert not list(tmp_path.iterdir())


def test_help_shows_examples():
    assert "hydroml data synth --out data/store.zarr" in _run("--help").output
