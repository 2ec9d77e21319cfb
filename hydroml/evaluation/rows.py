"""A NetCDF file that grows by rows of basins, so that never all of them are in memory."""

from collections.abc import Iterable
from pathlib import Path

import netCDF4
import xarray as xr

ROWS = 64
"""Basins written together, and in a chunk of the file."""


def write_rows(parts: Iterable[xr.Dataset], path: Path) -> None:
    """Write datasets that follow each other along ``basin`` as one file.

    The file is the same to the byte however the basins are cut into parts, as long as all parts
    but the last are multiples of `ROWS`.

    Parameters
    ----------
    parts : iterable of xarray.Dataset
        At least one, all with the same variables. Those without ``basin`` are taken from the
        first.
    path : pathlib.Path
        The file.
    """
    slabs = (
        part.isel(basin=slice(start, start + ROWS)).drop_encoding()
        for part in parts
        for start in range(0, part.sizes["basin"], ROWS)
    )
    first = next(slabs)
    encoding = {
        name: {"zlib": True, "complevel": 1, "chunksizes": _chunks(variable)}
        for name, variable in first.data_vars.items()
    }
    first.to_netcdf(path, engine="netcdf4", encoding=encoding, unlimited_dims=["basin"])
    with netCDF4.Dataset(path, "a") as file:
        file.set_auto_maskandscale(False)
        for slab in slabs:
            start = file.dimensions["basin"].size
            rows = slice(start, start + slab.sizes["basin"])
            for name, variable in slab.variables.items():
                if "basin" in variable.dims:
                    place = [slice(None)] * variable.dims.index("basin") + [rows]
                    file[str(name)][tuple(place)] = variable.values


def _chunks(variable: xr.DataArray) -> tuple[int, ...]:
    """Basins together, all of what a line is drawn along, the rest apart: neighbours are alike."""
    sizes = {"basin": ROWS} | {dim: variable.sizes.get(dim, 1) for dim in ("time", "lag")}
    return tuple(sizes.get(str(dim), 1) for dim in variable.dims)
