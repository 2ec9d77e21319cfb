"""Hydrographs of the best, the median and the worst basin of an evaluation."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hydroml.report.style import GREY, INK, OBSERVED, RAIN, SIMULATED, tidy

_OBSERVED_SHARE = 0.9  # of a water year's days, for the year to be shown


def hydrographs(
    obs: xr.DataArray,
    sim: xr.DataArray,
    scores: pd.DataFrame,
    *,
    prcp: xr.DataArray | None = None,
    log: bool = False,
    title: str = "Hydrographs of the best, median and worst basin",
) -> Figure:
    """Draw one informative water year of the best, the median and the worst basin.

    Best, median and worst are by NSE over the whole period. The year shown is the water year
    (October to September, named by its September) of the largest observed variance among
    those with observations on 90 % of their days: the year that weighs most in NSE.

    Parameters
    ----------
    obs : xarray.DataArray (basin, time)
        Observed discharge [mm d-1]; coordinate ``gauge_name`` (basin) is used if there.
    sim : xarray.DataArray (basin, time[, member])
        Simulated discharge [mm d-1]; of an ensemble the mean is drawn, with a light band
        from the lowest to the highest member.
    scores : pandas.DataFrame
        Table of metrics, index ``gauge_id``, with ``NSE`` (and ``KGE``).
    prcp : xarray.DataArray (basin, time), optional
        Precipitation [mm d-1], hung from the top.
    log : bool
        Logarithmic discharge axis: shows low flow.
    title : str
        Above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a basin, fewer where fewer than three basins have a score.

    Examples
    --------
    >>> time = pd.date_range("2000-10-01", "2001-09-30")
    >>> q = xr.DataArray(np.ones((1, 365)), {"basin": ["01"], "time": time})
    >>> figure = hydrographs(q, q, pd.DataFrame({"NSE": [0.7]}, index=["01"]))
    >>> figure.axes[0].get_title(loc="left")
    'Only basin: 01, NSE 0.70; water year 2001'
    """
    chosen = notable_basins(scores.loc[[b for b in scores.index if b in obs.indexes["basin"]]])
    rows = max(len(chosen), 1)
    figure = Figure(figsize=(9.6, 1.0 + 2.9 * rows), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK)
    panels = figure.subplots(rows, 1, squeeze=False)[:, 0]
    if not chosen:
        panels[0].text(0.5, 0.5, "no basin has a score", ha="center")
        panels[0].set_axis_off()
    for axes, (role, basin) in zip(panels, chosen.items(), strict=False):
        year = informative_year(obs.sel(basin=basin))
        days = _water_year(obs["time"]) == year
        observed, simulated = obs.sel(basin=basin)[days], sim.sel(basin=basin).isel(time=days)
        _draw_discharge(axes, observed, simulated, log=log)
        if prcp is not None:
            _hang_rain(axes, prcp.sel(basin=basin).reindex(time=observed["time"]))
        axes.set_title(
            f"{role}: {_describe(obs, scores, basin)}; water year {year}", loc="left", fontsize=10
        )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", fontsize=9, frameon=False, ncols=3)
    return figure


def notable_basins(scores: pd.DataFrame) -> dict[str, str]:
    """Choose basins by rank of NSE.

    Parameters
    ----------
    scores : pandas.DataFrame
        Index ``gauge_id``, column ``NSE``.

    Returns
    -------
    dict of str to str
        Role ("Best", "Median", "Worst"; "Only basin") to gauge id. The median is the higher
        of the middle two where their number is even.

    Examples
    --------
    >>> notable_basins(pd.DataFrame({"NSE": [0.1, 0.9, 0.5, 0.7]}, index=list("abcd")))
    {'Best': 'b', 'Median': 'd', 'Worst': 'a'}
    """
    ranked = scores["NSE"].dropna().sort_values(ascending=False, kind="stable").index.astype(str)
    n = len(ranked)
    roles: dict[int, dict[str, int]] = {
        0: {},
        1: {"Only basin": 0},
        2: {"Best": 0, "Worst": 1},
    }
    places = roles.get(n, {"Best": 0, "Median": (n - 1) // 2, "Worst": n - 1})
    return {role: ranked[place] for role, place in places.items()}


def informative_year(obs: xr.DataArray) -> int:
    """Water year of the largest observed variance among the well observed ones.

    Parameters
    ----------
    obs : xarray.DataArray (time)
        Observed discharge of one basin [mm d-1].

    Returns
    -------
    int
        The calendar year of its September. Where no year has 90 % of its days observed, the
        year with most observations.
    """
    years = _water_year(obs["time"])
    series = pd.Series(np.where(obs.values >= 0, obs.values, np.nan))
    grouped = series.groupby(years)
    observed = grouped.count()
    complete = observed >= _OBSERVED_SHARE * 365
    if not complete.any():
        return int(observed.index[int(observed.argmax())])
    variance = grouped.var(ddof=0)[complete]
    return int(variance.index[int(variance.argmax())])


def _water_year(time: xr.DataArray) -> np.ndarray:
    index = pd.DatetimeIndex(time.values)
    return np.asarray(index.year + (index.month >= 10))


def _draw_discharge(axes: Axes, obs: xr.DataArray, sim: xr.DataArray, *, log: bool) -> None:
    time, label = obs["time"].values, "simulated"
    if "member" in sim.dims:
        label = f"simulated (mean of {sim.sizes['member']})"
        low, high = sim.min("member").values, sim.max("member").values
        axes.fill_between(
            time, low, high, color=SIMULATED, alpha=0.22, linewidth=0, label="range of members"
        )
        sim = sim.mean("member")
    axes.plot(time, obs.values, color=OBSERVED, linewidth=1.2, label="observed")
    axes.plot(time, sim.values, color=SIMULATED, linewidth=1.2, label=label)
    axes.set_xlim(time[0], time[-1])
    axes.set_ylabel("discharge [mm/d]", fontsize=9, color=INK)
    locator = AutoDateLocator(minticks=5, maxticks=13)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    tidy(axes)
    if log:
        axes.set_yscale("log", nonpositive="clip")
        positive = obs.values[obs.values > 0]
        axes.set_ylim(bottom=max(float(positive.min()) / 3, 1e-4) if positive.size else 1e-4)
    else:
        axes.set_ylim(bottom=0)


def _hang_rain(axes: Axes, prcp: xr.DataArray) -> None:
    """Draw precipitation from the top, and leave discharge the lower two thirds."""
    bottom, top = axes.get_ylim()
    taller = top * 1.5 if axes.get_yscale() == "linear" else top * (top / bottom) ** 0.5
    axes.set_ylim(bottom, taller)
    rain = axes.twinx()
    rain.bar(prcp["time"].values, prcp.fillna(0).values, width=1.0, color=RAIN, gid="prcp")
    wettest = max(float(prcp.max().fillna(0)), 1.0)
    rain.set_ylim(3 * wettest, 0)
    rain.set_yticks(MaxNLocator(3).tick_values(0, wettest)[:-1])
    rain.set_ylabel("precipitation [mm/d]", fontsize=9, color=GREY, loc="top")
    rain.tick_params(labelsize=8, colors=GREY)
    rain.spines[["top", "left", "bottom"]].set_visible(False)


def _describe(obs: xr.DataArray, scores: pd.DataFrame, basin: str) -> str:
    text = basin
    name = obs["gauge_name"].sel(basin=basin).item() if "gauge_name" in obs.coords else None
    text += f" {name[:60]}" if isinstance(name, str) and name else ""
    shown = scores.loc[basin].reindex(["NSE", "KGE"]).dropna()
    return ", ".join([text, *(f"{metric} {value:.2f}" for metric, value in shown.items())])
