"""Generated weather as files: a NetCDF file a member, and the scenarios that read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

from hydroml.evaluation.simulate import GAUGE_ID
from hydroml.generate.weather import Weather

_KEPT = ("units", "long_name", "standard_name")


def member_name(number: int) -> str:
    """Name of a member, counted from 0; also that of its scenario.

    Examples
    --------
    >>> member_name(0)
    'weather_01'
    """
    return f"weather_{number + 1:02d}"


def write_weather(
    folder: Path, members: Sequence[Weather], dataset: xr.Dataset, header: Mapping[str, str]
) -> None:
    """Write each member, ``scenarios.yaml`` that names them, and ``basins.txt``.

    Parameters
    ----------
    folder : pathlib.Path
        Is there.
    members : sequence of Weather
        Of the same days and basins.
    dataset : xarray.Dataset
        The store, whose attributes of the variables are kept.
    header : mapping
        Global attributes.
    """
    for number, member in enumerate(members):
        name = member_name(number)
        laid_out(member, dataset, {**header, "member": name}).to_netcdf(
            folder / f"{name}.nc", engine="netcdf4",
            encoding={n: {"zlib": True, "complevel": 1} for n in member.names},
        )  # fmt: skip
    text = yaml.safe_dump(scenarios(len(members), header), sort_keys=False, allow_unicode=True)
    (folder / "scenarios.yaml").write_text(text, encoding="utf-8")
    ids = "\n".join(members[0].basins)  # fewer than the run's where some lack a day of weather
    (folder / "basins.txt").write_text(f"{ids}\n", encoding="utf-8")


def laid_out(weather: Weather, dataset: xr.Dataset, header: Mapping[str, str]) -> xr.Dataset:
    """Lay a weather out as a dataset, variables (basin, time) named like the store's."""
    dims = ("basin", "time")
    variables = {
        name: (
            dims,
            weather.values[..., f],
            {key: dataset[name].attrs[key] for key in _KEPT if key in dataset[name].attrs},
        )
        for f, name in enumerate(weather.names)
    }
    coordinates = {
        "basin": ("basin", np.array(weather.basins, dtype=object), GAUGE_ID),
        "time": weather.time.astype("datetime64[ns]"),
    }
    return xr.Dataset(variables, coordinates, {**header, "featureType": "timeSeries"})


def scenarios(members: int, header: Mapping[str, str]) -> dict[str, object]:
    """Scenarios for ``hydroml sensitivity``: each replaces the forcing by a member."""
    return {
        "name": "weather",
        "about": f"{header['title']}: {header['generator']}, seed {header['seed']}.",
        "scenarios": [
            {
                "name": member_name(n),
                "title": f"generated weather {n + 1}",
                "changes": [
                    {"kind": "file", "path": f"{member_name(n)}.nc", "operation": "replace"}
                ],
            }
            for n in range(members)
        ],
    }
