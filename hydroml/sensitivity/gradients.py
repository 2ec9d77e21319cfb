"""What floods and low flows answer to: gradients of flow by inputs, lag by lag, and attributes.

The gradients are those of the simulated, clipped flow: on a day whose flow was clipped at 0
they are 0, as a small change of the inputs leaves the flow at 0. The mean over days then is
the derivative of the mean flow of these days, the quantity that scenarios change. ``clipped``
counts such days: the mean over the others is ``mean * days / (days - clipped)``, and
`importance` is the same either way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.series import Days, Series, load_series, usable_inputs
from hydroml.errors import ConfigError, RunError
from hydroml.evaluation.ensemble import require_ensemble, result_header
from hydroml.evaluation.simulate import GAUGE_ID, KEPT_ATTRIBUTES, LEAD_DAYS, to_discharge
from hydroml.progress import Advance, silent
from hydroml.sensitivity.backward import (
    STRIDE,
    first_day,
    follow,
    frozen,
    mean_gradients,
)
from hydroml.sensitivity.flow_days import KINDS, choose_days
from hydroml.sensitivity.ranking import importance
from hydroml.training.cores import every_core
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around

BASINS_PER_BLOCK = 64
"""Basins whose series and states are kept in memory together."""

_BY_LAG = ("kind", "basin", "lag", "input", "member")
_BY_ATTRIBUTE = ("kind", "basin", "attribute", "member")
_BY_BASIN = ("kind", "basin", "member")
VARIABLES: dict[str, tuple[tuple[str, ...], str, dict[str, str]]] = {
    "dq_dx": (_BY_LAG, "f4", {"long_name": "mean gradient of flow by input"}),
    "dq_dx_abs": (_BY_LAG, "f4", {"long_name": "mean absolute gradient of flow by input"}),
    "dq_da": (_BY_ATTRIBUTE, "f4", {"long_name": "mean gradient of flow by attribute"}),
    "dq_da_abs": (_BY_ATTRIBUTE, "f4", {"long_name": "mean absolute gradient by attribute"}),
    "importance": (
        _BY_ATTRIBUTE,
        "f4",
        {"long_name": "standardised gradient, 0 to 1 over a basin's attributes", "units": "1"},
    ),
    "days": (_BY_BASIN, "i4", {"long_name": "number of days used", "units": "1"}),
    "clipped": (_BY_BASIN, "i4", {"long_name": "days used with flow clipped at 0", "units": "1"}),
}
"""``gradients.nc``: dimensions, type and CF attributes. Gradients are in mm d-1 per unit of the
input or attribute (`input_units`, `attribute_units`), which differs along their dimension."""


@dataclass(frozen=True)
class GradientRequest:
    """Which days' flow to differentiate, and by how many days before them.

    Parameters
    ----------
    basins : sequence of str
        Gauge ids of the store.
    period : tuple of datetime64
        First and last day.
    high, low : float
        Days count as high where flow reaches this quantile of the run's own simulated flow of
        the basin in the period, as low where it does not exceed it.
    days : int or None
        Most days per basin and kind; None takes them all, as the reference experiment does.
    lags : int
        Days to differentiate by, the day itself included. What inputs and attributes do to
        flow through the time before that is cut off.
    seed : int
        Of the draw of days. A basin's days do not depend on which other basins are asked for.

    Raises
    ------
    ConfigError
        Quantiles out of order or range, no day, no lag, no basin.
    """

    basins: Sequence[str]
    period: Days
    high: float = 0.95
    low: float = 0.05
    days: int | None = 50
    lags: int = 365
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ConfigError(
                f"Quantiles of low and high flow are {self.low} and {self.high}.",
                "Give 0 <= low < high <= 1, for example low 0.05 and high 0.95.",
            )
        for name, value in (("days", self.days), ("lags", self.lags)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}.", f"Give at least 1 for {name}.")
        if not self.basins:
            raise ConfigError("There is no basin to differentiate the flow of.", "Name some.")


def flow_gradients(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    request: GradientRequest,
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Differentiate high, low and all flow by inputs at each lag and by attributes.

    A day is used where all inputs of its lags, and of the run's memory, are there.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or several for an ensemble, with the same inputs and attributes.
    dataset : xarray.Dataset
        An open store.
    request : GradientRequest
        Basins, days and lags.
    device : torch.device
        Where to compute.
    on_progress : callable
        Told of the basins done, once for each member.

    Returns
    -------
    xarray.Dataset
        In the layout of ``gradients.nc``, see `VARIABLES`: means over the days of each kind
        (``high``, ``low``, ``all``), signed and absolute, NaN where a basin has no such day.
        Standard deviations among the coordinates are means over the members' own.

    Raises
    ------
    RunError
        A run without weights, runs of different inputs or the same name, no day to use.
    StoreError
        The store lacks a variable or an attribute of the run.
    """
    found = gradients_of_some(runs, dataset, request, device, on_progress=on_progress)
    require_gradients(request, bool(found["days"].any()))
    return found


