"""What is explained: the flow of one day in one basin, and the days before it.

The simulation is that of ``hydroml evaluate``: a continuous pass that starts a year before. The
window begins with the state of that pass. The world it is compared with, the baseline, is simulated
over the same days from the same start: its state before the window is part of it. So all that
happened before the window acts through one thing, the difference of the two states, and the
window's length chooses what is told day by day and what is summed up; nothing is cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.data.scaling import Scaler
from hydroml.data.series import Series, load_series
from hydroml.errors import ConfigError, StoreError
from hydroml.evaluation.simulate import LEAD_DAYS
from hydroml.explanation.baseline import baseline_weather
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around

Floats = NDArray[np.float32]
State = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Question:
    """Which day's flow is to be explained, and by what.

    Parameters
    ----------
    basin : str
        Gauge id of the store.
    day : datetime.date
        The day.
    days : int
        Days of the window, the day itself included.
    baseline : str
        A key of `hydroml.explanation.baseline.BASELINES`.

    Raises
    ------
    ConfigError
        Fewer days than 2.
    """

    basin: str
    day: date
    days: int = 365
    baseline: str = "dry-season"

    def __post_init__(self) -> None:
        if self.days < 2:
            raise ConfigError(
                f"A window of {self.days} days leaves nothing to compare.",
                "Give --days 2 or more; 365 holds a year's snow and groundwater.",
            )


@dataclass(frozen=True)
class Window:
    """The days before an event as one member of an ensemble sees them.

    Parameters
    ----------
    member : str
        Its name.
    model : torch.nn.Module
        In evaluation mode.
    scaler : Scaler
        Its standardisation.
    x_d, base_d : Tensor
        Standardised inputs of the window, (T, F): as they were, and the baseline.
    x_s : Tensor
        Standardised attributes, (S,): the same in both worlds.
    state, base_state : tuple of Tensor
        Hidden and cell state before the window, (H,) each.
    simulated : ndarray
        Flow of the window's days [mm d-1], (T,), not clipped at 0.
    base_flow : ndarray
        That of the baseline, (T,).
    """

    member: str
    model: nn.Module
    scaler: Scaler
    x_d: Tensor
    base_d: Tensor
    x_s: Tensor
    state: State
    base_state: State
    simulated: Floats
    base_flow: Floats

    @property
    def difference(self) -> float:
        """Flow of the day less that of the baseline [mm d-1]: what is shared out."""
        return float(self.simulated[-1]) - float(self.base_flow[-1])


@dataclass(frozen=True)
class Weather:
    """Raw values of the window's days.

    Parameters
    ----------
    time : ndarray
        Days, (T,).
    names : tuple of str
        Inputs.
    forcing, baseline : ndarray
        (T, F), in the inputs' units.
    observed : ndarray
        Discharge [mm d-1], (T,), NaN where missing.
    """

    time: NDArray[np.datetime64]
    names: tuple[str, ...]
    forcing: Floats
    baseline: Floats
    observed: Floats


class Flow(nn.Module):
    """Flow of the last day of windows [mm d-1], not clipped at 0.

    Parameters
    ----------
    model : nn.Module
        `LSTM` or `EALSTM`.
    scaler : Scaler
        Its standardisation.
    """

    def __init__(self, model: nn.Module, scaler: Scaler) -> None:
        super().__init__()
        self.model, self.scaler = model, scaler

    def forward(self, x_d: Tensor, h: Tensor, c: Tensor, x_s: Tensor) -> Tensor:
        """Simulate windows (B, T, F) that begin with states (B, H) of basins (B, S): (B,)."""
        y, _ = self.model(x_d, x_s, (h, c), last=1)
        flow: Tensor = self.scaler.target_std * y[:, 0] + self.scaler.target_mean
        return flow


def open_windows(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, question: Question, device: torch.device
) -> tuple[Weather, list[Window]]:
    """Simulate the event with every member of every run.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or several with the same inputs.
    dataset : xarray.Dataset
        The store.
    question : Question
        Basin, day, window, baseline.
    device : torch.device
        Where to compute.

    Returns
    -------
    weather : Weather
        Raw values of the window.
    windows : list of Window
        One a member.

    Raises
    ------
    StoreError
        Inputs are missing that the simulation needs; the store lacks a variable.
    """
    weather, windows = None, []
    for run in runs:
        series = _load(run, dataset, question)
        train = run.config().data.train
        scaler, normal = run.scaler(), slice(*(np.datetime64(d) for d in train))
        base = baseline_weather(
            question.baseline, dataset, question.basin, scaler, normal, series.time
        )
        inside = series.period
        if weather is None:
            weather = Weather(
                series.time[inside],
                scaler.dynamic,
                series.x_d[0, inside].copy(),
                base[inside].copy(),
                series.y[0, inside].copy(),
            )
        x_s = torch.from_numpy(scaler.scale_static(series.x_s)).to(device)
        worlds = np.stack([series.x_d[0], np.where(_there(series), base, np.nan)])
        x_d = torch.from_numpy(scaler.scale_dynamic(worlds)).to(device)
        for name, model in zip(run.member_names(), run.load_models(device), strict=True):
            windows.append(_follow(name, model, scaler, x_d, x_s, inside.start))
    assert weather is not None
    return weather, windows


def _there(series: Series) -> NDArray[np.bool_]:
    """Days of which there is any weather: before them both worlds see the training mean."""
    return ~np.isnan(series.x_d[0]).all(axis=1, keepdims=True)


@torch.no_grad()
def _follow(
    name: str, model: nn.Module, scaler: Scaler, x_d: Tensor, x_s: Tensor, lead: int
) -> Window:
    """Simulate the two worlds, (2, lead + T, F), and keep their states before the window."""
    both = x_s.expand(2, -1)
    _, state = model(x_d[:, :lead], both)
    y, _ = model(x_d[:, lead:], both, state)
    flow = (y.double() * scaler.target_std + scaler.target_mean).cpu().numpy()
    (h, c), inside = state, x_d[:, lead:]
    return Window(
        name, model, scaler, inside[0], inside[1], x_s[0],
        (h[0], c[0]), (h[1], c[1]), flow[0], flow[1],
    )  # fmt: skip


def _load(run: RunDirectory, dataset: xr.Dataset, question: Question) -> Series:
    config, scaler = run.config(), run.scaler()
    _, _, memory = days_around(config.sampling)
    lead = max(LEAD_DAYS, memory)
    first = question.day - timedelta(days=question.days - 1)
    series = load_series(
        dataset,
        [question.basin],
        scaler.dynamic,
        scaler.static,
        (np.datetime64(first), np.datetime64(question.day)),
        lead=lead,
        target=config.data.target,
    )
    _require_complete(series, scaler.dynamic, lead - memory, question)
    return series


def _require_complete(
    series: Series, names: Sequence[str], needed: int, question: Question
) -> None:
    """Refuse gaps in the window and in the model's memory before it."""
    missing = np.isnan(series.x_d[0, needed:])
    if not missing.any():
        return
    day, which = np.argwhere(missing)[0]
    first = series.time[series.period.start]
    raise StoreError(
        f"{names[which]} of basin {question.basin} is missing on {series.time[needed + day]} "
        f"({int(missing.any(axis=1).sum())} days lack an input); the window from {first} to "
        f"{question.day} needs all inputs, and so do the {series.period.start - needed} days "
        "before it, in which the model warms up.",
        "Give fewer --days, or a later --date.",
    )
