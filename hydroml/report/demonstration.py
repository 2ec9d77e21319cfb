"""The picture of a toolkit component's small reproduction."""

import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from hydroml.report.style import CYCLE, GREY, INK, LINES, save, tidy
from hydroml.toolkit.card import Card
from hydroml.toolkit.demo import Demo, Panel

_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2}  # for a number of panels; three for more
_WIDTH, _HEIGHT = 4.3, 3.3  # inches of a panel
_LETTERS = 52  # of the names under the bars of a panel, before they are turned
_FOOT = 8  # points: the note's letters, two of which are about as wide as one is high


def draw_demonstration(card: Card, demo: Demo, path: Path | str) -> Path:
    """Draw the panels of a reproduction under the title of its component.

    Parameters
    ----------
    card : Card
        Of the component.
    demo : Demo
        What its reproduction handed back.
    path : path-like
        The PNG to write.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        No panels, or a series of an unknown kind.
    """
    if not demo.panels:
        raise ValueError(f"the reproduction of {card.name} has no panels to draw: give it one")
    columns = _COLUMNS.get(len(demo.panels), 3)
    rows = math.ceil(len(demo.panels) / columns)
    width = max(columns * _WIDTH, 6.4)
    note = textwrap.fill(demo.note, int(width * 72 / _FOOT * 1.85))
    foot = (note.count("\n") + 1) * 1.4 * _FOOT / 72  # inches
    figure = Figure(figsize=(width, rows * _HEIGHT + 0.6 + foot), layout="constrained")
    figure.suptitle(card.title, fontsize=12, color=INK, x=0.01, ha="left", weight="bold")
    figure.supxlabel(note, fontsize=_FOOT, color=GREY, x=0.01, ha="left", multialignment="left")
    grid = figure.add_gridspec(rows, columns)
    for cell, panel in zip(grid, demo.panels, strict=False):  # type: ignore[call-overload]
        _draw(figure.add_subplot(cell), panel)
    return save(figure, path)


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set_title(textwrap.fill(panel.title, 52), fontsize=10, loc="left")
    axes.set_xlabel(panel.x_label, fontsize=9)
    axes.set_ylabel(panel.y_label, fontsize=9)
    tidy(axes)
    if panel.image is not None:
        _draw_image(axes, np.asarray(panel.image))
    sets = sum(series.kind == "bars" for series in panel.series)
    places = iter(range(sets))
    over = panel.image is not None  # an image has the first colour, too: start with the second
    for i, series in enumerate(panel.series, start=over):
        x, y = np.asarray(series.x), np.asarray(series.y)
        look: Any = {"color": CYCLE[i % len(CYCLE)], "label": series.label or None}
        if over:
            look["path_effects"] = [withStroke(linewidth=3, foreground="white")]
        match series.kind:
            case "line":
                axes.plot(x, y, LINES[i // len(CYCLE) % len(LINES)], linewidth=1.4, **look)
            case "points":
                axes.scatter(x, y, s=12, alpha=1.0 if over else 0.7, linewidths=0, **look)
            case "bars":
                _draw_bars(axes, x, y, next(places), sets, look)
            case other:
                raise ValueError(f"series of kind {other!r}: line, points or bars")
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    if any(series.label for series in panel.series):
        if sets:  # bars leave no free corner: make room above them
            axes.margins(y=0.3)
        place: Any = {"loc": "upper center", "ncols": 2} if sets else {}
        axes.legend(fontsize=7.5, framealpha=0.7, edgecolor="none", **place)


def _draw_image(axes: Axes, image: np.ndarray) -> None:
    """Draw an image that keeps its limits whatever is drawn over it; numbers have a scale."""
    drawn = axes.imshow(image, cmap="viridis", interpolation="nearest", aspect="auto", zorder=0)
    axes.grid(visible=False)
    axes.autoscale(enable=False)
    for axis in (axes.xaxis, axes.yaxis):  # rows and columns are counted, not measured
        axis.set_major_locator(MaxNLocator(6, integer=True))
    if image.ndim == 2:
        scale = axes.figure.colorbar(drawn, ax=axes, pad=0.02)
        scale.ax.tick_params(labelsize=8, color=GREY)
        scale.outline.set_visible(False)  # type: ignore[operator]


def _draw_bars(
    axes: Axes, names: np.ndarray, y: np.ndarray, place: int, of: int, look: dict[str, Any]
) -> None:
    """Draw one of several sets of bars side by side over the same names."""
    width = 0.8 / of
    axes.bar(np.arange(len(y)) + (place - (of - 1) / 2) * width, y, width, **look)
    flat = [str(name) for name in names]
    words = [textwrap.fill(name, 16) for name in flat]
    letters = sum(len(line) + 1 for word in words for line in [max(word.split("\n"), key=len)])
    if letters > _LETTERS:
        turn: Any = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(np.arange(len(y)), flat, fontsize=8, **turn)
    else:
        axes.set_xticks(np.arange(len(y)), words, fontsize=8)
    axes.grid(visible=False, axis="x")
