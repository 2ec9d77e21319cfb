"""From files to a store: complete, resumable, the same however it was built."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import xarray as xr

from hydroml import cluster as cluster_module
from hydroml.data import prepare
from hydroml.data.camels_us import open_camels_us
from hydroml.data.caravan import open_caravan
from hydroml.data.catalogue import detect_dataset, open_source
from hydroml.data.netcdf import open_netcdf
from hydroml.data.parallel import worker_pool
from hydroml.data.plan import partial_of
from hydroml.data.prepare import prepare_store
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, HydromlError, SourceError, StoreError
from tests.conftest import tiny_dataset
from tests.data.camels_files import (
    flow_file,
    flow_text,
    forcing_file,
    forcing_text,
    write,
    write_camels,
    write_caravan,
)
from tests.workers import killing_a_worker

GAUGES = [f"{i:08d}" for i in range(1, 71)]  # 70 basins: a full region of 64 and a part of one


@pytest.fixture(scope="module")
def camels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_camels(tmp_path_factory.mktemp("camels"), GAUGES)


@pytest.fixture(scope="module")
def store(camels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in worker processes."""
    out = tmp_path_factory.mktemp("stores") / "camels.zarr"
    return prepare_store(open_camels_us(camels), out, workers=2)


def fingerprint(path: Path) -> str:
    return open_store(path).attrs["fingerprint"]


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_store_holds_values_attributes_and_provenance(store: Path) -> None:
    dataset = open_store(store)
    assert dataset.basin.values.tolist() == GAUGES
    np.testing.assert_allclose(dataset.qobs[69], [1, 2, np.nan, 4, 5], rtol=1e-6)
    assert dataset.qobs.attrs["units"] == "mm d-1"
    assert dataset.prcp.dtype == "float32"
    assert dataset.gauge_name.values[0] == "Creek 00000001"
    assert dataset.huc_02.values[0] == "01"
    assert np.isnan(dataset.root_depth_50.values).all()
    assert dataset.area_forcing.values[69] == 86.4
    assert dataset.attrs["source"] == "CAMELS-US"
    assert dataset.attrs["forcing"] == "daymet"
    assert not dataset.attrs["synthetic"]
    assert leftovers(store.parent) == ["camels.zarr"]
    assert json.loads((store / "report.json").read_text())["n_basins"] == 70


def test_one_process_and_several_give_the_same(camels: Path, store: Path, tmp_path: Path) -> None:
    progress: list[int] = []
    source = open_camels_us(camels)
    out = prepare_store(source, tmp_path / "one.zarr", workers=1, on_progress=progress.append)
    assert fingerprint(out) == fingerprint(store)
    assert sum(progress) == 70


