"""Elasticity of flow to precipitation, its change per degree, and how far members agree on them."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hydroml.errors import ConfigError, nearest

NEAR_PRECIPITATION = 0.2
"""Largest change of precipitation, as a fraction, that counts as near the present climate."""
NEAR_WARMING = 3.0
"""Largest warming [K] that counts as near the present climate."""
NONLINEAR = 0.2
"""An answer is flagged where a slope misses it by more than this share of its largest change."""
DISAGREE = 0.8
"""Members disagree where a smaller share of them has the sign of their mean."""

_EXACT = 1e-6  # grid coordinates closer than this are the same


def elasticities(response: xr.Dataset) -> pd.DataFrame:
    r"""Slopes of the answer to precipitation and warming at the present climate.

    For each gauge, statistic and member, the changes :math:`c` in the grid scenarios near the
    present climate (`NEAR_PRECIPITATION`, `NEAR_WARMING`) are fitted by least squares to

    .. math:: c = a p + b T + \alpha p^2 + \beta T^2 + \gamma p T

    where :math:`p` is the change of precipitation [%] and :math:`T` the warming [K]. There is no
    constant term: the baseline's change is zero by definition. The square and cross terms take
    up the curvature, so that a and b are the slopes at the baseline itself: a plain plane lets
    the curvature along p leak into b (P^3 exp(-0.03 T) would seem to change by -0.5 instead of
    -3 % per degree). A term that the scenarios cannot tell (a square with one level only) is
    left out.
    For statistics whose change is in %, a is the elasticity of Sankarasubramanian et al. (2001,
    doi 10.1029/2000WR900330): the change in % for 1 % of precipitation.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``.

    Returns
    -------
    pandas.DataFrame
        A row a gauge and statistic (design storms aside):

        ``per_percent_precipitation``, ``per_degree``
            Mean of a and b over members [``change_units`` per %, per degree]; NaN where the
            scenarios or the changes cannot tell it.
        ``spread_precipitation``, ``spread_temperature``
            Standard deviation over members (ddof 1); NaN for fewer than two.
        ``agreement_precipitation``, ``agreement_temperature``
            Share of members with the sign of the mean.
        ``nonlinear_precipitation``, ``nonlinear_temperature``
            True where, in the near scenarios that change precipitation (temperature) alone, the
            slope times the step misses the members' mean change by more than `NONLINEAR` of the
            largest change there: because the answer is bent, or because it is too noisy for a
            slope. A symmetric range of +-20 % flags a power law from an exponent of 3.5.
            False where it cannot be told.

    Raises
    ------
    ConfigError
        No scenario near the present climate changes precipitation or temperature alone.

    Examples
    --------
    >>> response = xr.Dataset(
    ...     {
    ...         "change": (
    ...             ("scenario", "basin", "statistic", "member"),
    ...             np.reshape([0.0, -20.0, 20.0, -3.0], (4, 1, 1, 1)),
    ...         )
    ...     },
    ...     coords={
    ...         "precipitation_factor": ("scenario", [1.0, 0.9, 1.1, 1.0]),
    ...         "temperature_change": ("scenario", [0.0, 0.0, 0.0, 1.0]),
    ...         "change_units": ("statistic", ["%"]),
    ...         "statistic": ["mean"],
    ...         "basin": ["01022500"],
    ...         "member": ["seed111"],
    ...     },
    ... )
    >>> table = elasticities(response)
    >>> table[["per_percent_precipitation", "per_degree"]].round(3).values.tolist()
    [[2.0, -3.0]]
    """
    rows, steps = _near(response)
    if np.isnan(_slopes_of(steps)).all():
        raise ConfigError(
            "The response has no scenario near the present climate from which a slope can be told.",
            "Run the sensitivity with --scenarios grid: uniform scenarios with precipitation "
            f"within {NEAR_PRECIPITATION:.0%} and at most {NEAR_WARMING:g} degrees of warming.",
        )
    names = [str(s) for s in response["statistic"].values]
    kept = [k for k, name in enumerate(names) if not name.startswith("storm_")]
    chosen = response[["change", "change_units"]].isel(scenario=rows, statistic=kept)
    change = chosen["change"].transpose("scenario", "statistic", "basin", "member")
    values = change.values.astype("float64")
    fitted = xr.DataArray(
        _fit(steps, values),
        dims=("driver", *change.dims[1:]),
        coords={d: change[d] for d in ("statistic", "basin", "member")},
    )
    mean = fitted.mean("member").values  # (2, statistic, basin)
    spread = _spread(fitted.values)
    agreeing = agreement(fitted).values
    nonlinear = _nonlinear(steps, change.mean("member").values, mean)
    _, statistics, basins, _ = values.shape
    units = chosen["change_units"].values.astype(str)
    return pd.DataFrame(
        {
            "gauge_id": np.tile(chosen["basin"].values.astype(str), statistics),
            "statistic": np.repeat(chosen["statistic"].values.astype(str), basins),
            "per_percent_precipitation": mean[0].ravel(),
            "per_degree": mean[1].ravel(),
            "change_units": np.repeat(units, basins),
            "spread_precipitation": spread[0].ravel(),
            "spread_temperature": spread[1].ravel(),
            "agreement_precipitation": agreeing[0].ravel(),
            "agreement_temperature": agreeing[1].ravel(),
            "nonlinear_precipitation": nonlinear[0].ravel(),
            "nonlinear_temperature": nonlinear[1].ravel(),
        }
    )


def has_grid(response: xr.Dataset) -> bool:
    """Tell whether the scenarios suffice for `elasticities`: for one of the two slopes at least.

    Examples
    --------
    >>> response = xr.Dataset(
    ...     coords={
    ...         "precipitation_factor": ("scenario", [1.0, 1.2, np.nan]),
    ...         "temperature_change": ("scenario", [0.0, 0.0, np.nan]),
    ...     }
    ... )
    >>> has_grid(response), has_grid(response.isel(scenario=[0, 2]))  # the third is a storm
    (True, False)
    """
    return not np.isnan(_slopes_of(_near(response)[1])).all()


def agreement(change: xr.DataArray) -> xr.DataArray:
    """Share of members whose change has the sign of the members' mean change.

    Parameters
    ----------
    change : xarray.DataArray (..., member)
        Changes or slopes in any units. Members with NaN do not count.

    Returns
    -------
    xarray.DataArray (...)
        [1], 0 to 1; NaN where no member has a number. Zero counts as a sign of its own.

    Examples
    --------
    >>> members = xr.DataArray([3.0, 2.0, -1.0, np.nan], dims="member")
    >>> round(float(agreement(members)), 3)  # the mean is positive, two of three are
    0.667
    """
    same = np.sign(change) == np.sign(change.mean("member"))  # NaN equals nothing
    count = change.count("member")
    share = same.sum("member") / count.where(count > 0)
    return share.assign_attrs(units="1", long_name="share of members with the sign of their mean")


def response_surface(response: xr.Dataset, basin: str, statistic: str) -> xr.DataArray:
    """Change of one statistic in one basin over the grid of warming and precipitation.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``.
    basin, statistic : str
        Gauge id and name of the statistic.

    Returns
    -------
    xarray.DataArray (temperature_change, precipitation_factor)
        Mean over members, both coordinates rising; units as in ``change_units``. NaN where the
        grid has no such scenario.

    Raises
    ------
    ConfigError
        The response has no such basin or statistic, or no uniform scenario.

    Examples
    --------
    >>> response = xr.Dataset(
    ...     {
    ...         "change": (
    ...             ("scenario", "basin", "statistic", "member"),
    ...             np.reshape([0.0, 20.0, -3.0, 17.0], (4, 1, 1, 1)),
    ...         )
    ...     },
    ...     coords={
    ...         "precipitation_factor": ("scenario", [1.0, 1.1, 1.0, 1.1]),
    ...         "temperature_change": ("scenario", [0.0, 0.0, 1.0, 1.0]),
    ...         "change_units": ("statistic", ["%"]),
    ...         "statistic_title": ("statistic", ["mean flow"]),
    ...         "statistic": ["mean"],
    ...         "basin": ["01022500"],
    ...     },
    ... )
    >>> response_surface(response, "01022500", "mean").values
    array([[ 0., 20.],
           [-3., 17.]])
    """
    for dim, name in (("basin", basin), ("statistic", statistic)):
        known = [str(v) for v in response[dim].values]
        if name not in known:
            raise ConfigError(f"The response has no {dim} {name!r}.", nearest(name, known))
    places = [response[c].values for c in ("temperature_change", "precipitation_factor")]
    on_grid = np.isfinite(places[0]) & np.isfinite(places[1])
    if not on_grid.any():
        raise ConfigError(
            "The response has no uniform scenarios.", "Run the sensitivity with --scenarios grid."
        )
    chosen = response.isel(scenario=np.flatnonzero(on_grid))
    change = chosen["change"].sel(basin=basin, statistic=statistic).mean("member")
    warming, row = np.unique(places[0][on_grid].round(6), return_inverse=True)
    factor, column = np.unique(places[1][on_grid].round(6), return_inverse=True)
    surface = np.full((len(warming), len(factor)), np.nan)
    # the last is written first, so that of two scenarios at one place the first stays
    order = np.arange(len(row))[::-1].copy()  # a view with a negative step is assigned forwards
    surface[row[order], column[order]] = change.values[order]
    return xr.DataArray(
        surface,
        coords={"temperature_change": warming, "precipitation_factor": factor},
        dims=("temperature_change", "precipitation_factor"),
        name=statistic,
        attrs={
            "units": str(change["change_units"].item()),
            "long_name": f"change of {change['statistic_title'].item()}",
        },
    )


def _near(response: xr.Dataset) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Scenarios near the present climate but the baseline: (S,), and steps (S, 2) [%, K]."""
    precipitation = 100 * (response["precipitation_factor"].values.astype("float64") - 1)
    warming = response["temperature_change"].values.astype("float64")
    near = np.abs(precipitation) <= 100 * (NEAR_PRECIPITATION + _EXACT)  # False for NaN
    near &= np.abs(warming) <= NEAR_WARMING + _EXACT
    near &= (np.abs(precipitation) > 100 * _EXACT) | (np.abs(warming) > _EXACT)
    rows = np.flatnonzero(near)
    return rows, np.stack([precipitation, warming], axis=1)[rows]


