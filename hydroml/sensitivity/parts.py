"""A study over all its basins: some at a time, kept on disk, spread over a Dask cluster."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import xarray as xr

from hydroml.atomic import atomic_path
from hydroml.errors import ConfigError
from hydroml.progress import Advance, silent
from hydroml.sensitivity.members import open_members
from hydroml.sensitivity.response import respond
from hydroml.sensitivity.study import Study
from hydroml.sensitivity.training_range import TrainingRange
from hydroml.training.rundir import RunDirectory

BASINS_PER_PART = 64
"""Basins in memory at once, and lost at most where a run is interrupted; the store's chunks."""
PATIENCE = 20
"""Seconds to wait for a scheduler."""


def respond_in_parts(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    study: Study,
    training_range: TrainingRange | None,
    folder: Path,
    device: torch.device,
    *,
    store: Path,
    scheduler: str | None = None,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Compute a study part by part; parts that `folder` has already are not computed again.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or the members of an ensemble.
    dataset : xarray.Dataset
        The open store.
    study : Study
        Scenarios, basins, period.
    training_range : TrainingRange or None
        What the runs have seen.
    folder : pathlib.Path
        Of the parts; its name has to tell studies apart (`Study.mark`).
    device : torch.device
        Where to compute, without a scheduler.
    store : pathlib.Path
        Path of the store, which workers open themselves.
    scheduler : str, optional
        Address of a `dask.distributed` scheduler whose workers see the same files.
    on_progress : callable
        Told of the series done: scenarios times basins.

    Returns
    -------
    xarray.Dataset
        What `hydroml.sensitivity.response.respond` returns, of all basins.
    """
    basins, count = study.basins, len(study.scenarios)
    parts = [
        (folder / f"part{start:06d}.nc", basins[start : start + BASINS_PER_PART])
        for start in range(0, len(basins), BASINS_PER_PART)
    ]
    missing = [(path, some) for path, some in parts if not path.is_file()]
    on_progress(count * (len(basins) - sum(len(some) for _, some in missing)))
    if missing and scheduler is None:
        members = open_members(runs, device)
        for path, some in missing:
            found = respond(members, dataset, some, study, training_range, on_progress=on_progress)
            _write(found, path)
    elif missing and scheduler is not None:
        paths = [run.path.resolve() for run in runs]
        for path, found in _on_cluster(scheduler, paths, store, missing, study, training_range):
            _write(found, path)
            on_progress(count * found.sizes["basin"])
    return xr.concat([_read(path) for path, _ in parts], dim="basin")


def _on_cluster(
    scheduler: str,
    runs: Sequence[Path],
    store: Path,
    missing: Sequence[tuple[Path, Sequence[str]]],
    study: Study,
    training_range: TrainingRange | None,
) -> Iterator[tuple[Path, xr.Dataset]]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ConfigError(
            "--scheduler needs the package 'distributed'.", "pip install distributed"
        ) from None
    try:
        client = Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"No Dask scheduler answers at {scheduler} ({error}).",
            "Start one with 'dask scheduler', and workers with 'dask worker ADDRESS'.",
        ) from None
    with client:
        seen = client.scatter(training_range, broadcast=True) if training_range else None
        futures = {
            client.submit(_of_worker, runs, store, some, study, seen, pure=False): path
            for path, some in missing
        }
        for future in as_completed(futures):
            yield futures[future], future.result()


def _of_worker(
    runs: Sequence[Path],
    store: Path,
    basins: Sequence[str],
    study: Study,
    training_range: TrainingRange | None,
) -> xr.Dataset:
    from hydroml.data.store import open_store
    from hydroml.training.device import choose_device

    members = open_members([RunDirectory.open(run) for run in runs], choose_device("auto"))
    return respond(members, open_store(store), basins, study, training_range)


def _write(part: xr.Dataset, path: Path) -> None:
    with atomic_path(path) as scratch:
        part.to_netcdf(scratch, engine="netcdf4")


def _read(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="netcdf4") as part:
        return part.load()
