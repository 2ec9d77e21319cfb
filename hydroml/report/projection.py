"""Map projections: equal-area for a region, plain degrees for the world."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Projection = Callable[[ArrayLike, ArrayLike], tuple[Floats, Floats]]

_CONUS = (-130.0, 22.0, -60.0, 53.0)  # west, south, east, north
_WIDEST_CONE = 100.0  # degrees of longitude


@dataclass(frozen=True)
class Albers:
    """Albers equal-area conic projection of the unit sphere.

    Snyder (1987), Map Projections: A Working Manual, USGS Professional Paper 1395
    (doi 10.3133/pp1395), eqs. 14-1 to 14-6::

        n = (sin(lat1) + sin(lat2)) / 2        C = cos(lat1)^2 + 2 n sin(lat1)
        rho = sqrt(C - 2 n sin(lat)) / n       theta = n (lon - lon0)
        x = rho sin(theta)                     y = rho0 - rho cos(theta)

    Parameters
    ----------
    lat1, lat2 : float
        Standard parallels [degrees].
    lat0, lon0 : float
        Origin [degrees].

    Examples
    --------
    Snyder's numerical example, p. 291: 35 degrees N, 75 degrees W.

    >>> x, y = Albers(29.5, 45.5, 23.0, -96.0)(-75.0, 35.0)
    >>> round(float(x), 7), round(float(y), 7)
    (0.295272, 0.2416774)
    """

    lat1: float
    lat2: float
    lat0: float
    lon0: float

    def __call__(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
        """Project longitudes and latitudes [degrees] to x and y [radii of the Earth]."""
        lat1, lat2, lat0 = np.radians([self.lat1, self.lat2, self.lat0])
        n = (np.sin(lat1) + np.sin(lat2)) / 2
        C = np.cos(lat1) ** 2 + 2 * n * np.sin(lat1)
        rho = np.sqrt(np.maximum(C - 2 * n * np.sin(np.radians(lat)), 0.0)) / n
        rho0 = np.sqrt(C - 2 * n * np.sin(lat0)) / n
        theta = n * np.radians(np.asarray(lon, dtype=float) - self.lon0)
        return rho * np.sin(theta), rho0 - rho * np.cos(theta)


@dataclass(frozen=True)
class Equirectangular:
    """Degrees as they are, longitudes shortened at a standard parallel.

    ``x = cos(lat1) lon, y = lat``; Snyder (1987), eqs. 12-1 and 12-2.

    Parameters
    ----------
    lat1 : float
        Parallel of true scale [degrees].
    """

    lat1: float = 0.0

    def __call__(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
        """Project longitudes and latitudes [degrees] to x and y [degrees]."""
        shortening = np.cos(np.radians(self.lat1))
        return np.asarray(lon, dtype=float) * shortening, np.asarray(lat, dtype=float)


def fitting_projection(lon: ArrayLike, lat: ArrayLike) -> Projection:
    """Choose a projection for points.

    Points within the continental US get its usual Albers projection (parallels 29.5 and 45.5
    degrees), points of another region one with parallels a sixth from their southern and
    northern ends (Snyder 1987, p. 99), regions on the equator or wider than 100 degrees
    plain degrees.

    Parameters
    ----------
    lon, lat : array
        Places [degrees], finite.

    Returns
    -------
    callable
        ``(lon, lat) -> (x, y)``.

    Examples
    --------
    >>> fitting_projection([-120.0, -70.0], [30.0, 48.0])
    Albers(lat1=29.5, lat2=45.5, lat0=37.5, lon0=-96.0)
    >>> fitting_projection([-150.0, 150.0], [-30.0, 60.0])
    Equirectangular(lat1=15.0)
    """
    west, east = float(np.min(lon)), float(np.max(lon))
    south, north = float(np.min(lat)), float(np.max(lat))
    if west > _CONUS[0] and south > _CONUS[1] and east < _CONUS[2] and north < _CONUS[3]:
        return Albers(29.5, 45.5, 37.5, -96.0)
    middle = (south + north) / 2
    if east - west > _WIDEST_CONE or south * north <= 0 or abs(middle) < 10:
        return Equirectangular(middle)
    sixth = (north - south) / 6
    return Albers(south + sixth, north - sixth, middle, (west + east) / 2)
