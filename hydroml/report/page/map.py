"""The map of a page: basins and outlines in the units of one SVG picture."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hydroml.report.ground import lay_ground

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 960, 600
_TOLERANCE = 0.35  # an outline may move by so much; at phone width that is a sixth of a pixel
_SHORTEST = 2.5  # outlines (islands, ponds) smaller than this are left out


def map_picture(lat: ArrayLike, lon: ArrayLike) -> dict[str, Any]:
    """Place basins and outlines in a picture of `WIDTH` by `HEIGHT`.

    Parameters
    ----------
    lat, lon : array (basin)
        Gauges [degrees]; NaN where the place is not known.

    Returns
    -------
    dict
        ``width``, ``height``; ``x``, ``y`` of basins (None where not known); ``outlines``, a
        list of ``{"d": path, "stroke": colour, "width": number}`` in drawing order.

    Examples
    --------
    >>> picture = map_picture([40.0, np.nan], [-105.0, -100.0])
    >>> round(picture["x"][0], -1), round(picture["y"][0], -1), picture["x"][1]
    (480.0, 300.0, None)
    """
    y, x = np.asarray(lat, dtype=float), np.asarray(lon, dtype=float)
    placed = np.isfinite(y) & np.isfinite(x)
    axes = Figure(figsize=(WIDTH / 100, HEIGHT / 100)).add_axes((0, 0, 1, 1))
    project = lay_ground(axes, x[placed], y[placed])
    points = np.full((len(x), 2), np.nan)
    points[placed] = _to_picture(axes, np.column_stack(project(x[placed], y[placed])))
    outlines = []
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            outlines.append(
                {
                    "d": _path(axes, collection.get_segments()),
                    "stroke": to_hex(np.asarray(collection.get_colors())[0]),
                    "width": float(np.asarray(collection.get_linewidth())[0]),
                }
            )
    columns = (
        [round(float(v), 1) if np.isfinite(v) else None for v in column] for column in points.T
    )
    return {"width": WIDTH, "height": HEIGHT, "outlines": outlines} | dict(
        zip("xy", columns, strict=True)
    )


def simplify(line: Floats, tolerance: float) -> Floats:
    """Thin out a polyline (Douglas and Peucker 1973, doi 10.3138/FM57-6770-U75U-7727).

    Parameters
    ----------
    line : array (n, 2)
        Points.
    tolerance : float
        No point that is left out lies farther than this from the new line.

    Returns
    -------
    array (m, 2)
        Some of the points, the first and the last among them.

    Examples
    --------
    >>> simplify(np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0], [2.0, 5.0]]), 0.5).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 5.0]]
    """
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    stack = [(0, len(line) - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        far = _distance(line[first + 1 : last], line[first], line[last])
        worst = int(far.argmax())
        if far[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            stack += [(first, middle), (middle, last)]
    return line[keep]


def _distance(points: Floats, start: Floats, end: Floats) -> Floats:
    """Distance of points from a segment."""
    along = end - start
    length2 = float(along @ along)
    t = (points - start) @ along / length2 if length2 else np.zeros(len(points))
    nearest = start + np.clip(t, 0, 1)[:, None] * along
    return np.asarray(np.hypot(*(points - nearest).T))


def _to_picture(axes: Axes, points: Floats) -> Floats:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    x = (points[:, 0] - left) / (right - left) * WIDTH
    y = (high - points[:, 1]) / (high - low) * HEIGHT
    return np.column_stack([x, y])


def _path(axes: Axes, segments: list[Floats]) -> str:
    parts = []
    for segment in segments:
        line = _to_picture(axes, np.asarray(segment, dtype=float))
        size = np.ptp(line, axis=0).max()
        low, high = line.min(axis=0), line.max(axis=0)
        outside = high[0] < 0 or high[1] < 0 or low[0] > WIDTH or low[1] > HEIGHT
        if size < _SHORTEST or outside:
            continue
        thin = np.round(simplify(line, _TOLERANCE), 1)
        parts.append("M" + "L".join(f"{x:g},{y:g}" for x, y in thin))
    return "".join(parts)
