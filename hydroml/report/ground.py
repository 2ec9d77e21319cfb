"""The ground of a map: what part of the world it shows, and its outlines."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from hydroml.report.outlines import Box, Kind, outlines
from hydroml.report.projection import Projection, fitting_projection

Floats = NDArray[np.float64]

_PENS: dict[Kind, tuple[str, float]] = {  # colour and width, drawn in this order
    "states": ("#cfcfcf", 0.45),
    "countries": ("#8a8a8a", 0.8),
    "coast": ("#7d97ab", 0.6),
}
_CONUS_VIEW = (-124.8, 24.5, -66.9, 49.4)  # the whole country, whenever points lie all over it


def lay_ground(axes: Axes, lon: Floats, lat: Floats) -> Projection:
    """Set a map's limits so that all points are seen, and draw the outlines under them.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Placed in its figure already: the map fills its part of the sheet.
    lon, lat : ndarray (basin)
        Points to be seen [degrees], finite; none of them shows the world.

    Returns
    -------
    Projection
        Places ``(lon, lat)`` on `axes`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure(figsize=(8, 4)).add_axes((0, 0, 1, 1))
    >>> project = lay_ground(axes, np.array([-105.0, -100.0]), np.array([40.0, 41.0]))
    >>> (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    >>> float(round((right - left) / (high - low), 6))
    2.0
    """
    project = fitting_projection(lon, lat) if lon.size else fitting_projection([0.0], [0.0])
    view, shape = _view(lon, lat), _shape(axes)
    x, y = project(*_frame(view))
    half = max(np.ptp(x) / shape, np.ptp(y)) / 2
    middle_x, middle_y = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    axes.set_xlim(middle_x - half * shape, middle_x + half * shape)
    axes.set_ylim(middle_y - half, middle_y + half)
    axes.set_aspect("equal")
    axes.set_axis_off()
    for kind, (colour, width) in _PENS.items():
        lines = [np.column_stack(project(*line.T)) for line in outlines(kind, _ground(view, shape))]
        axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=width, zorder=1), autolim=False
        )
    return project


def _shape(axes: Axes) -> float:
    """Width of axes by their height, on paper."""
    width, height = axes.figure.get_size_inches()  # type: ignore[union-attr]
    part = axes.get_position(original=True)
    return float(width * part.width / (height * part.height))


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


def _frame(view: Box) -> tuple[Floats, Floats]:
    """Points along the four sides of a box: they bend in a conic projection."""
    west, south, east, north = view
    along, none = np.linspace(0, 1, 50), np.zeros(50)
    lon = np.concatenate([along, along, none, none + 1]) * (east - west) + west
    lat = np.concatenate([none, none + 1, along, along]) * (north - south) + south
    return lon, lat


def _ground(view: Box, shape: float) -> Box:
    """Box to read outlines for: what the figure shows around the view, and its bent corners."""
    west, south, east, north = view
    width, height = east - west, north - south
    shortening = np.cos(np.radians((south + north) / 2))
    more_lon = max(shape * height / shortening - width, 0) / 2 + 0.25 * width
    more_lat = max(width * shortening / shape - height, 0) / 2 + 0.25 * height
    box = west - more_lon, south - more_lat, east + more_lon, north + more_lat
    return tuple(round(float(edge), 1) for edge in box)  # type: ignore[return-value]
