"""Simulations of any number of basins: part by part, here or on the workers of a cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import xarray as xr

from hydroml.evaluation.ensemble import require_ensemble
from hydroml.evaluation.parts import (
    BASINS_PER_PART,
    Parts,
    compute_on_cluster,
    computed_here,
    places_of,
    store_of_worker,
)
from hydroml.evaluation.simulate import (
    Simulation,
    days_before,
    require_simulated,
    simulate_some,
)
from hydroml.progress import Advance, silent
from hydroml.training.device import choose_device
from hydroml.training.rundir import RunDirectory

VALUES_AT_ONCE = 2**25
"""Values of inputs and discharge in a part that is computed here: 128 MB, and copies at work."""


def simulate_in_parts(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    request: Simulation,
    device: torch.device,
    folder: Path,
    *,
    store: Path,
    scheduler: str | None = None,
    on_progress: Advance = silent,
) -> Iterator[xr.Dataset]:
    """Simulate a run or an ensemble part by part; parts that `folder` has are not simulated again.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or several for an ensemble.
    dataset : xarray.Dataset
        The open store.
    request : Simulation
        Basins, period and mode.
    device : torch.device
        Where to compute, without a scheduler.
    folder : pathlib.Path
        Of the parts; its name has to tell requests apart (`hydroml.evaluation.ensemble.mark_of`).
    store : pathlib.Path
        Path of the store, which workers open themselves.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see runs and store.
    on_progress : callable
        Told of the basins done, once for each member.

    Yields
    ------
    xarray.Dataset
        What `hydroml.evaluation.simulate.simulate_runs` returns, of some basins at a time, in
        their order.

    Raises
    ------
    HydromlError
        Those of `simulate_runs` and of `hydroml.cluster.over_workers`.
    """
    require_ensemble(runs)
    size = BASINS_PER_PART if scheduler is not None else basins_at_once(runs, request)
    parts = Parts(request.basins, folder, size)
    members = sum(len(run.member_names()) for run in runs)
    on_progress(members * (len(request.basins) - parts.count_missing()))
    if scheduler is not None:
        paths, place, fingerprint = places_of(runs, dataset, store)
        compute_on_cluster(
            parts,
            scheduler,
            _of_worker,
            lambda _: (paths, place, fingerprint, replace(request, basins=())),
            files=[*paths, place],
            each=members,
            on_progress=on_progress,
        )

    def compute(basins: Sequence[str]) -> xr.Dataset:
        some = replace(request, basins=basins)
        return simulate_some(runs, dataset, some, device, on_progress=on_progress)

    simulated = False
    for part in computed_here(parts, compute):
        simulated = simulated or bool(part["qsim"].notnull().any())
        yield part
    require_simulated(runs, request, simulated)


def basins_at_once(runs: Sequence[RunDirectory], request: Simulation) -> int:
    """Count the basins whose inputs and discharge may be in memory at once.

    In windowed mode, where a basin takes seconds instead of milliseconds, they are few: what
    an interruption loses counts for more.
    """
    first, last = request.period
    days = int((last - first).astype(int)) + 1 + max(days_before(r, request.mode) for r in runs)
    columns = max(len(run.scaler().dynamic) for run in runs) + 2
    columns += sum(len(run.member_names()) for run in runs)
    chunks = VALUES_AT_ONCE // (days * columns * BASINS_PER_PART)
    return BASINS_PER_PART * (1 if request.mode == "windowed" else max(chunks, 1))


def _of_worker(
    basins: Sequence[str], runs: Sequence[Path], store: Path, fingerprint: str, asked: Simulation
) -> xr.Dataset:
    opened, device = [RunDirectory.open(run) for run in runs], choose_device("auto")
    if asked.precision == "fp16" and device.type != "cuda":
        asked = replace(asked, precision="fp32")  # as where the command runs without a GPU
    dataset = store_of_worker(store, fingerprint)
    return simulate_some(opened, dataset, replace(asked, basins=basins), device)
