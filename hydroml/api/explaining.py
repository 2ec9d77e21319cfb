"""Explanation from Python: which days and which inputs made a flow."""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from hydroml.api.opening import PathLike, Subject, open_subject
from hydroml.atomic import atomic_path
from hydroml.data.splits import Period
from hydroml.errors import ConfigError
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.explanation.event import EVENTS, choose_event
from hydroml.explanation.flow import explain_flow, require_methods
from hydroml.explanation.tables import day_table, summarise
from hydroml.explanation.window import Question
from hydroml.progress import progress_bar
from hydroml.report.explanation import draw_explanation


def explain(
    runs: PathLike | Sequence[PathLike],
    basin: str,
    *,
    date: str | None = None,
    event: str | None = None,
    methods: Sequence[str] = ("ig", "lrp"),
    days: int = 365,
    baseline: str = "dry-season",
    period: str = "test",
    data: PathLike | None = None,
    device: str = "auto",
    out: PathLike | None = None,
) -> xr.Dataset:
    """Explain the simulated flow of one day by the weather of the days before it.

    Writes ``explanation.nc``, ``days.csv``, ``summary.json`` and ``explanation.png``.

    Parameters
    ----------
    runs : path-like or sequence of path-like
        Run directories; members of several are averaged, and their spread is told.
    basin : str
        Gauge id; any basin of the store, seen in training or not.
    date : str, optional
        The day, for example ``1996-01-19``.
    event : str, optional
        ``peak`` or ``low`` instead of a date: the highest or lowest flow of `period` that was
        both observed and simulated, see `hydroml.explanation.event.EVENTS`.
    methods : sequence of str
        ``ig`` (integrated gradients), ``lrp`` (relevance propagation), ``occlusion``.
    days : int
        Days told one by one, the day itself included, at least 2; what was before is one sum.
    baseline : str
        The weather compared with: ``dry-season``, ``season``, ``dry`` or ``mean``.
    period : str
        Where `event` is looked for: ``test``, ``validation``, ``train`` or ``FROM..TO``.
    data : path-like, optional
        Another store than the run's.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    out : path-like, optional
        Folder to write to, by default ``<run>/explain/<basin>_<date>``.

    Returns
    -------
    xarray.Dataset
        As `hydroml.explanation.flow.explain_flow` describes.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    found, _ = explain_into(
        runs, basin, date=date, event=event, methods=methods, days=days, baseline=baseline,
        period=period, data=data, device=device, out=out,
    )  # fmt: skip
    return found


def explain_into(
    runs: PathLike | Sequence[PathLike],
    basin: str,
    *,
    date: str | None = None,
    event: str | None = None,
    methods: Sequence[str] = ("ig", "lrp"),
    days: int = 365,
    baseline: str = "dry-season",
    period: str = "test",
    data: PathLike | None = None,
    device: str = "auto",
    out: PathLike | None = None,
) -> tuple[xr.Dataset, Path]:
    """Do what `explain` does; return the explanation and the folder written to."""
    if (date is None) == (event is None):
        raise ConfigError(
            "Say which flow to explain: a date, or an event, and not both.",
            "Give --date 1996-01-19, or --event peak, or --event low.",
        )
    require_methods(methods)
    chosen = Period.parse(date, date) if date is not None else None
    subject = open_subject(
        runs,
        period=f"{chosen.start}..{chosen.end}" if chosen is not None else period,
        data=data,
        basins=[basin],
        device=device,
        allow_missing=False,
    )
    day = chosen.start if chosen is not None else _day_of(str(event), subject)
    question = Question(subject.basins[0], day, days, baseline)
    members = sum(len(run.member_names()) for run in subject.runs)
    with progress_bar("Explaining", len(set(methods)) * members, "methods") as advance:
        found = explain_flow(
            subject.runs, subject.dataset, question, methods, subject.device, on_progress=advance
        )
    if event is not None:
        found.attrs |= {"event": event, "event_meaning": f"{EVENTS[event][1]}, {subject.days}"}
    folder = Path(out) if out is not None else subject.folder("explain") / f"{basin}_{day}"
    _write(found, folder)
    draw_explanation(found, folder / "explanation.png")
    return found, folder


def _day_of(event: str, subject: Subject) -> datetime.date:
    request = Simulation(subject.basins, subject.numpy_days, precision=subject.precision)
    simulated = simulate_runs(subject.runs, subject.dataset, request, subject.device)
    flow = simulated["qsim"]
    flow = flow.mean("member") if "member" in flow.dims else flow
    place = choose_event(event, simulated["qobs"].values[0], flow.values[0])
    day: datetime.date = simulated["time"].values[place].astype("datetime64[D]").item()
    return day


def _write(found: xr.Dataset, folder: Path) -> None:
    with atomic_path(folder / "explanation.nc") as scratch:
        found.to_netcdf(scratch, engine="netcdf4")
    with atomic_path(folder / "days.csv") as scratch:
        day_table(found).to_csv(scratch, float_format="%.6g")
    with atomic_path(folder / "summary.json") as scratch:
        scratch.write_text(json.dumps(summarise(found), indent=1), encoding="utf-8")
