"""Simulations of trained runs on a store: observed and simulated discharge side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.roles import role_of
from hydroml.data.scaling import Scaler
from hydroml.data.series import Days, Series, load_series, usable_inputs
from hydroml.errors import ConfigError, RunError, nearest
from hydroml.evaluation.ensemble import require_ensemble, result_header
from hydroml.evaluation.predict import predict_continuous, predict_windowed
from hydroml.progress import Advance, silent
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around

LEAD_DAYS = 365
"""Days a continuous pass starts before the period, where the store has them."""

GAUGE_ID = {"long_name": "gauge id", "cf_role": "timeseries_id"}
KEPT_ATTRIBUTES = ("gauge_lat", "gauge_lon", "gauge_name")


@dataclass(frozen=True)
class Simulation:
    """How a run is to be simulated.

    Parameters
    ----------
    basins : sequence of str
        Gauge ids of the store.
    period : tuple of datetime64
        First and last day.
    mode : str
        ``continuous`` or ``windowed``.
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    """

    basins: Sequence[str]
    period: Days
    mode: str = "continuous"
    precision: str = "fp32"


def simulate_runs(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    request: Simulation,
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Simulate one run, or an ensemble, on a store; all the basins are in memory at once.

    An ensemble is several runs, a run of several seeds, or both: each seed of each run is a
    member.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or several for an ensemble.
    dataset : xarray.Dataset
        An open store.
    request : Simulation
        Basins, period and mode.
    device : torch.device
        Where to compute.
    on_progress : callable
        Told of the basins done, once for each member.

    Returns
    -------
    xarray.Dataset
        ``qobs`` (basin, time) and ``qsim`` (basin, time), of several members (basin, time,
        member), both [mm d-1], with CF attributes. Simulated discharge is clipped at 0, and
        NaN where inputs of the days before are missing. ``prcp`` (basin, time) [mm d-1] where
        the run has precipitation among its inputs. Place, name and the first run's attributes
        of the basins are coordinates.

    Raises
    ------
    ConfigError
        Unknown mode.
    RunError
        The run has no weights; runs of different targets, or of the same name; no day has
        complete inputs.
    StoreError
        The store lacks a variable or an attribute of the run.
    """
    found = simulate_some(runs, dataset, request, device, on_progress=on_progress)
    require_simulated(runs, request, found["qsim"].notnull().any())
    return found


