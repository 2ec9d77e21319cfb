"""Which inputs are precipitation, air temperature, vapour pressure, potential evaporation."""

from collections.abc import Sequence
from typing import Literal

import xarray as xr

from hydroml.errors import ConfigError, nearest
from hydroml.units import variable

Role = Literal["precipitation", "temperature", "vapour_pressure", "potential_evaporation", "other"]

_BY_STANDARD_NAME: dict[str, Role] = {
    "lwe_precipitation_rate": "precipitation",
    "precipitation_flux": "precipitation",
    "lwe_thickness_of_precipitation_amount": "precipitation",
    "air_temperature": "temperature",
    "water_vapor_partial_pressure_in_air": "vapour_pressure",
    "water_potential_evaporation_flux": "potential_evaporation",
}
_BY_NAME: dict[str, Role] = {  # where neither hydroml nor the file knows a standard name
    "precip": "precipitation",
    "prcp": "precipitation",
    "temperature": "temperature",
    "tmax": "temperature",
    "tmin": "temperature",
    "tmean": "temperature",
    "potential_evap": "potential_evaporation",
    "pet": "potential_evaporation",
}
GROUPS = ("temperature", "precipitation")
"""Names a scenario may use for every input of that role."""


def role_of(name: str, dataset: xr.Dataset) -> Role:
    """Tell what an input is, by CF standard name, else by its name.

    Parameters
    ----------
    name : str
        Of a variable of the store.
    dataset : xarray.Dataset
        The store; its ``standard_name`` is looked at for a variable hydroml does not know.

    Examples
    --------
    >>> role_of("tmin_maurer", xr.Dataset()), role_of("srad", xr.Dataset())
    ('temperature', 'other')
    >>> role_of("potential_evaporation_sum", xr.Dataset())
    'potential_evaporation'
    """
    known = variable(name)
    standard = known.standard_name if known is not None else ""
    if not standard and name in dataset:
        standard = str(dataset[name].attrs.get("standard_name", ""))
    if standard in _BY_STANDARD_NAME:
        return _BY_STANDARD_NAME[standard]
    return next((role for stem, role in _BY_NAME.items() if name.startswith(stem)), "other")


def roles_of(names: Sequence[str], dataset: xr.Dataset) -> dict[str, Role]:
    """Tell what each of some inputs is; see `role_of`."""
    return {name: role_of(name, dataset) for name in names}


def members_of(name: str, inputs: Sequence[str], roles: dict[str, Role], where: str) -> list[str]:
    """Find the inputs that a name in a scenario stands for.

    Parameters
    ----------
    name : str
        ``temperature``, ``precipitation``, or one input.
    inputs : sequence of str
        What the run reads.
    roles : dict
        `role_of` each input.
    where : str
        The scenario, for errors.

    Raises
    ------
    ConfigError
        No such input; or one air temperature (of several) alone, which would tear the minimum
        and the maximum of a day apart.
    """
    if name in GROUPS:
        found = [n for n in inputs if roles[n] == name]
        if not found:
            raise ConfigError(
                f"Scenario {where!r} changes {name}, but no input of the run is a {name}.",
                f"The run reads {', '.join(inputs)}.",
            )
        return found
    if name not in inputs:
        raise ConfigError(
            f"Scenario {where!r} changes {name!r}, which is no input of the run.",
            nearest(name, [*GROUPS, *inputs]),
        )
    group = [n for n in inputs if roles[n] == roles[name]]
    if roles[name] == "temperature" and len(group) > 1:
        raise ConfigError(
            f"Scenario {where!r} changes {name!r} alone; {', '.join(group)} belong together.",
            "Write 'variable: temperature': it moves them together.",
        )
    return [name]
