"""A study over all its basins: some at a time, kept on disk, here or spread over a Dask cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import xarray as xr

from hydroml.evaluation.parts import (
    Parts,
    compute_on_cluster,
    computed_here,
    places_of,
    store_of_worker,
)
from hydroml.progress import Advance, silent
from hydroml.sensitivity.gradients import GradientRequest, gradients_of_some, require_gradients
from hydroml.sensitivity.members import open_members
from hydroml.sensitivity.response import respond
from hydroml.sensitivity.study import Study
from hydroml.sensitivity.training_range import TrainingRange
from hydroml.sensitivity.truth import BASINS_AT_ONCE, require_synthetic, true_response_of_some
from hydroml.training.device import choose_device
from hydroml.training.rundir import RunDirectory

BASINS_PER_PART = 64
"""Basins in memory at once, and lost at most where a run is interrupted; the store's chunks."""


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
        One run, or several for an ensemble.
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
        Address of a Dask scheduler whose workers see the same files.
    on_progress : callable
        Told of the series done: scenarios times basins.

    Returns
    -------
    xarray.Dataset
        What `hydroml.sensitivity.response.respond` returns, of all basins.
    """
    parts, each = Parts(study.basins, folder, BASINS_PER_PART), len(study.scenarios)
    on_progress(each * (len(study.basins) - parts.count_missing()))
    if scheduler is not None:
        paths, *place = places_of(runs, dataset, store)
        asked = replace(study, basins=())
        compute_on_cluster(
            parts,
            scheduler,
            _respond,
            lambda some: (paths, *place, asked, training_range and training_range.of(some)),
            files=[*paths, store],
            each=each,
            on_progress=on_progress,
        )
    members = open_members(runs, device) if parts.missing() else []

    def compute(basins: Sequence[str]) -> xr.Dataset:
        return respond(members, dataset, basins, study, training_range, on_progress=on_progress)

    return xr.concat(list(computed_here(parts, compute)), dim="basin")


def gradients_in_parts(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    request: GradientRequest,
    folder: Path,
    device: torch.device,
    *,
    store: Path,
    scheduler: str | None = None,
    on_progress: Advance = silent,
) -> Iterator[xr.Dataset]:
    """Differentiate the flow of any number of basins, part by part.

    Parameters are those of `respond_in_parts`, and what
    `hydroml.sensitivity.gradients.flow_gradients` takes.

    Yields
    ------
    xarray.Dataset
        What `flow_gradients` returns, of some basins at a time.

    Raises
    ------
    RunError
        As `flow_gradients`.
    """
    parts = Parts(request.basins, folder, BASINS_PER_PART)
    members = sum(len(run.member_names()) for run in runs)
    on_progress(members * (len(request.basins) - parts.count_missing()))
    if scheduler is not None:
        paths, *place = places_of(runs, dataset, store)
        some_request = replace(request, basins=request.basins[:1])
        compute_on_cluster(
            parts,
            scheduler,
            _differentiate,
            lambda _: (paths, *place, some_request),
            files=[*paths, store],
            each=members,
            on_progress=on_progress,
        )

    def compute(basins: Sequence[str]) -> xr.Dataset:
        some = replace(request, basins=basins)
        return gradients_of_some(runs, dataset, some, device, on_progress=on_progress)

    used = False
    for part in computed_here(parts, compute):
        used = used or bool(part["days"].any())
        yield part
    require_gradients(request, used)


def truth_in_parts(
    dataset: xr.Dataset,
    study: Study,
    folder: Path,
    *,
    store: Path,
    scheduler: str | None = None,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Rerun the true model of any number of synthetic basins, part by part.

    Parameters are those of `respond_in_parts`; returns what
    `hydroml.sensitivity.truth.true_response` returns.
    """
    require_synthetic(dataset)
    size = BASINS_PER_PART if scheduler is not None else BASINS_AT_ONCE
    parts, each = Parts(study.basins, folder, size), len(study.scenarios)
    on_progress(each * (len(study.basins) - parts.count_missing()))
    if scheduler is not None:
        _, *place = places_of([], dataset, store)
        asked = replace(study, basins=())
        compute_on_cluster(
            parts,
            scheduler,
            _rerun,
            lambda _: (*place, asked),
            files=[store],
            each=each,
            on_progress=on_progress,
        )
    compute = partial(true_response_of_some, dataset, study, on_progress=on_progress)
    return xr.concat(list(computed_here(parts, compute)), dim="basin")


def _respond(
    basins: Sequence[str],
    runs: Sequence[Path],
    store: Path,
    fingerprint: str,
    study: Study,
    training_range: TrainingRange | None,
) -> xr.Dataset:
    members = open_members([RunDirectory.open(run) for run in runs], choose_device("auto"))
    dataset = store_of_worker(store, fingerprint)
    return respond(members, dataset, basins, study, training_range)


def _differentiate(
    basins: Sequence[str],
    runs: Sequence[Path],
    store: Path,
    fingerprint: str,
    request: GradientRequest,
) -> xr.Dataset:
    opened = [RunDirectory.open(run) for run in runs]
    dataset, some = store_of_worker(store, fingerprint), replace(request, basins=basins)
    return gradients_of_some(opened, dataset, some, choose_device("auto"))


def _rerun(basins: Sequence[str], store: Path, fingerprint: str, study: Study) -> xr.Dataset:
    return true_response_of_some(store_of_worker(store, fingerprint), study, basins)
