"""The layout of ``response.nc``: coordinates, units and provenance around the numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from hydroml.evaluation.simulate import GAUGE_ID, KEPT_ATTRIBUTES
from hydroml.sensitivity.extremes import changes
from hydroml.sensitivity.statistics import STATISTICS
from hydroml.sensitivity.study import Study
from hydroml.version import __version__

DESCRIPTIONS = {
    "value": {"long_name": "statistic of simulated flow; units in statistic_units"},
    "change": {"long_name": "change against the same member's baseline; units in change_units"},
    "regime": {"units": "mm d-1", "long_name": "mean flow of a calendar month"},
    "precipitation": {"units": "mm d-1", "long_name": "mean precipitation of the period"},
    "outside": {"units": "1", "long_name": "share of days outside the training range of an input"},
    "unusual": {
        "units": "1",
        "long_name": "share of days unlike all but 0.1 % of the training days of all basins",
    },
    "unusual_here": {
        "units": "1",
        "long_name": "share of days unlike all but 0.1 % of the basin's own training days",
    },
    "ceiling": {"units": "mm d-1", "long_name": "highest discharge the model's head can give"},
}


def lay_out(
    numbers: xr.Dataset,
    study: Study,
    dataset: xr.Dataset,
    *,
    members: Sequence[str],
    inputs: Sequence[str],
    attrs: dict[str, str],
) -> xr.Dataset:
    """Add changes, coordinates and attributes to computed statistics.

    Parameters
    ----------
    numbers : xarray.Dataset
        What `hydroml.sensitivity.response.respond` returns, of all basins.
    study : Study
        What was computed.
    dataset : xarray.Dataset
        The store; places, names and climatic attributes of the basins are taken from it.
    members : sequence of str
        Names of the runs.
    inputs : sequence of str
        Names along ``input``.
    attrs : dict
        Further global attributes.
    """
    result = numbers.reset_coords(drop=True).copy()
    value = numbers["value"].transpose("scenario", "basin", "member", "statistic").values
    change = changes(value, value[:1]).astype("float32")
    dims = ("scenario", "basin", "member", "statistic")
    result["change"] = xr.DataArray(change, dims=dims).transpose(*numbers["value"].dims)
    coordinates: dict[str, Any] = {
        "scenario": _texts([s.name for s in study.scenarios]),
        "statistic": _texts(list(STATISTICS)),
        "member": _texts(members),
        "input": _texts(inputs),
        "month": np.arange(1, 13),
        "basin": ("basin", _texts(numbers["basin"].values.tolist()), GAUGE_ID),
    }
    of_basins = _of_basins(dataset, numbers)
    coordinates |= _of_scenarios(study) | _of_statistics() | of_basins
    result = result.assign_coords(coordinates)
    for name, described in DESCRIPTIONS.items():
        if name in result:
            result[name].attrs.update(described)
    return result.assign_attrs(
        {
            "Conventions": "CF-1.11",
            "title": "Response of extreme flows to changes of climate"
            + (" (SYNTHETIC DATA)" if attrs.get("synthetic") == "true" else ""),
            "history": f"{datetime.now(UTC).isoformat(timespec='seconds')} hydroml {__version__}",
            "period": f"{study.period[0]}..{study.period[1]}",
            "statics": study.statics,
            **study.physics.model_dump(),
            "radiation": "held",
            "scenarios": study.describe(),
            **attrs,
        }
    )


def _texts(values: Sequence[str]) -> np.ndarray:
    return np.array([str(v) for v in values], dtype=object)


def _of_scenarios(study: Study) -> dict[str, tuple]:
    uniform = [s.uniform or (np.nan, np.nan) for s in study.scenarios]
    storms = [s.storm for s in study.scenarios]
    warming, factor = np.array(uniform, dtype=float).T
    return {
        "title": ("scenario", _texts([s.title or s.name for s in study.scenarios])),
        "scenario_set": ("scenario", _texts(study.set_names)),
        "temperature_change": ("scenario", warming, {"units": "K"}),
        "precipitation_factor": ("scenario", factor, {"units": "1"}),
        "storm_depth": (
            "scenario",
            np.array([s.depth if s else np.nan for s in storms]),
            {"units": "mm"},
        ),
        "storm_antecedent": ("scenario", _texts([s.antecedent if s else "" for s in storms])),
    }


def _of_statistics() -> dict[str, tuple]:
    known = STATISTICS.values()
    return {
        "statistic_units": ("statistic", _texts([s.units for s in known])),
        "statistic_title": ("statistic", _texts([s.title for s in known])),
        "change_units": ("statistic", _texts([s.change_units for s in known])),
    }


def _of_basins(dataset: xr.Dataset, numbers: xr.Dataset) -> dict[str, xr.Variable]:
    """Places and climate: from the store where it has them, else what the forcing tells."""
    basins = numbers["basin"].values.tolist()
    wanted = (*KEPT_ATTRIBUTES, "aridity", "frac_snow", "p_mean")
    found = {
        name: dataset[name].sel(basin=basins).compute().variable
        for name in wanted
        if name in dataset
    }
    for name in ("aridity", "frac_snow", "p_mean"):
        told = numbers.coords.get(f"{name}_of_forcing")
        unknown = xr.Variable("basin", np.full(len(basins), np.nan))
        found.setdefault(name, unknown if told is None else told.variable)
    return found
