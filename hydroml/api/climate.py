"""Climate sensitivity from Python: scenarios, statistics, gradients, checks, files and maps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.api.opening import PathLike, Subject, open_subject
from hydroml.atomic import atomic_path
from hydroml.data.series import load_series
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, HydromlError, nearest
from hydroml.evaluation.ensemble import provenance
from hydroml.evaluation.evaluate import require_replaceable
from hydroml.evaluation.parts import parts_folder, remove_parts
from hydroml.evaluation.rows import write_rows
from hydroml.progress import progress_bar
from hydroml.report.sensitivity.figures import draw_sensitivity
from hydroml.sensitivity.elasticity import elasticities, has_grid
from hydroml.sensitivity.gradients import GradientRequest, require_alike
from hydroml.sensitivity.layout import lay_out
from hydroml.sensitivity.members import Member, inputs_of, open_members
from hydroml.sensitivity.parts import gradients_in_parts, respond_in_parts, truth_in_parts
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.plausibility import (
    discharge_ceiling,
    plausibility_fields,
    plausibility_table,
)
from hydroml.sensitivity.response import require_study, why_not_recomputed
from hydroml.sensitivity.scenario_files import DEFAULT_SETS, load_scenarios
from hydroml.sensitivity.study import Statics, Study
from hydroml.sensitivity.training_range import TrainingRange
from hydroml.sensitivity.truth import TRUTH, require_synthetic
from hydroml.sensitivity.truth_comparison import compare_with_truth
from hydroml.training.assemble import as_days

STATICS: dict[str, tuple[Statics, ...]] = {
    "held": ("held",),
    "recomputed": ("recomputed",),
    "both": ("held", "recomputed"),
}
"""What ``statics`` may say; the first is written to ``response.nc``."""
Truth = Literal["none", "standard", "all"]


def analyse_sensitivity(
    runs: PathLike | Sequence[PathLike],
    scenarios: PathLike | Sequence[PathLike] = DEFAULT_SETS,
    *,
    period: str = "test",
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    statics: str = "auto",
    physics: Physics | None = None,
    gradients: bool = False,
    truth: Truth = "none",
    scheduler: str | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> xr.Dataset:
    """Ask a run, or several as an ensemble, how floods and low flows answer to other climates.

    Files and maps are written to ``<run>/sensitivity``; see docs/sensitivity.md for each.

    Parameters
    ----------
    runs : path-like or sequence of path-like
        Run directories; several are an ensemble whose members are told apart.
    scenarios : path-like or sequence of path-like
        Presets (``grid``, ``martel``, ``seasons``, ``storms``) and YAML files.
    period : str
        ``test``, ``train``, ``validation`` or ``FROM..TO``: the years whose weather is changed.
    data : path-like, optional
        Another store than the run's.
    basins : str or sequence of str, optional
        By default the run's own.
    statics : str
        Climatic attributes ``held``, ``recomputed``, ``both``; ``auto`` is both where the runs
        have such attributes, else held.
    physics : Physics, optional
        What follows the temperature; by default vapour pressure (at constant relative humidity)
        and potential evaporation (Priestley and Taylor).
    gradients : bool
        Differentiate floods and low flows with respect to inputs and attributes, too.
    truth : str
        Compare with the true response, synthetic basins only: of ``all`` scenarios, of the
        ``standard`` ones (preset ``martel``), or ``none``.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    out : path-like, optional
        Folder to write to.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``change`` (scenario, basin, statistic, member) and more.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    folder = analyse_sensitivity_into(
        runs,
        scenarios,
        period=period,
        data=data,
        basins=basins,
        statics=statics,
        physics=physics,
        gradients=gradients,
        truth=truth,
        scheduler=scheduler,
        device=device,
        out=out,
        allow_missing=allow_missing,
    )
    with xr.open_dataset(folder / "response.nc") as response:
        return response.load()