def test_error_in_the_middle_then_continued_reads_the_rest_only(
    camels: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = open_camels_us(camels), tmp_path / "s.zarr"
    build = prepare._build_region

    def interrupt(gauges, results, partial, number, *rest):  # type: ignore[no-untyped-def]
        if number == 1:
            raise KeyboardInterrupt
        build(gauges, results, partial, number, *rest)

    monkeypatch.setattr(prepare, "_build_region", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_store(source, out, workers=1)
    assert leftovers(tmp_path) == ["s.zarr.partial"]
    with pytest.raises(StoreError, match="is not finished"):
        open_store(out)
    numbers = []

    def count(gauges, results, partial, number, *rest):  # type: ignore[no-untyped-def]
        numbers.append(number)
        build(gauges, results, partial, number, *rest)

    monkeypatch.setattr(prepare, "_build_region", count)
    prepare_store(source, out, workers=1)
    assert numbers == [1]
    assert fingerprint(out) == fingerprint(store)
    assert leftovers(tmp_path) == ["s.zarr"]


KILLED_BUILD = """
    import sys, time
    from hydroml.data import prepare
    from hydroml.data.camels_us import open_camels_us
    build = prepare._build_region
    def slow(gauges, results, partial, number, *rest):
        if number == 1:
            time.sleep(60)
        build(gauges, results, partial, number, *rest)
    prepare._build_region = slow
    if __name__ == "__main__":
        prepare.prepare_store(open_camels_us(sys.argv[1]), sys.argv[2], workers=2)
"""


def test_killed_and_continued_equals_uninterrupted(
    camels: Path, store: Path, tmp_path: Path
) -> None:
    script = write(tmp_path / "build.py", textwrap.dedent(KILLED_BUILD))
    out = tmp_path / "out" / "s.zarr"
    with subprocess.Popen([sys.executable, str(script), str(camels), str(out)]) as process:
        done = partial_of(out) / "region-0000.json"
        until = time.monotonic() + 50
        while not done.exists() and time.monotonic() < until:
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert done.exists()
    assert workers
    assert not psutil.wait_procs(workers, timeout=10)[1]  # workers end with their parent
    (out.parent / ".s.zarr.abcdefgh").mkdir()  # as a process killed while writing leaves it
    prepare_store(open_camels_us(camels), out, workers=1)
    assert fingerprint(out) == fingerprint(store)
    assert leftovers(out.parent) == ["s.zarr"]


def test_a_cluster_that_loses_a_worker_builds_the_same_store(
    camels: Path, store: Path, tmp_path: Path, cluster: Any
) -> None:
    progress = killing_a_worker(cluster)
    out = prepare_store(
        open_camels_us(camels),
        tmp_path / "s.zarr",
        scheduler=cluster.scheduler_address,
        on_progress=progress,
    )
    assert fingerprint(out) == fingerprint(store)
    assert sum(progress.told) == 70  # type: ignore[attr-defined]
    assert leftovers(tmp_path) == ["s.zarr"]


def test_a_bad_file_stops_a_cluster(tmp_path: Path, cluster: Any) -> None:
    root = write_camels(tmp_path / "c", GAUGES[:20]) / "basin_dataset_public_v1p2"
    write(forcing_file(root, GAUGES[3]), forcing_text().replace("2.50", "garbage"))
    with pytest.raises(SourceError, match=r"00000004_lump.*line 6 is garbled"):
        prepare_store(
            open_camels_us(tmp_path / "c"),
            tmp_path / "out" / "s.zarr",
            scheduler=cluster.scheduler_address,
        )
    assert leftovers(tmp_path / "out") == []


def test_without_a_cluster_nothing_is_left_but_what_was_there(
    camels: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster_module, "PATIENCE", 1)
    source, out = open_camels_us(camels), tmp_path / "s.zarr"
    nowhere = "tcp://127.0.0.1:9"
    with pytest.raises(ConfigError, match="No Dask scheduler answers"):
        prepare_store(source, out, scheduler=nowhere)
    assert leftovers(tmp_path) == []
    build = prepare._build_region

    def interrupt(gauges, results, partial, number, *rest):  # type: ignore[no-untyped-def]
        if number == 1:
            raise KeyboardInterrupt
        build(gauges, results, partial, number, *rest)

    monkeypatch.setattr(prepare, "_build_region", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_store(source, out, workers=1)
    monkeypatch.setattr(prepare, "_build_region", build)
    with pytest.raises(ConfigError, match="No Dask scheduler answers"):
        prepare_store(source, out, scheduler=nowhere)
    assert (partial_of(out) / "region-0000.json").is_file()  # begun here, to be continued here
    assert fingerprint(prepare_store(source, out, workers=1)) == fingerprint(store)


def test_workers_and_a_scheduler_are_one_too_many(camels: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Both workers"):
        prepare_store(open_camels_us(camels), tmp_path / "s.zarr", workers=2, scheduler="x:1")
    assert leftovers(tmp_path) == []


def test_unfinished_build_of_something_else_is_refused(camels: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    write(partial_of(out) / "plan.json", '{"plan": "other", "dataset": "Caravan", "basins": 3}')
    source = open_camels_us(camels)
    with pytest.raises(StoreError, match=r"3 basins of Caravan") as error:
        prepare_store(source, out, basins=GAUGES[:2])
    assert "--overwrite" in error.value.remedy
    assert partial_of(out).exists()
    prepare_store(source, out, basins=GAUGES[:2], overwrite=True)
    assert leftovers(tmp_path) == ["s.zarr"]


def test_what_is_at_out_is_not_replaced_unasked(camels: Path, tmp_path: Path) -> None:
    source = open_camels_us(camels)
    out = prepare_store(source, tmp_path / "s.zarr", basins=GAUGES[:1])
    with pytest.raises(StoreError, match="already a store"):
        prepare_store(source, out)
    prepare_store(source, out, basins=GAUGES[:2], overwrite=True)
    assert open_store(out).sizes["basin"] == 2
    foreign = tmp_path / "mine"
    write(foreign / "thesis.txt", "precious")
    with pytest.raises(StoreError, match="not a hydroml store"):
        prepare_store(source, foreign, overwrite=True)
    assert leftovers(foreign) == ["thesis.txt"]


def test_bad_file_stops_or_is_skipped(tmp_path: Path) -> None:
    root = write_camels(tmp_path / "c", GAUGES[:20]) / "basin_dataset_public_v1p2"
    bad = forcing_file(root, GAUGES[3])
    write(bad, forcing_text().replace("2.50", "garbage"))
    out = tmp_path / "out" / "s.zarr"
    for workers in (1, 2):
        with pytest.raises(SourceError, match=r"00000004_lump.*line 6 is garbled"):
            prepare_store(open_camels_us(tmp_path / "c"), out, workers=workers)
        assert leftovers(out.parent) == []
    prepare_store(open_camels_us(tmp_path / "c"), out, workers=1, skip_bad=True)
    report = json.loads((out / "report.json").read_text())
    assert "line 6 is garbled" in report["skipped"][GAUGES[3]]
    assert open_store(out).sizes["basin"] == 19


def test_normal_oddities_are_reported(tmp_path: Path) -> None:
    root = write_camels(tmp_path / "c", GAUGES[:4]) / "basin_dataset_public_v1p2"
    forcing_file(root, GAUGES[0]).unlink()
    flow_file(root, GAUGES[1], "02").unlink()
    write(flow_file(root, GAUGES[2], "02"), flow_text(GAUGES[2], [-1.0], "2001-01-01"))
    table = tmp_path / "c" / "camels_attributes_v2.0"
    for file in table.iterdir():
        lines = file.read_text().splitlines(keepends=True)
        write(file, "".join(t for t in lines if not t.startswith(GAUGES[3])))
    out = prepare_store(open_camels_us(tmp_path / "c"), tmp_path / "s.zarr")
    report = json.loads((out / "report.json").read_text())
    assert report["skipped"] == {GAUGES[0]: "no daymet forcing"}
    assert report["findings"]["without_discharge"] == {GAUGES[1]: 0}
    assert report["findings"]["negative_discharge"] == {GAUGES[2]: 1}
    assert report["findings"]["without_attributes"] == {GAUGES[3]: 1}
    assert report["period"] == ["2000-02-27", "2001-01-01"]
    dataset = open_store(out)
    assert dataset.gauge_name.sel(basin=GAUGES[3]).values == ""
    assert np.isnan(dataset.area_gages2.sel(basin=GAUGES[3]))


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    root = write_camels(tmp_path / "c", GAUGES[:2]) / "basin_dataset_public_v1p2"
    forcing_file(root, GAUGES[0]).unlink()
    source = open_camels_us(tmp_path / "c")
    (tmp_path / "out").mkdir()
    with pytest.raises(SourceError, match=r"None of the 1 basins .* can be read"):
        prepare_store(source, tmp_path / "out" / "s.zarr", basins=GAUGES[:1])
    assert leftovers(tmp_path / "out") == []


def test_full_disk_leaves_nothing(
    camels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare, "_write_region", full)
    with pytest.raises(HydromlError, match="disk is full"):
        prepare_store(open_camels_us(camels), tmp_path / "s.zarr", basins=GAUGES[:1])
    assert leftovers(tmp_path) == []


def test_unknown_basin_is_named(camels: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="first '00000099'"):
        prepare_store(open_camels_us(camels), tmp_path / "s.zarr", basins=["00000099"])


def test_workers_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="workers = 0"), worker_pool(0, 100):
        pass


def test_dead_worker_is_explained() -> None:
    def kill_a_worker() -> None:
        with worker_pool(2, 100) as pool:
            assert pool is not None
            pool.submit(os._exit, 1).result()

    with pytest.raises(HydromlError, match="worker process died"):
        kill_a_worker()


def test_caravan_subsets_with_different_variables(tmp_path: Path) -> None:
    write_caravan(tmp_path / "c", ["camels_a", "hysets_b"])
    file = tmp_path / "c/timeseries/netcdf/hysets/hysets_b.nc"
    with xr.open_dataset(file) as opened:
        changed = opened.load().rename(total_precipitation_sum="swe_mean")
    changed.to_netcdf(file)
    dataset = open_store(prepare_store(open_caravan(tmp_path / "c"), tmp_path / "s.zarr"))
    assert np.isnan(dataset.total_precipitation_sum.sel(basin="hysets_b")).all()
    np.testing.assert_allclose(dataset.swe_mean.sel(basin="hysets_b"), np.arange(5))
    assert dataset.country.values.tolist() == ["Somewhere"] * 2
    assert dataset.attrs["forcing"] == "era5-land"


def test_own_data_survive_the_way(tmp_path: Path) -> None:
    own = tiny_dataset(basins=3, years=1)
    own = own.assign_coords(basin=own.basin.astype(object)).assign_attrs(synthetic=1)
    own.to_netcdf(tmp_path / "own.nc")
    dataset = open_store(prepare_store(open_netcdf(tmp_path / "own.nc"), tmp_path / "s.zarr"))
    np.testing.assert_allclose(dataset.qobs, own.qobs, rtol=1e-6)
    np.testing.assert_allclose(dataset.recession, own.recession)
    assert dataset.attrs["synthetic"]


def test_synthetic_mark_reaches_the_store(tmp_path: Path) -> None:
    write(write_camels(tmp_path / "c", GAUGES[:1]) / "SYNTHETIC.txt", "made by a model")
    out = prepare_store(open_camels_us(tmp_path / "c"), tmp_path / "s.zarr")
    assert open_store(out).attrs["synthetic"]


def test_datasets_are_recognised(camels: Path, tmp_path: Path) -> None:
    assert detect_dataset([camels]) == "camels-us"
    assert detect_dataset([write_caravan(tmp_path / "up" / "c", ["camels_a"])]) == "caravan"
    assert detect_dataset([tmp_path / "up"]) == "caravan"
    assert detect_dataset([write(tmp_path / "a.nc", "")]) == "netcdf"
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no dataset hydroml knows"):
        detect_dataset([tmp_path / "empty"])


def test_options_that_would_do_nothing_are_refused(camels: Path, tmp_path: Path) -> None:
    write_caravan(tmp_path, ["camels_a"])
    for options in ({"forcing": ["daymet"]}, {"discharge": "q"}, {"dataset": "caravann"}):
        with pytest.raises(ConfigError):
            open_source([tmp_path], **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="one folder or file, not 2"):
        open_source([tmp_path, camels], "caravan")


@pytest.fixture(scope="module")
def native_store(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("real") / "daymet.zarr"
    return prepare_store(open_camels_us(real_data / "archives"), out)


@pytest.mark.realdata
def test_real_archives_and_caravan_agree(
    real_data: Path, native_store: Path, tmp_path: Path
) -> None:
    source = open_camels_us(real_data / "archives", ["nldas"])
    nldas = prepare_store(source, tmp_path / "nldas.zarr", workers=1)
    caravan_source = open_caravan(real_data / "caravan")
    known = {g.removeprefix("camels_") for g in caravan_source.gauges()}
    ids = sorted(f"camels_{g}" for g in known.intersection(source.discharge_files))
    out = prepare_store(caravan_source, tmp_path / "c.zarr", basins=ids, workers=1)
    caravan = open_store(out).qobs.load()
    caravan["basin"] = [g.removeprefix("camels_") for g in ids]
    for native, basins in ((native_store, 66), (nldas, 18)):
        ours, theirs = xr.align(open_store(native).qobs, caravan, join="inner")
        assert ours.sizes["basin"] == basins
        both = np.isfinite(ours.values) & np.isfinite(theirs.values)
        assert both.sum() > 3000 * basins  # days
        assert np.abs(ours.values - theirs.values)[both].max() < 0.01  # mm/d


@pytest.mark.realdata
def test_real_archive_has_its_known_oddities(native_store: Path) -> None:
    report = json.loads((native_store / "report.json").read_text())
    assert (report["n_basins"], report["n_skipped"]) == (91, 15)
    assert sum(report["findings"]["tmin_above_tmax"].values()) == 21
    assert list(report["findings"]["without_discharge"]) == ["01150900"]
    assert float(open_store(native_store).swe.max()) == 0.0


@pytest.mark.realdata
def test_real_caravan_has_its_known_oddities(real_data: Path, tmp_path: Path) -> None:
    ids = ["camels_06470800", "camels_12020000"]
    source = open_caravan(real_data / "caravan")
    out = prepare_store(source, tmp_path / "c.zarr", basins=ids)
    found = json.loads((out / "report.json").read_text())["findings"]
    assert found["q_mean_difference"]["camels_06470800"] > 2.5  # another area: four times
    flood = open_store(out).qobs.sel(basin="camels_12020000", time="2007-12-03")
    assert 455 < float(flood) < 465
