"""The data report: what was read, what is missing, what looks wrong. Nothing is changed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.data.store import (
    BASINS_PER_CHUNK,
    damaged_files,
    dynamic_variables,
    open_store,
    static_attributes,
)
from hydroml.units import TARGET, variable

TOLERANCE = 0.1
"""Relative difference of discharge or area from its attribute that is flagged."""

CAMELS_PERIOD = slice("1989-10-01", "2009-09-30")
"""Days that the attribute ``q_mean`` of CAMELS was computed from (Addor et al. 2017)."""

ENOUGH_DAYS = 5 * 365
"""Days of discharge from which a mean is compared with an attribute."""


def quality_report(dataset: xr.Dataset, skipped: Mapping[str, str] | None = None) -> dict:
    """Describe the data of a store.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables (basin, time) and attributes (basin), lazy or not; 64 basins are loaded at a
        time.
    skipped : mapping of str to str, optional
        Basins that were left out, and why.

    Returns
    -------
    dict
        JSON-able: ``period``, ``n_basins``, ``skipped``, ``findings`` (kind to basins), and
        ``basins`` with one row of facts a basin.

    Examples
    --------
    >>> days = pd.date_range("2000-01-01", periods=4)
    >>> ds = xr.Dataset(
    ...     {"qobs": (("basin", "time"), [[1.0, np.nan, -1.0, 2.0]])},
    ...     coords={"basin": ["01"], "time": days},
    ... )
    >>> quality_report(ds)["findings"]["negative_discharge"]
    {'01': 1}
    """
    blocks = [
        _facts(dataset.isel(basin=slice(i, i + BASINS_PER_CHUNK)).load())
        for i in range(0, dataset.sizes["basin"], BASINS_PER_CHUNK)
    ]
    facts = pd.concat(blocks)
    time = dataset["time"].values
    return {
        "n_basins": len(facts),
        "n_skipped": len(skipped or {}),
        "period": [str(time[0])[:10], str(time[-1])[:10]],
        "skipped": dict(skipped or {}),
        "findings": _findings(facts),
        "basins": _records(facts),
    }


def check_store(path: Path | str) -> dict:
    """Compare every file of a store with its hash and describe its data.

    Parameters
    ----------
    path : path-like
        The store.

    Returns
    -------
    dict
        `quality_report`, and under ``damaged_files`` the files whose content has changed; with
        damaged files no report, for their data cannot be trusted.

    Raises
    ------
    StoreError
        There is no store, or it is incomplete.
    """
    dataset = open_store(path)
    damaged = damaged_files(path)
    if damaged:
        return {"damaged_files": damaged}
    return {"damaged_files": []} | quality_report(dataset)


def _facts(block: xr.Dataset) -> pd.DataFrame:
    """Compute one row a basin; columns are numbers, dates or None."""
    names = dynamic_variables(block)
    time = block["time"].values
    values = {n: block[n].transpose("basin", "time").values for n in names}
    facts: dict[str, object] = {}
    forcing = [n for n in names if n != TARGET]
    anything = _any([np.isfinite(values[n]) for n in names])
    facts["start"], facts["end"] = _first_and_last(anything, time)
    if forcing:
        inside = _inside(_any([np.isfinite(values[n]) for n in forcing]))
        complete = np.all([np.isfinite(values[n]) for n in forcing], axis=0)
        facts["forcing_gap_days"] = (inside & ~complete).sum(axis=1)
    if TARGET in values:
        facts |= _discharge_facts(values[TARGET], time)
    for name in names:
        facts[f"out_of_range_{name}"] = _out_of_range(name, values[name])
    for low in [n for n in names if n == "tmin" or n.startswith("tmin_")]:
        high = "tmax" + low.removeprefix("tmin")
        if high in values:
            facts[f"{low}_above_{high}"] = (values[low] > values[high]).sum(axis=1)
    facts |= _comparisons(block, values)
    return pd.DataFrame(facts, index=pd.Index(block["basin"].values.astype(str), name="basin"))


def _discharge_facts(q: np.ndarray, time: np.ndarray) -> dict[str, object]:
    there = np.isfinite(q)
    start, end = _first_and_last(there, time)
    return {
        "qobs_start": start,
        "qobs_end": end,
        "qobs_days": there.sum(axis=1),
        "qobs_gap_days": (_inside(there) & ~there).sum(axis=1),
        "negative_discharge": (q < 0).sum(axis=1),
        "qobs_mean": _mean(q),
    }


def _comparisons(block: xr.Dataset, values: Mapping[str, np.ndarray]) -> dict[str, object]:
    """Compare discharge and area with what the attributes say [relative difference]."""
    facts: dict[str, object] = {}
    if TARGET in values and "q_mean" in block:
        q = block[TARGET].transpose("basin", "time").sel(time=CAMELS_PERIOD).values
        enough = np.isfinite(q).sum(axis=1) >= ENOUGH_DAYS
        expected = block["q_mean"].values
        facts["q_mean_difference"] = np.where(enough, _relative(_mean(q), expected), np.nan)
    if "area_forcing" in block and "area_gages2" in block:
        areas = block["area_forcing"].values, block["area_gages2"].values
        facts["area_difference"] = _relative(*areas)
    rain = [n for n in values if n.startswith("prcp") or n == "total_precipitation_sum"]
    if TARGET in values and rain:
        q, p = values[TARGET], values[rain[0]]
        both = np.isfinite(q) & np.isfinite(p)
        facts["runoff_ratio"] = _ratio(
            _mean(np.where(both, q, np.nan)), _mean(np.where(both, p, np.nan))
        )
    attributes = static_attributes(block)
    told = [a for a in attributes if a not in ("area_forcing", "elev_forcing")]
    missing = [np.isnan(block[a].values) for a in told]
    facts["without_attributes"] = (
        np.all(missing, axis=0) if told else np.ones(block.sizes["basin"], bool)
    ).astype(int)
    return facts


def _findings(facts: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Pick what deserves a look: kind of finding to basin and its number."""
    counted = [
        c
        for c in facts.columns
        if c.startswith("out_of_range_")
        or "_above_" in c
        or c in ("forcing_gap_days", "qobs_gap_days", "negative_discharge", "without_attributes")
    ]
    flags = {c: facts[c] > 0 for c in counted}
    if "qobs_days" in facts:
        flags["without_discharge"] = facts["qobs_days"] == 0
        flags["short_discharge"] = (facts["qobs_days"] > 0) & (facts["qobs_days"] < ENOUGH_DAYS)
    for name in ("q_mean_difference", "area_difference"):
        if name in facts:
            flags[name] = facts[name].abs() > TOLERANCE
    if "runoff_ratio" in facts:
        flags["more_discharge_than_precipitation"] = facts["runoff_ratio"] > 1
    shown = {"without_discharge": "qobs_days", "short_discharge": "qobs_days"}
    shown["more_discharge_than_precipitation"] = "runoff_ratio"
    found = {}
    for kind, flag in flags.items():
        column = facts[shown.get(kind, kind)]
        if flag.any():
            found[kind] = {str(b): _plain(v) for b, v in column[flag].items()}
    return found


