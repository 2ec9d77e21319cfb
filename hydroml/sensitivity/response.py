"""The response of some basins to every scenario of a study: one continuous pass a climate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.roles import roles_of
from hydroml.data.series import load_series
from hydroml.errors import ConfigError
from hydroml.evaluation.simulate import LEAD_DAYS
from hydroml.progress import Advance, silent
from hydroml.sensitivity.climate_attributes import (
    baseline_climate,
    climatic,
    recomputed_attributes,
)
from hydroml.sensitivity.extremes import (
    Thresholds,
    extreme_statistics,
    monthly_means,
    thresholds,
)
from hydroml.sensitivity.forcing import Array, Forcing
from hydroml.sensitivity.members import Member, columns_of, inputs_of
from hydroml.sensitivity.perturb import perturb, require_applicable
from hydroml.sensitivity.statistics import STATISTICS
from hydroml.sensitivity.storms import add_storm_statistics
from hydroml.sensitivity.study import Study
from hydroml.sensitivity.training_range import TrainingRange
from hydroml.training.cores import every_core

ROWS_CPU = 128
ROWS_GPU = 8192
"""Series simulated in one batch: scenarios times basins. It bounds the memory."""


@dataclass(frozen=True)
class Climate:
    """Present forcing and attributes of some basins, and the flow it gives.

    Parameters
    ----------
    forcing : Forcing
        Raw.
    attributes : ndarray
        Raw attributes of all members, (B, S).
    attribute_names : list of str
        Their names.
    latitude : ndarray
        (B,), NaN where not known.
    flow : list of ndarray
        Discharge of the period for each member [mm d-1], (B, T).
    """

    forcing: Forcing
    attributes: Array
    attribute_names: list[str]
    latitude: NDArray[np.float64]
    flow: list[Array]


def load_climate(
    members: Sequence[Member], dataset: xr.Dataset, basins: Sequence[str], study: Study
) -> Climate:
    """Read the present climate of some basins and simulate it.

    Raises
    ------
    StoreError
        The store lacks an input or an attribute.
    """
    dynamic, static = inputs_of(members)
    lead = max(LEAD_DAYS, *(m.memory for m in members))
    target = next((n for n in ("qobs", *dynamic) if n in dataset), dynamic[0])
    series = load_series(dataset, basins, dynamic, static, study.period, lead=lead, target=target)
    forcing = Forcing.of(series, dynamic, dataset)
    latitude = np.full(len(basins), np.nan)
    if "gauge_lat" in dataset:
        latitude = dataset["gauge_lat"].sel(basin=list(basins)).values.astype("float64")
    present = Climate(forcing, series.x_s, static, latitude, [])
    return Climate(
        forcing,
        series.x_s,
        static,
        latitude,
        [_simulate(m, [forcing], [series.x_s], present)[0] for m in members],
    )


def require_study(members: Sequence[Member], dataset: xr.Dataset, study: Study) -> None:
    """Refuse, before anything is computed, what a study cannot do with these runs.

    Raises
    ------
    ConfigError
        A scenario names what the runs do not read, a file does not cover basins or period, or
        attributes are to be recomputed without climatic attributes, temperature or latitude.
    """
    dynamic, static = inputs_of(members)
    days = np.arange(study.period[0], study.period[1] + 1).astype("datetime64[D]")
    nothing = np.empty((0, len(days), len(dynamic)), "float32")
    roles = roles_of(dynamic, dataset)
    whole = Forcing(list(study.basins), days, slice(0, len(days)), tuple(dynamic), roles, nothing)
    for scenario in study.scenarios:
        require_applicable(whole, scenario)
    if study.statics == "recomputed":
        lacking = why_not_recomputed(dynamic, static, dataset)
        if lacking:
            raise ConfigError(
                f"Climatic attributes cannot be recomputed: {lacking}.", "Use --statics held."
            )


def why_not_recomputed(dynamic: Sequence[str], static: Sequence[str], dataset: xr.Dataset) -> str:
    """Say what is missing for recomputing climatic attributes; empty where nothing is."""
    roles = set(roles_of(dynamic, dataset).values())
    if not climatic(static):
        return "the run has no climatic attributes"
    if not {"temperature", "precipitation"} <= roles:
        return "the run reads no temperature, or no precipitation"
    return "" if "gauge_lat" in dataset else "the store has no gauge_lat"


def respond(
    members: Sequence[Member],
    dataset: xr.Dataset,
    basins: Sequence[str],
    study: Study,
    training_range: TrainingRange | None,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Compute statistics of some basins under every scenario.

    Parameters
    ----------
    members : sequence of Member
        The run, or the members of an ensemble.
    dataset : xarray.Dataset
        An open store.
    basins : sequence of str
        Some of the study's basins: all of them are in memory at once.
    study : Study
        Scenarios, physics, period.
    training_range : TrainingRange or None
        What the runs have seen; None leaves those variables NaN.
    on_progress : callable
        Told of the series done: scenarios times basins.

    Returns
    -------
    xarray.Dataset
        ``value`` (scenario, basin, statistic, member), ``regime`` (scenario, basin, month,
        member), ``precipitation`` (scenario, basin), ``outside`` (scenario, basin, input),
        ``unusual`` and ``unusual_here`` (scenario, basin). No coordinates but ``basin``; see
        `hydroml.sensitivity.layout`.
    """
    present = load_climate(members, dataset, basins, study)
    forcing, scenarios = present.forcing, study.scenarios
    limits = [thresholds(q) for q in present.flow]
    device = members[0].device
    rows = ROWS_CPU if device.type == "cpu" else ROWS_GPU
    at_once = max(rows // len(basins), 1)
    groups = [slice(s, min(s + at_once, len(scenarios))) for s in range(0, len(scenarios), at_once)]
    shape = (len(scenarios), len(basins))
    result = _empty(shape, len(members), len(forcing.names))

    def compute(group: slice) -> None:
        wanted = scenarios[group]
        changed = [perturb(forcing, s, study.physics) for s in wanted]
        attributes = [_attributes(present, c, study) for c in changed]
        for m, member in enumerate(members):
            flows = _simulate(member, changed, attributes, present)
            for i, (scenario, q) in enumerate(zip(wanted, flows, strict=True)):
                s = group.start + i
                statistics, months = _summarise(q, forcing, limits[m])
                add_storm_statistics(statistics, q, present.flow[m], forcing, scenario)
                result["value"][s, :, :, m] = statistics
                result["regime"][s, :, :, m] = months
        for i, climate in enumerate(changed):
            _describe_forcing(result, group.start + i, climate, training_range)
        on_progress(len(wanted) * len(basins))

    with every_core(device) as cores:
        cores.run(compute, groups)
    told = {f"{n}_of_forcing": ("basin", v) for n, v in baseline_climate(forcing).items()}
    return _dataset(result, basins).assign_coords(told)


def _simulate(
    member: Member, climates: Sequence[Forcing], attributes: Sequence[Array], present: Climate
) -> list[Array]:
    own = [columns_of(a, present.attribute_names, member.scaler.static) for a in attributes]
    days = present.forcing.period
    return [q[:, days] for q in member.simulate(climates, own)]


def _attributes(present: Climate, climate: Forcing, study: Study) -> Array:
    if study.statics == "held" or climate is present.forcing:
        return present.attributes
    return recomputed_attributes(
        present.attributes,
        present.attribute_names,
        present.forcing,
        climate,
        present.latitude,
        study.physics,
    )


def _summarise(
    q: Array, forcing: Forcing, limits: Thresholds
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    time = forcing.time[forcing.period]
    return extreme_statistics(q, time, limits), monthly_means(q, time)


def _describe_forcing(
    result: dict[str, NDArray[np.float32]],
    s: int,
    climate: Forcing,
    training_range: TrainingRange | None,
) -> None:
    rain = climate.precipitation()
    if rain is not None:
        fallen = rain[:, climate.period]
        days = np.isfinite(fallen).sum(axis=1)
        total = np.nansum(fallen, axis=1, dtype="float64")
        np.divide(total, days, out=result["precipitation"][s], where=days > 0, casting="same_kind")
    if training_range is None:
        return
    x = climate.values[:, climate.period]
    seen = x[..., [climate.names.index(n) for n in training_range.names]]
    places = [climate.names.index(n) for n in training_range.names]
    result["outside"][s][:, places] = training_range.outside(seen)
    result["unusual"][s] = training_range.unusual(seen)
    result["unusual_here"][s] = training_range.unusual_here(seen, climate.basins)


def _empty(shape: tuple[int, int], members: int, inputs: int) -> dict[str, NDArray[np.float32]]:
    sizes = {
        "value": (len(STATISTICS), members),
        "regime": (12, members),
        "precipitation": (),
        "outside": (inputs,),
        "unusual": (),
        "unusual_here": (),
    }
    return {name: np.full((*shape, *more), np.nan, "float32") for name, more in sizes.items()}


def _dataset(result: dict[str, NDArray[np.float32]], basins: Sequence[str]) -> xr.Dataset:
    start = ("scenario", "basin")
    more = {"value": ("statistic", "member"), "regime": ("month", "member"), "outside": ("input",)}
    variables = {name: ((*start, *more.get(name, ())), array) for name, array in result.items()}
    return xr.Dataset(variables, coords={"basin": np.array(list(basins), dtype=object)})
