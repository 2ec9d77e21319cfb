"""Cell states of a trained run as classifiers of snow, wetness, high and low flow.

A network is trained on discharge alone. Does one of its cells know whether there is snow? The cell
is chosen in the training years and scored in others; the same is done with the untrained network
of each member (equal shape, weights newly drawn with the member's seed) and with the raw inputs.
The labels of the same days of the next year, finally, tell how much is the season alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.data.series import Days, load_series, usable_inputs
from hydroml.errors import RunError
from hydroml.evaluation.simulate import days_before
from hydroml.explanation.cell_states import cell_states, some_basins
from hydroml.explanation.labels import (
    LABELS,
    Conditions,
    Thresholds,
    Weather,
    conditions,
    cut,
    find_weather,
    thresholds,
)
from hydroml.models import build_model
from hydroml.progress import Advance, silent
from hydroml.toolkit.attribution.neurons import best_neurons, neuron_auc, separability
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around

SAMPLES_POOLED = 200_000
"""Days of all basins together on which the one cell is chosen and scored; of more, every n-th."""
FEWEST_DAYS = 20
"""A basin counts where so many days have the label and so many have not, in both periods."""
YEAR = 365
SOURCES = ("trained", "untrained", "input")

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class StatesRequest:
    """What is asked.

    Parameters
    ----------
    basins : sequence of str
        Gauge ids of the store.
    choose, report : tuple of datetime64
        Years in which cells are chosen, and years in which they are scored.
    """

    basins: Sequence[str]
    choose: Days
    report: Days


@dataclass(frozen=True)
class Source:
    """Units that may tell a label: the cells of a network, or (no model) the raw inputs."""

    name: str
    kind: str
    model: nn.Module | None


class Scores(NamedTuple):
    """Areas under the ROC curve of H units for S labels."""

    choose: Floats
    """Of all basins together, in the years to choose, (H, S)."""
    report: Floats
    """In the years to report, (H, S)."""
    other_year: Floats
    """With the labels of the same days of the next year, (H, S)."""
    choose_each: Floats
    """Of each basin, (B, H, S); NaN where it does not count."""
    report_each: Floats
    """Of each basin, (B, H, S); NaN where it does not count."""


def classify(
    run: RunDirectory,
    dataset: xr.Dataset,
    request: StatesRequest,
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Score the cells of every member of a run, of untrained networks, and the raw inputs.

    Parameters
    ----------
    run : RunDirectory
        Trained.
    dataset : xarray.Dataset
        The open store.
    request : StatesRequest
        Basins and periods.
    device : torch.device
        Where the networks run.
    on_progress : callable
        Told of the basins done, once for each of `count_sources`.

    Returns
    -------
    xarray.Dataset
        By ``network`` (members, untrained members, inputs) and ``label``: ``unit``, ``direction``,
        ``auc_choose``, ``auc_report``, ``auc_other_year``, ``same_unit``; also by ``basin``:
        ``auc`` of that one unit, ``auc_own`` of the basin's own best, ``unit_own``. For one snowy
        basin, ``shown_snow`` and ``shown_cell``.

    Raises
    ------
    RunError
        The run has no weights; no day of a period has complete inputs.
    StoreError
        The store lacks a variable or an attribute.
    """
    reader = _Reader.open(run, dataset, request)
    sources = _sources(run, device)
    each = []
    for source in sources:
        scores = _score(reader, source, device, on_progress)
        each.append(_describe(scores, _units_of(source, reader)))
    result = xr.concat(each, xr.DataArray([s.name for s in sources], dims="network"))
    result = result.assign_coords(
        source=("network", [s.kind for s in sources]),
        label=list(LABELS),
        basin=("basin", np.array(list(request.basins), dtype=object)),
    ).rename(network="network")
    return _show_snow(result, reader, sources, device)


def count_sources(run: RunDirectory) -> int:
    """Count the networks that are scored, and the raw inputs."""
    return 2 * len(run.member_names()) + 1


