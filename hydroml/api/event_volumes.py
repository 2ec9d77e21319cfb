"""Event volumes from Python: how much of a flood's volume each day's weather made."""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from hydroml.api.opening import PathLike, Subject, open_subject
from hydroml.atomic import atomic_path
from hydroml.data.series import Days
from hydroml.data.splits import Period
from hydroml.errors import ConfigError
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.explanation.event import choose_event
from hydroml.explanation.event_table import summarise_volume, volume_table
from hydroml.explanation.event_volume import LONGEST, event_around, share_out_volume
from hydroml.explanation.window import Question
from hydroml.progress import progress_bar
from hydroml.report.event_volume import draw_event_volume


def explain_volume(
    runs: PathLike | Sequence[PathLike],
    basin: str,
    *,
    date: str | None = None,
    event_days: str | None = None,
    days: int = 365,
    period: str = "test",
    data: PathLike | None = None,
    device: str = "auto",
    out: PathLike | None = None,
) -> xr.Dataset:
    """Share out the simulated volume of a flood to the days of its weather, as RUDDER does.

    A day gets what its weather added to the volume that was to be expected; what was expected
    before the first day is told, too, and all of it sums to the event's volume. Writes
    ``event_volume.nc``, ``event_volume.csv``, ``event_volume.json`` and ``event_volume.png``.

    Parameters
    ----------
    runs : path-like or sequence of path-like
        Run directories; members of several are averaged, and their spread is told.
    basin : str
        Gauge id; any basin of the store, seen in training or not.
    date : str, optional
        Day of the flood's peak, for example ``1996-01-19``; by default the flood of `period` that
        is largest in both observed and simulated flow.
    event_days : str, optional
        ``FROM..TO``, the days whose flow is summed up; by default those in a row around the peak
        with at least a quarter of its flow.
    days : int
        Days told one by one, up to the event's last.
    period : str
        Where the largest flood is looked for: ``test``, ``validation``, ``train`` or ``FROM..TO``.
    data : path-like, optional
        Another store than the run's.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    out : path-like, optional
        Folder to write to, by default ``<run>/explain/<basin>_<peak>``.

    Returns
    -------
    xarray.Dataset
        As `hydroml.explanation.event_volume.share_out_volume` describes.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    found, _ = explain_volume_into(
        runs, basin, date=date, event_days=event_days, days=days, period=period, data=data,
        device=device, out=out,
    )  # fmt: skip
    return found


def explain_volume_into(
    runs: PathLike | Sequence[PathLike],
    basin: str,
    *,
    date: str | None = None,
    event_days: str | None = None,
    days: int = 365,
    period: str = "test",
    data: PathLike | None = None,
    device: str = "auto",
    out: PathLike | None = None,
) -> tuple[xr.Dataset, Path]:
    """Do what `explain_volume` does; return the result and the folder written to."""
    wanted = None if event_days is None else _period(event_days)
    given = None if date is None else Period.parse(date, date)
    subject = open_subject(
        runs,
        period=period if given is None else f"{given.start}..{given.end}",
        data=data,
        basins=[basin],
        device=device,
        allow_missing=False,
    )
    peak, event = _event(subject, given, wanted)
    question = Question(subject.basins[0], event.end, days)
    members = sum(len(run.member_names()) for run in subject.runs)
    with progress_bar("Redistributing", members, "members") as advance:
        found = share_out_volume(
            subject.runs, subject.dataset, event, question, subject.device, on_progress=advance
        )
    found.attrs["peak"] = str(peak)
    folder = Path(out) if out is not None else subject.folder("explain") / f"{basin}_{peak}"
    _write(found, folder)
    draw_event_volume(found, folder / "event_volume.png")
    return found, folder


def _period(text: str) -> Period:
    start, dots, end = text.partition("..")
    if not dots:
        raise ConfigError(
            f"{text!r} names no days of an event.", "Give FROM..TO: 1996-01-17..1996-01-25."
        )
    return Period.parse(start, end)


def _event(
    subject: Subject, given: Period | None, wanted: Period | None
) -> tuple[datetime.date, Period]:
    """Find the day of the peak, and the days of the event."""
    days = subject.numpy_days if given is None else _around(given.start, subject.dataset)
    request = Simulation(subject.basins, days, precision=subject.precision)
    simulated = simulate_runs(subject.runs, subject.dataset, request, subject.device)
    flow = simulated["qsim"]
    flow = (flow.mean("member") if "member" in flow.dims else flow).values[0]
    time = simulated["time"].values.astype("datetime64[D]")
    if given is None:
        place = choose_event("peak", simulated["qobs"].values[0], flow)
    else:
        place = int(np.flatnonzero(time == np.datetime64(given.start))[0])
    peak: datetime.date = time[place].item()
    if wanted is None:
        inside = event_around(flow, place)
        wanted = Period(time[inside.start].item(), time[inside.stop - 1].item())
    elif not wanted.start <= peak <= wanted.end:
        raise ConfigError(
            f"The event {wanted} does not hold its peak, {peak}.",
            "Give days that do, or name the peak with --date.",
        )
    wanted.require_inside(subject.dataset)
    return peak, wanted


def _around(day: datetime.date, dataset: xr.Dataset) -> Days:
    """Days to simulate around a peak that is given, as far as the store goes."""
    time = dataset["time"].values.astype("datetime64[D]")
    reach, at = np.timedelta64(LONGEST, "D"), np.datetime64(day)
    return max(time[0], at - reach), min(time[-1], at + reach)


def _write(found: xr.Dataset, folder: Path) -> None:
    with atomic_path(folder / "event_volume.nc") as scratch:
        found.to_netcdf(scratch, engine="netcdf4")
    with atomic_path(folder / "event_volume.csv") as scratch:
        volume_table(found).to_csv(scratch, float_format="%.6g")
    with atomic_path(folder / "event_volume.json") as scratch:
        scratch.write_text(json.dumps(summarise_volume(found), indent=1), encoding="utf-8")
