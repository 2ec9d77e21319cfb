"""Flow that weather produces through trained runs: the weather's errors as a flood sees them.

Observed weather goes through the same runs, so that the runs' own errors are out of the comparison.
"""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.inputs import require_variables, static_matrix
from hydroml.data.series import usable_inputs
from hydroml.evaluation.predict import predict_continuous
from hydroml.evaluation.simulate import days_before, to_discharge
from hydroml.generate.weather import Weather
from hydroml.progress import Advance, silent
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around

Flow = NDArray[np.float32]


def inputs_of(runs: Sequence[RunDirectory]) -> list[str]:
    """Collect the inputs that any of the runs reads."""
    return list(dict.fromkeys(name for run in runs for name in run.scaler().dynamic))


def lead_of(runs: Sequence[RunDirectory]) -> int:
    """Days of weather before the first day whose flow counts."""
    return max(days_before(run, "continuous") for run in runs)


def simulate_flow(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    weathers: Sequence[Weather],
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> list[Flow]:
    """Simulate the flow of several weathers of the same basins.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or an ensemble, whose mean is taken.
    dataset : xarray.Dataset
        The store, for attributes.
    weathers : sequence of Weather
        With at least the inputs of the runs.
    device : torch.device
        Where to compute.
    on_progress : callable
        Told of the weathers done, once for each run.

    Returns
    -------
    list of ndarray
        Discharge [mm d-1], (B, T) of each, NaN on the first days of a run's memory.

    Raises
    ------
    RunError
        A run has no weights.
    StoreError
        An attribute is missing.
    """
    basins = weathers[0].basins
    totals = [np.zeros(w.values.shape[:2], dtype="float32") for w in weathers]
    members = 0
    for run in runs:
        scaler, models = run.scaler(), run.load_models(device)
        _, _, memory = days_around(run.config().sampling)
        require_variables(dataset, scaler.static, ("basin",), "attribute")
        x_s = scaler.scale_static(static_matrix(dataset.sel(basin=basins), scaler.static))
        for total, weather in zip(totals, weathers, strict=True):
            columns = [weather.names.index(name) for name in scaler.dynamic]
            x_d = weather.values[..., columns]  # a copy: it is scaled in place
            usable = usable_inputs(x_d, memory)
            x_d = scaler.scale_dynamic(x_d)
            for model in models:
                total += to_discharge(predict_continuous(model, x_d, x_s, device), usable, scaler)
            on_progress(1)
        members += len(models)
    return [(total / members).astype("float32") for total in totals]
