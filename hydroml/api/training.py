"""Training from Python: make a run, resume one, or say what it would cost."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from hydroml.atomic import sweep_leftovers
from hydroml.config import TrainConfig, load_config
from hydroml.data.series import load_series, usable_inputs, with_attributes
from hydroml.data.splits import Period, select_basins
from hydroml.data.store import open_store
from hydroml.data.synthetic import write_synthetic
from hydroml.errors import ConfigError, DeviceError, RunError, StoreError
from hydroml.evaluation.metrics import score
from hydroml.evaluation.simulate import LEAD_DAYS, validation_score
from hydroml.interop.adopt import IMPORTED
from hydroml.progress import progress_bar
from hydroml.report.figures import draw_losses
from hydroml.training.assemble import Assembly, as_days, assemble, resolve_inputs
from hydroml.training.device import choose_device
from hydroml.training.estimate import Estimate, estimate_cost
from hydroml.training.fit import Interrupted, fit
from hydroml.training.notes import headline, training_notes
from hydroml.training.processes import ALONE, Processes, joined_processes
from hydroml.training.progress import Silence, TrainingDisplay
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
    processes: Processes = ALONE

    def fit(self) -> Path:
        """Train to the end, from the start or from where the run stopped; draw the losses.

        Raises
        ------
        RunError
            Another process is training this run.
        hydroml.training.fit.Interrupted
            Ctrl-C; all is saved.
        """
        with self.run.held() if self.processes.first else nullcontext():
            return self._fit()

    def _fit(self) -> Path:
        config, first = self.assembly.config, self.processes.first
        if first:
            sweep_leftovers(self.run.path)  # of a process that was killed while it wrote
        try:
            with TrainingDisplay(config.epochs) if first else Silence() as listener:
                fit(
                    self.assembly.models,
                    self.assembly.samples,
                    config,
                    self.run,
                    listener,
                    validate=_validation(self.dataset, self.assembly) if first else None,
                    processes=self.processes,
                )
        except Interrupted:
            self._log("interrupted; the state is saved")
            raise
        except torch.cuda.OutOfMemoryError as error:
            raise DeviceError(
                f"The GPU ran out of memory: {str(error).splitlines()[0]}",
                "Train with a smaller --set optimizer.batch_size or --set model.hidden, "
                "with fewer seeds at once, or with --device cpu.",
            ) from error
        if first:
            draw_losses(self.run.path, synthetic=self.run.facts().synthetic)
        self._log("finished")
        return self.run.path

    def _log(self, text: str) -> None:
        if self.processes.first:
            self.run.log(text)


@contextmanager
def started_processes(device: str) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started beside this one; alone without it.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """
    with joined_processes(choose_device(device)) as processes:
        yield processes


