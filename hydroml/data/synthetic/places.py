"""Where the synthetic gauges lie: position, elevation, slope, area and region."""

from itertools import pairwise

import numpy as np
import pandas as pd

# a coarse outline of the contiguous United States, (longitude, latitude) in degrees
_OUTLINE = np.array(
    [
        (-124.6, 48.3), (-122.8, 49.0), (-95.2, 49.0), (-94.6, 48.7), (-90.0, 48.0),
        (-92.0, 46.7), (-87.5, 46.5), (-87.5, 45.0), (-87.8, 42.3), (-87.2, 41.7),
        (-86.4, 42.2), (-86.3, 44.7), (-84.8, 45.8), (-83.4, 45.1), (-82.5, 43.2),
        (-83.2, 42.0), (-81.5, 41.6), (-79.0, 42.7), (-79.0, 43.3), (-76.5, 43.5),
        (-75.0, 45.0), (-71.5, 45.0), (-70.3, 46.2), (-69.2, 47.4), (-68.2, 47.3),
        (-67.8, 45.7), (-67.0, 44.8), (-70.2, 43.6), (-70.8, 42.6), (-70.0, 41.8),
        (-71.8, 41.3), (-74.0, 40.7), (-74.2, 39.6), (-75.5, 38.0), (-76.0, 36.9),
        (-75.8, 35.5), (-77.9, 34.0), (-81.1, 31.8), (-81.4, 30.4), (-80.1, 26.8),
        (-80.6, 25.3), (-81.8, 26.2), (-82.7, 27.8), (-83.8, 29.9), (-85.3, 29.8),
        (-88.0, 30.3), (-89.6, 30.1), (-90.2, 29.2), (-93.8, 29.7), (-95.2, 29.0),
        (-97.3, 27.4), (-97.3, 26.0), (-99.2, 26.5), (-101.0, 29.6), (-103.0, 29.0),
        (-106.5, 31.8), (-111.0, 31.4), (-114.8, 32.5), (-117.1, 32.6), (-118.5, 34.0),
        (-120.6, 34.6), (-121.9, 36.6), (-123.7, 38.9), (-124.3, 40.3), (-124.1, 43.5),
        (-124.0, 46.2),
    ]
)  # fmt: skip

# two-digit hydrologic unit, share of the gauges, centre and spread (lon, lat) in degrees
_REGIONS = np.array(
    [
        (1, 27, -71.8, 44.0, 1.2, 1.0), (2, 75, -77.2, 40.0, 1.8, 1.6),
        (3, 92, -82.5, 33.3, 2.8, 2.2), (4, 31, -84.5, 43.8, 4.0, 1.3),
        (5, 45, -82.0, 39.0, 3.0, 1.3), (6, 17, -84.0, 35.6, 1.8, 0.6),
        (7, 33, -91.5, 41.2, 2.2, 2.2), (8, 12, -91.5, 32.0, 1.5, 2.0),
        (9, 9, -97.0, 47.7, 2.0, 0.8), (10, 70, -101.5, 42.5, 5.5, 2.8),
        (11, 31, -96.0, 36.6, 3.2, 1.2), (12, 37, -98.0, 30.8, 1.6, 1.2),
        (13, 7, -105.8, 35.5, 0.9, 1.6), (14, 17, -107.5, 39.3, 1.6, 1.4),
        (15, 19, -111.0, 34.0, 1.6, 1.0), (16, 18, -114.5, 40.0, 2.5, 1.4),
        (17, 62, -122.6, 45.2, 0.9, 1.7), (17, 29, -116.0, 45.5, 1.8, 1.4),
        (18, 40, -121.2, 37.8, 1.6, 2.2),
    ]
)  # fmt: skip

# mountain ranges: crest as a line of (lon, lat), height above their surroundings [m], width [deg]
_RANGES = (
    (((-121.7, 49.0), (-121.6, 42.0), (-118.5, 36.0)), 1250.0, 0.65),  # Cascades, Sierra Nevada
    (((-123.6, 48.0), (-123.3, 40.5), (-120.5, 35.0)), 450.0, 0.6),  # Coast Ranges
    (((-115.0, 49.0), (-110.5, 43.8), (-106.3, 39.5), (-105.6, 35.5)), 1650.0, 1.6),  # Rockies
    (((-111.8, 41.5), (-111.5, 38.0)), 700.0, 0.9),  # Wasatch
    (((-84.5, 34.8), (-80.0, 38.0), (-76.5, 41.3), (-72.0, 44.2), (-69.5, 45.5)), 600.0, 0.9),
    (((-94.5, 35.5), (-91.5, 36.8)), 250.0, 1.0),  # Ozarks
)


