"""Climates that basins are grouped by: aridity and snow."""

import numpy as np
import xarray as xr

SNOW_FRACTION = 0.3
"""A basin has snow where a larger share of its precipitation falls as snow."""
WATER_LIMITED = 1.0
"""A basin is dry where mean potential evaporation over mean precipitation is larger."""
CLIMATES = ("humid", "humid with snow", "dry", "dry with snow", "unknown")
"""Labels of `climate_groups`, in the order of tables and legends."""


def climate_groups(response: xr.Dataset) -> xr.DataArray:
    """Label basins by aridity (`WATER_LIMITED`) and snow fraction (`SNOW_FRACTION`).

    Parameters
    ----------
    response : xarray.Dataset
        With ``aridity`` and ``frac_snow`` (basin), or without.

    Returns
    -------
    xarray.DataArray (basin)
        One of `CLIMATES`; "unknown" where an attribute is missing.

    Examples
    --------
    >>> aridity, snow = ("basin", [0.5, 0.5, 2, np.nan]), ("basin", [0, 0.6, 0, 0])
    >>> groups = climate_groups(xr.Dataset({"aridity": aridity, "frac_snow": snow}))
    >>> groups.values.tolist()
    ['humid', 'humid with snow', 'dry', 'unknown']
    """
    missing = xr.DataArray(np.full(response.sizes["basin"], np.nan), dims="basin")
    aridity, snow = (response.get(n, missing) for n in ("aridity", "frac_snow"))
    group = 2 * (aridity > WATER_LIMITED) + (snow > SNOW_FRACTION)
    group = group.where(np.isfinite(aridity) & np.isfinite(snow), CLIMATES.index("unknown"))
    labels = np.array(CLIMATES, dtype=object)[group.values.astype(int)]
    coords = {"basin": response["basin"]} if "basin" in response.coords else None
    return xr.DataArray(labels, coords, ("basin",), attrs={"long_name": "climate"})
