"""A forcing of a few basins by arithmetic."""

import numpy as np
import xarray as xr

from hydroml.data.roles import roles_of
from hydroml.sensitivity.forcing import Forcing

NAMES = ("prcp", "srad", "tmax", "tmin", "vp")


def forcing(
    basins: int = 2, start: str = "1999-10-01", days: int = 3 * 365 + 1, lead: int = 0
) -> Forcing:
    """Rain of gamma amounts on 40 % of the days, a sine of temperature, vapour at 50 %."""
    rng = np.random.default_rng(1)
    time = np.datetime64(start) - lead + np.arange(days + lead)
    wet = rng.random((basins, len(time))) < 0.4
    prcp = np.where(wet, rng.gamma(0.8, 9.0, wet.shape), 0)
    day = np.arange(len(time))
    warmth = 10 - 12 * np.cos(2 * np.pi * (day - 100) / 365.25) + rng.normal(0, 2, wet.shape)
    srad = 200 + 100 * np.sin(2 * np.pi * day / 365.25) + np.zeros(wet.shape)
    vapour = 0.5 * 610.8 * np.exp(17.27 * warmth / (warmth + 237.3))
    values = np.stack([prcp, srad, warmth + 5, warmth - 5, vapour], axis=2).astype("float32")
    ids = [f"{b + 1:08d}" for b in range(basins)]
    return Forcing(ids, time, slice(lead, None), NAMES, roles_of(NAMES, xr.Dataset()), values)


def column(found: Forcing, name: str) -> np.ndarray:
    """Values of one input, (B, T)."""
    return found.values[..., found.names.index(name)]
