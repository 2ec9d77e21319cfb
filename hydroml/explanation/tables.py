"""An explanation in figures: a table of days, and what a reader wants to know at once."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

TOP_DAYS = 10
"""Days named in the summary."""


def day_table(explanation: xr.Dataset) -> pd.DataFrame:
    """Lay an explanation out with a row a day, members averaged.

    Parameters
    ----------
    explanation : xarray.Dataset
        Layout of ``explanation.nc``.

    Returns
    -------
    pandas.DataFrame
        Index ``date``; ``days_before``, the inputs, ``qobs`` and ``qsim`` [mm d-1]; for each
        method its relevance [mm d-1] over all inputs (``ig``), its standard deviation over
        members (``ig_sd``, 0 for one member) and that of each input (``ig_prcp``).
    """
    dates = pd.DatetimeIndex(explanation["time"].values).strftime("%Y-%m-%d")
    table = pd.DataFrame(index=pd.Index(dates, name="date"))
    table["days_before"] = explanation["days_before"].values
    for name in explanation["input"].values:
        table[str(name)] = explanation["forcing"].sel(input=name).values
    table["qobs"] = explanation["qobs"].values
    table["qsim"] = explanation["qsim"].mean("member").values
    for method in explanation["how"].values:
        relevance = explanation["relevance"].sel(how=method)
        by_day = relevance.sum("input")
        table[str(method)] = by_day.mean("member").values
        table[f"{method}_sd"] = by_day.std("member").values
        for name in explanation["input"].values:
            table[f"{method}_{name}"] = relevance.sel(input=name).mean("member").values
    return table


def summarise(explanation: xr.Dataset) -> dict[str, Any]:
    """Collect the figures of an explanation: flows, totals by input, days, gaps.

    Parameters
    ----------
    explanation : xarray.Dataset
        Layout of ``explanation.nc``.

    Returns
    -------
    dict
        For ``summary.json``; flows and relevance [mm d-1], means over members and, where there
        are several, standard deviations (``_sd``).
    """
    last = explanation.isel(time=-1)
    attributes = explanation.attrs
    difference = last["qsim"] - last["qbase"]
    told: dict[str, Any] = {
        key: attributes[key] for key in ("run", "basin", "gauge_name", "date", "synthetic")
    }
    told |= {"days": int(attributes["days"]), "members": explanation.sizes["member"]}
    told |= {"baseline": attributes["baseline"], "meaning": attributes["baseline_meaning"]}
    if "event" in attributes:
        told |= {"event": attributes["event"], "event_meaning": attributes["event_meaning"]}
    observed = float(last["qobs"])
    told["observed"] = observed if np.isfinite(observed) else None
    told |= _mean_sd("simulated", last["qsim"]) | _mean_sd("baseline_flow", last["qbase"])
    told |= _mean_sd("difference", difference)
    told["methods"] = {
        str(m): _of_method(explanation.sel(how=m), float(difference.mean()))
        for m in explanation["how"].values
    }
    return told


def cumulated(explanation: xr.Dataset) -> xr.DataArray:
    """Sum relevance from the event back: (how, member, time), the event's day last.

    The value of a day is what it and all days after it contribute [mm d-1].
    """
    by_day = explanation["relevance"].sum("input")
    return by_day.isel(time=slice(None, None, -1)).cumsum("time").isel(time=slice(None, None, -1))


def half_reached(explanation: xr.Dataset) -> int | None:
    """Count the days, the event's included, that make half of the difference for good.

    Parameters
    ----------
    explanation : xarray.Dataset
        With one method.

    Returns
    -------
    int or None
        None where the window does not hold half of it.
    """
    last = explanation.isel(time=-1)
    difference = float((last["qsim"] - last["qbase"]).mean())
    if not difference:
        return None
    reached = cumulated(explanation).mean("member").values[::-1] / difference
    below = np.flatnonzero(reached < 0.5)
    first = int(below[-1]) + 1 if len(below) else 0
    return first + 1 if first < len(reached) else None


def _of_method(one: xr.Dataset, difference: float) -> dict[str, Any]:
    by_input = one["relevance"].sum("time")
    by_day = one["relevance"].sum("input").mean("member").values
    order = np.argsort(-np.abs(by_day), kind="stable")[:TOP_DAYS]
    dates = pd.DatetimeIndex(one["time"].values).strftime("%Y-%m-%d")
    told: dict[str, Any] = {"title": str(one["how_title"].values)}
    told["inputs"] = {
        str(name): _mean_sd("relevance", by_input.sel(input=name)) for name in one["input"].values
    }
    told |= _mean_sd("earlier", one["earlier"]) | _mean_sd("gap", one["gap"])
    told["gap_share"] = float(one["gap"].mean()) / difference if difference else None
    told["half_within_days"] = half_reached(one)
    told["top_days"] = [{"date": dates[t], "relevance": float(by_day[t])} for t in order]
    return told


def _mean_sd(name: str, values: xr.DataArray) -> dict[str, float]:
    found = {name: float(values.mean())}
    return found | ({f"{name}_sd": float(values.std())} if values.size > 1 else {})
