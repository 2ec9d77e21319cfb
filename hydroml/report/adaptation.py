"""The figure of an adaptation: NSE before against after, and the gain against years of flow."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.report.style import CYCLE, GREY, INK, mark_synthetic, save, tidy

_LOWEST = -1.0  # of the axes of NSE: what lies below is drawn at the edge


def draw_adaptation(folder: Path | str) -> Path:
    """Draw the figure of an adaptation into its folder.

    Parameters
    ----------
    folder : path-like
        Holds ``metrics.csv``, index (``gauge_id``, ``years``), and ``summary.json``.

    Returns
    -------
    pathlib.Path
        ``adaptation.png``; marked where data is synthetic.
    """
    place = Path(folder)
    table = pd.read_csv(place / "metrics.csv", dtype={"gauge_id": str})
    summary = json.loads((place / "summary.json").read_text())
    figure = adaptation_figure(
        table.pivot_table(index="gauge_id", columns="years", values="NSE", dropna=False),
        title=f"{summary['run']}, {summary['period']}, {summary['method']}",
    )
    if summary["synthetic"] == "true":
        mark_synthetic(figure)
    return save(figure, place / "adaptation.png")


def adaptation_figure(nse: pd.DataFrame, *, title: str = "") -> Figure:
    """Draw NSE before against after, and the gain against years.

    Parameters
    ----------
    nse : pandas.DataFrame
        A row a basin, a column for each number of years; 0 is before.
    title : str
        Above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.

    Examples
    --------
    >>> nse = pd.DataFrame({0.0: [0.5, 0.6], 1.0: [0.55, 0.58]}, index=["01", "02"])
    >>> figure = adaptation_figure(nse)
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    '1 year: better in 1 of 2'
    """
    figure = Figure(figsize=(9.6, 4.9), layout="constrained")
    figure.suptitle(f"Read-outs adapted to the basin\n{title}", x=0.01, ha="left", fontsize=11)
    left, right = figure.subplots(1, 2)
    scored = nse.dropna(subset=[0.0])
    after = scored.drop(columns=0.0)
    _draw_scatter(left, scored[0.0].to_numpy(float), after)
    _draw_gain(right, after.sub(scored[0.0], axis=0))
    return figure


def _draw_scatter(axes: Axes, before: np.ndarray, after: pd.DataFrame) -> None:
    lowest = max(_LOWEST, np.floor(10 * np.nanmin([before.min(), np.nanmin(after)])) / 10)
    axes.plot([lowest, 1], [lowest, 1], color=GREY, linewidth=0.8)
    for years, colour, marker in zip(_years_of(after), CYCLE, "os^vDPX", strict=False):
        now = after[years].to_numpy(float)
        better = int((now > before).sum())
        axes.scatter(
            before.clip(lowest), now.clip(lowest), s=16, marker=marker, color=colour, alpha=0.7,
            linewidths=0, label=f"{_in_words(years)}: better in {better} of {len(now)}",
        )  # fmt: skip
    axes.set_xlim(lowest, 1)
    axes.set_ylim(lowest, 1)
    axes.set_xlabel("NSE of the run as it is [-]", color=INK)
    axes.set_ylabel("NSE after adaptation [-]", color=INK)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    tidy(axes)


def _draw_gain(axes: Axes, gain: pd.DataFrame) -> None:
    """Draw every basin as a dot beside its median, and quartiles as a bar."""
    places = np.arange(gain.shape[1])
    spread = np.linspace(-0.16, 0.16, max(len(gain), 2))[: len(gain)]
    # the middle 96 in 100: one basin would squeeze all others together
    low, high = np.nanpercentile(gain, [2, 98])
    room = 0.15 * max(high - low, 0.02)
    low, high = low - room, high + room
    axes.axhline(0, color=GREY, linewidth=0.8)
    for place, years, colour in zip(places, _years_of(gain), CYCLE, strict=False):
        values = gain[years].to_numpy(float)
        axes.scatter(
            place + spread, values.clip(low, high), s=10, color=colour, alpha=0.5, linewidths=0
        )
        quartiles = np.nanpercentile(values, [25, 50, 75])
        axes.plot([place + 0.26] * 2, quartiles[[0, 2]], color=colour, linewidth=3)
        axes.plot(place + 0.26, quartiles[1], "o", color=colour, markeredgecolor="white")
        axes.annotate(
            f"{quartiles[1]:+.3f}", (place + 0.32, quartiles[1]), fontsize=9, color=INK, va="center"
        )
    axes.set_xticks(places, [_in_words(years) for years in _years_of(gain)])
    axes.set_xlim(-0.4, len(places) - 0.3)
    axes.set_ylim(low, high)
    axes.set_xlabel("flow learned from", color=INK)
    axes.set_ylabel("gain of NSE [-]; dot: a basin, bar: quartiles and median", color=INK)
    tidy(axes)


def _years_of(table: pd.DataFrame) -> list[float]:
    return [float(years) for years in table.columns.to_numpy(float)]


def _in_words(years: float) -> str:
    return f"{years:g} year{'' if years == 1 else 's'}"
