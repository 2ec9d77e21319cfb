"""Maps of how floods, low flows and timing answer to warming and to precipitation."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hydroml.report.maps import draw_map, symmetric_limits
from hydroml.report.sensitivity.changes import (
    change_label,
    changes,
    disagrees,
    member_mean,
    members_disagree,
    uniform_scenario,
)
from hydroml.report.sheet import say_basins

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ONE_MEMBER = "One member: no agreement can be told."
_SHOWN = 0.95  # share of the basins within the colour scale


@dataclass(frozen=True)
class _Question:
    title: str
    statistic: str
    driver: str  # temperature or precipitation
    reading: str
    ends: tuple[str, str]  # what the two ends of the scale mean, in words
    cmap: str = "RdBu"


_FLOODS = ("floods shrink", "floods grow")
_LOW_FLOWS = ("low flows fall", "low flows rise")
_ELASTICITIES = {
    "floods_per_degree": _Question(
        "How do floods change with each degree of warming?",
        "annual_max", "temperature", "Precipitation unchanged.", _FLOODS,
    ),
    "floods_per_10_percent_precipitation": _Question(
        "How do floods change with 10 % more precipitation?",
        "annual_max", "precipitation",
        "Temperature unchanged. Above 10 %, floods grow faster than precipitation.", _FLOODS,
    ),
    "low_flows_per_degree": _Question(
        "How do low flows change with each degree of warming?",
        "low7", "temperature", "Precipitation unchanged.", _LOW_FLOWS,
    ),
    "low_flows_per_10_percent_precipitation": _Question(
        "How do low flows change with 10 % more precipitation?",
        "low7", "precipitation",
        "Temperature unchanged. Above 10 %, low flows rise faster than precipitation.",
        _LOW_FLOWS,
    ),
    "timing_shift": _Question(
        "Does the flow come earlier as it warms?",
        "centre_timing", "temperature",
        "Centre of timing: mean date of a water year's flow, each day weighted by its flow.",
        ("earlier", "later"), cmap="PuOr",
    ),
}  # fmt: skip
_PER = {"temperature": ("per_degree", 1.0, "°C"),
        "precipitation": ("per_percent_precipitation", 10.0, "10 % of precipitation")}  # fmt: skip


def elasticity_maps(
    response: xr.Dataset, elasticity: pd.DataFrame, *, about: str = ""
) -> dict[str, Figure]:
    """Draw the slopes of ``elasticity.csv``: change per degree and per 10 % of precipitation.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``, with ``gauge_lat`` and ``gauge_lon``.
    elasticity : pandas.DataFrame
        Of `hydroml.sensitivity.elasticity.elasticities`.
    about : str
        Run and period.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By the name of the file; a statistic the table has no number of is left out.
    """
    basins = response["basin"].values.astype(str)
    drawn = {}
    for name, question in _ELASTICITIES.items():
        table = elasticity[elasticity["statistic"] == question.statistic]
        table = table.set_index("gauge_id").reindex(basins)
        column, factor, per = _PER[question.driver]
        slopes = factor * table[column].to_numpy(float)
        if np.isfinite(slopes).any():
            share = table[f"agreement_{question.driver}"].to_numpy(float)
            bent = int((table[f"nonlinear_{question.driver}"] == True).sum())  # noqa: E712
            note = f"{question.reading} {_say_bent(bent)}"
            drawn[name] = _change_map(
                response, slopes, disagrees(share), question, per=per, about=about, note=note
            )
    return drawn


def low_flow_map(
    response: xr.Dataset, *, warming: float = 3.0, about: str = ""
) -> dict[str, Figure]:
    """Draw the change of low flows in a warmer climate with unchanged precipitation.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``, with ``gauge_lat`` and ``gauge_lon``.
    warming : float
        Of the scenario [K].
    about : str
        Run and period.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        ``low_flows_plus_3_degrees``; nothing where the scenario was not run or no basin has
        a number.
    """
    scenario = uniform_scenario(response, warming=warming)
    if scenario is None:
        return {}
    members = changes(response, "low7", scenario)
    mean = member_mean(members)
    if not np.isfinite(mean).any():
        return {}
    fallen = int((mean < 0).sum())
    question = _Question(
        f"Where do low flows fall when it is {warming:g} °C warmer?", "low7", "temperature",
        f"Precipitation unchanged. Low flows fall in {say_basins(fallen)}.", _LOW_FLOWS,
    )  # fmt: skip
    figure = _change_map(
        response, mean, members_disagree(members), question, per="", about=about,
        note=question.reading,
    )  # fmt: skip
    return {f"low_flows_plus_{warming:g}_degrees": figure}


def _change_map(
    response: xr.Dataset,
    values: Floats,
    doubtful: Flags,
    question: _Question,
    *,
    per: str,
    about: str,
    note: str,
) -> Figure:
    alone = response.sizes["member"] == 1
    low, high = symmetric_limits(values, share=_SHOWN)
    return draw_map(
        values, response["gauge_lat"].values, response["gauge_lon"].values,
        title=question.title, about=about, cmap=question.cmap, vmin=low, vmax=high,
        label=change_label(question.statistic, per), ends=question.ends,
        uncertain=None if alone else doubtful,
        note=f"{note} {ONE_MEMBER}" if alone else note,
    )  # fmt: skip


def _say_bent(count: int) -> str:
    text = "Slope at the present climate"
    if count == 0:
        return f"{text}."
    return f"{text}; in {say_basins(count)} the answer is far from a straight line."
