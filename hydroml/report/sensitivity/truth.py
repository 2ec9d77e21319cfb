"""The model's answers against those of the hydrological model that made synthetic data."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.report.sensitivity.changes import SHORT, change_units
from hydroml.report.sheet import open_sheet, say_basins, say_missing
from hydroml.report.style import CYCLE, GREY, INK, tidy

_MOST = 12  # scenarios with a line of their own


def truth_figure(
    table: pd.DataFrame, *, single: list[str] | None = None, about: str = ""
) -> Figure | None:
    """Draw simulated against true changes, and how well basins are ranked, by scenario.

    Parameters
    ----------
    table : pandas.DataFrame
        Of ``truth.csv``: a row a scenario and statistic.
    single : list of str, optional
        Scenarios with one change alone: they get a line each in the lower panels. By default
        the first 12 of the table.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        Four statistics; None where the table is empty.
    """
    if table.empty:
        return None
    known = list(dict.fromkeys(table["scenario"].astype(str)))
    shown = [name for name in (single or known) if name in known][:_MOST] or known[:_MOST]
    scenarios = f"{len(known)} scenarios" if len(known) > 1 else "1 scenario"
    most = int(table["n"].max()) if "n" in table else 0
    sheet = open_sheet(
        "Does the model's answer match the true one?", about=about,
        caption=f"Up to {say_basins(most)}, {scenarios}; truth: the hydrological model that "
        "made the data, rerun under each scenario. Above: median change of basins, a point a "
        "scenario, blue where it is named below; on the dotted line both agree. Lower panels: "
        "Spearman's rank correlation of changes over basins.",
        body=(9.6, 3.3 + 0.21 * len(shown)), constrained=True,
    )  # fmt: skip
    panels = sheet.figure.subplots(
        2, len(SHORT), squeeze=False, height_ratios=(2.1, 0.5 + 0.21 * len(shown))
    )
    for (above, below), name in zip(panels.T, SHORT, strict=True):
        some = table[table["statistic"] == name].set_index("scenario")
        _draw_medians(above, some, name, shown)
        _draw_ranks(below, some.reindex(shown))
        above.set_title(SHORT[name], loc="left", fontsize=10.5, color=INK)
        below.set_yticks(range(len(shown)), shown if name == next(iter(SHORT)) else [])
    return sheet.figure


def _draw_medians(axes: Axes, table: pd.DataFrame, name: str, shown: list[str]) -> None:
    tidy(axes)
    true, simulated = (table[c].to_numpy(float) for c in ("true_median", "simulated_median"))
    some = np.isfinite(true) & np.isfinite(simulated)
    units = change_units(name)
    axes.set_xlabel(f"true change [{units}]", fontsize=9, color=INK)
    axes.set_ylabel(f"simulated [{units}]", fontsize=9, color=INK)
    if not some.any():
        say_missing(axes, "no value")
        return
    both = np.concatenate([true[some], simulated[some], [0.0]])
    margin = 0.07 * np.ptp(both) or 1.0
    ends = (both.min() - margin, both.max() + margin)
    axes.plot(ends, ends, color=GREY, linestyle=":", linewidth=1.1)
    single = np.isin(table.index.astype(str), shown) & some
    other = some & ~single
    axes.plot(true[other], simulated[other], "o", color="#b0b0b0", markersize=3.5)
    axes.plot(
        true[single], simulated[single], "o", color=CYCLE[0], markersize=5, markeredgecolor=INK,
        markeredgewidth=0.5,
    )  # fmt: skip
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal")


def _draw_ranks(axes: Axes, table: pd.DataFrame) -> None:
    tidy(axes)
    ranks = table["rank_correlation"].to_numpy(float)
    lines = np.arange(len(ranks))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(lines, 0, np.nan_to_num(ranks), color=CYCLE[0], linewidth=1.6)
    axes.plot(ranks, lines, "o", color=CYCLE[0], markersize=5.5, markeredgecolor=INK,
              markeredgewidth=0.5, clip_on=False)  # fmt: skip
    axes.set_xlim(min(-0.05, float(np.fmin.reduce(ranks, initial=0)) - 0.05), 1)
    axes.set_ylim(len(ranks) - 0.4, -0.6)
    axes.set_xlabel("rank correlation [-]", fontsize=9, color=INK)
    axes.tick_params(axis="y", labelsize=8.5)
