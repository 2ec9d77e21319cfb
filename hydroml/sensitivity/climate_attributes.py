"""Climatic attributes of a basin in another climate.

An EA-LSTM sees the climate twice: in the forcing and in attributes such as aridity. Attributes
held answer "what if these years had been warmer, the catchment being what it is"; attributes
recomputed answer "what would a catchment of that climate do", which borrows from basins that
have it already. The truth may lie on either side, so both are computed.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hydroml.data.climate_indices import climate_indices
from hydroml.data.radiation import extraterrestrial_radiation
from hydroml.sensitivity.forcing import Forcing
from hydroml.sensitivity.physics import Physics, evaporation_factor

Floats = NDArray[np.float64]

RATIOS = (
    "p_mean",
    "pet_mean",
    "aridity",
    "high_prec_freq",
    "high_prec_dur",
    "low_prec_freq",
    "low_prec_dur",
)
"""Attributes that a change of climate multiplies."""
DIFFERENCES = {"p_seasonality": (-1.0, 1.0), "frac_snow": (0.0, 1.0)}
"""Attributes that a change of climate shifts, and their bounds."""


def climatic(static: Sequence[str]) -> list[str]:
    """Pick those of the attributes that follow the climate."""
    return [name for name in static if name in RATIOS or name in DIFFERENCES]


def recomputed_attributes(
    x_s: NDArray[np.float32],
    static: Sequence[str],
    before: Forcing,
    after: Forcing,
    latitude: Floats,
    physics: Physics,
) -> NDArray[np.float32]:
    """Move the climatic attributes by what the indices of the forcing change by.

    The catalogue's values come from another forcing and other years than the run's, so the
    change of the index is applied to them, not the index itself: a ratio for `RATIOS`, a
    difference for `DIFFERENCES`. Indices are those of Addor et al. (2017), see
    `hydroml.data.climate_indices`, over the period. Potential evaporation follows the
    temperature as `physics.potential_evaporation` says, weighted by the sun above the
    atmosphere, because only its ratio matters.

    Parameters
    ----------
    x_s : ndarray
        Attributes, not standardised, (B, S).
    static : sequence of str
        Their names.
    before, after : Forcing
        Of the present and of the other climate; with precipitation and temperature.
    latitude : ndarray
        Of the basins [degrees], (B,).
    physics : Physics
        What follows the temperature.

    Returns
    -------
    ndarray
        (B, S), a new array.
    """
    was, now = (_indices(f, latitude, physics) for f in (before, after))
    moved = x_s.copy()
    for name in climatic(static):
        s = list(static).index(name)
        if name in RATIOS:
            known = np.isfinite(now[name]) & np.isfinite(was[name]) & (was[name] > 0)
            moved[:, s] *= np.divide(now[name], was[name], out=np.ones(len(x_s)), where=known)
        else:
            shift = np.nan_to_num(now[name] - was[name])
            moved[:, s] = np.clip(moved[:, s] + shift, *DIFFERENCES[name])
    return moved


def baseline_climate(forcing: Forcing) -> dict[str, Floats]:
    """Compute mean precipitation [mm d-1] and snow fraction [-] of the period, (B,) each.

    Missing days are left out; what cannot be told is NaN.
    """
    rain, warmth = forcing.precipitation(), forcing.mean_temperature()
    nothing = np.full(len(forcing.basins), np.nan)
    if rain is None:
        return {"p_mean": nothing, "frac_snow": nothing}
    fallen = rain[:, forcing.period].astype("float64")
    total, days = np.nansum(fallen, axis=1), np.isfinite(fallen).sum(axis=1)
    p_mean = np.divide(total, days, out=nothing.copy(), where=days > 0)
    if warmth is None:
        return {"p_mean": p_mean, "frac_snow": nothing}
    snow = np.nansum(np.where(warmth[:, forcing.period] < 0, fallen, 0), axis=1)
    return {
        "p_mean": p_mean,
        "frac_snow": np.divide(snow, total, out=nothing.copy(), where=total > 0),
    }


def _indices(forcing: Forcing, latitude: Floats, physics: Physics) -> dict[str, Floats]:
    rain, warmth = forcing.precipitation(), forcing.mean_temperature()
    if rain is None or warmth is None:
        raise ValueError("no precipitation or no temperature")  # the engine has looked before
    days = forcing.period
    day_of_year = pd.DatetimeIndex(forcing.time[days]).day_of_year.to_numpy()
    pet = extraterrestrial_radiation(latitude, day_of_year)
    if physics.potential_evaporation != "held":
        # proportional to Priestley and Taylor's weight; relative to 0 degC
        pet = pet * evaporation_factor(np.zeros(()), np.nan_to_num(warmth[:, days]))
    fallen, mild = np.nan_to_num(rain[:, days]), np.nan_to_num(warmth[:, days])
    with np.errstate(divide="ignore", invalid="ignore"):  # basins without forcing in the period
        return climate_indices(fallen, mild, pet, day_of_year)