def train(
    store: PathLike | None = None,
    basins: str | Sequence[str] = "all",
    *,
    config: TrainConfig | None = None,
    name: str | None = None,
    runs: PathLike = "runs",
    allow_missing: bool = False,
) -> Path:
    """Train a regional model, or several at once that differ in their seeds.

    In a script that ``torchrun`` starts, all its processes train together.

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
    config = config or load_config()
    with started_processes(config.device) as processes:
        prepared = create_run(
            store,
            basins,
            config=config,
            name=name,
            runs=runs,
            allow_missing=allow_missing,
            processes=processes,
        )
        return prepared.fit()


def resume(run: PathLike) -> Path:
    """Go on with an interrupted run; what comes out equals a run that was not interrupted.

    Raises
    ------
    RunError
        No such run, or its store has changed.
    """
    with started_processes(device_of(run)) as processes:
        return reopen_run(run, processes).fit()


def create_run(
    store: PathLike | None = None,
    basins: str | Sequence[str] = "all",
    *,
    config: TrainConfig | None = None,
    name: str | None = None,
    runs: PathLike = "runs",
    allow_missing: bool = False,
    processes: Processes = ALONE,
) -> PreparedRun:
    """Make the run directory of a run that has not taken its first step; see `train`.

    The first of several processes makes it; all of them load the data.
    """
    config = config or load_config()
    if name is not None:
        require_free(Path(runs), name)
    path = Path(store) if store is not None else default_store()
    dataset, assembly = prepare_run(config, path, basins, allow_missing, processes)
    label = basins if isinstance(basins, str) and basins.isalnum() else None
    facts = RunFacts(
        store=str(path.resolve()),
        fingerprint=dataset.attrs["fingerprint"],
        synthetic=bool(dataset.attrs["synthetic"]),
        basins=label or str(len(assembly.scaler.basins)),
        forcing=str(dataset.attrs["forcing"]),
    )
    made = ""
    if processes.first:
        target = _run_path(Path(runs), name, config, facts.basins)
        run = RunDirectory.create(target, assembly.config, facts, assembly.scaler)
        for message in messages(dataset, assembly):
            run.log(message)
        made = str(run.path)
    return PreparedRun(RunDirectory(Path(processes.tell(made))), dataset, assembly, processes)


def device_of(run: PathLike) -> str:
    """Name of the device a run is configured for."""
    return RunDirectory.open(run).config().device


def messages(dataset: xr.Dataset, assembly: Assembly) -> list[str]:
    """Say what is trained on what, then what may be a mistake."""
    config, samples = assembly.config, assembly.samples
    return [headline(config, assembly.scaler, samples), *training_notes(dataset, config, samples)]


def reopen_run(run: PathLike, processes: Processes = ALONE) -> PreparedRun:
    """Load what an interrupted run needs to go on; see `resume`."""
    opened = RunDirectory.open(run)
    if (opened.path / IMPORTED).is_file():
        raise RunError(
            f"{opened.path} was imported: its training is not hydroml's to go on with.",
            f"Evaluate it, or train anew: hydroml train --config {opened.path / 'config.yaml'}",
        )
    config, facts, scaler = opened.config(), opened.facts(), opened.scaler()
    dataset = open_store(facts.store)
    if dataset.attrs["fingerprint"] != facts.fingerprint:
        raise RunError(
            f"The store {facts.store} has changed since the run {opened.path} began.",
            "Bring the old store back, or train anew.",
        )
    assembly = assemble(config, dataset, scaler.basins, choose_device(config.device), processes)
    if processes.first:
        opened.log("resumed")
    return PreparedRun(opened, dataset, assembly, processes)


def synthesise(store: PathLike, *, basins: int = 531, years: int = 20, seed: int = 0) -> Path:
    """Write a synthetic store; see `hydroml.data.synthetic`."""
    with progress_bar("Drawing basins", basins, "basins") as advance:
        return write_synthetic(store, basins, years, seed, on_progress=advance)


def plan(
    config: TrainConfig, store: PathLike | None, basins: str | Sequence[str], allow_missing: bool
) -> tuple[Assembly, Estimate, list[str]]:
    """Do what `train` does before its first step, and estimate the cost of the rest.

    Returns
    -------
    assembly : Assembly
        What would be trained.
    cost : Estimate
        From a few real batches.
    messages : list of str
        The store, what is trained on it, and notes.
    """
    path = Path(store) if store is not None else default_store()
    dataset, assembly = prepare_run(config, path, basins, allow_missing)
    days = dataset["time"].values
    found = (
        f"{path}: {'SYNTHETIC, ' if dataset.attrs['synthetic'] else ''}"
        f"{dataset.sizes['basin']} basins, forcing {dataset.attrs['forcing']}, "
        f"{str(days[0])[:10]} to {str(days[-1])[:10]}"
    )
    return assembly, estimate_cost(assembly), [found, *messages(dataset, assembly)]


def prepare_run(
    config: TrainConfig,
    path: Path,
    basins: str | Sequence[str],
    allow_missing: bool,
    processes: Processes = ALONE,
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
    return dataset, assemble(config, dataset, chosen, device, processes)


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
    return validation_score(scaler, series, usable, assembly.samples.device, _median_nse)


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
    seeds = config.seed
    mark = f"seed{seeds[0]}" if len(seeds) == 1 else f"{len(seeds)}seeds"
    stem = f"{date.today():%Y-%m-%d}_{config.model.name}_{label}_{mark}"
    path, number = folder / stem, 2
    while path.exists():
        path, number = folder / f"{stem}-{number}", number + 1
    return path
