"""Arrays of some basins and one period, read from the store once and kept un-windowed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.errors import StoreError, nearest

Days = tuple[np.datetime64, np.datetime64]
"""First and last day of a period, both included."""

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


@dataclass(frozen=True)
class Series:
    """Raw values of B basins over T days: `lead` days before the period, the period, a tail.

    Parameters
    ----------
    basins : list of str
        Gauge ids.
    time : ndarray
        Days, (T,), datetime64[D].
    period : slice
        The period's days within `time`.
    x_d : ndarray
        Dynamic inputs, (B, T, F), float32, NaN where missing or outside the store.
    x_s : ndarray
        Static attributes, (B, S), float32.
    y : ndarray
        Discharge [mm d-1], (B, T), float32, NaN where missing.
    """

    basins: list[str]
    time: NDArray[np.datetime64]
    period: slice
    x_d: NDArray[np.float32]
    x_s: NDArray[np.float32]
    y: NDArray[np.float32]

    def valid_targets(self, memory: int) -> NDArray[np.bool_]:
        """Tell which targets count, (B, T): the one validity mask of hydroml.

        A day of the period counts where discharge is there and not negative, and every input
        of the last `memory` days, the day itself included, is there.
        """
        valid = usable_inputs(self.x_d, memory) & (self.y >= 0)  # NaN >= 0 is False
        valid[:, : self.period.start] = False
        valid[:, self.period.stop :] = False
        return valid


def usable_inputs(x_d: NDArray[np.float32], memory: int) -> NDArray[np.bool_]:
    """Tell where all inputs of the last `memory` days, today included, are there.

    Parameters
    ----------
    x_d : ndarray
        (B, T, F), NaN where missing. Days before the array count as missing.
    memory : int
        Days, at least 1.

    Returns
    -------
    ndarray
        (B, T), bool.

    Examples
    --------
    >>> x = np.array([1, 1, np.nan, 1, 1, 1], "float32").reshape(1, 6, 1)
    >>> usable_inputs(x, 2)
    array([[False,  True, False, False,  True,  True]])
    """
    missing = np.isnan(x_d[..., 0])
    for f in range(1, x_d.shape[2]):  # one input at a time: no (B, T, F) copy
        missing |= np.isnan(x_d[..., f])
    day = np.arange(x_d.shape[1])
    last_missing = np.maximum.accumulate(np.where(missing, day, -1), axis=1)
    return day - last_missing >= memory


def load_series(
    dataset: xr.Dataset,
    basins: Sequence[str],
    dynamic: Sequence[str],
    static: Sequence[str],
    period: Days,
    *,
    lead: int,
    tail: int = 0,
    target: str = "qobs",
) -> Series:
    """Read a period, with `lead` days before and `tail` days after it, into memory.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    basins : sequence of str
        Gauge ids, all in the store.
    dynamic, static : sequence of str
        Names of inputs and attributes.
    period : tuple of datetime64
        First and last day.
    lead, tail : int
        Days before and after; where the store has none, values are missing.
    target : str
        Name of the discharge variable.

    Raises
    ------
    StoreError
        A variable or attribute is not in the store, an attribute is missing for a basin, or
        a value is infinite.
    """
    _require(dataset, [*dynamic, target], ("basin", "time"), "variable")
    _require(dataset, static, ("basin",), "attribute")
    start, stop = (d.astype("datetime64[D]") for d in period)
    time = np.arange(start - lead, stop + tail + 1, dtype="datetime64[D]")
    chosen = dataset.sel(basin=list(basins))
    days = chosen["time"].values.astype("datetime64[D]")
    inside = (days >= time[0]) & (days <= time[-1])
    place = slice(int((days[inside][0] - time[0]).astype(int)), None) if inside.any() else slice(0)
    x_d = np.full((len(basins), len(time), len(dynamic)), np.nan, dtype="float32")
    y = np.full(x_d.shape[:2], np.nan, dtype="float32")
    window = chosen.isel(time=np.flatnonzero(inside))
    place = slice(place.start or 0, (place.start or 0) + int(inside.sum()))
    for f, name in enumerate(dynamic):
        x_d[:, place, f] = _values(window[name])
        _refuse_infinite(x_d[:, :, f], name, basins, time)
    y[:, place] = _values(window[target])
    _refuse_infinite(y, target, basins, time)
    period_days = slice(lead, len(time) - tail)
    return Series(list(basins), time, period_days, x_d, static_matrix(chosen, static), y)


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


def with_attributes(dataset: xr.Dataset, basins: Sequence[str], static: Sequence[str]) -> list[str]:
    """Basins that have every one of the attributes, in the order given.

    Raises
    ------
    StoreError
        The store has no such attribute, or no basin has them all.
    """
    if not static:
        return list(basins)
    _require(dataset, static, ("basin",), "attribute")
    chosen = dataset[list(static)].sel(basin=list(basins))
    there = np.logical_and.reduce([np.isfinite(v.values) for v in chosen.data_vars.values()])
    found = [b for b, complete in zip(basins, there, strict=True) if complete]
    if not found:
        raise StoreError(
            f"None of the {len(basins)} basins has all of the {len(static)} attributes.",
            "Choose attributes with --set data.static=[...].",
        )
    return found


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


def _values(array: xr.DataArray) -> NDArray[np.float32]:
    return array.transpose("basin", "time").values


def _require(dataset: xr.Dataset, names: Sequence[str], dims: tuple[str, ...], what: str) -> None:
    known = [str(n) for n, v in dataset.data_vars.items() if set(v.dims) == set(dims)]
    for name in names:
        if name not in known:
            raise StoreError(f"The store has no {what} {name!r}.", nearest(name, known))


def _refuse_infinite(
    values: NDArray[np.float32],
    name: str,
    basins: Sequence[str],
    time: NDArray[np.datetime64],
) -> None:
    if np.isinf(values).any():
        b, t = np.argwhere(np.isinf(values))[0]
        raise StoreError(
            f"{name} of basin {basins[b]} is infinite on {time[t]}.",
            "Mend the source, or mark the day as missing (NaN), and prepare the store again.",
        )
