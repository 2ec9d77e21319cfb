"""Own data: one NetCDF file or Zarr folder with (basin, time) variables."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.data.archives import list_members, require_path, signature
from hydroml.data.daily import on_daily_axis, require_ascending
from hydroml.data.source import SkipBasin
from hydroml.errors import SourceError, nearest
from hydroml.units import TARGET

BASIN_NAMES = ("basin", "gauge_id", "gauge", "gauges", "basins", "station_id", "station", "id")
TIME_NAMES = ("time", "date", "day", "dates")
BASINS_AT_ONCE = 64
_SYNONYMS = {"basin": BASIN_NAMES, "time": TIME_NAMES}


@dataclass(frozen=True)
class GriddedFile:
    """A NetCDF file or Zarr folder; a `hydroml.data.source.Source`. Made by `open_netcdf`.

    Parameters
    ----------
    location : str
        The file or folder.
    discharge : str
        Name of the observed discharge [mm d-1] in it.
    ids : tuple of str
        Gauge ids in the file's order.
    forcing : str
        The file's global attribute ``forcing``, or ``own``.
    synthetic : bool
        The file's global attribute ``synthetic``, or False.
    """

    location: str
    discharge: str
    ids: tuple[str, ...]
    forcing: str = "own"
    synthetic: bool = False
    title: str = field(default="own data", init=False)

    def gauges(self) -> list[str]:
        """Ids of all basins."""
        return sorted(self.ids)

    def read(self, gauge: str) -> xr.Dataset:
        """Read one basin; see `hydroml.data.source.Source.read`."""
        row = self.ids.index(gauge)
        first = row - row % BASINS_AT_ONCE
        block = _block(self.location, signature(self.location), first)
        time = _days(block, self.location)
        one = block.isel(basin=row - first)
        series = {n: (time, one[n].values.astype("float64")) for n in _dynamic(block)}
        attributes = {n: dict(one[n].attrs) for n in series}
        finite = [n for n, (_, values) in series.items() if np.isfinite(values).any()]
        if not [n for n in finite if n != self.discharge]:
            raise SkipBasin(f"no forcing ({'discharge only' if finite else 'nothing else'})")
        found = on_daily_axis(series)
        for name, several in attributes.items():
            found[name].attrs.update({k: v for k, v in several.items() if isinstance(v, str)})
        return found.rename({self.discharge: TARGET} if self.discharge != TARGET else {})

    def attributes(self) -> pd.DataFrame:
        """Return the (basin) variables, index ``gauge_id``."""
        with _opened(self.location) as dataset:
            names = [n for n, v in dataset.data_vars.items() if v.dims == ("basin",)]
            columns = {str(n): dataset[n].values for n in names}
        index = pd.Index(np.array(self.ids, object), name="gauge_id")
        return pd.DataFrame(columns, index=index).sort_index()

    def narrowed(self, gauge: str) -> Self:
        """Return the source itself: it is small."""
        return self

    def identity(self) -> dict[str, object]:
        """Describe the discharge's name and the files (path, time, size)."""
        path = Path(self.location)
        files = [str(m.path) for m in list_members(path)] if path.is_dir() else [str(path)]
        return {
            "dataset": self.title,
            "discharge": self.discharge,
            "files": [signature(f) for f in files],
        }


def open_netcdf(path: Path | str, discharge: str = TARGET) -> GriddedFile:
    """Open own data: (basin, time) variables and (basin) attributes.

    Parameters
    ----------
    path : path-like
        NetCDF file or Zarr folder. Dimensions ``basin`` and ``time``, or one obvious synonym
        of each (``gauge_id``, ``station``, ``date``, ...); gauge ids as text.
    discharge : str
        Name of the observed discharge [mm d-1].

    Returns
    -------
    GriddedFile
        The source.

    Raises
    ------
    SourceError
        Not readable, dimensions not recognised, ids that are numbers, or no such discharge.
    """
    location = str(require_path(path))
    with _opened(location) as dataset:
        dynamic = _dynamic(dataset)
        if discharge not in dynamic:
            raise SourceError(
                f"{location} has no discharge {discharge!r} with dimensions (basin, time).",
                f"Name it with --discharge NAME. {nearest(discharge, dynamic)}",
            )
        _days(dataset, location)
        return GriddedFile(
            location,
            discharge,
            _ids(dataset, location),
            str(dataset.attrs.get("forcing", "own")),
            str(dataset.attrs.get("synthetic", False)).lower() in ("true", "1"),
        )


