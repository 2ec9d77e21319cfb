"""Sun, saturation and potential evaporation after FAO-56.

Allen, R. G., Pereira, L. S., Raes, D., Smith, M. (1998): Crop evapotranspiration, FAO
Irrigation and Drainage Paper 56, Rome. Equation numbers below are theirs.
"""

import numpy as np

LATENT_HEAT = 2.45
"""Latent heat of vaporisation [MJ kg-1] (FAO-56, annex 3)."""


def _sun(latitude: np.ndarray, day_of_year: np.ndarray) -> tuple[np.ndarray, ...]:
    phi = np.deg2rad(np.asarray(latitude, float))[:, None]
    angle = 2 * np.pi * np.asarray(day_of_year, float)[None, :] / 365
    declination = 0.409 * np.sin(angle - 1.39)  # eq. 24
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))  # eq. 25
    return phi, declination, sunset, 1 + 0.033 * np.cos(angle)  # last: eq. 23


def extraterrestrial_radiation(latitude: np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Daily radiation at the top of the atmosphere [MJ m-2 d-1] (eq. 21).

    Parameters
    ----------
    latitude : array (basin,)
        Degrees north.
    day_of_year : array (time,)
        1 to 366.

    Returns
    -------
    numpy.ndarray
        (basin, time).

    Examples
    --------
    FAO-56 example 8, 20 degrees south on 3 September:

    >>> extraterrestrial_radiation(np.array([-20.0]), np.array([246])).round(1)
    array([[32.2]])
    """
    phi, declination, sunset, distance = _sun(latitude, day_of_year)
    overhead = sunset * np.sin(phi) * np.sin(declination)
    return (
        24 * 60 / np.pi * 0.0820 * distance
        * (overhead + np.cos(phi) * np.cos(declination) * np.sin(sunset))
    )  # fmt: skip


def daylight_seconds(latitude: np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Duration of daylight [s], (basin, time) (eq. 34).

    Examples
    --------
    FAO-56 example 9, 20 degrees south on 3 September: 11.7 hours.

    >>> (daylight_seconds(np.array([-20.0]), np.array([246])) / 3600).round(1)
    array([[11.7]])
    """
    return 86400 / np.pi * _sun(latitude, day_of_year)[2]


def saturation_vapour_pressure(temperature: np.ndarray) -> np.ndarray:
    """Saturation vapour pressure over water [Pa] (eq. 11, of Magnus' form).

    Parameters
    ----------
    temperature : array
        Air temperature [degC].

    Examples
    --------
    FAO-56 example 3: 1.705 kPa at 15 degC.

    >>> round(float(saturation_vapour_pressure(15.0)), -0)
    1705.0
    """
    return 610.8 * np.exp(17.27 * temperature / (temperature + 237.3))


def potential_evaporation(
    temperature: np.ndarray, srad: np.ndarray, daylight: np.ndarray
) -> np.ndarray:
    """Potential evaporation [mm d-1] from temperature and solar radiation.

    ``PET = 0.0135 (T + 17.8) Rs / 2.45``, zero below -17.8 degC: Hargreaves (1975), as in
    Hargreaves and Allen (2003, doi 10.1061/(ASCE)0733-9437(2003)129:1(53)). It is the form
    with measured radiation, so it uses only what the store holds.

    Parameters
    ----------
    temperature : array
        Daily mean temperature T [degC].
    srad : array
        Shortwave radiation, mean over daylight [W m-2].
    daylight : array
        Duration of daylight [s].

    Examples
    --------
    20 MJ m-2 d-1 at 22.2 degC: 0.0135 * 40 * 20 / 2.45 = 4.41.

    >>> round(float(potential_evaporation(22.2, 20e6 / 43200, 43200)), 2)
    4.41
    """
    radiation = srad * daylight * 1e-6
    return 0.0135 * np.maximum(temperature + 17.8, 0) * radiation / LATENT_HEAT
