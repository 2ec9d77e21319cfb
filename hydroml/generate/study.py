"""One study: generators learn from some years, make others, and are judged by what was observed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.series import Days
from hydroml.errors import ConfigError, nearest
from hydroml.evaluation.realism import Reader
from hydroml.generate.adversarial import AdversarialSettings, train_adversarial
from hydroml.generate.criteria import Key, flow_criteria, weather_criteria
from hydroml.generate.flow import Flow, simulate_flow
from hydroml.generate.hydrographs import KEY, HydrographJudge
from hydroml.generate.judgement import Verdict, decide, judge, row_of
from hydroml.generate.markov import fit_markov
from hydroml.generate.weather import Floats, Weather
from hydroml.progress import Advance, silent
from hydroml.training.rundir import RunDirectory
from hydroml.training.threads import one_thread


class WeatherModel(Protocol):
    """What a fitted generator can do."""

    def generate(
        self, period: Days, members: int, seed: int, on_progress: Advance = silent
    ) -> list[Weather]:
        """Make the days of a period, several times."""
        ...


@dataclass(frozen=True)
class WeatherRequest:
    """What is to be made.

    Parameters
    ----------
    methods : tuple of str
        Of `METHODS`.
    members : int
        Series to generate.
    seed : int
        Of training and generation.
    settings : AdversarialSettings
        Of the adversarial generator.
    device : torch.device
        Where to train, generate and simulate.
    """

    methods: tuple[str, ...]
    members: int
    seed: int
    settings: AdversarialSettings
    device: torch.device

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ConfigError(f"{self.members} members are asked for.", "Give at least 1.")
        if self.seed < 0:
            raise ConfigError(f"The seed is {self.seed}.", "Give 0 or more.")


@dataclass(frozen=True)
class Record:
    """Observed years: weather, the flow it gives, and the days that count.

    Parameters
    ----------
    weather : Weather
        With days of warm-up before the period.
    period : tuple of datetime64
        First and last day that count.
    flow : ndarray
        Of the period [mm d-1], (B, T).
    """

    weather: Weather
    period: Days
    flow: Flow

    @property
    def days(self) -> NDArray[np.datetime64]:
        """The days that count."""
        return np.arange(self.period[0], self.period[1] + 1)

    def criteria(self) -> dict[Key, Floats]:
        """Everything it is judged by but the distance of hydrographs."""
        own = weather_criteria(self.weather.during(self.period))
        return own | flow_criteria(self.flow, self.days)


@dataclass(frozen=True)
class WeatherStudy:
    """What a study found.

    Parameters
    ----------
    table : pandas.DataFrame
        See `hydroml.generate.judgement.judge`, of all generators.
    verdict : Verdict
        Who did better.
    observed, learned : Record
        Years held out, years learned from.
    members : dict of str to list of Record
        Generated series of each method.
    """

    table: pd.DataFrame
    verdict: Verdict
    observed: Record
    learned: Record
    members: dict[str, list[Record]]


def _markov(learned: Weather, request: WeatherRequest, advance: Advance) -> WeatherModel:
    fitted = fit_markov(learned)
    advance(1)
    return fitted


def _gan(learned: Weather, request: WeatherRequest, advance: Advance) -> WeatherModel:
    return train_adversarial(
        learned, request.settings, seed=request.seed, device=request.device, on_progress=advance
    )


def _linear(learned: Weather, request: WeatherRequest, advance: Advance) -> WeatherModel:
    """Fit the series that the adversarial generator starts from, with its exact margins."""
    fitted = train_adversarial(
        learned, replace(request.settings, steps=0), seed=request.seed, device=request.device
    )
    advance(1)
    return fitted


METHODS: dict[str, Callable[[Weather, WeatherRequest, Advance], WeatherModel]] = {
    "markov": _markov,
    "linear": _linear,
    "gan": _gan,
}
"""Generators by name."""


def methods_of(name: str) -> tuple[str, ...]:
    """Resolve a method's name; ``all`` is every one.

    Raises
    ------
    ConfigError
        No such method.

    Examples
    --------
    >>> methods_of("all")
    ('markov', 'linear', 'gan')
    """
    known = {**{n: (n,) for n in METHODS}, "all": tuple(METHODS)}
    if name not in known:
        raise ConfigError(f"Unknown method {name!r}.", nearest(name, known))
    return known[name]


def count_steps(request: WeatherRequest, runs: int) -> int:
    """Count what a study's progress adds up to: steps of training, series made and simulated."""
    series = request.members * len(request.methods) * (1 + runs)
    return series + sum(request.settings.steps if m == "gan" else 1 for m in request.methods)


def observe(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    weather: Weather,
    period: Days,
    device: torch.device,
) -> Record:
    """Simulate the flow of one weather; see `Record`."""
    return _records(runs, dataset, [weather], period, device, silent)[0]


def study_weather(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    learned: Record,
    observed: Record,
    request: WeatherRequest,
    reader: Reader | None = None,
    *,
    on_progress: Advance = silent,
) -> WeatherStudy:
    """Train generators, generate the observed days anew, and judge.

    Parameters
    ----------
    runs : sequence of RunDirectory
        What turns weather into flow.
    dataset : xarray.Dataset
        The store, for the runs' attributes.
    learned, observed : Record
        Years to learn from, years to be made and to be judged by; of the same basins.
    request : WeatherRequest
        Methods, members, seed.
    reader : Reader, optional
        Of hydrographs; without, their distance is left out.
    on_progress : callable
        Told of the steps done, `count_steps` in all.

    Raises
    ------
    ConfigError, TrainingError
        See `train_adversarial`.
    """
    truth, past = observed.criteria(), learned.criteria()
    days = (observed.weather.time[0], observed.weather.time[-1])
    members, tables = {}, []
    hydrographs = None
    if reader is not None:
        basins = observed.weather.basins
        hydrographs = HydrographJudge(reader, basins, observed.days, observed.flow, request.seed)
    for method in request.methods:
        with one_thread():
            model = METHODS[method](learned.weather.during(learned.period), request, on_progress)
            made = model.generate(days, request.members, request.seed + 1, on_progress)
        members[method] = _records(
            runs, dataset, made, observed.period, request.device, on_progress
        )
        own = [record.criteria() for record in members[method]]
        tables.append(judge(method, truth, past, own))
        if hydrographs is not None:
            with one_thread():
                row = _judge_hydrographs(method, hydrographs, learned, members[method])
            tables.append(row)
    table = pd.concat(tables, ignore_index=True)
    return WeatherStudy(table, decide(table), observed, learned, members)


def _judge_hydrographs(
    method: str, hydrographs: HydrographJudge, learned: Record, members: Sequence[Record]
) -> pd.DataFrame:
    """Distances as a row: `observed` is the floor, that of random halves of the same years."""
    error = float(np.mean([hydrographs(r.days, r.flow) for r in members]))
    past = hydrographs(learned.days, learned.flow)
    return pd.DataFrame([row_of(KEY, method, (hydrographs.floor, past, error), error, past)])


def _records(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    weathers: Sequence[Weather],
    period: Days,
    device: torch.device,
    advance: Advance,
) -> list[Record]:
    flows = simulate_flow(runs, dataset, weathers, device, on_progress=advance)
    inside = (weathers[0].time >= period[0]) & (weathers[0].time <= period[1])
    return [
        Record(weather, period, flow[:, inside])
        for weather, flow in zip(weathers, flows, strict=True)
    ]
