"""Which day's weather made an event's volume: RUDDER's redistribution, [mm] a day.

With g_t the volume to be expected when the weather of t days is known
(`hydroml.explanation.expectation`), the day t gets ``g_t - g_(t-1)``: what its weather added to the
expectation, or took from it. The days and what was expected before them sum to the event's volume.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.splits import Period
from hydroml.errors import ConfigError
from hydroml.evaluation.ensemble import require_ensemble, result_header
from hydroml.explanation.expectation import expected_volumes, other_years
from hydroml.explanation.flow import require_same_inputs
from hydroml.explanation.layout import coordinates_of, forcing_of, gauge_name
from hydroml.explanation.window import Question, Weather, Window, open_windows
from hydroml.progress import Advance, silent
from hydroml.toolkit.credit.rudder import redistribute
from hydroml.training.cores import every_core
from hydroml.training.device import flushed_denormals
from hydroml.training.rundir import RunDirectory

SHARE = 0.25
"""Part of the peak that flow must keep for a day to belong to the event."""
LONGEST = 60
"""Most days of an event before and after its peak."""

_VOLUME = {"units": "mm"}


def event_around(flow: NDArray[np.floating], peak: int) -> slice:
    """Find the days in a row around a peak on which flow is at least a quarter of it.

    Parameters
    ----------
    flow : ndarray
        Daily flow [mm d-1], (T,); a missing day ends the event.
    peak : int
        Place of the peak.

    Returns
    -------
    slice
        At most 60 days to either side.

    Examples
    --------
    >>> event_around(np.array([1.0, 1.0, 8.0, 3.0, 2.0, 1.0]), 2)
    slice(2, 5, None)
    """
    inside = flow >= SHARE * flow[peak]
    start = stop = peak
    while start > max(0, peak - LONGEST) and inside[start - 1]:
        start -= 1
    while stop < min(len(flow) - 1, peak + LONGEST) and inside[stop + 1]:
        stop += 1
    return slice(start, stop + 1)


def share_out_volume(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    event: Period,
    question: Question,
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Share out an event's volume to the days of its weather, by every member.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or several with the same daily inputs.
    dataset : xarray.Dataset
        An open store.
    event : Period
        Days whose flow is summed up.
    question : Question
        Basin and window; its day is the event's last. The baseline is not used.
    device : torch.device
        Where to compute.
    on_progress : callable
        Told of the members done.

    Returns
    -------
    xarray.Dataset
        ``credit`` (member, time) [mm], what each day's weather added; ``before`` (member) [mm],
        the volume expected before the window; their sum is ``volume`` (member) [mm], simulated.
        ``expected`` and ``expected_sd`` (member, time) [mm]: mean and standard deviation, over
        other years' weather, of the volume once the day's weather is known. ``qobs`` (time) and
        ``qsim`` (member, time) [mm d-1], ``in_event`` (time), ``forcing`` (time, input).
        Simulated flow is not clipped at 0.

    Raises
    ------
    ConfigError
        The event is longer than the window.
    RunError
        Runs of other inputs, targets or the same name, or without weights.
    StoreError
        The store lacks what the runs need, or has no other years.
    """
    days = event.days
    if days > question.days:
        raise ConfigError(
            f"The event has {days} days, the window before its end {question.days}.",
            f"Give --days {days} or more.",
        )
    require_ensemble(runs)
    require_same_inputs(runs)
    weather, windows = open_windows(runs, dataset, question, device)
    futures = _futures(runs, dataset, question.basin, weather)

    def of_member(job: tuple[Window, torch.Tensor]) -> tuple[NDArray[np.float64], ...]:
        with flushed_denormals():
            found = _share_out(*job, days)
        on_progress(1)
        return found

    with every_core(device) as cores:
        found = cores.run(
            of_member, [(w, f.to(device)) for w, f in zip(windows, futures, strict=True)]
        )
    columns = [np.stack(parts) for parts in zip(*found, strict=True)]
    members = [w.member for w in windows]
    variables = _variables(weather, windows, columns, days)
    attributes = _attributes(runs, dataset, event, question, futures[0].shape[0])
    return xr.Dataset(variables, coordinates_of(weather, members, dataset), attributes)


def _futures(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, basin: str, weather: Weather
) -> list[torch.Tensor]:
    """Other years' weather as each member's network wants it."""
    found = []
    for run in runs:
        normal = slice(*(np.datetime64(d) for d in run.config().data.train))
        scaler = run.scaler()
        years = other_years(dataset, basin, scaler, normal, weather.time)
        scaled = torch.from_numpy(scaler.scale_dynamic(years))
        found.extend([scaled] * len(run.member_names()))
    return found


def _share_out(window: Window, futures: torch.Tensor, days: int) -> tuple[NDArray[np.float64], ...]:
    """Credit (T + 1,), the first being what was expected before; expected and its spread (T,)."""
    volumes = expected_volumes(window, futures, days)
    expected = volumes.mean(0, keepdim=True)  # (1, T + 1)
    lengths = torch.tensor([expected.shape[1]], device=expected.device)
    credit = redistribute(expected, expected[:, -1], lengths)[0]
    parts = (credit, expected[0, 1:], volumes[:, 1:].std(0))
    return tuple(part.cpu().numpy() for part in parts)


def _variables(
    weather: Weather, windows: Sequence[Window], columns: Sequence[NDArray[np.float64]], days: int
) -> dict[str, Any]:
    credit, expected, spread = columns
    dims = ("member", "time")
    simulated = np.stack([w.simulated for w in windows])
    inside = np.arange(len(weather.time)) >= len(weather.time) - days
    told = {
        "credit": "volume that the day's weather added to what was expected",
        "before": "volume expected before the first day",
        "volume": "simulated volume of the event",
        "expected": "volume expected once the day's weather is known",
        "expected_sd": "standard deviation of it over other years' weather",
    }
    values = {
        "credit": (dims, credit[:, 1:]),
        "before": ("member", credit[:, 0]),
        "volume": ("member", credit.sum(1)),
        "expected": (dims, expected),
        "expected_sd": (dims, spread),
    }
    flow = {"units": "mm d-1"}
    return {
        **{n: (*v, {**_VOLUME, "long_name": told[n]}) for n, v in values.items()},
        "qobs": ("time", weather.observed, {**flow, "long_name": "observed discharge"}),
        "qsim": (dims, simulated, {**flow, "long_name": "simulated discharge, not clipped at 0"}),
        "in_event": ("time", inside, {"long_name": "day of the event"}),
        "forcing": forcing_of(weather)["forcing"],
    }


def _attributes(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    event: Period,
    question: Question,
    years: int,
) -> dict[str, Any]:
    title = f"Which days' weather made the volume of {event} at {question.basin}"
    return {
        **result_header(runs, dataset, title, "explained"),
        "basin": question.basin,
        "gauge_name": gauge_name(dataset, question.basin),
        "event_days": str(event),
        "days": question.days,
        "other_years": years,
    }