def _fit(steps: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes (2, ...) from changes (S, ...), each series from the scenarios that it has."""
    flat = change.reshape(len(steps), -1)
    there, group = np.unique(np.isfinite(flat), axis=1, return_inverse=True)
    slopes = np.empty((2, flat.shape[1]))
    for g in range(there.shape[1]):  # patterns of missing scenarios: one, or a few
        scenarios, series = there[:, g], np.flatnonzero(group.ravel() == g)
        matrix = _slopes_of(steps[scenarios])
        slopes[:, series] = matrix @ flat[np.ix_(scenarios, series)]
        slopes[np.ix_(np.isnan(matrix).all(axis=1), series)] = np.nan  # also of no scenario at all
    return slopes.reshape(2, *change.shape[1:])


def _slopes_of(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares as a matrix: (2, S), slopes = matrix @ changes; NaN rows cannot be told."""
    p, t = steps.T
    scale = np.array([100 * NEAR_PRECIPITATION, NEAR_WARMING])  # columns alike in size
    u, v = p / scale[0], t / scale[1]
    columns = np.stack([u, v, u * u, v * v, u * v], axis=1)
    terms: list[int] = []
    for j in range(columns.shape[1]):
        if len(steps) and np.linalg.matrix_rank(columns[:, [*terms, j]]) > len(terms):
            terms.append(j)
    found = np.full((2, len(steps)), np.nan)
    entangled = u.any() and v.any() and not {0, 1} <= set(terms)  # one always with the other
    if not entangled:
        inverse = np.linalg.pinv(columns[:, terms])
        for driver in {0, 1} & set(terms):
            found[driver] = inverse[terms.index(driver)] / scale[driver]
    return found


def _nonlinear(steps: NDArray[np.float64], change: Any, slopes: Any) -> NDArray[np.bool_]:
    """Flag (2, ...) from members' mean changes (S, ...) and slopes (2, ...)."""
    flags = np.zeros(slopes.shape, dtype=bool)
    for driver in (0, 1):
        alone = np.abs(steps[:, 1 - driver]) <= 100 * _EXACT
        told = np.multiply.outer(steps[alone, driver], slopes[driver])
        misfit = np.fmax.reduce(np.abs(change[alone] - told), axis=0, initial=0.0)
        largest = np.fmax.reduce(np.abs(change[alone]), axis=0, initial=0.0)
        flags[driver] = misfit > NONLINEAR * largest
    return flags


def _spread(members: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sample standard deviation over the last axis, NaN for fewer than two numbers."""
    there = np.isfinite(members)
    count = there.sum(axis=-1)
    mean = np.where(there, members, 0).sum(axis=-1) / np.maximum(count, 1)
    squares = np.where(there, (members - mean[..., None]) ** 2, 0).sum(axis=-1)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
