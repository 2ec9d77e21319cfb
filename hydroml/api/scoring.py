"""Evaluation from Python: scores, files and figures of one run or an ensemble."""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from hydroml.config import TrainConfig
from hydroml.data.series import with_attributes
from hydroml.data.splits import Period, select_basins
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, RunError
from hydroml.evaluation.evaluate import require_replaceable, write_evaluation
from hydroml.evaluation.flow_duration import flavour_named
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.progress import progress_bar
from hydroml.report.figures import draw_evaluation
from hydroml.training.assemble import as_days
from hydroml.training.device import choose_device
from hydroml.training.rundir import RunDirectory

PathLike = Path | str


def evaluate(
    runs: PathLike | Sequence[PathLike],
    *,
    period: str = "test",
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    mode: str = "continuous",
    flavour: str = "kratzert2019",
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> pd.DataFrame:
    """Score a run, or several as an ensemble, basin by basin; write files and figures.

    See `evaluate_into` for where they are written.

    Parameters
    ----------
    runs : path-like or sequence of path-like
        Run directories; several are an ensemble whose mean discharge is scored.
    period : str
        ``train``, ``validation``, ``test`` (as configured) or ``FROM..TO``.
    data : path-like, optional
        Another store than the run's; all its basins are scored unless `basins` says which.
    basins : str or sequence of str, optional
        By default the run's own.
    mode : str
        ``continuous``: one pass, state carried; ``windowed``: the paper's protocol.
    flavour : str
        Flow-duration metrics of ``kratzert2019`` or ``neuralhydrology``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    out : path-like, optional
        Folder to write to, by default ``<run>/<period>``, ``<run>/<store>-<period>`` for
        another store, and ``<runs>/ensemble_of_<n>_<hash of names>/<period>`` for several.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute.

    Returns
    -------
    pandas.DataFrame
        Scores, index ``gauge_id``.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    table, _ = evaluate_into(
        runs,
        period=period,
        data=data,
        basins=basins,
        mode=mode,
        flavour=flavour,
        device=device,
        out=out,
        allow_missing=allow_missing,
    )
    return table


def evaluate_into(
    runs: PathLike | Sequence[PathLike],
    *,
    period: str = "test",
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    mode: str = "continuous",
    flavour: str = "kratzert2019",
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> tuple[pd.DataFrame, Path]:
    """Do what `evaluate` does; return the table and the folder written to."""
    opened = _open_runs(runs)
    first, where = opened[0], choose_device(device)
    flavour_named(flavour)
    days = _common_period(opened, period)
    path = Path(data) if data is not None else Path(first.facts().store)
    dataset = open_store(path)
    same_store = dataset.attrs["fingerprint"] == first.facts().fingerprint
    if data is None and not same_store:
        raise RunError(
            f"The store {path} has changed since the run {first.path} began.",
            f"Evaluate on it as on another store: --data {path}",
        )
    folder = Path(out) if out is not None else evaluation_folder(opened, period, path, same_store)
    require_replaceable(folder)
    wanted = basins if basins is not None else first.scaler().basins if same_store else "all"
    chosen = select_basins(wanted, dataset, allow_missing=allow_missing)
    if allow_missing:
        for run in opened:
            chosen = with_attributes(dataset, chosen, run.scaler().static)
    days.require_inside(dataset)
    precision = first.config().precision
    if precision == "fp16" and where.type != "cuda":
        precision = "fp32"  # weights are kept in fp32: a run from a GPU is scored anywhere
    request = Simulation(chosen, as_days((days.start, days.end)), mode, precision)
    with progress_bar("Simulating", len(chosen) * len(opened), "basins") as advance:
        simulations = simulate_runs(opened, dataset, request, where, on_progress=advance)
    table = write_evaluation(folder, simulations, flavour, _notes(opened, days, same_store))
    draw_evaluation(folder)
    return table, folder


def _notes(runs: Sequence[RunDirectory], days: Period, same_store: bool) -> list[str]:
    """Collect what a reader of the scores has to know beside them."""
    notes = []
    for run in runs:
        config, done = run.config(), run.finished_epochs()
        if done < config.epochs:
            notes.append(f"{run.path.name} has finished {done} of {config.epochs} epochs")
        learned = Period(*config.data.train)
        if same_store and days.start <= learned.end and learned.start <= days.end:
            notes.append(f"{run.path.name} was trained on days of this period ({learned})")
    return notes


def _open_runs(runs: PathLike | Sequence[PathLike]) -> list[RunDirectory]:
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


def evaluation_folder(
    runs: Sequence[RunDirectory], period: str, store: Path, same_store: bool
) -> Path:
    """Where an evaluation is written by default."""
    label = period.replace("..", "_")
    label = label if same_store else f"{store.name.removesuffix('.zarr')}-{label}"
    first = runs[0].path
    if len(runs) == 1:
        return first / label
    names = " ".join(sorted(run.path.name for run in runs))
    mark = hashlib.sha256(names.encode()).hexdigest()[:6]  # other members, other folder
    return first.parent / f"ensemble_of_{len(runs)}_{mark}" / label


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
