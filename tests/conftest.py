"""Data all tests share: a tiny store made by arithmetic, and the way to the real data."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import settings

from hydroml.cli.main import main
from hydroml.config import TrainConfig, load_config
from hydroml.data.store import write_store
from tests.workers import dask_cluster

settings.register_profile("hydroml", deadline=None)  # shared machines stall at times
settings.load_profile("hydroml")

REAL_DATA = Path(
    os.environ.get(
        "HYDROML_TEST_DATA", Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
    )
)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data; the test is skipped where it is absent."""
    if not (REAL_DATA / "caravan").is_dir():
        pytest.skip(f"no real data at {REAL_DATA} (set HYDROML_TEST_DATA)")
    return REAL_DATA.resolve()


def tiny_dataset(basins: int = 4, years: int = 6, seed: int = 0) -> xr.Dataset:
    """A few basins whose discharge is a linear reservoir of their precipitation.

    Each basin has its own recession constant, told by the attribute ``recession``.
    """
    rng = np.random.default_rng(seed)
    time = pd.date_range("1998-10-01", periods=int(365.25 * years), freq="D")
    wet = rng.random((basins, len(time))) < 0.4
    prcp = np.where(wet, rng.gamma(1.0, 8.0, wet.shape), 0.0)
    season = 10 * np.sin(2 * np.pi * (time.day_of_year.values - 110) / 365.25)
    tmean = 10 + season + rng.normal(0, 2, wet.shape)
    recession = np.linspace(0.05, 0.5, basins)
    storage, flow = np.zeros(basins), np.zeros_like(prcp)
    for t in range(len(time)):
        storage += 0.6 * prcp[:, t]
        flow[:, t] = recession * storage
        storage -= flow[:, t]
    flow[0, 100:110] = np.nan
    dims = ("basin", "time")
    return xr.Dataset(
        {
            "prcp": (dims, prcp, {"units": "mm d-1"}),
            "tmax": (dims, tmean + 4, {"units": "degC"}),
            "tmin": (dims, tmean - 4, {"units": "degC"}),
            "qobs": (dims, flow, {"units": "mm d-1"}),
            "recession": ("basin", recession),
            "area_gages2": ("basin", np.linspace(100.0, 900.0, basins)),
            "gauge_lat": ("basin", np.linspace(35.0, 45.0, basins)),
            "gauge_lon": ("basin", np.linspace(-110.0, -80.0, basins)),
        },
        coords={"basin": [f"0{i + 1}000000" for i in range(basins)], "time": time},
        attrs={"source": "tests", "forcing": "none", "synthetic": True},
    )


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of `tiny_dataset`: 1998-10-01 to 2004-09, inputs prcp, tmax, tmin."""
    return write_store(tiny_dataset(), tmp_path_factory.mktemp("stores") / "tiny.zarr")


TINY = (
    "data.train=1999-10-01..2001-09-30",
    "data.test=2001-10-01..2003-09-30",
    "sampling.warmup=30",
    "sampling.block=60",
    "model.hidden=8",
    "optimizer.batch_size=8",
    "device=cpu",
)
"""Settings over the preset ``quick`` that make a run on `tiny_store` a matter of a second."""


def tiny_config(*settings: str) -> TrainConfig:
    """`TINY`, two epochs, and the settings given."""
    return load_config("quick", settings=[*TINY, "epochs=2", *settings])


@pytest.fixture(scope="session")
def tiny_run(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs on `tiny_store`; tests copy it before they change it."""
    from hydroml import api

    return api.train(
        tiny_store, config=tiny_config(), name="tiny", runs=tmp_path_factory.mktemp("runs")
    )


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run ``hydroml ...`` the way the console script does; gives code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hydroml", *map(str, arguments)])
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
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures out: they take most of the time of a small evaluation."""
    from hydroml.api import scoring

    monkeypatch.setattr(scoring, "draw_evaluation", lambda folder: [])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes behind a Dask scheduler."""
    with dask_cluster(2) as found:
        yield found
