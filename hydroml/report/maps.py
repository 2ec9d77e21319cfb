"""Point maps: one value a basin, on outlines of coasts, countries and states."""

from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
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
from hydroml.report.style import FAILED, GREY, INK

__all__ = ["draw_map", "draw_values", "point_size", "symmetric_limits"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_MAP = (0.02, 0.145, 0.96, 0.85)  # parts of the sheet's body
_BAR = (0.25, 0.102, 0.5, 0.029)
_POINTED: dict[tuple[bool, bool], Literal["neither", "min", "max", "both"]] = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}  # ends of the colour bar by whether values lie below and above it
_TENTHS = (0.1, 0.5, 0.9)
_STEPS = (1, 1.5, 2, 2.5, 5, 7.5, 10)


def draw_map(
    values: ArrayLike,
    lat: ArrayLike,
    lon: ArrayLike,
    *,
    title: str,
    label: str,
    about: str = "",
    cmap: str = "viridis",
    vmin: float | None = None,
    vmax: float | None = None,
    ends: tuple[str, str] = ("", ""),
    failed: str | None = None,
    uncertain: ArrayLike | None = None,
    uncertain_label: str = "fewer than 80 % of members agree in sign",
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
    about : str
        Run and period, under the title.
    cmap : str
        Matplotlib colour map: sequential (``viridis``), or diverging (``RdBu``, ``PuOr_r``)
        with `symmetric_limits`.
    vmin, vmax : float, optional
        Ends of the scale; by default those of the values. Values beyond get the end's colour
        and a pointed colour bar.
    ends : tuple of str
        What low and high values mean, in words beside the colour bar: ``("earlier", "later")``.
    failed : str, optional
        Name of what is at or below `vmin` ("NSE <= 0"): drawn as vermilion triangles, listed
        in the legend. By default nothing is singled out.
    uncertain : bool array (basin), optional
        Basins whose value is not to be relied on: struck through, counted in the legend. A
        basin without a value is not struck through.
    uncertain_label : str
        What makes them uncertain, for the legend.
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
    sheet = open_sheet(title, about=about, caption=_caption(v, placed, note))
    singled = placed & (v <= vmin) if failed and vmin is not None else np.zeros(v.shape, bool)
    scale = colour_scale(v[placed & ~singled], cmap, vmin, vmax)
    draw_values(
        sheet.add_axes(_MAP), v, y, x, scale=scale, singled=singled, singled_label=failed or "",
        uncertain=uncertain, uncertain_label=uncertain_label,
    )  # fmt: skip
    draw_colour_bar(sheet.figure, sheet.add_axes(_BAR), scale, label, ends)
    return sheet.figure


def draw_values(
    axes: Axes,
    values: Floats,
    lat: Floats,
    lon: Floats,
    *,
    scale: ScalarMappable,
    singled: Flags | None = None,
    singled_label: str = "",
    uncertain: ArrayLike | None = None,
    uncertain_label: str = "",
) -> None:
    """Draw a value a basin on axes that are part of a sheet; see `draw_map`.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Placed in its figure already.
    values, lat, lon : ndarray (basin)
        What to show, and where [degrees].
    scale : matplotlib.cm.ScalarMappable
        Of `colour_scale`.
    singled : bool ndarray (basin), optional
        Basins drawn as vermilion triangles.
    singled_label : str
        What they are, for the legend.
    uncertain : bool array (basin), optional
        Basins struck through.
    uncertain_label : str
        What they are, for the legend.
    """
    placed = np.isfinite(lat) & np.isfinite(lon)
    project = lay_ground(axes, lon[placed], lat[placed])
    x, y = project(lon[placed], lat[placed])
    v = values[placed]
    missing = np.isnan(v)
    below = np.zeros(v.shape, bool) if singled is None else singled[placed]
    doubtful = np.zeros(v.shape, bool)
    if uncertain is not None:
        doubtful = np.asarray(uncertain, dtype=bool)[placed] & ~missing
    size = point_size(len(v))
    order = np.argsort(v)  # low values on top: they are the ones to find
    order = order[~(missing | below)[order]][::-1]
    draw_missing(axes, x[missing], y[missing], size)
    axes.scatter(
        x[order], y[order], s=size, c=scale.to_rgba(v[order]), zorder=3, gid="values", **EDGE
    )
    axes.scatter(
        x[below], y[below], s=1.25 * size, marker="v", c=FAILED, edgecolors="black",
        linewidths=0.6, zorder=4, gid="failed",
    )  # fmt: skip
    draw_slashes(axes, x[doubtful], y[doubtful], size)
    entries = [
        (below, Entry("v", FAILED, "black", f"{singled_label} ({below.sum()})")),
        (doubtful, Entry("o", "#dddddd", "#333333", f"{uncertain_label} ({doubtful.sum()})", True)),
        (missing, Entry("o", "none", GREY, f"no value ({missing.sum()})")),
    ]
    draw_legend(axes, [entry for flags, entry in entries if flags.any()])


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
        ``(-limit, limit)``, the limit being 1, 1.5, 2, 2.5, 5 or 7.5 times a power of ten.

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
    limit = next(step * power for step in _STEPS if step * power >= reach * (1 - 1e-9))
    return -float(limit), float(limit)


def colour_scale(
    values: Floats, cmap: str, vmin: float | None = None, vmax: float | None = None
) -> ScalarMappable:
    """Make a scale of colours for values (NaN ignored), by default from lowest to highest."""
    finite = values[np.isfinite(values)]
    low = vmin if vmin is not None else (float(finite.min()) if finite.size else 0.0)
    high = vmax if vmax is not None else (float(finite.max()) if finite.size else 1.0)
    colours: Colormap = matplotlib.colormaps[cmap]
    scale = ScalarMappable(Normalize(low, high if high > low else low + 1), colours)
    scale.set_array(finite)
    return scale


def draw_colour_bar(
    figure: Figure,
    axes: Axes,
    scale: ScalarMappable,
    label: str,
    ends: tuple[str, str] = ("", ""),
) -> None:
    """Draw a horizontal colour bar into axes, pointed where values lie beyond it."""
    values = np.asarray(scale.get_array())
    under, over = bool((values < scale.norm.vmin).any()), bool((values > scale.norm.vmax).any())
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", extend=_POINTED[under, over])
    bar.set_label(label, fontsize=10, color=INK)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_linewidth(0.5)  # type: ignore[operator]
    for x, side, text in ((-0.07, "right", ends[0]), (1.07, "left", ends[1])):
        axes.text(
            x, 0.5, text, transform=axes.transAxes, ha=side, va="center", fontsize=10, color=INK
        )


def _caption(values: Floats, placed: Flags, note: str) -> str:
    finite = values[np.isfinite(values)]
    text = say_basins(finite.size)
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
