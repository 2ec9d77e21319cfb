"""CAMELS-US as it is distributed: archives or extracted folders, several forcing products."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.data.archives import Member, list_members, require_path, signature
from hydroml.data.attribute_tables import join_tables, read_table
from hydroml.data.camels_text import ForcingFile, parse_discharge, parse_forcing
from hydroml.data.daily import on_daily_axis
from hydroml.data.source import SkipBasin
from hydroml.errors import SourceError
from hydroml.units import FORCING_PRODUCTS, TARGET, cfs_to_mm_per_day, require_product

TEXT_ATTRIBUTES = (
    "huc_02",
    "gauge_name",
    "high_prec_timing",
    "low_prec_timing",
    "geol_1st_class",
    "geol_2nd_class",
    "dom_land_cover",
)

Files = Mapping[str, tuple[Member, ...]]
"""Gauge id to its files: one, unless the same gauge lies under several folders."""

_FORCING = re.compile(r"(\d+)_lump_\w+_forcing_leap\.txt")
_DISCHARGE = re.compile(r"(\d+)_streamflow_qc\.txt")
_ATTRIBUTES = re.compile(r"camels_(clim|geol|hydro|name|soil|topo|vege)\.txt")
_ARCHIVE = re.compile(r"(basin_timeseries|camels_attributes|.*maurer_extended).*\.zip", re.I)
SYNTHETIC_MARK = "SYNTHETIC.txt"
"""A file of this name in the source says that its data come from a model."""


@dataclass(frozen=True)
class CamelsUS:
    """CAMELS-US files of the chosen forcing products; a `hydroml.data.source.Source`.

    Made by `open_camels_us`.

    Parameters
    ----------
    location : str
        The files and folders it was opened from.
    products : tuple of str
        Forcing products, in the order asked for.
    forcing_files : mapping
        Product to gauge id to files.
    discharge_files : mapping
        Gauge id to files.
    attribute_files : tuple of Member
        Of the seven tables those that are there.
    synthetic : bool
        Whether a `SYNTHETIC_MARK` was found.
    available : tuple of str
        All products that are there.

    References
    ----------
    Newman et al. (2015), doi 10.5194/hess-19-209-2015; Addor et al. (2017),
    doi 10.5194/hess-21-5293-2017.
    """

    location: str
    products: tuple[str, ...]
    forcing_files: Mapping[str, Files]
    discharge_files: Files
    attribute_files: tuple[Member, ...] = ()
    synthetic: bool = False
    available: tuple[str, ...] = ()
    title: str = field(default="CAMELS-US", init=False)

    @property
    def forcing(self) -> str:
        """The products, joined by ``+``."""
        return "+".join(self.products)

    def gauges(self) -> list[str]:
        """Ids of all basins with forcing or discharge."""
        return sorted({*self.discharge_files, *(g for f in self.forcing_files.values() for g in f)})

    def read(self, gauge: str) -> xr.Dataset:
        """Read one basin; see `hydroml.data.source.Source.read`.

        Discharge becomes [mm d-1] with the area of the forcing file's header, which is kept as
        ``area_forcing`` [km2]. Of several products each variable has the product as a suffix.
        """
        absent = [p for p in self.products if gauge not in self.forcing_files[p]]
        if absent:
            also = "" if gauge in self.discharge_files else ", no discharge"
            raise SkipBasin(f"no {' and no '.join(absent)} forcing{also}")
        forcing = {}
        for product in self.products:
            label, content = _read_one(self.forcing_files[product][gauge], gauge)
            forcing[product] = parse_forcing(content, label)
        series = {
            (name if len(forcing) == 1 else f"{name}_{product}"): (file.time, values)
            for product, file in forcing.items()
            for name, values in file.values.items()
        }
        first = forcing[self.products[0]]
        if gauge in self.discharge_files:
            label, content = _read_one(self.discharge_files[gauge], gauge)
            time, q_cfs = parse_discharge(content, label)
            series[TARGET] = time, q_cfs * cfs_to_mm_per_day(1.0, first.area)
        else:
            series[TARGET] = first.time, np.full(len(first.time), np.nan)
        return on_daily_axis(series).assign(_header(first))

    def attributes(self) -> pd.DataFrame:
        """Return the attributes of all tables, index ``gauge_id``."""
        tables = [
            read_table(file.read(), str(file), ";", TEXT_ATTRIBUTES)
            for file in self.attribute_files
        ]
        return join_tables(tables)

    def narrowed(self, gauge: str) -> Self:
        """Return the same source with one basin only."""
        return replace(
            self,
            forcing_files={p: _only(files, gauge) for p, files in self.forcing_files.items()},
            discharge_files=_only(self.discharge_files, gauge),
            attribute_files=(),
        )

    def identity(self) -> dict[str, object]:
        """Describe products and files (path, time, size)."""
        groups = [self.discharge_files, *self.forcing_files.values()]
        members = [m for files in groups for several in files.values() for m in several]
        paths = {str(m.path) for m in [*members, *self.attribute_files]}
        return {
            "dataset": self.title,
            "products": list(self.products),
            "files": [signature(p) for p in sorted(paths)],
        }


def open_camels_us(
    paths: Path | str | Sequence[Path | str], forcing: Sequence[str] | None = None
) -> CamelsUS:
    """Find the CAMELS-US files in archives and folders.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        Zip archives as distributed, extracted folders, or a folder holding the archives. Where
        the same kind of file (a product, discharge, attributes) is in several places, the
        first place counts, a folder before the archives that lie in it.
    forcing : sequence of str, optional
        Forcing products. Default: the only one there is, of several daymet.

    Returns
    -------
    CamelsUS
        The source; nothing is parsed yet.

    Raises
    ------
    SourceError
        No CAMELS-US forcing there, or not of the product asked for.
    ConfigError
        Unknown product.
    """
    asked = [require_product(p) for p in forcing or []]
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    containers = [c for path in given for c in _containers(require_path(path))]
    found = [_classify(list_members(c)) for c in containers]
    location = ", ".join(str(require_path(p)) for p in given)
    available = [p for p in FORCING_PRODUCTS if any(p in files for files in found)]
    products = _choose(asked, available)
    if not products:
        raise SourceError(
            f"{location} holds no CAMELS-US forcing"
            f"{' of ' + ', '.join(asked) if asked else ''}"
            f"{_what_there_is(found)}.",
            "Give basin_timeseries_v1p2_metForcing_obsFlow.zip or the folder it was extracted "
            "to (with basin_mean_forcing/<product>/ in it), and a product it has.",
        )
    return CamelsUS(
        location=location,
        products=products,
        forcing_files={p: _first(found, p) for p in products},
        discharge_files=_first(found, "discharge"),
        attribute_files=tuple(m for f in _first(found, "attributes").values() for m in f),
        synthetic=any("synthetic" in files for files in found),
        available=tuple(available),
    )


def _containers(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    inside = sorted(p for p in path.iterdir() if p.is_file() and _ARCHIVE.fullmatch(p.name))
    return [path, *inside]


def _classify(members: Iterable[Member]) -> dict[str, dict[str, tuple[Member, ...]]]:
    """Sort files by what they are: a product, ``discharge``, ``attributes``."""
    found: dict[str, dict[str, tuple[Member, ...]]] = {}
    for member in members:
        *folders, file = member.name.split("/")
        if match := _FORCING.fullmatch(file):
            kind = next((f for f in folders if f in FORCING_PRODUCTS), "")
        elif match := _DISCHARGE.fullmatch(file):
            kind = "discharge"
        elif match := _ATTRIBUTES.fullmatch(file):
            kind = "attributes"
        elif file == SYNTHETIC_MARK:
            found.setdefault("synthetic", {})
            continue
        else:
            continue
        key = match.group(1)
        if key.isdigit() and len(key) < 8:
            raise SourceError(
                f"{member}: the gauge id {key} lost its leading zero.",
                f"Rename the file so that it begins with {key.zfill(8)}.",
            )
        files = found.setdefault(kind, {})
        files[key] = (*files.get(key, ()), member)
    return found


def _choose(asked: Sequence[str], available: Sequence[str]) -> tuple[str, ...]:
    if asked:
        return tuple(dict.fromkeys(asked)) if set(asked) <= set(available) else ()
    return tuple(available[:1])  # daymet comes first


def _what_there_is(found: Sequence[Mapping[str, Files]]) -> str:
    kinds = sorted({k for files in found for k in files if k and k != "synthetic"})
    return f" (there is: {', '.join(kinds)})" if kinds else ""


def _first(found: Sequence[Mapping[str, Files]], kind: str) -> Files:
    return next((files[kind] for files in found if kind in files), {})


def _only(files: Files, gauge: str) -> Files:
    return {gauge: files[gauge]} if gauge in files else {}


def _read_one(members: Sequence[Member], gauge: str) -> tuple[str, bytes]:
    content = members[0].read()
    for other in members[1:]:
        if other.read() != content:
            raise SourceError(
                f"Gauge {gauge} has two different files: {members[0]} and {other}.",
                "Keep the right one.",
            )
    return str(members[0]), content


def _header(forcing: ForcingFile) -> dict[str, tuple[tuple[()], float, dict[str, str]]]:
    return {
        "area_forcing": (
            (),
            forcing.area / 1e6,
            {"units": "km2", "long_name": "catchment area of the forcing file's header"},
        ),
        "elev_forcing": (
            (),
            forcing.elevation,
            {"units": "m", "long_name": "mean elevation of the forcing file's header"},
        ),
    }