def simulate_some(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    request: Simulation,
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Do what `simulate_runs` does for a part of the basins, in which no day need be complete."""
    require_ensemble(runs)
    simulated = [_simulate(run, dataset, request, device, on_progress) for run in runs]
    qsim = np.stack([q for members, _ in simulated for q in members], axis=2)
    series = simulated[0][1]
    dims = ("basin", "time")
    result = xr.Dataset(
        {
            "qobs": (dims, series.y[:, series.period], _discharge("observed")),
            "qsim": ((*dims, "member"), qsim, _discharge("simulated")),
        },
        coords={
            "basin": ("basin", np.array(series.basins, dtype=object), GAUGE_ID),
            "time": series.time[series.period].astype("datetime64[ns]"),
            "member": np.array([n for run in runs for n in run.member_names()], dtype=object),
        },
        attrs=_provenance(runs, dataset, request),
    )
    names = dict.fromkeys((*KEPT_ATTRIBUTES, *runs[0].scaler().static))
    there = [name for name in names if name in dataset]
    if there:
        kept = dataset[there].sel(basin=series.basins).compute()
        result = result.assign_coords({n: v.variable for n, v in kept.data_vars.items()})
    rain = precipitation_of(dataset, runs[0].scaler().dynamic)
    if rain is not None:  # for the hydrographs: a flood is judged beside its rain
        chosen = rain.sel(basin=series.basins).reindex(time=result["time"])
        result["prcp"] = chosen.transpose(*dims).compute().variable
    return result if qsim.shape[2] > 1 else result.squeeze("member", drop=True)


def require_simulated(
    runs: Sequence[RunDirectory], request: Simulation, simulated: xr.DataArray | bool
) -> None:
    """Refuse a request in which no day could be simulated.

    Raises
    ------
    RunError
        `simulated` is false.
    """
    if simulated:
        return
    memory = max(days_around(run.config().sampling)[2] for run in runs)
    raise RunError(
        f"No day of {request.period[0]}..{request.period[1]} has complete inputs for the "
        f"{memory} days before it.",
        "Choose another --period; 'hydroml data info STORE' shows what there is.",
    )


def precipitation_of(dataset: xr.Dataset, inputs: Sequence[str]) -> xr.DataArray | None:
    """First of the inputs that is precipitation, or None."""
    rain = next((n for n in inputs if role_of(n, dataset) == "precipitation"), None)
    return None if rain is None else dataset[rain]


def validation_score(
    run_scaler: Scaler,
    series: Series,
    usable: NDArray[np.bool_],
    device: torch.device,
    score: Callable[[NDArray[np.float32], NDArray[np.float32]], float],
) -> Callable[[torch.nn.Module], float]:
    """Make a function that scores a model on a period kept in memory.

    Parameters
    ----------
    run_scaler : Scaler
        Statistics of the training period.
    series : Series
        Raw series of the period with a lead; standardised in place.
    usable : ndarray
        `usable_inputs` of the raw series.
    device : torch.device
        Where to compute.
    score : callable
        From observed and simulated discharge (B, T) in [mm d-1] to one number.
    """
    x_d = run_scaler.scale_dynamic(series.x_d)
    x_s = run_scaler.scale_static(series.x_s)
    observed = series.y[:, series.period]

    def measure(model: torch.nn.Module) -> float:
        y = predict_continuous(model, x_d, x_s, device)
        simulated = to_discharge(y, usable, run_scaler)[:, series.period]
        return score(observed, simulated)

    return measure


def to_discharge(
    y: NDArray[np.float32], usable: NDArray[np.bool_], scaler: Scaler
) -> NDArray[np.float32]:
    """Standardised simulation to [mm d-1]: clipped at 0, NaN where inputs are missing."""
    q = np.maximum(scaler.unscale_target(y), np.float32(0))
    q[~usable] = np.nan
    return q


def days_before(run: RunDirectory, mode: str) -> int:
    """Count the days that a simulation reads before its period.

    Raises
    ------
    ConfigError
        Unknown mode.
    """
    _, _, memory = days_around(run.config().sampling)
    lead = {"continuous": max(LEAD_DAYS, memory), "windowed": memory - 1}.get(mode)
    if lead is None:
        raise ConfigError(f"Unknown mode {mode!r}.", nearest(mode, ["continuous", "windowed"]))
    return lead


def _simulate(
    run: RunDirectory,
    dataset: xr.Dataset,
    request: Simulation,
    device: torch.device,
    on_progress: Advance,
) -> tuple[list[NDArray[np.float32]], Series]:
    """Discharge of each member of a run over the period, and the series, standardised."""
    lead = days_before(run, request.mode)
    config, scaler, models = run.config(), run.scaler(), run.load_models(device)
    _, _, memory = days_around(config.sampling)
    series = load_series(
        dataset,
        request.basins,
        scaler.dynamic,
        scaler.static,
        request.period,
        lead=lead,
        target=config.data.target,
    )
    usable = usable_inputs(series.x_d, memory)
    x_d, x_s = scaler.scale_dynamic(series.x_d), scaler.scale_static(series.x_s)
    predict = predict_continuous
    if request.mode == "windowed":
        predict = partial(predict_windowed, length=memory)
    found = []
    for model in models:
        y = predict(model, x_d, x_s, device, precision=request.precision, on_progress=on_progress)
        found.append(to_discharge(y, usable, scaler)[:, series.period])
    return found, series


def _discharge(kind: str) -> dict[str, str]:
    return {"units": "mm d-1", "long_name": f"{kind} discharge over the catchment area"}


def _provenance(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, request: Simulation
) -> dict[str, str]:
    return {
        **result_header(runs, dataset, "Observed and simulated discharge", "simulated"),
        "featureType": "timeSeries",
        "period": f"{request.period[0]}..{request.period[1]}",
        "mode": request.mode,
    }
