"""What another temperature means for the other inputs: vapour pressure and evaporation."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hydroml.config import Section
from hydroml.data.radiation import saturation_vapour_pressure

Floats = NDArray[np.floating]

PSYCHROMETRIC = 66.0
"""Psychrometric constant [Pa K-1] at 100 kPa (FAO-56, eq. 8)."""


class Physics(Section):
    """Which inputs follow the temperature. Radiation is always held.

    Parameters
    ----------
    vapour_pressure : str
        ``constant_relative_humidity``: raised with the saturation vapour pressure, as climate
        models show to first order (Held and Soden 2006, doi 10.1175/JCLI3990.1); ``held``:
        left as it is, so that warmer air is relatively drier.
    potential_evaporation : str
        ``priestley_taylor``: an input of potential evaporation is scaled as that formula does
        with radiation held; ``held``: left as it is.
    """

    vapour_pressure: Literal["constant_relative_humidity", "held"] = "constant_relative_humidity"
    potential_evaporation: Literal["priestley_taylor", "held"] = "priestley_taylor"


def vapour_pressure_factor(before: Floats, after: Floats) -> Floats:
    """Factor of the vapour pressure at constant relative humidity: e_s(after) / e_s(before).

    Magnus' form ``e_s = 610.8 exp(17.27 T / (T + 237.3))`` [Pa] (Allen et al. 1998, FAO-56,
    eq. 11).

    Parameters
    ----------
    before, after : ndarray
        Daily mean temperature [degC].

    Examples
    --------
    About 7 % a degree (Clausius and Clapeyron):

    >>> round(float(vapour_pressure_factor(np.array(10.0), np.array(11.0))), 3)
    1.069
    """
    return saturation_vapour_pressure(after) / saturation_vapour_pressure(before)


def evaporation_factor(before: Floats, after: Floats) -> Floats:
    """Factor of the potential evaporation with radiation held: w(after) / w(before).

    ``w = s / (s + 66 Pa K-1)`` with the slope s of `vapour_pressure_factor`'s curve: all that
    depends on temperature in the formula of Priestley and Taylor (1972, doi
    10.1175/1520-0493(1972)100<0081:OTAOSH>2.3.CO;2). It grows by about 4 % a degree at 0 degC
    and 2 % at 20 degC, less than in formulas that know nothing but temperature.

    Parameters
    ----------
    before, after : ndarray
        Daily mean temperature [degC].

    Examples
    --------
    >>> t = np.array([0.0, 20.0])
    >>> evaporation_factor(t, t + 1).round(3)
    array([1.039, 1.017])
    """
    return _weight(after) / _weight(before)


def _weight(temperature: Floats) -> Floats:
    # FAO-56, eq. 13, in [Pa K-1]
    slope = 17.27 * 237.3 / (temperature + 237.3) ** 2 * saturation_vapour_pressure(temperature)
    return slope / (slope + PSYCHROMETRIC)