def draw_places(basins: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw gauges at plausible places in the contiguous United States.

    Their density follows that of the CAMELS gauges over the hydrologic regions (many in the
    humid East and the Pacific Northwest, few in the dry interior). They come in no order of
    place, so the first n are a fair sample of all.

    Parameters
    ----------
    basins : int
        How many.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    pandas.DataFrame
        One row a gauge: ``lat``, ``lon`` [degrees], ``elevation`` [m], ``ranges`` [m] (height
        of the mountains around), ``slope`` [m km-1], ``area`` [km2], ``huc`` (two digits).

    Examples
    --------
    >>> found = draw_places(3, np.random.default_rng(0))
    >>> bool(is_land(found.lon, found.lat).all())
    True
    """
    lon, lat, region = np.empty(0), np.empty(0), np.empty(0, dtype=int)
    share = _REGIONS[:, 1] / _REGIONS[:, 1].sum()
    while lon.size < basins:
        drawn = rng.choice(len(_REGIONS), size=2 * basins + 16, p=share)
        x, y = (_REGIONS[drawn, c] + _REGIONS[drawn, c + 2] * rng.normal(size=drawn.size)
                for c in (2, 3))  # fmt: skip
        on_land = is_land(x, y)
        lon, lat = np.append(lon, x[on_land]), np.append(lat, y[on_land])
        region = np.append(region, drawn[on_land])
    lon, lat, region = lon[:basins].round(5), lat[:basins].round(5), region[:basins]
    ranges = range_height(lon, lat)
    rugged = 12.0 + 0.06 * ranges
    return pd.DataFrame(
        {
            "lat": lat,
            "lon": lon,
            "elevation": np.clip(_plain(lon, lat) * np.exp(rng.normal(0, 0.2, basins))
                                 + ranges * np.exp(rng.normal(0, 0.3, basins)), 10.0,
                                 3600.0 - 170.0 * np.maximum(lat - 39.0, 0.0)),
            "ranges": ranges,
            "slope": np.clip(1.15 * rugged * np.exp(rng.normal(0, 0.75, basins)), 0.8, 250.0),
            "area": np.clip(330.0 * np.exp(rng.normal(0, 1.4, basins)), 5.0, 25000.0),
            "huc": [f"{int(_REGIONS[r, 0]):02d}" for r in region],
        }
    )  # fmt: skip


def is_land(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Tell whether points lie within the coarse outline of the contiguous United States.

    Even-odd rule: a ray to the east crosses the outline an odd number of times.

    Examples
    --------
    >>> is_land(np.array([-98.0, -60.0]), np.array([39.0, 39.0]))
    array([ True, False])
    """
    x, y = np.asarray(lon, float), np.asarray(lat, float)
    inside = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(_OUTLINE, np.roll(_OUTLINE, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
            inside ^= crosses
    return inside


def range_height(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Height [m] of the mountain ranges above their surroundings.

    The sum of ridges of Gaussian cross-section along the crest of each range.

    Examples
    --------
    The Rockies of Colorado and the plains of Kansas:

    >>> range_height(np.array([-106.0, -97.0]), np.array([39.0, 38.5])) > 1000
    array([ True, False])
    """
    height = np.zeros(np.shape(lon))
    for crest, top, width in _RANGES:
        distance = np.min([_distance(lon, lat, a, b) for a, b in pairwise(crest)], axis=0)
        height += top * np.exp(-0.5 * (distance / width) ** 2)
    return height


def _distance(
    lon: np.ndarray, lat: np.ndarray, start: tuple[float, float], end: tuple[float, float]
) -> np.ndarray:
    """Distance to a segment [degrees of latitude]."""
    shrink = 0.77  # a degree of longitude at 40 N in degrees of latitude
    px, py = shrink * (lon - start[0]), lat - start[1]
    dx, dy = shrink * (end[0] - start[0]), end[1] - start[1]
    along = np.clip((px * dx + py * dy) / (dx**2 + dy**2), 0, 1)
    return np.hypot(px - along * dx, py - along * dy)


def _plain(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Elevation [m] without the ranges: high plains and plateau, lowlands on both coasts."""
    rise = np.clip((-94.0 - lon) / 10.0, 0, 1) ** 1.3 * 1300.0
    fall = 1 / (1 + np.exp((-118.5 - lon) / 0.6))
    inland = 40.0 + 200.0 * np.clip((lat - 31.0) / 6.0, 0, 1) * np.clip((-75.0 - lon) / 6.0, 0, 1)
    north = 1 - 0.35 * np.clip((lat - 43.0) / 5.0, 0, 1)
    return inland + rise * fall * north
