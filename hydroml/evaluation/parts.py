"""Work over many basins: some at a time, each part kept on disk until all of them are there."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import xarray as xr

from hydroml.atomic import atomic_path
from hydroml.cluster import over_workers
from hydroml.data.store import open_store
from hydroml.errors import StoreError
from hydroml.progress import Advance, silent
from hydroml.training.rundir import RunDirectory

BASINS_PER_PART = 128
"""Basins that a worker has in memory at once, and that are lost at most where work is
interrupted. They are a batch of the continuous pass: larger parts are multiples of it, so that
batches, and with them the rounding, are the same however basins are cut into parts."""
PARTS = ".parts"
"""End of the name of the hidden folder in which unfinished work is kept."""


@dataclass(frozen=True)
class Parts:
    """Basins cut into parts, and the folder in which their results are kept.

    Parameters
    ----------
    basins : sequence of str
        Gauge ids.
    folder : pathlib.Path
        Its name has to tell one work from another (`hydroml.evaluation.ensemble.mark_of`).
    size : int
        Basins in a part.

    Examples
    --------
    >>> [(p.name, list(some)) for p, some in Parts(["01", "02", "03"], Path("x"), 2).all()]
    [('0000000-0000002.nc', ['01', '02']), ('0000002-0000003.nc', ['03'])]
    """

    basins: Sequence[str]
    folder: Path
    size: int = BASINS_PER_PART

    def all(self) -> list[tuple[Path, Sequence[str]]]:
        """File and basins of each part."""
        cuts = [
            (start, min(start + self.size, len(self.basins)))
            for start in range(0, len(self.basins), self.size)
        ]
        return [
            (self.folder / f"{start:07d}-{stop:07d}.nc", self.basins[start:stop])
            for start, stop in cuts
        ]

    def missing(self) -> list[tuple[Path, Sequence[str]]]:
        """File and basins of each part that is still to be computed."""
        return [(path, some) for path, some in self.all() if not path.is_file()]

    def count_missing(self) -> int:
        """Count the basins of the parts that are still to be computed."""
        return sum(len(some) for _, some in self.missing())


def computed_here(
    parts: Parts, compute: Callable[[Sequence[str]], xr.Dataset]
) -> Iterator[xr.Dataset]:
    """Give the parts one after another; what is not there yet is computed, and kept.

    Parameters
    ----------
    parts : Parts
        What to compute.
    compute : callable
        From some basins to their result, with a dimension ``basin``.

    Yields
    ------
    xarray.Dataset
        In memory.
    """
    for path, some in parts.all():
        if path.is_file():
            yield _read(path)
            continue
        found = compute(some)
        _write(found, path)
        yield found


def compute_on_cluster(
    parts: Parts,
    scheduler: str,
    function: Callable[..., xr.Dataset],
    arguments: Callable[[Sequence[str]], Sequence[Any]],
    *,
    files: Sequence[Path],
    each: int = 1,
    on_progress: Advance = silent,
) -> None:
    """Compute the missing parts on the workers of a Dask scheduler, and keep them.

    Parameters
    ----------
    parts : Parts
        What to compute.
    scheduler : str
        Address.
    function : callable
        ``function(basins, *arguments)`` of a module that workers can import.
    arguments : callable
        From the basins of a part to what travels with it.
    files : sequence of pathlib.Path
        What workers have to see.
    each : int
        Units of progress a basin.
    on_progress : callable
        Told of the units done.

    Raises
    ------
    HydromlError
        See `hydroml.cluster.over_workers`.
    """
    missing = parts.missing()
    tasks = ((list(some), *arguments(some)) for _, some in missing)
    for place, found in over_workers(scheduler, function, tasks, files=files):
        path, some = missing[place]
        _write(found, path)
        on_progress(each * len(some))


@lru_cache(maxsize=1)
def store_of_worker(store: Path, fingerprint: str) -> xr.Dataset:
    """Open, once in a process, the store that the caller of a worker means.

    Raises
    ------
    StoreError
        The worker sees none there, or another one.
    """
    dataset = open_store(store)
    if str(dataset.attrs.get("fingerprint", "")) != fingerprint:
        raise StoreError(
            f"A worker sees another store at {store} than the command does.",
            "Start workers on machines that share the file system with the store.",
        )
    return dataset


def places_of(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, store: Path
) -> tuple[list[Path], Path, str]:
    """Tell workers where runs and store are, and by its fingerprint what store it has to be."""
    fingerprint = str(dataset.attrs.get("fingerprint", ""))
    return [run.path.resolve() for run in runs], store.resolve(), fingerprint


def parts_folder(folder: Path, mark: str) -> Path:
    """Name the hidden folder beside `folder` in which parts of its results are kept."""
    return folder.parent / f".{folder.name}-{mark}{PARTS}"


def remove_parts(folder: Path) -> None:
    """Remove the parts of these results, and of work given up before; nobody else's folders."""
    named = re.compile(re.escape(f".{folder.name}-") + "[0-9a-f]{16}" + re.escape(PARTS))
    for found in folder.parent.iterdir():
        if named.fullmatch(found.name):
            shutil.rmtree(found, ignore_errors=True)


def _write(part: xr.Dataset, path: Path) -> None:
    with atomic_path(path) as scratch:
        part.to_netcdf(scratch, engine="netcdf4")


def _read(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="netcdf4") as part:
        return part.load()
