"""The large arrays of a page: hydrographs and responses, packed, read only when needed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.report.page.codec import pack, short
from hydroml.report.page.columns import palette_of
from hydroml.report.page.read import RunFiles
from hydroml.sensitivity.statistics import STATISTICS

Blocks = dict[str, str]

FLOW_BITS, CHANGE_BITS, RANGE_BITS = 6, 8, 5  # of the mantissa: 0.8 %, 0.2 %, 1.6 % at most
_SAMPLE = 30  # basins that tell how much room all take
_SERIES = ("qobs", "qsim", "prcp")


def flow_block(
    run: RunFiles, basins: Sequence[str], budget: int
) -> tuple[dict[str, Any] | None, str]:
    """Pack the hydrographs: a line a basin, as many of the last years as fit.

    Parameters
    ----------
    run : RunFiles
        With simulations, or without.
    basins : sequence of str
        Gauge ids of the page; a basin without a simulation gets an empty line.
    budget : int
        Most characters to take, one year at least.

    Returns
    -------
    about : dict or None
        ``first`` day, number of ``days``, names of the ``series``, ``cut`` where years were
        left out; None without simulations.
    block : str
        Lines of `pack`; each holds the series one after the other.
    """
    dataset = run.simulations
    if dataset is None:
        return None, ""
    names = [name for name in _SERIES if name in dataset]
    cube = np.stack([dataset[n].transpose("basin", "time").values for n in names], axis=1)
    time = pd.DatetimeIndex(dataset["time"].values)
    starts = _year_starts(time)
    some = cube[:: max(len(cube) // _SAMPLE, 1)]
    size = sum(len(pack(rows, FLOW_BITS)) for rows in some) * len(cube) / max(len(some), 1)
    years = len(starts)
    if size > budget:
        years = max(int(years * budget / size), 1)
    lines = [pack(rows[:, starts[-years] :], FLOW_BITS) for rows in cube]
    known = dict(zip(dataset["basin"].values.astype(str), lines, strict=True))
    first = starts[-years]
    about = {
        "first": str(time[first].date()),
        "days": len(time) - first,
        "series": names,
        "cut": bool(first),
        "members": int(dataset.attrs.get("members", 1)),
    }
    return about, "\n".join(known.get(basin, "") for basin in basins)


def _year_starts(time: pd.DatetimeIndex) -> list[int]:
    """Index of the first day of each year, counted back from the last day."""
    starts, last = [], time[-1] + pd.Timedelta(days=1)
    for years in range(1, len(time) // 365 + 2):
        day = int(time.searchsorted(last - pd.DateOffset(years=years)))
        starts.append(day)
        if day == 0:
            break
    return starts[::-1]


def response_blocks(
    run: RunFiles, basins: Sequence[str], mark: str
) -> tuple[dict[str, Any] | None, Blocks]:
    """Pack changes, their range over members and monthly regimes.

    Parameters
    ----------
    run : RunFiles
        With a response, or without.
    basins : sequence of str
        Gauge ids of the page.
    mark : str
        Ends the names of the blocks.

    Returns
    -------
    about : dict or None
        Scenarios, statistics and months to read the blocks with; None without a response.
    blocks : dict of str to str
        ``change``, ``low``, ``high`` and ``agree`` (scenario, statistic, basin), ``base``
        (statistic, basin), ``regime`` (scenario, month, basin); ``change_recomputed`` where
        attributes were recomputed, too.
    """
    response = run.sensitivity.get("response")
    if response is None:
        return None, {}
    response = response.reindex(basin=list(basins))
    change = response["change"].transpose("scenario", "statistic", "basin", "member").values
    mean = _mean(change)
    base = response["value"].isel(scenario=0).transpose("statistic", "basin", "member").values
    regime = response["regime"].transpose("scenario", "month", "basin", "member").values
    blocks = {"change": pack(mean, CHANGE_BITS), "base": pack(_mean(base), CHANGE_BITS)}
    blocks["regime"] = pack(_mean(regime), FLOW_BITS)
    members = response.sizes["member"]
    if members > 1:
        there = np.isfinite(change)
        low = np.where(there, change, np.inf).min(axis=-1)
        high = np.where(there, change, -np.inf).max(axis=-1)
        none = ~there.any(axis=-1)
        blocks["low"] = pack(np.where(none, np.nan, low), RANGE_BITS)
        blocks["high"] = pack(np.where(none, np.nan, high), RANGE_BITS)
        blocks["agree"] = pack(_agreement(change, mean), RANGE_BITS)
    about = _about(response, members)
    again = run.sensitivity.get("response_recomputed")
    if again is not None:
        again = again.reindex(
            basin=list(basins), scenario=response["scenario"], statistic=response["statistic"]
        )
        values = again["change"].transpose("scenario", "statistic", "basin", "member").values
        blocks["change_recomputed"] = pack(_mean(values), CHANGE_BITS)
        about["recomputed"] = True
    return about, {f"{name}-{mark}": text for name, text in blocks.items()}


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the members that have a value, NaN where none has."""
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0).sum(axis=-1, dtype="float64")
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _agreement(change: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Share of members whose change has the sign of the mean."""
    there = np.isfinite(change)
    same = there & (np.sign(change) == np.sign(mean)[..., None])
    count = there.sum(axis=-1)
    return np.where(count > 0, same.sum(axis=-1) / np.maximum(count, 1), np.nan)


def _about(response: xr.Dataset, members: int) -> dict[str, Any]:
    names = [str(s) for s in response["statistic"].values]
    return {
        "members": members,
        "scenarios": {
            "name": response["scenario"].values.astype(str).tolist(),
            "title": response["title"].values.astype(str).tolist(),
            "set": response["scenario_set"].values.astype(str).tolist(),
            "warming": short(response["temperature_change"].values),
            "factor": short(response["precipitation_factor"].values),
        },
        "statistics": {
            "name": names,
            "title": response["statistic_title"].values.astype(str).tolist(),
            "units": response["statistic_units"].values.astype(str).tolist(),
            "change_units": response["change_units"].values.astype(str).tolist(),
            "date": [n in STATISTICS and STATISTICS[n].kind == "date" for n in names],
            "palette": palette_of(names),
        },
        "months": response["month"].values.astype(int).tolist(),
        "recomputed": False,
    }
