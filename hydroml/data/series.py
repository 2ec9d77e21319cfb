"""Arrays of some basins and one period, read from the store and kept un-windowed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.inputs import require_variables, static_matrix
from hydroml.data.validity import BASINS_AT_ONCE, usable_inputs
from hydroml.errors import StoreError

Days = tuple[np.datetime64, np.datetime64]
"""First and last day of a period, both included."""

CHUNKS_AT_ONCE = 4
"""Chunks of the store that are read in one go: each go has a cost of its own."""


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


@dataclass(frozen=True)
class SeriesReader:
    """Reads the series of some basins of a store, all of them or a few at a time.

    Made by `open_series`.

    Parameters
    ----------
    basins : list of str
        Gauge ids.
    time : ndarray
        Days, (T,), datetime64[D].
    period : slice
        The period's days within `time`.
    x_s : ndarray
        Static attributes, (B, S), float32.
    variables : tuple of xarray.Variable
        The inputs, then discharge; (basin, time) of the whole store, not read yet.
    names : tuple of str
        Their names.
    static : tuple of str
        Names of the attributes.
    rows : ndarray
        Each basin's place in the store, (B,).
    stored, place : slice
        Days of the store that are read, and where they stand within `time`.
    """

    basins: list[str]
    time: NDArray[np.datetime64]
    period: slice
    x_s: NDArray[np.float32]
    variables: tuple[xr.Variable, ...]
    names: tuple[str, ...]
    static: tuple[str, ...]
    rows: NDArray[np.int64]
    stored: slice
    place: slice

    @property
    def features(self) -> int:
        """Number of inputs, F."""
        return len(self.names) - 1

    def chunks(self, size: int = BASINS_AT_ONCE) -> list[NDArray[np.int64]]:
        """Group the basins, by index, that share a chunk of `size` basins of the store."""
        return _grouped(self.rows, size)

    def read(
        self, basins: NDArray[np.int64] | None = None, stop: Callable[[], bool] | None = None
    ) -> Series:
        """Read the series of some basins.

        Parameters
        ----------
        basins : ndarray, optional
            Indices of the basins, in the order wanted; all without.
        stop : callable, optional
            Asked now and then; where it says yes, reading ends with `InterruptedError`. With it,
            all is done in the caller's thread, which others may wait for.

        Raises
        ------
        StoreError
            A value is infinite.
        """
        chosen = np.arange(len(self.basins)) if basins is None else basins
        ids = [self.basins[b] for b in chosen]
        x_d = np.empty((len(chosen), len(self.time), self.features), "float32")
        y = np.empty(x_d.shape[:2], "float32")
        rows, (begin, end) = self.rows[chosen], (self.place.start, self.place.stop)
        for part in _grouped(rows, CHUNKS_AT_ONCE * BASINS_AT_ONCE):
            into = _as_slice(part)
            for f, name in enumerate(self.names):
                if stop is not None and stop():
                    raise InterruptedError("reading was stopped")
                values = self._values(f, rows[part], "threads" if stop is None else "synchronous")
                _refuse_infinite(values, name, [ids[b] for b in part], self.time[self.place])
                array = y if f == self.features else x_d[:, :, f]
                array[into, begin:end] = values
                array[into, :begin] = array[into, end:] = np.nan
        return Series(ids, self.time, self.period, x_d, self.x_s[chosen], y)

    def _values(
        self, variable: int, rows: NDArray[np.int64], scheduler: str
    ) -> NDArray[np.float32]:
        part = self.variables[variable].isel(basin=_as_slice(rows), time=self.stored)
        return part.compute(scheduler=scheduler).to_numpy()


def open_series(
    dataset: xr.Dataset,
    basins: Sequence[str],
    dynamic: Sequence[str],
    static: Sequence[str],
    period: Days,
    *,
    lead: int,
    tail: int = 0,
    target: str = "qobs",
) -> SeriesReader:
    """Prepare to read a period, with `lead` days before and `tail` days after it.

    Attributes are read at once. Parameters and errors are those of `load_series`.
    """
    require_variables(dataset, [*dynamic, target], ("basin", "time"), "variable")
    require_variables(dataset, static, ("basin",), "attribute")
    start, stop = (d.astype("datetime64[D]") for d in period)
    time = np.arange(start - lead, stop + tail + 1, dtype="datetime64[D]")
    days = dataset["time"].values.astype("datetime64[D]")
    first, behind = np.searchsorted(days, [time[0], time[-1] + 1])
    begin = int((days[first] - time[0]).astype(int)) if behind > first else 0
    names = (*dynamic, target)
    return SeriesReader(
        basins=list(basins),
        time=time,
        period=slice(lead, len(time) - tail),
        x_s=static_matrix(dataset.sel(basin=list(basins)), static),
        variables=tuple(dataset[n].transpose("basin", "time").variable for n in names),
        names=names,
        static=tuple(static),
        rows=dataset.get_index("basin").get_indexer(pd.Index(list(basins), dtype=object)),
        stored=slice(int(first), int(behind)),
        place=slice(begin, begin + int(behind - first)),
    )


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
    reader = open_series(
        dataset, basins, dynamic, static, period, lead=lead, tail=tail, target=target
    )
    return reader.read()


def with_attributes(dataset: xr.Dataset, basins: Sequence[str], static: Sequence[str]) -> list[str]:
    """Basins that have every one of the attributes, in the order given.

    Raises
    ------
    StoreError
        The store has no such attribute, or no basin has them all.
    """
    if not static:
        return list(basins)
    require_variables(dataset, static, ("basin",), "attribute")
    chosen = dataset[list(static)].sel(basin=list(basins))
    there = np.logical_and.reduce([np.isfinite(v.values) for v in chosen.data_vars.values()])
    found = [b for b, complete in zip(basins, there, strict=True) if complete]
    if not found:
        raise StoreError(
            f"None of the {len(basins)} basins has all of the {len(static)} attributes.",
            "Choose attributes with --set data.static=[...].",
        )
    return found


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


def _grouped(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Group the indices of rows that lie in the same block of `size`, in the order of rows."""
    order = np.argsort(rows, kind="stable")
    ends = np.flatnonzero(np.diff(rows[order] // size)) + 1
    return np.split(order, ends)


def _as_slice(indices: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    if len(indices) and (np.diff(indices) == 1).all():
        return slice(int(indices[0]), int(indices[-1]) + 1)
    return indices
