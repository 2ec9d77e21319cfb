"""Distribution of a score over basins, for one run or several."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hydroml.report.style import CYCLE, GREY, INK, LINES, tidy


def nse_distribution(
    tables: pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    title: str = "Distribution of NSE over basins",
    lowest: float = -0.5,
) -> Figure:
    """Draw the cumulative distribution of NSE, with medians.

    Parameters
    ----------
    tables : pandas.DataFrame or mapping of str to pandas.DataFrame
        One table of metrics, or several by the name of their run.
    title : str
        Above the figure.
    lowest : float
        Left end of the axis; basins below enter at the edge, and their number is in the
        legend with those of NSE <= 0.

    Returns
    -------
    matplotlib.figure.Figure
        One line a run: y is the share of basins with an NSE not above x.

    Examples
    --------
    >>> table = pd.DataFrame({"NSE": [0.2, 0.6, 0.8]}, index=["01", "02", "03"])
    >>> figure = nse_distribution({"ealstm": table})
    >>> figure.legends[0].get_texts()[0].get_text()
    'ealstm: median 0.60, 3 basins, NSE ≤ 0: 0'
    """
    runs = {"this run": tables} if isinstance(tables, pd.DataFrame) else tables
    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    for (name, table), colour, line in zip(runs.items(), cycle(CYCLE), cycle(LINES), strict=False):
        scores = np.sort(table["NSE"].dropna().to_numpy(float))
        if scores.size == 0:
            axes.plot([], [], color=colour, linestyle=line, label=f"{name}: no basin with a score")
            continue
        share = np.arange(scores.size + 1) / scores.size
        edges = np.concatenate([[min(lowest, scores[0])], scores, [1.0]])
        axes.step(
            edges, np.append(share, 1.0), where="post", color=colour, linestyle=line,
            linewidth=1.8, label=_legend(name, scores, lowest),
        )  # fmt: skip
        middle = float(np.median(scores))
        axes.plot(middle, 0.5, "o", color=colour, markeredgecolor="white", markersize=8, zorder=5)
        axes.plot([middle, middle], [0, 0.5], color=colour, linewidth=0.8, linestyle=":")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("Nash-Sutcliffe efficiency [-]", color=INK)
    axes.set_ylabel("share of basins at or below [-]", color=INK)
    axes.set_title(title, loc="left", fontsize=12, color=INK)
    tidy(axes)
    figure.legend(loc="outside lower left", fontsize=9, frameon=False)  # off the curves
    return figure


def _legend(name: str, scores: np.ndarray, lowest: float) -> str:
    text = f"{name}: median {np.median(scores):.2f}, {scores.size} basins"
    text += f", NSE ≤ 0: {int((scores <= 0).sum())}"
    beyond = int((scores < lowest).sum())
    return f"{text} (below {lowest:g}: {beyond})" if beyond else text