def analyse_sensitivity_into(
    runs: PathLike | Sequence[PathLike],
    scenarios: PathLike | Sequence[PathLike] = DEFAULT_SETS,
    *,
    period: str = "test",
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    statics: str = "auto",
    physics: Physics | None = None,
    gradients: bool = False,
    truth: Truth = "none",
    scheduler: str | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> Path:
    """Do what `analyse_sensitivity` does; return the folder written to."""
    sets = load_scenarios([scenarios] if isinstance(scenarios, str | Path) else scenarios)
    subject = open_subject(
        runs, period=period, data=data, basins=basins, device=device, allow_missing=allow_missing
    )
    folder = Path(out) if out is not None else subject.folder("sensitivity")
    require_replaceable(folder, mark="response.nc", what="a study of sensitivity")
    if gradients:
        require_alike(subject.runs)
    if truth != "none":
        require_synthetic(subject.dataset)
    members = open_members(subject.runs, subject.device)
    first = Study(sets, physics or Physics(), tuple(subject.basins), subject.numpy_days)
    studies = [replace(first, statics=s) for s in _statics(statics, members, subject.dataset)]
    for study in studies:
        require_study(members, subject.dataset, study)
    with atomic_path(folder) as scratch:
        scratch.mkdir()
        names = ["response.nc", "response_recomputed.nc"]
        seen = _training_range(subject)
        responses = [_respond(subject, members, s, seen, folder, scheduler) for s in studies]
        for response, name in zip(responses, names, strict=False):
            _write_netcdf(response, scratch / name)
        _write_tables(responses[0], scratch)
        if gradients:
            kept = _parts_folder(folder, first, subject) / "gradients"
            _write_gradients(subject, kept, scheduler, scratch / "gradients.nc")
        if truth != "none":
            known = (
                studies[0] if truth == "all" else replace(first, sets=load_scenarios(["martel"]))
            )
            kept = _parts_folder(folder, known, subject) / "truth"
            true = _truth(subject, known, kept, scheduler)
            _write_netcdf(true, scratch / "truth.nc")
            compare_with_truth(responses[0], true).to_csv(scratch / "truth.csv", index=False)
        (scratch / "scenarios.yaml").write_text(first.describe(), encoding="utf-8")
        draw_sensitivity(scratch)
    remove_parts(folder)
    return folder


def _statics(wanted: str, members: Sequence[Member], dataset: xr.Dataset) -> tuple[Statics, ...]:
    if wanted == "auto":
        return STATICS["held" if why_not_recomputed(*inputs_of(members), dataset) else "both"]
    if wanted not in STATICS:
        raise ConfigError(f"Unknown statics {wanted!r}.", nearest(wanted, ["auto", *STATICS]))
    return STATICS[wanted]


def _respond(
    subject: Subject,
    members: Sequence[Member],
    study: Study,
    training_range: TrainingRange | None,
    folder: Path,
    scheduler: str | None,
) -> xr.Dataset:
    """Compute one study; what an interrupted one has left is used."""
    inputs, _ = inputs_of(members)
    series = len(study.scenarios) * len(study.basins)
    with progress_bar(f"Climates, attributes {study.statics}", series, "series") as advance:
        numbers = respond_in_parts(
            subject.runs,
            subject.dataset,
            study,
            training_range,
            _parts_folder(folder, study, subject),
            subject.device,
            store=subject.store,
            scheduler=scheduler,
            on_progress=advance,
        )
    ceilings = [
        discharge_ceiling(m.model, m.scaler.target_mean, m.scaler.target_std) for m in members
    ]
    numbers["ceiling"] = (
        ("basin", "member"),
        np.tile(np.array(ceilings, dtype="float32"), (len(study.basins), 1)),
    )
    names = [m.name for m in members]
    told = provenance(subject.runs, subject.dataset)
    return lay_out(numbers, study, subject.dataset, members=names, inputs=inputs, attrs=told)


def _parts_folder(folder: Path, study: Study, subject: Subject) -> Path:
    return parts_folder(folder, study.mark(subject.runs, subject.dataset))


def _training_range(subject: Subject) -> TrainingRange | None:
    """Range of the first run's training days; None where its store is not there any more."""
    first = subject.runs[0]
    dataset = subject.dataset
    if not subject.same_store:
        try:
            dataset = open_store(first.facts().store)
        except HydromlError:
            return None
        if dataset.attrs["fingerprint"] != first.facts().fingerprint:
            return None
    scaler, config = first.scaler(), first.config()
    days = as_days(config.data.train)

    def read(some: Sequence[str]) -> NDArray[np.float32]:
        target = config.data.target
        return load_series(dataset, some, scaler.dynamic, (), days, lead=0, target=target).x_d

    with progress_bar("Weather of the training", 2 * len(scaler.basins), "basins") as advance:
        return TrainingRange.fit_in_parts(read, scaler.basins, scaler.dynamic, on_progress=advance)


def _write_tables(response: xr.Dataset, folder: Path) -> None:
    if has_grid(response):
        elasticities(response).to_csv(folder / "elasticity.csv", index=False)
    plausibility_table(response).to_csv(folder / "plausibility.csv")
    fields = plausibility_fields(response)
    _write_netcdf(fields, folder / "plausibility.nc")


def _write_gradients(subject: Subject, kept: Path, scheduler: str | None, path: Path) -> None:
    request = GradientRequest(basins=subject.basins, period=subject.numpy_days)
    total = len(subject.basins) * sum(len(run.member_names()) for run in subject.runs)
    with progress_bar("Gradients of floods and low flows", total, "basins") as advance:
        parts = gradients_in_parts(
            subject.runs,
            subject.dataset,
            request,
            kept,
            subject.device,
            store=subject.store,
            scheduler=scheduler,
            on_progress=advance,
        )
        write_rows(parts, path)


def _truth(subject: Subject, study: Study, kept: Path, scheduler: str | None) -> xr.Dataset:
    series = len(study.scenarios) * len(study.basins)
    with progress_bar("The true response", series, "series") as advance:
        numbers = truth_in_parts(
            subject.dataset,
            study,
            kept,
            store=subject.store,
            scheduler=scheduler,
            on_progress=advance,
        )
    return lay_out(
        numbers,
        study,
        subject.dataset,
        members=[TRUTH],
        inputs=[],
        attrs=provenance(subject.runs, subject.dataset),
    )


def _write_netcdf(dataset: xr.Dataset, path: Path) -> None:
    encoding = {
        name: {"zlib": True, "complevel": 1}
        for name, v in dataset.data_vars.items()
        if v.dtype.kind == "f" and v.ndim
    }
    dataset.to_netcdf(path, engine="netcdf4", encoding=encoding)
