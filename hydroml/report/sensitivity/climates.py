"""Groups of basins by climate, and the basins that stand for them in figures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hydroml.report.sheet import say_basins
from hydroml.report.style import CYCLE, GREY
from hydroml.sensitivity.climates import CLIMATES, SNOW_FRACTION, WATER_LIMITED, climate_groups

UNKNOWN = CLIMATES[-1]
COLOURS = dict(zip(CLIMATES, (CYCLE[2], CYCLE[0], CYCLE[1], CYCLE[4], GREY), strict=True))
"""Colour of each climate: green and blue are humid, red and yellow dry."""
RULE = (
    f"Dry: aridity above {WATER_LIMITED:g}; with snow: more than {SNOW_FRACTION:.0%} of "
    "precipitation falls as snow."
).replace("%", " %")
"""The rule of the groups, for captions."""

_NAME = 30  # characters of a gauge's name


@dataclass(frozen=True)
class Chosen:
    """A basin that a figure shows.

    Parameters
    ----------
    place : int
        Its place along ``basin``.
    group : str
        The climate it stands for, with the number of basins.
    gauge, name : str
        Gauge id, and the gauge's name, shortened.
    """

    place: int
    group: str
    gauge: str
    name: str


def groups_present(response: xr.Dataset) -> dict[str, NDArray[np.intp]]:
    """List the places of the basins of each climate, in the order of `CLIMATES`.

    Examples
    --------
    >>> from tests.sensitivity.samples import sample_response
    >>> {name: len(places) for name, places in groups_present(sample_response()).items()}
    {'humid with snow': 5, 'dry': 5, 'dry with snow': 2}
    """
    labels = climate_groups(response).values
    places = {climate: np.flatnonzero(labels == climate) for climate in CLIMATES}
    return {climate: found for climate, found in places.items() if found.size}


def representatives(response: xr.Dataset) -> list[Chosen]:
    """Choose a basin for each climate: the one nearest to the median of its group.

    Near is by aridity and snow fraction, each measured in its standard deviation within the
    group, among the basins whose mean flow has a number. Where no climate is known, the first
    basin of the file stands for all.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``.

    Returns
    -------
    list of Chosen
        At most one a known climate, in the order of `CLIMATES`.

    Examples
    --------
    >>> from tests.sensitivity.samples import sample_response
    >>> [c.group for c in representatives(sample_response())]
    ['humid with snow (5 basins)', 'dry (5 basins)', 'dry with snow (2 basins)']
    """
    groups = groups_present(response)
    if set(groups) - {UNKNOWN}:
        groups.pop(UNKNOWN, None)
    usable = _has_numbers(response)
    chosen = []
    for climate, places in groups.items():
        some = places[usable[places]]
        if some.size:
            place = int(some[_nearest_to_median(response, some)])
            name = "climate unknown" if climate == UNKNOWN else climate
            count = say_basins(len(places))
            gauge = str(response["basin"].values[place])
            chosen.append(Chosen(place, f"{name} ({count})", gauge, _name(response, place)))
    return chosen


def _has_numbers(response: xr.Dataset) -> NDArray[np.bool_]:
    value = response["value"].sel(statistic="mean").isel(scenario=0)
    return np.isfinite(value.transpose("basin", "member").values).any(axis=1)


def _nearest_to_median(response: xr.Dataset, places: NDArray[np.intp]) -> int:
    if not {"aridity", "frac_snow"} <= set(response.variables):
        return 0
    table = pd.DataFrame({n: response[n].values[places] for n in ("aridity", "frac_snow")})
    away = (table - table.median()) / table.std(ddof=0).replace(0, 1)
    return int(np.argmin((away**2).sum(axis=1)))


def _name(response: xr.Dataset, place: int) -> str:
    if "gauge_name" not in response.variables:
        return ""
    name = str(response["gauge_name"].values[place]).strip()
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
