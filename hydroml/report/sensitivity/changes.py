"""What figures pick from a response: scenarios, changes, agreement, bands over basins."""

import warnings

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hydroml.report.sheet import spell_units
from hydroml.sensitivity.elasticity import DISAGREE, agreement
from hydroml.sensitivity.statistics import STATISTICS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SAME = 1e-6


def uniform_scenario(
    response: xr.Dataset, *, warming: float = 0.0, factor: float = 1.0
) -> int | None:
    """Find the scenario of one warming [K] and factor of precipitation.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``.
    warming, factor : float
        The same in all months and basins.

    Returns
    -------
    int or None
        Its place; None where it was not run.

    Examples
    --------
    >>> from tests.sensitivity.samples import sample_response
    >>> response = sample_response(basins=1)
    >>> uniform_scenario(response), uniform_scenario(response, warming=2.5)
    (0, None)
    """
    if warming == 0 and factor == 1:
        return 0  # the baseline, whatever its coordinates say
    same = np.abs(response["temperature_change"].values - warming) < _SAME
    same &= np.abs(response["precipitation_factor"].values - factor) < _SAME
    return int(np.argmax(same)) if same.any() else None


def changes(response: xr.Dataset, statistic: str, scenario: int) -> Floats:
    """Pick the changes of a statistic in a scenario, (basin, member)."""
    picked = response["change"].isel(scenario=scenario).sel(statistic=statistic)
    return picked.transpose("basin", "member").values.astype("f8")


def disagrees(share: ArrayLike) -> Flags:
    """Tell from shares of members that agree in sign which are too few; NaN is not."""
    return np.asarray(share, dtype=float) < DISAGREE - _SAME


def members_disagree(values: Floats) -> Flags:
    """Tell in which rows of (basin, member) too few members have the sign of their mean.

    Examples
    --------
    >>> members_disagree(np.array([[1.0, 2.0, -1.0], [1.0, 2.0, 3.0], [1.0, np.nan, 1.0]])).tolist()
    [True, False, False]
    """
    return disagrees(agreement(xr.DataArray(values, dims=("basin", "member"))).values)


def member_mean(values: Floats) -> Floats:
    """Mean over the last axis without NaN; NaN where nothing is left."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.nanmean(values, axis=-1)


def tenths(values: Floats) -> Floats:
    """10 %, 50 % and 90 % over the last axis without NaN, first axis of the result.

    Examples
    --------
    >>> tenths(np.array([[0.0, 1.0, np.nan], [np.nan, np.nan, np.nan]])).T.tolist()
    [[0.1, 0.5, 0.9], [nan, nan, nan]]
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.nanquantile(values, (0.1, 0.5, 0.9), axis=-1)


SHORT = {
    "mean": "mean flow",
    "annual_max": "annual maximum",
    "low7": "7-day minimum",
    "centre_timing": "centre of timing",
}
"""Names of the statistics that small panels show."""


def change_label(statistic: str, per: str = "") -> str:
    """Write what a change is and its units, for axes and colour bars.

    Parameters
    ----------
    statistic : str
        Of `hydroml.sensitivity.statistics.STATISTICS`.
    per : str
        What the change is related to, "°C" for one.

    Examples
    --------
    >>> change_label("annual_max", "°C")
    'change of the mean annual maximum [% per °C]'
    >>> change_label("centre_timing")
    'change of the centre of timing [days]'
    """
    described = STATISTICS[statistic]
    title = described.title.split(",")[0]
    units = change_units(statistic) + (f" per {per}" if per else "")
    return f"change of {'the ' if not title.startswith('days') else ''}{title} [{units}]"


def change_units(statistic: str) -> str:
    """Units of a change as a figure shows them."""
    return spell_units(STATISTICS[statistic].change_units)
