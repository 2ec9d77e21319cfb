"""A model's changes against those of the true hydrology, where the truth is known."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import rankdata

from hydroml.data.water_years import shift
from hydroml.errors import ConfigError
from hydroml.sensitivity.statistics import STATISTICS

FEWEST_BASINS = 3
"""Basins below which no rank correlation is computed."""
NEAR_ZERO = {"%": 1.0, "d": 1.0, "d yr-1": 1.0, "yr-1": 0.1, "mm yr-1": 1.0}
"""True changes up to this size, by their units, have no sign that a model could be asked for."""

COLUMNS = (
    "scenario",
    "statistic",
    "n",
    "rank_correlation",
    "n_sign",
    "sign_agreement",
    "bias",
    "mae",
    "true_median",
    "simulated_median",
)
"""Columns of the comparison, in their order."""


def compare_with_truth(response: xr.Dataset, truth: xr.Dataset) -> pd.DataFrame:
    r"""Compare changes of flow with the true ones, scenario by scenario, over the basins.

    Parameters
    ----------
    response : xarray.Dataset
        Of a run or ensemble, layout of ``response.nc``. The mean of its members is judged.
    truth : xarray.Dataset
        Of the hydrology that made the data, in the same layout. Scenarios, basins and statistics
        that both have are compared, by name.

    Returns
    -------
    pandas.DataFrame
        A row a scenario and statistic; the baseline and design storms left out:

        ``n``
            Basins with a number on both sides; the others count nowhere.
        ``rank_correlation``
            Spearman's over basins: does the model tell where the change is large? NaN where all
            basins are alike, or there are fewer than `FEWEST_BASINS`.
        ``n_sign``, ``sign_agreement``
            Basins whose true change is larger than `NEAR_ZERO`, and the share of them in which
            the simulated change has its sign; a simulated zero has no sign. NaN without basins.
        ``bias``, ``mae``
            Median of simulated - true change, and median of its absolute value
            [``change_units``; for dates the shorter way round the year].
        ``true_median``, ``simulated_median``
            Median change [``change_units``].

    Raises
    ------
    ConfigError
        The two have no basin, or no scenario but the baseline and storms, in common.

    Examples
    --------
    >>> def made(mean_flow):  # changes of three basins under one scenario
    ...     change = np.reshape([[0, 0, 0], mean_flow], (2, 3, 1, 1))
    ...     coords = {"scenario": ["baseline", "p+20%"], "basin": ["01", "02", "03"]}
    ...     coords |= {"statistic": ["mean"], "change_units": ("statistic", ["%"])}
    ...     coords |= {"storm_depth": ("scenario", [np.nan, np.nan])}
    ...     dims = ("scenario", "basin", "statistic", "member")
    ...     return xr.Dataset({"change": (dims, change)}, coords)
    >>> found = compare_with_truth(made([10.0, 20.0, 60.0]), made([20.0, 30.0, 50.0])).iloc[0]
    >>> found[["rank_correlation", "sign_agreement", "bias", "mae"]].astype(float).tolist()
    [1.0, 1.0, -10.0, 10.0]
    """
    basins = _common(response, truth, "basin")
    scenarios = _common(response, truth, "scenario")
    statistics = _common(response, truth, "statistic")
    statistics = [s for s in statistics if not s.startswith("storm_")]
    depth = dict(zip(response["scenario"].values, response["storm_depth"].values, strict=True))
    scenarios = [s for s in scenarios if s != "baseline" and np.isnan(depth[s])]
    if not (basins and scenarios and statistics):
        raise ConfigError(
            f"Response and truth have {len(basins)} basins, {len(scenarios)} scenarios (baseline "
            f"and storms aside) and {len(statistics)} statistics in common.",
            "Run both with the same scenarios on the same store.",
        )
    common = {"scenario": scenarios, "basin": basins, "statistic": statistics}
    chosen = response["change"].sel(common)
    units = chosen["change_units"].values.astype(str)
    dates = np.array([s in STATISTICS and STATISTICS[s].kind == "date" for s in statistics])
    simulated, true = (
        c.mean("member").transpose("scenario", "statistic", "basin").values.astype("float64")
        for c in (chosen, truth["change"].sel(common))
    )
    table = pd.DataFrame(
        {
            "scenario": np.repeat(np.array(scenarios, dtype=object), len(statistics)),
            "statistic": np.tile(np.array(statistics, dtype=object), len(scenarios)),
        }
    )
    for name, values in _compare(simulated, true, units, dates).items():
        table[name] = values.ravel()
    return table[list(COLUMNS)]


def _compare(
    simulated: Any, true: Any, units: NDArray[np.str_], dates: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """Compare changes (scenario, statistic, basin) over the basins."""
    both = np.isfinite(simulated) & np.isfinite(true)
    simulated, true = np.where(both, simulated, np.nan), np.where(both, true, np.nan)
    error = np.where(dates[:, None], shift(simulated, true), simulated - true)
    tolerance = np.array([NEAR_ZERO.get(u, 0.0) for u in units])[:, None]
    signed = np.abs(true) > tolerance  # False for NaN
    right = signed & (np.sign(simulated) == np.sign(true))
    n_sign = signed.sum(axis=-1)
    return {
        "n": both.sum(axis=-1),
        "rank_correlation": _rank_correlation(simulated, true),
        "n_sign": n_sign,
        "sign_agreement": np.where(n_sign > 0, right.sum(axis=-1) / np.maximum(n_sign, 1), np.nan),
        "bias": _median(error),
        "mae": _median(np.abs(error)),
        "true_median": _median(true),
        "simulated_median": _median(simulated),
    }


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's correlation over the last axis; NaN in the same places of both."""
    n = np.isfinite(a).sum(axis=-1)
    x, y = (_centred_ranks(v) for v in (a, b))
    product = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    defined = (n >= FEWEST_BASINS) & (product > 0)
    return np.where(defined, (x * y).sum(axis=-1) / np.where(defined, product, 1), np.nan)


def _centred_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks about their mean, equal values sharing theirs; 0 for NaN."""
    there = np.isfinite(values)
    # NaN as infinity gets the last ranks, so that the others' are as if it were not there
    ranks = rankdata(np.where(there, values, np.inf), axis=-1)
    mean = (there.sum(axis=-1, keepdims=True) + 1) / 2
    return np.where(there, ranks - mean, 0.0)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the numbers along the last axis, NaN where there are none."""
    ordered = np.sort(values, axis=-1)  # NaN last
    n = np.isfinite(values).sum(axis=-1)
    low, high = np.maximum(n - 1, 0) // 2, n // 2
    pair = [np.take_along_axis(ordered, i[..., None], axis=-1)[..., 0] for i in (low, high)]
    return np.where(n > 0, (pair[0] + pair[1]) / 2, np.nan)


def _common(response: xr.Dataset, truth: xr.Dataset, dim: str) -> list[str]:
    known = set(truth[dim].values.tolist())
    return [name for name in response[dim].values.tolist() if name in known]
