"""From a source to a store: region by region, in parallel, resumable, finished atomically."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.atomic import atomic_path, naming_full_disk
from hydroml.data.parallel import Read, reader
from hydroml.data.plan import claim_partial
from hydroml.data.quality import quality_report
from hydroml.data.source import SkipBasin, Source
from hydroml.data.store import BASINS_PER_CHUNK, is_store, write_store
from hydroml.errors import HydromlError, SourceError, StoreError, nearest
from hydroml.progress import Advance, silent
from hydroml.units import variable

REPORT = "report.json"


def prepare_store(
    source: Source,
    out: Path | str,
    *,
    basins: Sequence[str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
    on_progress: Advance = silent,
) -> Path:
    """Read a source's basins in parallel and write them as one store.

    Finished regions of 64 basins are kept in ``OUT.partial``; a build that was interrupted
    goes on there when it is called again. Memory is bounded by a region, not by the basins.

    Parameters
    ----------
    source : Source
        Made by `open_camels_us`, `open_caravan` or `open_netcdf`.
    out : path-like
        The store to write.
    basins : sequence of str, optional
        Gauge ids; default all of the source.
    workers : int, optional
        Processes to read with; default as many as cores.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the source's files, and read them instead.
    skip_bad : bool
        Leave out basins whose files are bad (and report them) instead of stopping.
    overwrite : bool
        Replace a store, or an unfinished build of something else, at `out`.
    on_progress : callable
        Called with the number of basins done since the last call.

    Returns
    -------
    pathlib.Path
        The store, with the data report in its ``report.json``.

    Raises
    ------
    SourceError
        A file is not what it should be, or no basin can be read.
    StoreError
        `out` is taken, or holds an unfinished build of something else.
    ConfigError
        Fewer than one worker, workers and a scheduler, or a scheduler without able workers.

    Examples
    --------
    >>> from hydroml.data.camels_us import open_camels_us
    >>> store = prepare_store(
    ...     open_camels_us("camels_us/", ["daymet"]), "data/store.zarr"
    ... )  # doctest: +SKIP
    """
    target = Path(out)
    if target.exists() and not (overwrite and is_store(target)):
        raise StoreError(*_taken(target))
    gauges = _require_gauges(source, basins)
    regions = {
        start // BASINS_PER_CHUNK: gauges[start : start + BASINS_PER_CHUNK]
        for start in range(0, len(gauges), BASINS_PER_CHUNK)
    }
    with reader(source, workers, scheduler, len(gauges)) as read:
        partial = claim_partial(target, source.identity(), gauges, skip_bad, overwrite=overwrite)
        missing = {n: r for n, r in regions.items() if not _region_files(partial, n)[1].is_file()}
        on_progress(len(gauges) - sum(map(len, missing.values())))
        with _cleared_if_empty(partial):
            for number, results in read(missing, on_progress):
                with _cleared_on_error(partial):
                    _build_region(regions[number], results, partial, number, skip_bad)
    with _cleared_on_error(partial):
        _join_regions(source, partial, len(regions), target)
    shutil.rmtree(partial)
    return target


def stack_basins(basins: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Stack basins of different periods on the union of their days, NaN where one has none.

    Parameters
    ----------
    basins : mapping of str to xarray.Dataset
        Gauge id to variables (time) and scalars.

    Returns
    -------
    xarray.Dataset
        Variables (basin, time) in float32 and (basin).

    Examples
    --------
    >>> one = xr.Dataset(
    ...     {"prcp": ("time", np.array([1.0, 2.0], "f4"))},
    ...     coords={"time": pd.date_range("2000-01-01", periods=2)},
    ... )
    >>> two = one.assign_coords(time=pd.date_range("2000-01-02", periods=2))
    >>> stack_basins({"01": one, "02": two}).prcp.values
    array([[ 1.,  2., nan],
           [nan,  1.,  2.]], dtype=float32)
    """
    start = min(d["time"].values[0] for d in basins.values())
    end = max(d["time"].values[-1] for d in basins.values())
    axis = pd.date_range(start, end, freq="D").to_numpy("datetime64[ns]")
    names = list(dict.fromkeys(n for d in basins.values() for n in d.data_vars))
    stacked = {}
    for name in names:
        example = next(d[name] for d in basins.values() if name in d)
        size = (len(basins), len(axis)) if example.ndim else (len(basins),)
        values = np.full(size, np.nan, "float32" if example.ndim else "float64")
        for row, dataset in enumerate(basins.values()):
            if name in dataset and example.ndim:
                first = int((dataset["time"].values[0] - start) // np.timedelta64(1, "D"))
                values[row, first : first + dataset.sizes["time"]] = dataset[name].values
            elif name in dataset:
                values[row] = dataset[name].item()
        stacked[name] = (("basin", "time")[: 1 + example.ndim], values, example.attrs)
    ids = np.array(list(basins), object)
    return xr.Dataset(stacked, coords={"basin": ids, "time": axis})


@contextmanager
def _cleared_on_error(partial: Path) -> Iterator[None]:
    """Leave nothing half-written behind a user's mistake; an interruption keeps its regions."""
    try:
        with naming_full_disk(partial):
            yield
    except HydromlError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def _cleared_if_empty(partial: Path) -> Iterator[None]:
    """Keep the finished regions of a build whose workers or cluster failed, if there are any."""
    try:
        yield
    except HydromlError:
        if not any(partial.glob("region-*.json")):
            shutil.rmtree(partial, ignore_errors=True)
        raise


def _taken(target: Path) -> tuple[str, str]:
    if is_store(target):
        return f"There is already a store at {target}.", "Add --overwrite, or choose another --out."
    return (
        f"{target} exists and is not a hydroml store; it is left as it was.",
        "Choose another --out, or remove it yourself.",
    )


def _require_gauges(source: Source, basins: Sequence[str] | None) -> list[str]:
    known = source.gauges()
    wanted = set(known if basins is None else basins)
    unknown = sorted(wanted.difference(known))
    if unknown:
        raise SourceError(
            f"{len(unknown)} of {len(wanted)} basins are not in {source.location}, "
            f"first {unknown[0]!r}.",
            nearest(unknown[0], known),
        )
    return [g for g in known if g in wanted]


def _region_files(partial: Path, number: int) -> tuple[Path, Path]:
    """Return the data of a region and the note that says it is done."""
    return partial / f"region-{number:04d}.zarr", partial / f"region-{number:04d}.json"


def _build_region(
    gauges: Sequence[str], results: Sequence[Read], partial: Path, number: int, skip_bad: bool
) -> None:
    basins: dict[str, xr.Dataset] = {}
    skipped: dict[str, str] = {}
    for gauge, result in zip(gauges, results, strict=True):
        if isinstance(result, SourceError) and not skip_bad:
            raise result
        if isinstance(result, SourceError):
            skipped[gauge] = result.message
        elif isinstance(result, SkipBasin):
            skipped[gauge] = result.reason
        else:
            basins[gauge] = result
    data, note = _region_files(partial, number)
    if basins:
        with atomic_path(data) as scratch:
            _write_region(stack_basins(basins), scratch)
    with atomic_path(note) as scratch:
        scratch.write_text(json.dumps(skipped), encoding="utf-8")


def _write_region(region: xr.Dataset, scratch: Path) -> None:
    # Zarr, for the NetCDF library hides a full disk behind a nameless "HDF error"
    encoding = {n: {"chunks": region[n].shape, "compressors": None} for n in region.data_vars}
    region.to_zarr(scratch, mode="w", encoding=encoding, zarr_format=3, consolidated=False)


def _join_regions(source: Source, partial: Path, regions: int, target: Path) -> None:
    skipped: dict[str, str] = {}
    parts = []
    for number in range(regions):
        data, note = _region_files(partial, number)
        skipped |= json.loads(note.read_text(encoding="utf-8"))
        if data.is_dir():
            parts.append(xr.open_zarr(data, consolidated=False, chunks={}))
    if not parts:
        gauge, reason = next(iter(skipped.items()))
        raise SourceError(
            f"None of the {len(skipped)} basins of {source.location} can be read; "
            f"{gauge}: {reason}.",
            "Give the forcing and discharge files of the same basins.",
        )
    dataset = _with_attributes(_concatenate(parts), source)
    report = quality_report(dataset, skipped)
    text = json.dumps(report, indent=1, allow_nan=False)
    write_store(dataset, target, extra_files={REPORT: text})


def _concatenate(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    start = min(p["time"].values[0] for p in parts)
    end = max(p["time"].values[-1] for p in parts)
    axis = pd.date_range(start, end, freq="D").to_numpy("datetime64[ns]")
    joined = xr.concat(
        [p.reindex(time=axis) for p in parts],
        dim="basin",
        data_vars="all",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="drop_conflicts",
    )
    for name in joined.data_vars:
        known = variable(str(name))
        if known is not None:
            joined[name].attrs.update(known.attributes)
    return joined.assign_coords(basin=joined["basin"].astype(object))


def _with_attributes(dataset: xr.Dataset, source: Source) -> xr.Dataset:
    ids = dataset["basin"].values.tolist()
    table = source.attributes().reindex(ids)
    table = table[[c for c in table.columns if c not in dataset.variables]]
    columns = {}
    for name in table.columns:
        column = table[name]
        if column.dtype.kind in "fiub":
            columns[str(name)] = ("basin", column.to_numpy("float64"))
        else:
            columns[str(name)] = ("basin", column.fillna("").to_numpy(object))
    return dataset.assign(columns).assign_attrs(
        source=source.title,
        forcing=source.forcing,
        synthetic=source.synthetic,
        location=source.location,
    )
