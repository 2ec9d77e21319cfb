"""Evaluation from Python: scores, files and figures of one run or an ensemble."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hydroml.api.opening import PathLike, open_subject, period_label
from hydroml.api.realism import teach_reader, write_realism
from hydroml.data.splits import Period
from hydroml.evaluation.ensemble import mark_of
from hydroml.evaluation.evaluate import require_replaceable, write_evaluation
from hydroml.evaluation.flow_duration import flavour_named
from hydroml.evaluation.parts import parts_folder, remove_parts
from hydroml.evaluation.simulate import Simulation
from hydroml.evaluation.spread import simulate_in_parts
from hydroml.progress import progress_bar
from hydroml.report.figures import draw_evaluation
from hydroml.training.rundir import RunDirectory


def evaluate(
    runs: PathLike | Sequence[PathLike],
    *,
    period: str = "test",
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    mode: str = "continuous",
    flavour: str = "kratzert2019",
    device: str = "auto",
    scheduler: str | None = None,
    out: PathLike | None = None,
    allow_missing: bool = False,
    realism: bool = False,
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
    scheduler : str, optional
        Address of a Dask scheduler whose workers see runs and store.
    out : path-like, optional
        Folder to write to, by default ``<run>/<period>``, ``<run>/<store>-<period>`` for
        another store, and ``<runs>/ensemble_of_<n>_<hash of names>/<period>`` for several.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute.
    realism : bool
        Also measure whether simulated years look like real ones, whatever their dates: the
        Frechet hydrograph distance, in ``realism.json`` and ``realism.png``.

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
        scheduler=scheduler,
        out=out,
        allow_missing=allow_missing,
        realism=realism,
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
    scheduler: str | None = None,
    out: PathLike | None = None,
    allow_missing: bool = False,
    realism: bool = False,
) -> tuple[pd.DataFrame, Path]:
    """Do what `evaluate` does; return the table and the folder written to.

    Basins are simulated and scored part by part. What an interrupted evaluation of many basins
    has done is kept, and used when it is called again.
    """
    flavour_named(flavour)
    subject = open_subject(
        runs, period=period, data=data, basins=basins, device=device, allow_missing=allow_missing
    )
    folder = Path(out) if out is not None else subject.folder(period_label(period))
    require_replaceable(folder)
    reader = teach_reader(subject) if realism else None
    opened, days = subject.runs, subject.days
    request = Simulation(subject.basins, subject.numpy_days, mode, subject.precision)
    kept = parts_folder(folder, mark_of(opened, subject.dataset, [repr(request)]))
    notes = _notes(opened, days, subject.same_store)
    members = sum(len(run.member_names()) for run in opened)
    with progress_bar("Simulating", len(subject.basins) * members, "basins") as advance:
        parts = simulate_in_parts(
            opened,
            subject.dataset,
            request,
            subject.device,
            kept,
            store=subject.store,
            scheduler=scheduler,
            on_progress=advance,
        )
        table = write_evaluation(folder, parts, flavour, notes)
    remove_parts(folder)
    draw_evaluation(folder)
    if reader is not None:
        write_realism(folder, reader)
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
