"""Scores of simulated discharge, per basin: the labelled wrapper over the array kernels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hydroml.errors import HydromlError
from hydroml.evaluation import flow_duration, moments
from hydroml.evaluation.flow_duration import FLAVOURS, Flavour, flavour_named
from hydroml.evaluation.peaks import peak_timing

__all__ = ["COLUMNS", "FLAVOURS", "kernel", "metrics_table", "score", "summarise"]

COLUMNS = {
    "NSE": ("1", "Nash-Sutcliffe efficiency"),
    "KGE": ("1", "Kling-Gupta efficiency (2009)"),
    "alpha": ("1", "ratio of standard deviations, simulated over observed"),
    "beta": ("1", "bias over the observed standard deviation"),
    "FHV": ("%", "bias of the highest 2 % of the flow duration curve"),
    "FLV": ("%", "bias of the lowest 30 % of the flow duration curve, in logarithms"),
    "FMS": ("%", "bias of the slope of the middle of the flow duration curve"),
    "r": ("1", "Pearson correlation"),
    "rmse": ("mm d-1", "root mean squared error"),
    "peak_timing": ("d", "mean absolute error of the timing of peaks"),
    "n_days": ("1", "number of days that count"),
}
"""Scores in their order, with units and long name."""

_FROM_MOMENTS: dict[str, Callable[[moments.Moments], Any]] = {
    "NSE": moments.nse,
    "KGE": moments.kge,
    "alpha": moments.alpha,
    "beta": moments.beta,
    "r": moments.correlation,
    "rmse": moments.rmse,
}
_FROM_CURVES: dict[str, Callable[[flow_duration.Curves, Flavour], Any]] = {
    "FHV": flow_duration.fhv,
    "FLV": flow_duration.flv,
    "FMS": flow_duration.fms,
}
_ROWS_AT_ONCE = 128  # series in a block: temporaries stay in the tens of MB for any ensemble


def score(obs: xr.DataArray, sim: xr.DataArray, *, flavour: str = "kratzert2019") -> xr.Dataset:
    """Score simulations against observations, basin by basin.

    A day counts where the observation is a number >= 0 and the simulation is a number.

    Parameters
    ----------
    obs : xarray.DataArray (basin, time)
        Observed daily discharge [mm d-1]; in memory or dask.
    sim : xarray.DataArray (basin, time[, member])
        Simulated daily discharge [mm d-1] on the same basins and days.
    flavour : str
        Key of `FLAVOURS`: how FHV, FLV and FMS treat zeros.

    Returns
    -------
    xarray.Dataset (basin[, member])
        A variable for each of `COLUMNS`; NaN where a score is not defined (fewer than two
        days, constant observations).

    Raises
    ------
    ConfigError
        Unknown flavour.
    HydromlError
        `obs` and `sim` do not have the same basins and days.

    Examples
    --------
    >>> time = pd.date_range("2000-01-01", periods=3)
    >>> obs = xr.DataArray([[1.0, 2.0, 3.0]], {"basin": ["01"], "time": time})
    >>> sim = xr.DataArray([[1.0, 2.0, 2.0]], {"basin": ["01"], "time": time})
    >>> float(score(obs, sim).NSE.sel(basin="01"))
    0.5
    """
    chosen = flavour_named(flavour)
    _refuse_misaligned(obs, sim)
    values = xr.apply_ufunc(
        kernel,
        _whole_series(obs),
        _whole_series(sim),
        kwargs={"flavour": chosen},
        input_core_dims=[["time"], ["time"]],
        output_core_dims=[["metric"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"metric": len(COLUMNS)}},
    )
    scores = values.assign_coords(metric=list(COLUMNS)).to_dataset("metric")
    for name, (units, long_name) in COLUMNS.items():
        scores[name].attrs = {"units": units, "long_name": long_name}
    return scores.assign_attrs(flavour=flavour)


def kernel(
    obs: ArrayLike, sim: ArrayLike, *, flavour: Flavour = FLAVOURS["kratzert2019"]
) -> NDArray[np.float64]:
    """Score arrays along their last axis.

    Parameters
    ----------
    obs, sim : array (..., time)
        Discharge [mm d-1], any float type, leading dimensions broadcast.
    flavour : Flavour
        One of `FLAVOURS`.

    Returns
    -------
    array (..., 11)
        The scores in the order of `COLUMNS`, float64.

    Examples
    --------
    >>> kernel([1.0, 2.0, 3.0, -999.0], [1.0, 2.0, 2.0, 5.0])[[0, -1]]
    array([0.5, 3. ])
    """
    paired_obs, paired_sim = np.broadcast_arrays(np.asarray(obs), np.asarray(sim))
    leading, days = paired_obs.shape[:-1], paired_obs.shape[-1]
    rows = int(np.prod(leading))
    flat_obs, flat_sim = paired_obs.reshape(rows, days), paired_sim.reshape(rows, days)
    found = np.empty((rows, len(COLUMNS)))
    for start in range(0, rows, _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        found[block] = _score_block(
            flat_obs[block].astype(np.float64), flat_sim[block].astype(np.float64), flavour
        )
    return found.reshape(*leading, len(COLUMNS))


def metrics_table(scores: xr.Dataset) -> pd.DataFrame:
    """Turn scores into the table of ``metrics.csv``.

    Parameters
    ----------
    scores : xarray.Dataset (basin)
        From `score`.

    Returns
    -------
    pandas.DataFrame
        Index ``gauge_id`` (strings), the columns of `COLUMNS`.

    Raises
    ------
    HydromlError
        The scores still have a member dimension.
    """
    if set(scores.dims) != {"basin"}:
        raise HydromlError(
            f"A table of metrics has one row a basin, but the scores have {dict(scores.sizes)}.",
            "Score the ensemble mean, sim.mean('member'), or select one member.",
        )
    index = pd.Index([str(b) for b in scores["basin"].values], name="gauge_id")
    table = pd.DataFrame({name: scores[name].values for name in COLUMNS}, index=index)
    return table.astype({"n_days": int})


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Summarise a table of metrics over its basins.

    Parameters
    ----------
    table : pandas.DataFrame
        From `metrics_table`, or read from ``metrics.csv``.

    Returns
    -------
    dict
        ``basins``, ``basins_without_score`` (NSE is NaN), ``basins_nse_le_0``
        (NSE <= 0), and ``median`` and ``mean`` of each column over basins that have it; None
        where no basin has. Ready for JSON.

    Examples
    --------
    >>> found = summarise(pd.DataFrame({"NSE": [0.5, -1.0, float("nan")]}))
    >>> found["basins"], found["basins_without_score"], found["basins_nse_le_0"]
    (3, 1, 1)
    >>> found["median"]
    {'NSE': -0.25}
    """
    return {
        "basins": len(table),
        "basins_without_score": int(table["NSE"].isna().sum()),
        "basins_nse_le_0": int((table["NSE"] <= 0).sum()),
        "median": {str(k): _json_number(v) for k, v in table.median().items()},
        "mean": {str(k): _json_number(v) for k, v in table.mean().items()},
    }


