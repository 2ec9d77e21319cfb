"""Caravan: one NetCDF or CSV file a basin, attribute tables, any number of sub-datasets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.data.archives import Member, list_members, require_path, signature
from hydroml.data.attribute_tables import join_tables, read_table
from hydroml.data.camels_us import SYNTHETIC_MARK
from hydroml.data.daily import on_daily_axis, require_ascending
from hydroml.data.source import SkipBasin
from hydroml.errors import SourceError
from hydroml.units import TARGET

STREAMFLOW = "streamflow"
_SERIES = re.compile(r"(?:.*/)?timeseries/(netcdf|csv)/([^/]+)/([^/]+)\.(?:nc|csv)")
_ATTRIBUTES = re.compile(r"(?:.*/)?attributes/([^/]+)/[^/]+\.csv")
_REMEDY = "Download the file again, or leave this basin out with --skip-bad (it is then reported)."


@dataclass(frozen=True)
class Caravan:
    """A Caravan folder; a `hydroml.data.source.Source`. Made by `open_caravan`.

    Parameters
    ----------
    location : str
        The folder.
    series_files : mapping of str to Member
        Gauge id (Caravan's own, ``camels_01022500``) to its time series.
    attribute_files : mapping of str to tuple of Member
        Sub-dataset to its tables.
    synthetic : bool
        Whether the folder says that its data come from a model.

    References
    ----------
    Kratzert et al. (2023), doi 10.1038/s41597-023-01975-w.
    """

    location: str
    series_files: Mapping[str, Member]
    attribute_files: Mapping[str, tuple[Member, ...]]
    synthetic: bool = False
    title: str = field(default="Caravan", init=False)
    forcing: str = field(default="era5-land", init=False)

    def gauges(self) -> list[str]:
        """Ids of all basins."""
        return sorted(self.series_files)

    def read(self, gauge: str) -> xr.Dataset:
        """Read one basin; ``streamflow`` becomes ``qobs``, other names stay.

        See `hydroml.data.source.Source.read`.
        """
        file = self.series_files[gauge]
        table = _read_csv(file) if file.name.endswith(".csv") else _read_netcdf(file)
        time = _days(table.pop("date").to_numpy(), file)
        if not len(time):
            raise SkipBasin("no days in its file")
        units = table.attrs
        series = {str(name): (time, table[name].to_numpy("float64")) for name in table.columns}
        discharge = series.pop(STREAMFLOW, (time, np.full(len(time), np.nan)))
        if not series:
            raise SkipBasin("no forcing (discharge only)")
        dataset = on_daily_axis({**series, TARGET: discharge})
        for name in set(units) & set(dataset.data_vars):
            dataset[name].attrs.update(units[name])
        return dataset

    def attributes(self) -> pd.DataFrame:
        """Return the attributes of all sub-datasets, index ``gauge_id``."""
        by_dataset = [
            join_tables([read_table(f.read(), str(f), ",") for f in files])
            for files in self.attribute_files.values()
        ]
        if not by_dataset:
            return join_tables([])
        return pd.concat(by_dataset).sort_index().rename_axis("gauge_id")

    def narrowed(self, gauge: str) -> Self:
        """Return the same source with one basin only."""
        return replace(self, series_files={gauge: self.series_files[gauge]}, attribute_files={})

    def identity(self) -> dict[str, object]:
        """Describe the files (path, time, size)."""
        tables = [m for several in self.attribute_files.values() for m in several]
        files = sorted({str(m.path) for m in [*self.series_files.values(), *tables]})
        return {"dataset": self.title, "files": [signature(f) for f in files]}


def open_caravan(path: Path | str, subsets: Sequence[str] = ()) -> Caravan:
    """Find the files of a Caravan folder.

    Parameters
    ----------
    path : path-like
        The folder with ``timeseries/`` and ``attributes/`` in it (or one level above).
    subsets : sequence of str, optional
        Sub-datasets (``camels``, ``camelsgb``, ...); default all that are there.

    Returns
    -------
    Caravan
        The source; nothing is parsed yet.

    Raises
    ------
    SourceError
        No Caravan time series there.
    """
    folder = require_path(path)
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder.", "Extract Caravan and give its folder.")
    members = list_members(folder)
    series: dict[str, Member] = {}
    tables: dict[str, tuple[Member, ...]] = {}
    for member in members:
        if match := _SERIES.fullmatch(member.name):
            # NetCDF sorts after CSV: where both are there, the quicker one counts
            if not subsets or match.group(2) in subsets:
                series[match.group(3)] = member
        elif (match := _ATTRIBUTES.fullmatch(member.name)) and (
            not subsets or match.group(1) in subsets
        ):
            tables[match.group(1)] = (*tables.get(match.group(1), ()), member)
    if not series:
        raise SourceError(
            f"{folder} holds no Caravan time series"
            f"{' of ' + ', '.join(subsets) if subsets else ''}.",
            "Give the folder with timeseries/netcdf/<dataset>/<gauge>.nc in it.",
        )
    synthetic = any(m.name.endswith(SYNTHETIC_MARK) for m in members)
    return Caravan(str(folder), series, tables, synthetic)


def _read_netcdf(file: Member) -> pd.DataFrame:
    try:
        with xr.open_dataset(file.path, engine="netcdf4") as dataset:
            names = [str(n) for n, v in dataset.data_vars.items() if v.dims == ("date",)]
            if "date" not in dataset.variables:
                raise SourceError(
                    f"{file} has no dimension 'date', only {list(dataset.sizes)}.", _REMEDY
                )
            table = pd.DataFrame({n: dataset[n].values for n in ["date", *names]})
            table.attrs = {n: _text_attributes(dataset[n]) for n in names}
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(
            f"{file} is no readable NetCDF file; truncated? ({error})", _REMEDY
        ) from error
    return table[["date", *_numeric(table)]]


def _read_csv(file: Member) -> pd.DataFrame:
    try:
        table = pd.read_csv(file.path, parse_dates=["date"], index_col=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise SourceError(f"{file} is no Caravan table ({error}).", _REMEDY) from error
    for name in table.columns:
        if name != "date" and table[name].dtype.kind not in "fiu" and table[name].notna().any():
            row = int(np.argmax(pd.to_numeric(table[name], errors="coerce").isna()))
            raise SourceError(
                f"{file}, line {row + 2}, column {name!r}: {table[name].iloc[row]!r} is no number.",
                _REMEDY,
            )
    return table[["date", *_numeric(table)]]


def _numeric(table: pd.DataFrame) -> list[str]:
    return [str(n) for n in table.columns if table[n].dtype.kind in "fiu"]


def _text_attributes(array: xr.DataArray) -> dict[str, str]:
    return {str(k): v for k, v in array.attrs.items() if isinstance(v, str)}


def _days(date: np.ndarray, file: Member) -> np.ndarray:
    if date.dtype.kind != "M" or np.isnat(date).any():
        raise SourceError(f"{file}: 'date' holds something that is no date.", _REMEDY)
    time = date.astype("datetime64[D]")
    require_ascending(time, f"{file}, day", 1, _REMEDY)
    return time
