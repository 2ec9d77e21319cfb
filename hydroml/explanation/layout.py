"""What the files of this package share: members, days, inputs and their weather."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.roles import roles_of
from hydroml.explanation.window import Weather


def coordinates_of(weather: Weather, members: Sequence[str], dataset: xr.Dataset) -> dict[str, Any]:
    """Lay out members, days and inputs.

    Parameters
    ----------
    weather : Weather
        Of the days before an event.
    members : sequence of str
        Names.
    dataset : xarray.Dataset
        The store: units and roles of the inputs.

    Returns
    -------
    dict
        Coordinates ``member``, ``time``, ``days_before`` (time), ``input``, ``input_units`` and
        ``input_role`` (input).
    """
    roles = roles_of(weather.names, dataset)
    before = np.arange(len(weather.time) - 1, -1, -1)
    return {
        "member": ("member", texts(members)),
        "time": weather.time.astype("datetime64[ns]"),
        "days_before": ("time", before, {"units": "d", "long_name": "days before the event"}),
        "input": ("input", texts(weather.names)),
        "input_units": (
            "input",
            texts(str(dataset[n].attrs.get("units", "")) for n in weather.names),
        ),
        "input_role": ("input", texts(roles[n] for n in weather.names)),
    }


def forcing_of(weather: Weather) -> dict[str, Any]:
    """Lay out the weather and that of the baseline, (time, input)."""
    dims, note = ("time", "input"), {"comment": "units differ along input: see input_units"}
    return {
        "forcing": (dims, weather.forcing, {"long_name": "inputs of the model", **note}),
        "forcing_baseline": (dims, weather.baseline, {"long_name": "baseline of them", **note}),
    }


def gauge_name(dataset: xr.Dataset, basin: str) -> str:
    """Name of a gauge, empty where the store knows none."""
    if "gauge_name" not in dataset:
        return ""
    return str(dataset["gauge_name"].sel(basin=basin).values.item())


def texts(values: Iterable[Any]) -> NDArray[np.object_]:
    """Strings as xarray and zarr take them."""
    return np.array(list(values), dtype=object)
