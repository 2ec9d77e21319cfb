"""Which weeks made the flood: how often each method is right, and years to look at."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from hydroml.explanation.week_bags import DAYS, WEEKS
from hydroml.explanation.week_scores import GROUPS, METHODS
from hydroml.explanation.weeks import WeekStudy
from hydroml.report.style import CYCLE, GREY, INK, OBSERVED, RAIN, SIMULATED, tidy

_FARTHEST = 6  # weeks of lag that are told apart


def flood_weeks(study: WeekStudy, *, title: str = "Weeks that made the flood") -> Figure:
    """Draw hit rates of all methods, lags of the most attended week, and three years.

    The years are, each with its attention under the hydrograph: the largest flood whose week was
    found in a rain basin, the same in a snow basin, and the largest one that was missed.

    Parameters
    ----------
    study : WeekStudy
        Of one period.
    title : str
        Above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels above, a panel for each year below.
    """
    years = notable_years(study.table)
    rows = 1 + len(years)
    figure = Figure(figsize=(11.5, 4.2 + 2.3 * len(years)), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    grid = figure.add_gridspec(rows, 2, width_ratios=(3, 2), height_ratios=(1.7, *[1] * len(years)))
    _draw_hits(figure.add_subplot(grid[0, 0]), study.hits)
    _draw_lags(figure.add_subplot(grid[0, 1]), study.table)
    for row, (role, n) in enumerate(years.items(), start=1):
        _draw_year(figure.add_subplot(grid[row, :]), study, n, role)
    return figure


def notable_years(table: pd.DataFrame) -> dict[str, int]:
    """Choose the years to draw.

    Parameters
    ----------
    table : pandas.DataFrame
        See `hydroml.explanation.week_scores.week_table`.

    Returns
    -------
    dict of str to int
        Role to row of the table; a role that no year has is left out.
    """
    found = table["attention_lag"].isin([0, -1])
    roles = {
        "found, rain basin": found & (table["group"] == "rain"),
        "found, snow basin": found & (table["group"] == "snow"),
        "missed": ~found,
    }
    return {
        role: int(np.argmax(table["peak"].where(there, -np.inf)))
        for role, there in roles.items()
        if there.any()
    }


def _draw_hits(axes: Axes, hits: pd.DataFrame) -> None:
    groups = [g for g in GROUPS if g in set(hits["group"])]
    place = np.arange(len(METHODS))
    for i, group in enumerate(groups):
        own = hits[hits["group"] == group].set_index("method")
        shift = (i - (len(groups) - 1) / 2) * 0.8 / len(groups)
        years = int(own["years"].iloc[0])
        look: Any = {"height": 0.8 / len(groups), "color": CYCLE[i]}
        axes.barh(place + shift, own.loc[list(METHODS), "near"], alpha=0.4, **look)
        axes.barh(
            place + shift, own.loc[list(METHODS), "contains"],
            label=f"{GROUPS[group]}, {years} years", **look,
        )  # fmt: skip
    drawn_by_lot = float(hits.loc[hits["method"] == "chance", "near"].iloc[0])
    axes.axvline(drawn_by_lot, color=GREY, linestyle="--", linewidth=1)
    axes.text(drawn_by_lot, len(METHODS) - 0.45, " chance", fontsize=8, color=GREY, va="top")
    axes.set_yticks(place, list(METHODS.values()))
    axes.invert_yaxis()
    axes.set_xlabel("share of years: week of the peak (pale: or the week before it)", fontsize=9)
    axes.set_title("How often the week is the right one", loc="left", fontsize=10)
    tidy(axes)
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def _draw_lags(axes: Axes, table: pd.DataFrame) -> None:
    edge = _FARTHEST + 1
    place = np.arange(-edge, edge + 1)
    for i, method in enumerate(("attention", "wettest")):
        lag = table[f"{method}_lag"].clip(-edge, edge).value_counts(normalize=True)
        axes.bar(
            place + (i - 0.5) * 0.4, lag.reindex(place, fill_value=0.0), 0.4,
            color=(SIMULATED, RAIN)[i], label=METHODS[method],
        )  # fmt: skip
    names = [f"<{-_FARTHEST}", *map(str, place[1:-1]), f">{_FARTHEST}"]
    axes.set_xticks(place, names)
    axes.set_xlabel("weeks from the flood to the chosen week (negative: before it)", fontsize=9)
    axes.set_ylabel("share of years", fontsize=9)
    axes.set_title("How far off", loc="left", fontsize=10)
    tidy(axes)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _draw_year(axes: Axes, study: WeekStudy, n: int, role: str) -> None:
    bags, row = study.bags, study.table.iloc[n]
    days = bags.start[n] + np.arange(WEEKS * DAYS)
    axes.plot(days, bags.flow[n], color=OBSERVED, linewidth=1.2, label="observed discharge")
    axes.plot(days[bags.peak_day[n]], bags.peak[n], "o", color=OBSERVED, markersize=4)
    axes.set_ylim(0, float(bags.peak[n]) * 1.9)
    axes.set_xlim(days[0], days[-1])
    axes.set_ylabel("discharge [mm/d]", fontsize=9)
    weights = study.pooled["attention"].attention[n]
    right = axes.twinx()
    right.bar(
        days[::DAYS], weights, DAYS, align="edge", color=SIMULATED, alpha=0.35,
        label="attention of the week",
    )  # fmt: skip
    right.set_ylim(0, 1.6 * max(float(weights.max()), 0.1))
    right.set_ylabel("attention [-]", fontsize=9, color=SIMULATED, loc="bottom")
    hung = axes.twinx()
    hung.bar(days, bags.rain[n], color=RAIN, width=1.0, label="precipitation")
    wettest = max(float(bags.rain[n].max()), 1.0)
    hung.set_ylim(3 * wettest, 0)
    hung.set_yticks([])
    for other in (right, hung):
        other.spines[["top", "left", "bottom", "right"]].set_visible(False)
        other.tick_params(labelsize=8, colors=GREY)
    tidy(axes)
    locator = AutoDateLocator(minticks=6, maxticks=13)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_title(
        f"{role}: {row.gauge_id}, water year {row.water_year}, {row.snow_share:.0%} snow; peak "
        f"{row.peak:.1f} mm/d (predicted {row.predicted:.1f}); wettest day {wettest:.0f} mm",
        loc="left", fontsize=10,
    )  # fmt: skip
    handles = [h for a in (axes, right, hung) for h in a.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, fontsize=8, frameon=False, loc="center right")