def _sources(run: RunDirectory, device: torch.device) -> list[Source]:
    config, scaler, names = run.config(), run.scaler(), run.member_names()
    options = config.model.model_dump(exclude={"name"})
    found = [Source(n, "trained", m) for n, m in zip(names, run.load_models(device), strict=True)]
    for name, seed in zip(names, config.seed, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = build_model(
                config.model.name, len(scaler.dynamic), len(scaler.static), **options
            )
        found.append(Source(f"{name}_untrained", "untrained", fresh.to(device).eval()))
    return [*found, Source("inputs", "input", None)]


class _Part(NamedTuple):
    """Some basins in one period: what networks read, and the labels."""

    x_d: NDArray[np.float32]  # standardised, (b, lead + T, F)
    x_s: NDArray[np.float32]
    days: slice
    labels: NDArray[np.float32]  # (b, T, S)
    conditions: Conditions


@dataclass(frozen=True)
class _Reader:
    """Reads some basins at a time, anew for each network: all of them may not fit the memory."""

    run: RunDirectory
    dataset: xr.Dataset
    request: StatesRequest
    weather: Weather
    lead: int
    memory: int

    @classmethod
    def open(cls, run: RunDirectory, dataset: xr.Dataset, request: StatesRequest) -> "_Reader":
        weather = find_weather(dataset, run.scaler().dynamic, request.basins)
        _, _, memory = days_around(run.config().sampling)
        return cls(run, dataset, request, weather, days_before(run, "continuous"), memory)

    def parts(self, rows: slice) -> tuple[_Part, _Part]:
        """Those to choose by and those to report, of some basins."""
        choose, limits = self._part(rows, self.request.choose, None)
        report, _ = self._part(rows, self.request.report, limits)
        return choose, report

    def _part(
        self, rows: slice, period: Days, limits: Thresholds | None
    ) -> tuple[_Part, Thresholds]:
        scaler, basins = self.run.scaler(), list(self.request.basins[rows])
        extra = [n for n in self.weather.names if n not in scaler.dynamic]
        series = load_series(
            self.dataset, basins, (*scaler.dynamic, *extra), scaler.static, period,
            lead=self.lead, target=self.run.config().data.target,
        )  # fmt: skip
        latitude = None
        if "gauge_lat" in self.dataset:
            latitude = self.dataset["gauge_lat"].sel(basin=basins).values
        every = conditions(series, (*scaler.dynamic, *extra), self.weather, latitude)
        found = every.during(series.period)
        x_d = np.ascontiguousarray(series.x_d[..., : len(scaler.dynamic)])
        usable = usable_inputs(x_d, self.memory)[:, series.period]
        limits = thresholds(found) if limits is None else limits
        labels = cut(found, limits, usable)
        x_d, x_s = scaler.scale_dynamic(x_d), scaler.scale_static(series.x_s)
        return _Part(x_d, x_s, series.period, labels, found), limits


def _activations(source: Source, part: _Part, device: torch.device) -> Tensor:
    """Units of some basins on the days of the period, (b, T, H)."""
    if source.model is None:
        return torch.from_numpy(part.x_d[:, part.days])
    return cell_states(source.model, part.x_d, part.x_s, device, part.days)


def _score(reader: _Reader, source: Source, device: torch.device, on_progress: Advance) -> Scores:
    """Score every unit in every basin, and in all basins together."""
    count = len(reader.request.basins)
    pooled: dict[str, list[tuple[Tensor, Tensor]]] = {"choose": [], "report": []}
    each: dict[str, list[Floats]] = {"choose": [], "report": []}
    for rows in some_basins(count):
        for name, part in zip(pooled, reader.parts(rows), strict=True):
            units, labels = _activations(source, part, device), torch.from_numpy(part.labels)
            each[name] += [_each(u, y) for u, y in zip(units, labels, strict=True)]
            if name == "report":
                labels = torch.cat([labels, _next_year(labels)], dim=2)
            thin = -(-count * labels.shape[1] // SAMPLES_POOLED)
            pooled[name].append((units[:, ::thin].flatten(0, 1), labels[:, ::thin].flatten(0, 1)))
        on_progress(rows.stop - rows.start)
    choose, report = (_together(pooled[name], name, reader) for name in pooled)
    labels_count = len(LABELS)
    return Scores(
        choose, report[:, :labels_count], report[:, labels_count:],
        np.stack(each["choose"]), np.stack(each["report"]),
    )  # fmt: skip


def _each(units: Tensor, labels: Tensor) -> Floats:
    """Score the units of one basin, (H, S); NaN where a label is too rare or too common."""
    auc = neuron_auc(units, labels)
    auc[:, ~_counts(labels)] = torch.nan
    return auc.numpy()


def _together(parts: Sequence[tuple[Tensor, Tensor]], name: str, reader: _Reader) -> Floats:
    units, labels = torch.cat([u for u, _ in parts]), torch.cat([y for _, y in parts])
    if labels.isnan().all():
        days = getattr(reader.request, name)
        raise RunError(
            f"No day of {days[0]}..{days[1]} has complete inputs for the {reader.memory} days "
            "before it.",
            "Choose another --period or other --basins; 'hydroml data info STORE' shows what "
            "there is.",
        )
    auc = neuron_auc(units, labels)
    auc[:, ~_counts(labels)] = torch.nan
    return auc.numpy()


def _counts(labels: Tensor) -> Tensor:
    """Tell which labels have enough days of either kind, (S,)."""
    return torch.minimum((labels == 1).sum(0), (labels == 0).sum(0)) >= FEWEST_DAYS


def _next_year(labels: Tensor) -> Tensor:
    """Labels (b, T, S) of the same days of the next year; the last year gets the first one's."""
    if labels.shape[1] < 2 * YEAR:
        return torch.full_like(labels, torch.nan)
    return labels.roll(-YEAR, dims=1)


def _units_of(source: Source, reader: _Reader) -> list[str]:
    if source.model is None:
        return list(reader.run.scaler().dynamic)
    return [f"cell {h}" for h in range(reader.run.config().model.hidden)]


def _describe(scores: Scores, units: Sequence[str]) -> xr.Dataset:
    """Choose by the years to choose, report by the others."""
    best = best_neurons(torch.from_numpy(np.nan_to_num(scores.choose, nan=0.5)))
    chosen, sign = best.unit.numpy(), best.sign.numpy()
    label = np.arange(len(chosen))
    own = separability(torch.from_numpy(np.nan_to_num(scores.choose_each, nan=0.5))).argmax(1)
    own_unit = own.numpy()[:, None]  # (B, 1, S)
    choose_own, report_own = (
        np.take_along_axis(a, own_unit, axis=1)[:, 0]
        for a in (scores.choose_each, scores.report_each)
    )
    counted = np.isfinite(choose_own) & np.isfinite(report_own)  # (B, S)
    auc = np.where(counted, _turn(scores.report_each[:, chosen, label], sign), np.nan)
    auc_own = np.where(counted, _turn(report_own, np.where(choose_own < 0.5, -1, 1)), np.nan)
    same = (own_unit[:, 0] == chosen) & counted
    names = np.array(units, dtype=object)
    known = np.isfinite(scores.choose[0])
    return xr.Dataset(
        {
            "unit": ("label", np.where(known, names[chosen], "")),
            "direction": ("label", np.where(known, sign, 0).astype("int8")),
            **{
                f"auc_{name}": ("label", _turn(getattr(scores, name)[chosen, label], sign))
                for name in ("choose", "report", "other_year")
            },
            "same_unit": ("label", same.sum(0) / np.where(counted.any(0), counted.sum(0), np.nan)),
            "auc": (("label", "basin"), auc.T),
            "auc_own": (("label", "basin"), auc_own.T),
            "unit_own": (("label", "basin"), np.where(counted, names[own_unit[:, 0]], "").T),
        }
    )


def _turn(auc: Floats, sign: Floats) -> Floats:
    """Of a unit that is low with the label: 1 - AUC."""
    return np.where(sign > 0, auc, 1 - auc)


def _show_snow(
    result: xr.Dataset, reader: _Reader, sources: Sequence[Source], device: torch.device
) -> xr.Dataset:
    """Add the series of each member's snow cell in the basin with most days of snow."""
    days = [_days_of_snow(report) for report in _reports(reader)]
    place = int(np.argmax(np.concatenate(days)))
    basin = reader.request.basins[place]
    alone = replace(reader, request=replace(reader.request, basins=[basin]))
    _, part = alone.parts(slice(0, 1))
    trained = [s for s in sources if s.kind == "trained"]
    series = []
    for source in trained:
        snow = result.sel(network=source.name, label="snow")
        unit = str(snow["unit"].values)
        states = _activations(source, part, device)[0].numpy()
        cell = int(unit.removeprefix("cell ")) if unit else 0
        series.append(int(snow["direction"]) * states[:, cell])
    first, last = reader.request.report
    time = np.arange(first, last + 1, dtype="datetime64[D]").astype("datetime64[ns]")
    return result.assign_coords(time=time, member=[s.name for s in trained]).assign(
        shown_snow=("time", part.conditions.snow[0], {"units": "mm"}),
        shown_cell=(("member", "time"), np.stack(series)),
    ).assign_attrs(shown_basin=basin, **reader.weather.described)  # fmt: skip


def _reports(reader: _Reader) -> Iterator[_Part]:
    for rows in some_basins(len(reader.request.basins)):
        yield reader.parts(rows)[1]


def _days_of_snow(part: _Part) -> NDArray[np.int64]:
    return np.nansum(part.labels[..., list(LABELS).index("snow")], axis=1).astype("int64")
