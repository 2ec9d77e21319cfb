"""Points of a map: hollow where there is no value, slashed where members disagree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.legend_handler import HandlerTuple
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from hydroml.report.style import GREY

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EDGE: dict[str, Any] = {"edgecolors": "#333333", "linewidths": 0.35}
_SLASH = [(-1.0, -1.0), (1.0, 1.0)]  # a marker of one stroke, beyond the point at both ends


@dataclass(frozen=True)
class Entry:
    """A line of a map's legend.

    Parameters
    ----------
    marker, face, edge : str
        Look of the point.
    text : str
        What it is, with the number of such points.
    slashed : bool
        Whether the point is struck through.
    """

    marker: str
    face: str
    edge: str
    text: str
    slashed: bool = False


def point_size(count: int) -> float:
    """Area of a marker [points^2] that suits a number of basins: 90 for a few, 20 for 671."""
    return float(np.clip(520 / np.sqrt(max(count, 1)), 16, 90))


def draw_missing(axes: Axes, x: Floats, y: Floats, size: float) -> None:
    """Draw points without a value: hollow and grey."""
    axes.scatter(
        x, y, s=0.7 * size, facecolors="none", edgecolors=GREY, linewidths=0.9, zorder=2,
        gid="missing",
    )  # fmt: skip


def draw_slashes(axes: Axes, x: Floats, y: Floats, size: float) -> None:
    """Strike points through: the hatching of a map of points."""
    _slash(axes, x, y, size, gid="uncertain")


def draw_legend(axes: Axes, entries: list[Entry], **place: Any) -> None:
    """Draw the legend of a map, if it has entries.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The map.
    entries : list of Entry
        From top to bottom.
    **place
        To `matplotlib.axes.Axes.legend`; by default the lower left corner.
    """
    if not entries:
        return
    handles = []
    for entry in entries:
        point = axes.scatter(
            [], [], s=42, marker=entry.marker, facecolors=entry.face, edgecolors=entry.edge,
            linewidths=0.7,
        )  # fmt: skip
        empty = np.zeros(0)
        handles.append((point, _slash(axes, empty, empty, 42)) if entry.slashed else (point,))
    where = {"loc": "lower left", "fontsize": 9, "borderaxespad": 0.2, **place}
    axes.legend(
        handles,
        [entry.text for entry in entries],
        facecolor="white",  # outlines do not run through the text
        edgecolor="none",
        framealpha=0.85,
        borderpad=0.2,
        handler_map={tuple: HandlerTuple(ndivide=1)},
        **where,
    )


def _slash(axes: Axes, x: Floats, y: Floats, size: float, gid: str = "") -> Any:
    halo = [withStroke(linewidth=1.7, foreground="white")]
    return axes.scatter(
        x, y, s=1.3 * size, marker=_SLASH, facecolors="none", edgecolors="black",  # type: ignore[arg-type]
        linewidths=0.9, zorder=5, gid=gid, path_effects=halo,
    )  # fmt: skip
