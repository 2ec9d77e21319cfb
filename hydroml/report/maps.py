"""Point maps: one value a basin, on outlines of coasts, countries and states."""

from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hydroml.report.outlines import Box, Kind, outlines
from hydroml.report.projection import Projection, fitting_projection
from hydroml.report.style import FAILED, GREY, INK

Floats = NDArray[np.float64]

_PENS: dict[Kind, tuple[str, float]] = {  # colour and width, drawn in this order
    "states": ("#cfcfcf", 0.45),
    "countries": ("#8a8a8a", 0.8),
    "coast": ("#7d97ab", 0.6),
}
_CONUS_VIEW = (-124.8, 24.5, -66.9, 49.4)  # the whole country, whenever points lie all over it
_FIGURE = (9.6, 6.4)  # inches
_MAP = (0.02, 0.185, 0.96, 0.7)  # left, bottom, width, height in parts of the figure
_SHAPE = _FIGURE[0] * _MAP[2] / (_FIGURE[1] * _MAP[3])
_POINTED: dict[tuple[bool, bool], Literal["neither", "min", "max", "both"]] = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}  # ends of the colour bar by whether values lie below and above it
_TENTHS = (0.1, 0.5, 0.9)


def draw_map(
    values: ArrayLike,
    lat: ArrayLike,
    lon: ArrayLike,
    *,
    title: str,
    label: str,
    cmap: str = "viridis",
    vmin: float | None = None,
    vmax: float | None = None,
    failed: str | None = None,
    note: str = "",
) -> Figure:
    """Draw a value a basin on a map.

    Parameters
    ----------
    values : array (basin)
        What to show; NaN is drawn as a hollow grey point and counted in the caption.
    lat, lon : array (basin)
        Gauges [degrees]; a basin whose place is not known is counted and left out.
    title : str
        Above the map.
    label : str
        Name and unit of the values, at the colour bar.
    cmap : str
        Matplotlib colour map: sequential (``viridis``), or diverging (``RdBu``, ``PuOr_r``)
        with `symmetric_limits`.
    vmin, vmax : float, optional
        Ends of the scale; by default those of the values. Values beyond get the end's colour
        and a pointed colour bar.
    failed : str, optional
        Name of what is at or below `vmin` ("NSE <= 0"): drawn as vermilion triangles, listed
        in the legend. By default nothing is singled out.
    note : str
        Added to the caption.

    Returns
    -------
    matplotlib.figure.Figure
        Equal-area for a region, see `hydroml.report.projection.fitting_projection`.

    Examples
    --------
    >>> figure = draw_map([0.2, 0.8], [40.0, 41.0], [-105.0, -100.0], title="NSE", label="NSE [-]")
    >>> figure.get_suptitle()
    'NSE'
    """
    v, y, x = (np.asarray(a, dtype=float) for a in (values, lat, lon))
    placed = np.isfinite(y) & np.isfinite(x)
    figure = Figure(figsize=_FIGURE)
    axes = figure.add_axes(_MAP)
    figure.suptitle(title, x=0.03, y=0.97, ha="left", va="top", fontsize=13, color=INK)
    _lay_ground(axes, x[placed], y[placed])
    project = _projection(x[placed], y[placed])
    shown = v[placed]
    below = shown <= vmin if failed and vmin is not None else np.zeros(shown.shape, bool)
    scale = _scale(shown[~below], cmap, vmin, vmax)
    _draw_points(axes, project(x[placed], y[placed]), shown, below, scale)
    _draw_colour_bar(figure, scale, label)
    _draw_legend(axes, failed, int(below.sum()), int(np.isnan(shown).sum()))
    figure.text(0.03, 0.025, _caption(v, placed, note), fontsize=9, color=INK, va="bottom")
    return figure


def symmetric_limits(values: ArrayLike, *, share: float = 0.98) -> tuple[float, float]:
    """Choose the ends of a diverging scale: symmetric, round, and robust to outliers.

    Parameters
    ----------
    values : array
        Values to be shown; NaN is ignored.
    share : float
        Share of the values that lie within the scale.

    Returns
    -------
    tuple of float
        ``(-limit, limit)``, the limit being 1, 2, 2.5 or 5 times a power of ten.

    Examples
    --------
    >>> symmetric_limits([-3.0, 1.0, 4.1])
    (-5.0, 5.0)
    """
    magnitude = np.abs(np.asarray(values, dtype=float))
    magnitude = magnitude[np.isfinite(magnitude)]
    reach = float(np.quantile(magnitude, share)) if magnitude.size else 1.0
    if reach == 0:
        return -1.0, 1.0
    power = 10.0 ** np.floor(np.log10(reach))
    limit = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= reach * (1 - 1e-9))
    return -float(limit), float(limit)


def point_size(count: int) -> float:
    """Area of a marker [points^2] that suits a number of basins: 90 for a few, 20 for 671."""
    return float(np.clip(520 / np.sqrt(max(count, 1)), 16, 90))


def _projection(lon: Floats, lat: Floats) -> Projection:
    return fitting_projection(lon, lat) if lon.size else fitting_projection([0.0], [0.0])


def _view(lon: Floats, lat: Floats) -> Box:
    """Box to show: the points with a margin, or the whole continental US if they span it."""
    if lon.size == 0:
        return -180.0, -60.0, 180.0, 85.0
    west, south, east, north = lon.min(), lat.min(), lon.max(), lat.max()
    in_conus = west > -126 and east < -65 and south > 24 and north < 50
    if in_conus and east - west > 25:
        return _CONUS_VIEW
    margin = max(0.12 * max(east - west, north - south), 1.5)
    return (
        float(max(west - margin, -180)), float(max(south - margin, -89)),
        float(min(east + margin, 180)), float(min(north + margin, 89)),
    )  # fmt: skip