def _records(facts: pd.DataFrame) -> dict[str, dict[str, object]]:
    columns = [c for c in facts.columns if not c.startswith("out_of_range_")]
    return {
        str(basin): {c: _plain(v) for c, v in zip(columns, row, strict=True)}
        for basin, row in zip(facts.index, facts[columns].itertuples(index=False), strict=True)
    }


def _plain(value: object) -> object:
    if isinstance(value, str) or value is None:
        return value
    number = float(value)  # type: ignore[arg-type]
    if not np.isfinite(number):
        return None
    return int(number) if number.is_integer() else round(number, 4)


def _any(masks: list[np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce(masks)


def _inside(there: np.ndarray) -> np.ndarray:
    """Mark the days from the first to the last True of each row."""
    begun = np.logical_or.accumulate(there, axis=1)
    not_over = np.logical_or.accumulate(there[:, ::-1], axis=1)[:, ::-1]
    return begun & not_over


def _first_and_last(there: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    days = np.datetime_as_string(time, unit="D").astype(object)
    some = there.any(axis=1)
    first, last = days[there.argmax(axis=1)], days[len(time) - 1 - there[:, ::-1].argmax(axis=1)]
    first[~some], last[~some] = None, None
    return first, last


def _out_of_range(name: str, values: np.ndarray) -> np.ndarray:
    known = variable(name)
    if known is None:
        return np.zeros(len(values), int)
    return ((values < known.low) | (values > known.high)).sum(axis=1)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over time of what is there, NaN without any."""
    count = np.isfinite(values).sum(axis=1)
    total = np.nansum(values, axis=1, dtype="float64")
    return _ratio(total, count)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(len(a), np.nan), where=np.asarray(b) > 0)


def _relative(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return _ratio(found - expected, expected)