def _score_block(obs: Any, sim: Any, flavour: Flavour) -> Any:
    valid = (obs >= 0) & np.isfinite(obs) & np.isfinite(sim)
    m = moments.moments(obs, sim, valid)
    c = flow_duration.curves(obs, sim, valid, flavour)
    found = {name: function(m) for name, function in _FROM_MOMENTS.items()}
    found |= {name: function(c, flavour) for name, function in _FROM_CURVES.items()}
    found["peak_timing"] = peak_timing(obs, sim, valid)
    found = {name: np.where(m.n >= 2, values, np.nan) for name, values in found.items()}
    found["n_days"] = m.n
    return np.stack([found[name] for name in COLUMNS], axis=-1)


def _whole_series(q: xr.DataArray) -> xr.DataArray:
    return q.chunk(time=-1) if q.chunks else q


def _refuse_misaligned(obs: xr.DataArray, sim: xr.DataArray) -> None:
    for dim in ("basin", "time"):
        for name, array in (("obs", obs), ("sim", sim)):
            if dim not in array.dims:
                raise HydromlError(
                    f"{name} has dimensions {array.dims}, without {dim!r}.",
                    "Give discharge with dimensions (basin, time).",
                )
        if not obs.indexes[dim].equals(sim.indexes[dim]):
            raise HydromlError(
                f"obs and sim differ in {dim!r} ({obs.sizes[dim]} and {sim.sizes[dim]} entries).",
                "Align them first: obs, sim = xarray.align(obs, sim).",
            )


def _json_number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