def _lay_ground(axes: Axes, lon: Floats, lat: Floats) -> None:
    """Set the map's limits and draw the outlines under the points."""
    project, view = _projection(lon, lat), _view(lon, lat)
    x, y = project(*_frame(view))
    half = max(np.ptp(x) / _SHAPE, np.ptp(y)) / 2  # the map fills its part of the figure
    middle_x, middle_y = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    axes.set_xlim(middle_x - half * _SHAPE, middle_x + half * _SHAPE)
    axes.set_ylim(middle_y - half, middle_y + half)
    axes.set_aspect("equal")
    axes.set_axis_off()
    for kind, (colour, width) in _PENS.items():
        lines = [np.column_stack(project(*line.T)) for line in outlines(kind, _ground(view))]
        axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=width, zorder=1), autolim=False
        )


def _frame(view: Box) -> tuple[Floats, Floats]:
    """Points along the four sides of a box: they bend in a conic projection."""
    west, south, east, north = view
    along, none = np.linspace(0, 1, 50), np.zeros(50)
    lon = np.concatenate([along, along, none, none + 1]) * (east - west) + west
    lat = np.concatenate([none, none + 1, along, along]) * (north - south) + south
    return lon, lat


def _ground(view: Box) -> Box:
    """Box to read outlines for: what the figure shows around the view, and its bent corners."""
    west, south, east, north = view
    width, height = east - west, north - south
    shortening = np.cos(np.radians((south + north) / 2))
    more_lon = max(_SHAPE * height / shortening - width, 0) / 2 + 0.25 * width
    more_lat = max(width * shortening / _SHAPE - height, 0) / 2 + 0.25 * height
    box = west - more_lon, south - more_lat, east + more_lon, north + more_lat
    return tuple(round(float(edge), 1) for edge in box)  # type: ignore[return-value]


def _scale(values: Floats, cmap: str, vmin: float | None, vmax: float | None) -> ScalarMappable:
    finite = values[np.isfinite(values)]
    low = vmin if vmin is not None else (float(finite.min()) if finite.size else 0.0)
    high = vmax if vmax is not None else (float(finite.max()) if finite.size else 1.0)
    colours: Colormap = matplotlib.colormaps[cmap]
    scale = ScalarMappable(Normalize(low, high if high > low else low + 1), colours)
    scale.set_array(finite)
    return scale


def _draw_points(
    axes: Axes,
    place: tuple[Floats, Floats],
    values: Floats,
    below: NDArray[np.bool_],
    scale: ScalarMappable,
) -> None:
    size, missing = point_size(len(values)), np.isnan(values)
    order = np.argsort(values)  # low values on top: they are the ones to find
    order = order[~(missing | below)[order]][::-1]
    x, y = place
    axes.scatter(
        x[missing], y[missing], s=0.7 * size, facecolors="none", edgecolors=GREY, linewidths=0.9,
        zorder=2, gid="missing",
    )  # fmt: skip
    axes.scatter(
        x[order], y[order], s=size, c=scale.to_rgba(values[order]), edgecolors="#333333",
        linewidths=0.35, zorder=3, gid="values",
    )  # fmt: skip
    axes.scatter(
        x[below], y[below], s=1.25 * size, marker="v", c=FAILED, edgecolors="black",
        linewidths=0.6, zorder=4, gid="failed",
    )  # fmt: skip


def _draw_colour_bar(figure: Figure, scale: ScalarMappable, label: str) -> None:
    values = np.asarray(scale.get_array())
    under, over = bool((values < scale.norm.vmin).any()), bool((values > scale.norm.vmax).any())
    bar = figure.colorbar(
        scale,
        cax=figure.add_axes((0.25, 0.145, 0.5, 0.024)),
        orientation="horizontal",
        extend=_POINTED[under, over],
    )
    bar.set_label(label, fontsize=10, color=INK)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_linewidth(0.5)  # type: ignore[operator]


def _draw_legend(axes: Axes, failed: str | None, n_failed: int, n_missing: int) -> None:
    entries = []
    if failed and n_failed:
        entries.append(("v", FAILED, "black", f"{failed} ({n_failed})"))
    if n_missing:
        entries.append(("o", "none", GREY, f"no value ({n_missing})"))
    for marker, face, edge, text in entries:
        axes.scatter([], [], s=40, marker=marker, facecolors=face, edgecolors=edge, label=text)
    if entries:
        axes.legend(loc="lower left", frameon=False, fontsize=9, borderaxespad=0.2)


def _caption(values: Floats, placed: NDArray[np.bool_], note: str) -> str:
    finite = values[np.isfinite(values)]
    text = f"{finite.size} basin{'s' if finite.size != 1 else ''}"
    if finite.size:
        low, middle, high = (
            f"{q:.{2 if abs(q) < 10 else 0}f}" for q in np.quantile(finite, _TENTHS)
        )
        text += f", median {middle}, 10 to 90 %: {low} to {high}"
    if values.size > finite.size:
        text += f"; {values.size - finite.size} without a value"
    if not placed.all():
        text += f"; {int((~placed).sum())} not drawn (place not known)"
    return f"{text}. {note}".strip()
