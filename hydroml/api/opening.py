"""What an evaluation or a study is about: runs, their common period, a store, basins."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch
import xarray as xr

from hydroml.config import TrainConfig
from hydroml.data.series import Days, with_attributes
from hydroml.data.splits import Period, select_basins
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, RunError
from hydroml.evaluation.ensemble import require_ensemble
from hydroml.training.assemble import as_days
from hydroml.training.device import choose_device
from hydroml.training.rundir import RunDirectory

PathLike = Path | str


@dataclass(frozen=True)
class Subject:
    """Runs on a store, opened and checked against each other.

    Parameters
    ----------
    runs : list of RunDirectory
        One, or the members of an ensemble.
    dataset : xarray.Dataset
        The open store.
    store : pathlib.Path
        Its path.
    same_store : bool
        Whether the first run was trained on it.
    days : Period
        Common period.
    basins : list of str
        Gauge ids.
    device : torch.device
        Where to compute.
    """

    runs: list[RunDirectory]
    dataset: xr.Dataset
    store: Path
    same_store: bool
    days: Period
    basins: list[str]
    device: torch.device

    @property
    def numpy_days(self) -> Days:
        """First and last day as numpy days."""
        return as_days((self.days.start, self.days.end))

    @property
    def precision(self) -> str:
        """Precision of the first run; fp32 for fp16 without a GPU: it is scored anywhere."""
        precision = self.runs[0].config().precision
        return "fp32" if precision == "fp16" and self.device.type != "cuda" else precision

    def folder(self, label: str) -> Path:
        """Where results of that label are written by default."""
        return result_folder(self.runs, label, self.store, self.same_store)


def open_subject(
    runs: PathLike | Sequence[PathLike],
    *,
    period: str,
    data: PathLike | None,
    basins: str | Sequence[str] | None,
    device: str,
    allow_missing: bool,
) -> Subject:
    """Open runs and store, find period and basins; parameters are those of `api.evaluate`.

    Raises
    ------
    HydromlError
        What does not fit, with the remedy.
    """
    opened = open_runs(runs)
    require_ensemble(opened)
    first, where = opened[0], choose_device(device)
    days = _common_period(opened, period)
    path = Path(data) if data is not None else Path(first.facts().store)
    dataset = open_store(path)
    same_store = dataset.attrs["fingerprint"] == first.facts().fingerprint
    if data is None and not same_store:
        raise RunError(
            f"The store {path} has changed since the run {first.path} began.",
            f"Evaluate on it as on another store: --data {path}",
        )
    wanted = basins if basins is not None else first.scaler().basins if same_store else "all"
    chosen = select_basins(wanted, dataset, allow_missing=allow_missing)
    if allow_missing:
        for run in opened:
            chosen = with_attributes(dataset, chosen, run.scaler().static)
    days.require_inside(dataset)
    return Subject(opened, dataset, path, same_store, days, chosen, where)


def open_runs(runs: PathLike | Sequence[PathLike]) -> list[RunDirectory]:
    """Open one run directory, or several.

    Raises
    ------
    RunError
        None is given, or one is none.
    """
    paths = [runs] if isinstance(runs, str | Path) else list(runs)
    if not paths:
        raise RunError("No run is given.", "Give at least one folder that 'hydroml train' made.")
    return [RunDirectory.open(p) for p in paths]


def _common_period(runs: Sequence[RunDirectory], period: str) -> Period:
    first = named_period(runs[0].config(), period)
    for run in runs[1:]:
        other = named_period(run.config(), period)
        if other != first:
            raise RunError(
                f"The {period} period of {runs[0].path} is {first}, that of {run.path} {other}.",
                "Give dates all of them may be scored on: --period FROM..TO.",
            )
    return first


def result_folder(runs: Sequence[RunDirectory], label: str, store: Path, same_store: bool) -> Path:
    """Name the folder results are written to by default: the run, or a folder for the ensemble.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One, or the members of an ensemble.
    label : str
        Name of the folder within it, for example ``test``.
    store : pathlib.Path
        The store; its name is put before the label where it is another than the run's.
    same_store : bool
        Whether it is the run's.
    """
    label = label if same_store else f"{store.name.removesuffix('.zarr')}-{label}"
    return subject_folder([run.path for run in runs]) / label


def subject_folder(runs: Sequence[Path]) -> Path:
    """Folder of a run, or ``ensemble_of_<n>_<hash of names>`` beside the first of several."""
    if len(runs) == 1:
        return runs[0]
    names = " ".join(sorted(run.name for run in runs))
    mark = hashlib.sha256(names.encode()).hexdigest()[:6]  # other members, other folder
    return runs[0].parent / f"ensemble_of_{len(runs)}_{mark}"


def period_label(period: str) -> str:
    """Name of a period's folder."""
    return period.replace("..", "_")


def named_period(config: TrainConfig, period: str) -> Period:
    """Resolve ``train``, ``validation``, ``test`` or ``FROM..TO``.

    Raises
    ------
    ConfigError
        The run has no such period, or the dates cannot be read.
    """
    if ".." in period:
        return Period.parse(*period.split("..", 1))
    if period not in ("train", "validation", "test"):
        raise ConfigError(
            f"Unknown period {period!r}.",
            "Use train, validation, test or dates such as 1995-10-01..2000-09-30.",
        )
    dates: tuple[date, date] | None = getattr(config.data, period)
    if dates is None:
        raise ConfigError(
            f"The run has no {period} period.", "Give dates: --period 1981-10-01..1989-09-30."
        )
    return Period(*dates)
