"""The same jobs as the command line's, for Python: plain objects in and out."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from hydroml.config import TrainConfig, load_config
from hydroml.data.series import load_series, usable_inputs, with_attributes
from hydroml.data.splits import Period, select_basins
from hydroml.data.store import open_store, write_store
from hydroml.data.synthetic import STEPS, generate
from hydroml.errors import ConfigError, RunError, StoreError
from hydroml.evaluation.evaluate import require_replaceable, write_evaluation
from hydroml.evaluation.flow_duration import flavour_named
from hydroml.evaluation.metrics import score
from hydroml.evaluation.simulate import (
    LEAD_DAYS,
    Simulation,
    simulate_runs,
    validation_score,
)
from hydroml.progress import progress_bar
from hydroml.report.figures import draw_evaluation, draw_losses
from hydroml.training.assemble import Assembly, as_days, assemble, resolve_inputs
from hydroml.training.device import choose_device
from hydroml.training.estimate import Estimate, estimate_cost
from hydroml.training.fit import Interrupted, fit
from hydroml.training.progress import TrainingDisplay
from hydroml.training.rundir import RunDirectory, RunFacts
from hydroml.training.samples import days_around

PathLike = Path | str


def default_store() -> Path:
    """Name the store to use where none is given: ``HYDROML_DATA``, then ``data/store.zarr``."""
    return Path(os.environ.get("HYDROML_DATA", "data/store.zarr"))


@dataclass(frozen=True)
class PreparedRun:
    """A run directory with all that its training needs in memory."""

    run: RunDirectory
    dataset: xr.Dataset
    assembly: Assembly

    def fit(self) -> Path:
        """Train to the end, from the start or from where the run stopped; draw the losses.

        Raises
        ------
        hydroml.training.fit.Interrupted
            Ctrl-C; all is saved.
        """
        config = self.assembly.config
        validate = _validation(self.dataset, self.assembly)
        try:
            with TrainingDisplay(config.epochs) as display:
                fit(
                    self.assembly.model,
                    self.assembly.samples,
                    config,
                    self.run,
                    display,
                    validate=validate,
                )
        except Interrupted:
            self.run.log("interrupted; the state is saved")
            raise
        draw_losses(self.run.path, synthetic=self.run.facts().synthetic)
        self.run.log("finished")
        return self.run.path


def train(
    store: PathLike | None = None,
    basins: str | Sequence[str] = "all",
    *,
    config: TrainConfig | None = None,
    name: str | None = None,
    runs: PathLike = "runs",
    allow_missing: bool = False,
) -> Path:
    """Train a regional model.

    Parameters
    ----------
    store : path-like, optional
        Store to train on; see `default_store`.
    basins : str or sequence of str
        ``all``, a number, a file, ids with commas, or a list of ids.
    config : TrainConfig, optional
        From `hydroml.load_config`; the preset ``default`` without.
    name : str, optional
        Name of the run, by default ``<date>_<model>_<basins>_seed<seed>``.
    runs : path-like
        Folder of runs.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute, instead of refusing.

    Returns
    -------
    pathlib.Path
        The run directory.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    hydroml.training.fit.Interrupted
        Ctrl-C; the run can be resumed.
    """
    prepared = create_run(
        store, basins, config=config, name=name, runs=runs, allow_missing=allow_missing
    )
    return prepared.fit()


def resume(run: PathLike) -> Path:
    """Go on with an interrupted run; what comes out equals a run that was not interrupted.

    Raises
    ------
    RunError
        No such run, or its store has changed.
    """
    return reopen_run(run).fit()


def create_run(
    store: PathLike | None = None,
    basins: str | Sequence[str] = "all",
    *,
    config: TrainConfig | None = None,
    name: str | None = None,
    runs: PathLike = "runs",
    allow_missing: bool = False,
) -> PreparedRun:
    """Make the run directory of a run that has not taken its first step; see `train`."""
    config = config or load_config()
    if name is not None:
        require_free(Path(runs), name)
    path = Path(store) if store is not None else default_store()
    dataset, assembly = prepare_run(config, path, basins, allow_missing)
    label = basins if isinstance(basins, str) and basins.isalnum() else None
    facts = RunFacts(
        store=str(path.resolve()),
        fingerprint=dataset.attrs["fingerprint"],
        synthetic=bool(dataset.attrs["synthetic"]),
        basins=label or str(len(assembly.scaler.basins)),
        forcing=str(dataset.attrs["forcing"]),
    )
    target = _run_path(Path(runs), name, config, facts.basins)
    run = RunDirectory.create(target, assembly.config, facts, assembly.scaler)
    run.log(f"{config.model.name} on {len(assembly.scaler.basins)} basins of {path}")
    return PreparedRun(run, dataset, assembly)


def reopen_run(run: PathLike) -> PreparedRun:
    """Load what an interrupted run needs to go on; see `resume`."""
    opened = RunDirectory.open(run)
    config, facts, scaler = opened.config(), opened.facts(), opened.scaler()
    dataset = open_store(facts.store)
    if dataset.attrs["fingerprint"] != facts.fingerprint:
        raise RunError(
            f"The store {facts.store} has changed since the run {opened.path} began.",
            "Bring the old store back, or train anew.",
        )
    assembly = assemble(config, dataset, scaler.basins, choose_device(config.device))
    opened.log("resumed")
    return PreparedRun(opened, dataset, assembly)


def synthesise(store: PathLike, *, basins: int = 531, years: int = 20, seed: int = 0) -> Path:
    """Write a synthetic store; see `hydroml.data.synthetic`."""
    with progress_bar("Drawing basins", STEPS, "steps") as advance:
        dataset = generate(basins=basins, years=years, seed=seed, on_progress=advance)
    return write_store(dataset, store)


def plan(
    config: TrainConfig, store: PathLike | None, basins: str | Sequence[str], allow_missing: bool
) -> tuple[Assembly, Estimate]:
    """Do what `train` does before its first step, and estimate the cost of the rest."""
    path = Path(store) if store is not None else default_store()
    _, assembly = prepare_run(config, path, basins, allow_missing)
    return assembly, estimate_cost(assembly)


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
        another store, and ``<runs>/ensemble_<first>_<n>/<period>`` for several runs.
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
    table = write_evaluation(folder, simulations, flavour)
    draw_evaluation(folder)
    return table, folder


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
    return first.parent / f"ensemble_{first.name}_{len(runs)}" / label


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


def prepare_run(
    config: TrainConfig, path: Path, basins: str | Sequence[str], allow_missing: bool
) -> tuple[xr.Dataset, Assembly]:
    """Open the store, check periods and basins, load and scale."""
    device = choose_device(config.device)
    dataset = open_store(path)
    chosen = select_basins(basins, dataset, allow_missing=allow_missing)
    config = resolve_inputs(config, dataset)
    if allow_missing:
        chosen = with_attributes(dataset, chosen, config.data.static)
    for name in ("train", "validation"):
        dates = getattr(config.data, name)
        if dates is not None:
            _require_period(Period(*dates), dataset, name)
    return dataset, assemble(config, dataset, chosen, device)


def _require_period(period: Period, dataset: xr.Dataset, name: str) -> None:
    try:
        period.require_inside(dataset)
    except StoreError as error:
        raise StoreError(
            f"The {name} period does not fit the store. {error.message}",
            f"Choose dates with --set data.{name}=FROM..TO.",
        ) from None


def _validation(
    dataset: xr.Dataset, assembly: Assembly
) -> Callable[[torch.nn.Module], float] | None:
    config, scaler = assembly.config, assembly.scaler
    if config.data.validation is None:
        return None
    _, _, memory = days_around(config.sampling)
    series = load_series(
        dataset,
        scaler.basins,
        scaler.dynamic,
        scaler.static,
        as_days(config.data.validation),
        lead=max(LEAD_DAYS, memory),
        target=config.data.target,
    )
    usable = usable_inputs(series.x_d, memory)
    device = assembly.samples.resident.x_d.device
    return validation_score(scaler, series, usable, device, _median_nse)


def _median_nse(observed: Any, simulated: Any) -> float:
    axes = {dim: np.arange(n) for dim, n in zip(("basin", "time"), observed.shape, strict=True)}
    scores = score(xr.DataArray(observed, axes), xr.DataArray(simulated, axes))
    return float(scores["NSE"].median())


def require_free(runs: PathLike, name: str) -> Path:
    """Path of a new run of that name.

    Raises
    ------
    ConfigError
        The name is a path.
    RunError
        There is such a run already.
    """
    if name in ("", ".", "..") or Path(name).name != name:
        raise ConfigError(
            f"{name!r} is no name of a run.", "Give a plain name, and its folder with --runs."
        )
    return RunDirectory.require_free(Path(runs) / name)


def _run_path(folder: Path, name: str | None, config: TrainConfig, label: str) -> Path:
    if name is not None:
        return require_free(folder, name)
    stem = f"{date.today():%Y-%m-%d}_{config.model.name}_{label}_seed{config.seed}"
    path, number = folder / stem, 2
    while path.exists():
        path, number = folder / f"{stem}-{number}", number + 1
    return path