@lru_cache(maxsize=1)
def _block(location: str, changed: tuple[str, int, int], first: int) -> xr.Dataset:
    # a compressed chunk holds many basins: it is loaded once a process, not once a basin
    with _opened(location) as dataset:
        names = _dynamic(dataset)
        return dataset[names].isel(basin=slice(first, first + BASINS_AT_ONCE)).load()


@contextmanager
def _opened(location: str) -> Iterator[xr.Dataset]:
    """Open lazily, with dimensions named basin and time."""
    try:
        if Path(location).is_dir():
            dataset = xr.open_zarr(location, consolidated=False, chunks=None)
        else:
            dataset = xr.open_dataset(location, engine="netcdf4")
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise SourceError(
            f"{location} is no readable NetCDF file or Zarr folder; truncated? ({error})",
            "Check that the file opens with xarray.open_dataset, or copy it again.",
        ) from error
    with dataset:
        renamed = {_dimension(dataset, name, location): name for name in _SYNONYMS}
        clashing = [new for old, new in renamed.items() if old != new and new in dataset.variables]
        if clashing:
            raise SourceError(
                f"{location}: {clashing[0]!r} is there, but is not the dimension.",
                "Rename or drop it.",
            )
        yield dataset.rename({old: new for old, new in renamed.items() if old != new})


def _dimension(dataset: xr.Dataset, wanted: str, location: str) -> str:
    if wanted in dataset.dims:
        return wanted
    candidates = [str(d) for d in dataset.dims if str(d).lower() in _SYNONYMS[wanted]]
    if len(candidates) == 1:
        return candidates[0]
    found = f"several that could be: {candidates}" if candidates else f"only {list(dataset.dims)}"
    raise SourceError(
        f"{location} has no dimension {wanted!r}, {found}.",
        f"Rename the dimension of the {wanted}s to {wanted!r}.",
    )


def _dynamic(dataset: xr.Dataset) -> list[str]:
    return [
        str(n)
        for n, v in dataset.data_vars.items()
        if set(v.dims) == {"basin", "time"} and v.dtype.kind in "fiu"
    ]


def _ids(dataset: xr.Dataset, location: str) -> tuple[str, ...]:
    if "basin" in dataset.coords:
        ids = dataset["basin"].values
    else:
        names = [n for n in BASIN_NAMES if n in dataset.variables and dataset[n].ndim == 1]
        if len(names) != 1:
            raise SourceError(
                f"{location} names no gauges: the dimension 'basin' has no coordinate.",
                "Add a coordinate 'basin' with the gauge ids as text.",
            )
        ids = dataset[names[0]].values
    if ids.dtype.kind in "fiu":
        raise SourceError(
            f"{location}: the gauge ids are numbers ({ids[0]}); numbers lose leading zeros.",
            "Store them as text, for example '01022500'.",
        )
    texts = [i.decode() if isinstance(i, bytes) else str(i) for i in ids.tolist()]
    if len(set(texts)) != len(texts):
        twice = next(t for t in texts if texts.count(t) > 1)
        raise SourceError(f"{location}: the gauge {twice} stands twice.", "Keep one of them.")
    return tuple(texts)


def _days(dataset: xr.Dataset, location: str) -> np.ndarray:
    if "time" not in dataset.coords or dataset["time"].dtype.kind != "M":
        raise SourceError(
            f"{location}: 'time' holds no dates.",
            "Give it CF units such as 'days since 1980-01-01' and a standard calendar.",
        )
    time = dataset["time"].values.astype("datetime64[D]")
    require_ascending(
        time,
        f"{location}, day",
        1,
        "Sort the dates, keep one value a day; hourly data must be aggregated first.",
    )
    return time