def gradients_of_some(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    request: GradientRequest,
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Do what `flow_gradients` does for a part of the basins, in which no day need be there."""
    require_alike(runs)
    members = [
        _member(run, model, dataset, request, device, on_progress)
        for run in runs
        for model in run.load_models(device)
    ]
    variables = {}
    for name, (dims, dtype, attrs) in VARIABLES.items():
        values = np.stack([m[name] for m in members], axis=-1).astype(dtype)
        variables[name] = (dims, values, attrs)
    coordinates = _coordinates(runs, dataset, request)
    return xr.Dataset(variables, coordinates, _provenance(runs, dataset, request))


def require_gradients(request: GradientRequest, used: bool) -> None:
    """Refuse a request in which no day could be used.

    Raises
    ------
    RunError
        `used` is false.
    """
    if not used:
        raise RunError(
            f"No day of {request.period[0]}..{request.period[1]} has complete inputs for the "
            f"{request.lags} days of its lags and for the run's memory.",
            "Choose another period or fewer lags; 'hydroml data info STORE' shows what there is.",
        )


def _member(
    run: RunDirectory,
    model: torch.nn.Module,
    dataset: xr.Dataset,
    request: GradientRequest,
    device: torch.device,
    on_progress: Advance,
) -> dict[str, NDArray[Any]]:
    """Everything in `VARIABLES` for one member, (kind, basin, ...)."""
    scaler, rows = run.scaler(), []
    with frozen(model):
        for start in range(0, len(request.basins), BASINS_PER_BLOCK):
            basins = request.basins[start : start + BASINS_PER_BLOCK]
            rows += _block(run, model, dataset, basins, request, device, on_progress)
    result = {name: np.stack([row[name] for row in rows], axis=1) for name in rows[0]}
    return result | {"importance": importance(result["dq_da_abs"], scaler.static_std)}


def _block(
    run: RunDirectory,
    model: torch.nn.Module,
    dataset: xr.Dataset,
    basins: Sequence[str],
    request: GradientRequest,
    device: torch.device,
    on_progress: Advance,
) -> list[dict[str, NDArray[Any]]]:
    """`mean_gradients` of some basins, whose states are kept in memory together."""
    series, usable, candidate = _load(run, dataset, basins, request)
    scaler, period = run.scaler(), series.period
    x_d = torch.from_numpy(scaler.scale_dynamic(series.x_d)).to(device)
    x_s = torch.from_numpy(scaler.scale_static(series.x_s)).to(device)
    simulated = follow(model, x_d, x_s)
    q = to_discharge(simulated.y.cpu().numpy(), usable, scaler)

    def of_basin(b: int) -> dict[str, NDArray[Any]]:
        days = choose_days(
            q[b, period],
            candidate[b, period],
            low=request.low,
            high=request.high,
            most=request.days,
            seed=(request.seed, basins[b]),
        )
        days = [d + period.start for d in days]
        found = mean_gradients(model, scaler, simulated, b, days, request.lags)
        on_progress(1)
        return found

    with every_core(device) as cores:
        return cores.run(of_basin, range(len(basins)))


def _load(
    run: RunDirectory, dataset: xr.Dataset, basins: Sequence[str], request: GradientRequest
) -> tuple[Series, NDArray[np.bool_], NDArray[np.bool_]]:
    """Raw series, the days that have a simulation, and those whose lags are complete, too."""
    config, scaler = run.config(), run.scaler()
    _, _, memory = days_around(config.sampling)
    series = load_series(
        dataset,
        basins,
        scaler.dynamic,
        scaler.static,
        request.period,
        # the state before the first day's window has seen a year, too
        lead=max(LEAD_DAYS, memory) + first_day(request.lags),
        tail=STRIDE,
        target=config.data.target,
    )
    usable = usable_inputs(series.x_d, memory)
    return series, usable, usable & usable_inputs(series.x_d, request.lags)


def require_alike(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs whose gradients do not fit into one file.

    Raises
    ------
    RunError
        Runs of different inputs, attributes or targets, or of the same name.
    """
    require_ensemble(runs)
    first = runs[0].scaler()
    for run in runs[1:]:
        other = run.scaler()
        if (other.dynamic, other.static) != (first.dynamic, first.static):
            raise RunError(
                f"{run.path.name} has other inputs or attributes than {runs[0].path.name}.",
                "Compute the gradients of these runs one by one.",
            )


def _coordinates(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, request: GradientRequest
) -> dict[str, Any]:
    scalers = [run.scaler() for run in runs]
    dynamic, static = scalers[0].dynamic, scalers[0].static
    std = {"long_name": "standard deviation in training"}
    kept = dataset[[n for n in KEPT_ATTRIBUTES if n in dataset]].sel(basin=list(request.basins))
    return {
        "kind": ("kind", _texts(KINDS), {"long_name": "days of high, low and all flow"}),
        "basin": ("basin", _texts(request.basins), GAUGE_ID),
        "lag": ("lag", np.arange(request.lags), {"long_name": "days before", "units": "d"}),
        "input": ("input", _texts(dynamic)),
        "attribute": ("attribute", _texts(static)),
        "member": ("member", _texts(name for run in runs for name in run.member_names())),
        "input_units": ("input", _texts(_units(dataset, dynamic))),
        "input_std": ("input", np.mean([s.dynamic_std for s in scalers], axis=0), std),
        "attribute_units": ("attribute", _texts(_units(dataset, static))),
        "attribute_std": ("attribute", np.mean([s.static_std for s in scalers], axis=0), std),
        **{str(name): values.compute().variable for name, values in kept.data_vars.items()},
    }


def _texts(values: Iterable[str]) -> NDArray[np.object_]:
    return np.array(list(values), dtype=object)


def _units(dataset: xr.Dataset, names: Sequence[str]) -> list[str]:
    return [str(dataset[name].attrs.get("units", "")) for name in names]


def _provenance(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, request: GradientRequest
) -> dict[str, Any]:
    return {
        **result_header(runs, dataset, "Gradients of high and low flow", "differentiated"),
        "period": f"{request.period[0]}..{request.period[1]}",
        "high": request.high,
        "low": request.low,
        "days_at_most": "all" if request.days is None else request.days,
        "seed": request.seed,
        "clipping": "gradient 0 on days whose flow was clipped at 0",
    }
