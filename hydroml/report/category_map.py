"""Maps of categories: a colour and a marker each, rare ones merged."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hydroml.report.ground import lay_ground
from hydroml.report.map_points import (
    EDGE,
    Entry,
    draw_legend,
    draw_missing,
    draw_slashes,
    point_size,
)
from hydroml.report.sheet import open_sheet, say_basins
from hydroml.report.style import CYCLE, GREY, INK

Labels = NDArray[np.object_]
Look = tuple[str, str]
"""Marker and colour."""

OTHER = "other"
_LOOKS: tuple[Look, ...] = tuple(zip("os^DvPX", CYCLE, strict=True))
_OTHER_LOOK: Look = ("h", "#c8c8c8")
_MAP_WIDTH = 0.74  # of the sheet; the legend stands beside
_PANEL = 4.2  # inches


def draw_categories(
    labels: ArrayLike | Mapping[str, ArrayLike],
    lat: ArrayLike,
    lon: ArrayLike,
    *,
    title: str,
    about: str = "",
    most: int = 7,
    looks: Mapping[str, Look] | None = None,
    uncertain: ArrayLike | Mapping[str, ArrayLike] | None = None,
    uncertain_label: str = "members disagree",
    note: str = "",
) -> Figure:
    """Draw a category a basin, on one map or on several below each other.

    Parameters
    ----------
    labels : array of str (basin), or mapping of str to such
        Categories; an empty string is a basin without one, drawn hollow. A mapping gives a
        panel each, by its title, with the same colours.
    lat, lon : array (basin)
        Gauges [degrees]; a basin whose place is not known is counted and left out.
    title, about, note : str
        The question, run and period, what to read off the map.
    most : int
        Categories told apart, at most 7: the most frequent over all panels. The others are
        merged to "other".
    looks : mapping of str to tuple, optional
        Marker and colour of every category, in the order of the legend; none is merged.
    uncertain : bool array (basin), or mapping of str to such, optional
        Basins struck through.
    uncertain_label : str
        What makes them uncertain, for the legend.

    Returns
    -------
    matplotlib.figure.Figure
        Legends count the basins of each category.

    Examples
    --------
    >>> figure = draw_categories(
    ...     ["area", "p_mean", "area"], [40.0, 41.0, 42.0], [-105.0, -100.0, -99.0], title="Which?"
    ... )
    >>> [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    ['area (2)', 'p_mean (1)']
    """
    panels = _panels(labels)
    doubts = _panels(uncertain) if uncertain is not None else {}
    if looks is None:
        panels = dict(
            zip(panels, merge_rare(list(panels.values()), most=min(most, 7)), strict=True)
        )
        looks = _choose_looks(panels)
    y, x = np.asarray(lat, dtype=float), np.asarray(lon, dtype=float)
    placed = np.isfinite(y) & np.isfinite(x)
    count = len(panels)
    sheet = open_sheet(
        title, about=about, caption=_caption(panels, placed, note), body=(9.6, _PANEL * count)
    )
    for k, (name, panel) in enumerate(panels.items()):
        bottom = (count - 1 - k) / count
        axes = sheet.add_axes((0.03, bottom + 0.01, _MAP_WIDTH, (0.92 if name else 0.98) / count))
        doubtful = np.asarray(doubts.get(name, np.zeros(panel.shape)), dtype=bool)
        draw_labels(
            axes, panel, y, x, looks=looks, uncertain=doubtful, uncertain_label=uncertain_label
        )
        axes.set_title(name, loc="left", fontsize=11, color=INK)
    return sheet.figure


def draw_labels(
    axes: Axes,
    labels: Labels,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    *,
    looks: Mapping[str, Look],
    uncertain: NDArray[np.bool_] | None = None,
    uncertain_label: str = "",
) -> None:
    """Draw a category a basin on axes that are part of a sheet; see `draw_categories`.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Placed in its figure already, with room for the legend on its right.
    labels, lat, lon : ndarray (basin)
        Categories, empty for none, and where [degrees].
    looks : mapping of str to tuple
        Marker and colour of every category, in the order of the legend.
    uncertain : bool ndarray (basin), optional
        Basins struck through.
    uncertain_label : str
        What they are, for the legend.
    """
    placed = np.isfinite(lat) & np.isfinite(lon)
    project = lay_ground(axes, lon[placed], lat[placed])
    x, y = project(lon[placed], lat[placed])
    shown, struck = labels[placed], _struck(labels, uncertain)[placed]
    size = point_size(len(shown))
    entries = []
    for label, (marker, colour) in looks.items():
        here = shown == label
        axes.scatter(x[here], y[here], s=size, marker=marker, c=colour, zorder=3, gid=label, **EDGE)
        if here.any():
            entries.append(Entry(marker, colour, "#333333", f"{label} ({here.sum()})"))
    draw_slashes(axes, x[struck], y[struck], size)
    if struck.any():
        entries.append(
            Entry("o", "#dddddd", "#333333", f"{uncertain_label} ({struck.sum()})", True)
        )
    none = shown == ""
    draw_missing(axes, x[none], y[none], size)
    if none.any():
        entries.append(Entry("o", "none", GREY, f"no value ({none.sum()})"))
    draw_legend(axes, entries, loc="center left", bbox_to_anchor=(1.0, 0.5))


def merge_rare(panels: Sequence[ArrayLike], *, most: int = 7) -> list[Labels]:
    """Merge all but the most frequent categories to "other".

    Parameters
    ----------
    panels : sequence of arrays of str
        Categories; empty strings are none.
    most : int
        Categories kept: the most frequent over all panels, ties by name.

    Returns
    -------
    list of ndarray
        The panels, merged alike.

    Examples
    --------
    >>> [m.tolist() for m in merge_rare([["a", "b", "a", "", "c"]], most=2)]
    [['a', 'b', 'a', '', 'other']]
    """
    plain = [np.asarray(p, dtype=object) for p in panels]
    counts = Counter(str(label) for panel in plain for label in panel if label)
    kept = {label for label, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:most]}
    return [
        np.array([x if not x or x in kept else OTHER for x in panel], dtype=object)
        for panel in plain
    ]


def _panels(given: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Labels]:
    panels = given if isinstance(given, Mapping) else {"": given}
    return {name: np.asarray(panel, dtype=object) for name, panel in panels.items()}


def _choose_looks(panels: Mapping[str, Labels]) -> dict[str, Look]:
    counts = Counter(str(label) for panel in panels.values() for label in panel if label)
    ranked = sorted((c for c in counts.items() if c[0] != OTHER), key=lambda c: (-c[1], c[0]))
    looks = {label: look for (label, _), look in zip(ranked, _LOOKS, strict=False)}
    return looks | ({OTHER: _OTHER_LOOK} if OTHER in counts else {})


def _caption(panels: Mapping[str, Labels], placed: NDArray[np.bool_], note: str) -> str:
    some = np.any([panel != "" for panel in panels.values()], axis=0)
    text = say_basins(int(some.sum()))
    if not placed.all():
        text += f"; {(~placed).sum()} not drawn (place not known)"
    return f"{text}. {note}".strip()


def _struck(labels: Labels, uncertain: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    if uncertain is None:
        return np.zeros(labels.shape, bool)
    return np.asarray(uncertain & (labels != ""), dtype=bool)
