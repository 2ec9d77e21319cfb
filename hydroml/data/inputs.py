"""Which of a store's variables and attributes are inputs of a model."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.errors import StoreError, nearest

# never an input unless asked for by name: discharge itself, what CAMELS leaves at zero (swe),
# and what is a function of latitude and date (dayl)
NOT_FORCING = ("qobs", "qtrue", "swe", "dayl")
# attributes computed from observed discharge: as inputs they would leak the answer
SIGNATURES = (
    "q_mean",
    "runoff_ratio",
    "slope_fdc",
    "baseflow_index",
    "stream_elas",
    "q5",
    "q95",
    "high_q_freq",
    "high_q_dur",
    "low_q_freq",
    "low_q_dur",
    "zero_q_freq",
    "hfd_mean",
)


def choose_dynamic(dataset: xr.Dataset, wanted: str | Sequence[str]) -> tuple[str, ...]:
    """Resolve ``auto``: every dynamic variable but discharge, swe and day length."""
    if not isinstance(wanted, str):
        return tuple(wanted)
    names = [str(n) for n, v in dataset.data_vars.items() if v.dims == ("basin", "time")]
    return tuple(n for n in names if not n.startswith(NOT_FORCING))


def choose_static(
    dataset: xr.Dataset, wanted: str | Sequence[str], reference: Sequence[str]
) -> tuple[str, ...]:
    """Resolve ``auto``: the reference experiment's attributes, or all that may be used.

    Without the full reference set these are the numeric attributes that are there for every
    basin, vary, and are neither coordinates, nor computed from discharge, nor hidden truth.
    """
    if not isinstance(wanted, str):
        return tuple(wanted)
    if set(reference) <= set(dataset.data_vars):
        return tuple(reference)
    names = []
    for name, values in dataset.data_vars.items():
        if values.dims != ("basin",) or values.dtype.kind not in "fiu":
            continue
        hidden = str(name).startswith(("truth_", "gauge_"))
        if hidden or name in SIGNATURES or not np.isfinite(values.values).all():
            continue
        if np.ptp(values.values) > 0:
            names.append(str(name))
    return tuple(names)


def static_matrix(dataset: xr.Dataset, static: Sequence[str]) -> NDArray[np.float32]:
    """Attributes of a dataset's basins, (B, S), float32.

    Raises
    ------
    StoreError
        An attribute is NaN for a basin.
    """
    columns = [dataset[name].values.astype("float32") for name in static]
    matrix = np.stack(columns, axis=1) if columns else np.zeros((dataset.sizes["basin"], 0), "f4")
    missing = ~np.isfinite(matrix)
    if missing.any():
        b, s = np.argwhere(missing)[0]
        raise StoreError(
            f"Attribute {static[s]!r} of basin {dataset['basin'].values[b]} is missing "
            f"({int(missing.any(axis=1).sum())} basins lack an attribute).",
            "Leave such basins out with --allow-missing, or the attribute with "
            "--set data.static=[...].",
        )
    return np.asarray(matrix, dtype="float32")


def require_variables(
    dataset: xr.Dataset, names: Sequence[str], dims: tuple[str, ...], what: str
) -> None:
    """Refuse names of variables of these dimensions that the store does not have.

    Raises
    ------
    StoreError
        Naming the first one and its nearest neighbour.
    """
    known = [str(n) for n, v in dataset.data_vars.items() if set(v.dims) == set(dims)]
    for name in names:
        if name not in known:
            raise StoreError(f"The store has no {what} {name!r}.", nearest(name, known))
