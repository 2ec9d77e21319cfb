"""Which inputs are precipitation, air temperature, vapour pressure, potential evaporation."""

from collections.abc import Sequence
from typing import Literal

import xarray as xr

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
