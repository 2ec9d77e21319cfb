"""The known truth: noise-free discharge of a synthetic store, under any climate."""

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.data.radiation import daylight_seconds, potential_evaporation
from hydroml.data.synthetic.hydrology import simulate
from hydroml.data.synthetic.parameters import PARAMETERS
from hydroml.errors import StoreError

PREFIX = "truth_"
"""Before the name of a parameter of the true model in a store."""

_SPIN_UP = 730  # days from the start of the record, run before it


def simulate_truth(dataset: xr.Dataset) -> xr.DataArray:
    """Rerun the true model with a synthetic store's forcing, perturbed or not.

    The parameters are properties of the catchment: they are read from ``truth_*`` and do not
    change with the climate, nor do the static attributes. Potential evaporation is computed
    anew from ``tmax``, ``tmin`` and ``srad``, so warming evaporates more. The first two years
    are run twice, to start from storages of the climate that was given; a dataset cut in time
    starts from other storages than the whole.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a synthetic store: ``prcp`` [mm d-1], ``tmax``, ``tmin`` [degC], ``srad`` [W m-2]
        (basin, time), ``gauge_lat`` and ``truth_*`` (basin). Forcing may be changed at will.

    Returns
    -------
    xarray.DataArray
        Noise-free discharge (basin, time) [mm d-1], float32. From the unchanged forcing of a
        store it is the store's ``qtrue``.

    Raises
    ------
    StoreError
        A variable is missing (the store is not synthetic), or forcing has gaps.

    Examples
    --------
    >>> from hydroml.data.synthetic import generate
    >>> store = generate(basins=2, years=2)
    >>> wetter = simulate_truth(store.assign(prcp=1.2 * store.prcp))
    >>> bool((wetter.mean("time") > store.qtrue.mean("time")).all())
    True
    """
    require_truth(dataset)
    _refuse_gaps(dataset)
    prcp, tmax, tmin, srad = (
        dataset[name].transpose("basin", "time").to_numpy().astype(float)
        for name in ("prcp", "tmax", "tmin", "srad")
    )
    parameters = {n: dataset[PREFIX + n].to_numpy().astype(float) for n in PARAMETERS}
    time = pd.DatetimeIndex(dataset["time"].to_numpy())
    latitude = dataset["gauge_lat"].to_numpy().astype(float)
    temperature = (tmax + tmin) / 2
    pet = potential_evaporation(
        temperature, srad, daylight_seconds(latitude, time.day_of_year.to_numpy())
    )
    discharge = _spun_up(prcp, temperature, pet, parameters)
    return xr.DataArray(
        discharge.astype(np.float32),
        coords={"basin": dataset["basin"], "time": dataset["time"]},
        dims=("basin", "time"),
        name="qtrue",
        attrs={"units": "mm d-1", "long_name": "true discharge of the synthetic catchment"},
    )


def _spun_up(
    prcp: np.ndarray, temperature: np.ndarray, pet: np.ndarray, parameters: dict[str, np.ndarray]
) -> np.ndarray:
    rain, warmth, demand = (
        np.concatenate([a[:, :_SPIN_UP], a], axis=1) for a in (prcp, temperature, pet)
    )
    return simulate(rain, warmth, demand, parameters).discharge[:, -prcp.shape[1] :]


def require_truth(dataset: xr.Dataset) -> None:
    """Refuse a dataset that does not hold what the true model needs; no value is read.

    Raises
    ------
    StoreError
        Names what is missing.
    """
    needed = ["prcp", "tmax", "tmin", "srad", "gauge_lat", *(PREFIX + n for n in PARAMETERS)]
    missing = [name for name in needed if name not in dataset]
    if missing:
        raise StoreError(
            f"The truth needs {missing[:5]}, which the dataset does not hold.",
            "Give a store of 'hydroml data synth': only synthetic basins have a known truth.",
        )


def _refuse_gaps(dataset: xr.Dataset) -> None:
    gaps = [n for n in ("prcp", "tmax", "tmin", "srad") if bool(np.isnan(dataset[n]).any())]
    if gaps:
        raise StoreError(
            f"The forcing {gaps} has missing values.",
            "Give forcing without gaps for every basin and day.",
        )
