"""Climatic indices of CAMELS from daily series.

Definitions: Addor et al. (2017, doi 10.5194/hess-21-5293-2017), table 2.
"""

import numpy as np


def climate_indices(
    prcp: np.ndarray, temperature: np.ndarray, pet: np.ndarray, day_of_year: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute the nine climatic attributes of the reference experiment.

    Parameters
    ----------
    prcp : numpy.ndarray
        Precipitation [mm d-1], (basin, time).
    temperature : numpy.ndarray
        Daily mean temperature [degC], (basin, time).
    pet : numpy.ndarray
        Potential evaporation [mm d-1], (basin, time).
    day_of_year : numpy.ndarray
        (time,).

    Returns
    -------
    dict of str to numpy.ndarray
        (basin,): ``p_mean``, ``pet_mean`` [mm d-1]; ``aridity`` = pet_mean / p_mean;
        ``p_seasonality``, see `seasonality`; ``frac_snow``, the share of precipitation on
        days below 0 degC; ``high_prec_freq`` [d yr-1] of days >= 5 p_mean and
        ``high_prec_dur`` [d], the mean length of their spells; ``low_prec_freq`` and
        ``low_prec_dur`` of days < 1 mm d-1.

    Examples
    --------
    >>> prcp = np.array([[0.0, 6.0, 0.0, 0.0, 0.0, 0.0]])
    >>> t, pet = np.array([[1.0, -2, 3, 4, 4, 2]]), np.full((1, 6), 2.0)
    >>> found = climate_indices(prcp, t, pet, np.arange(1, 7))
    >>> float(found["aridity"][0]), float(found["frac_snow"][0]), float(found["low_prec_dur"][0])
    (2.0, 1.0, 2.5)
    """
    p_mean, pet_mean = prcp.mean(axis=1), pet.mean(axis=1)
    heavy, dry = prcp >= 5 * p_mean[:, None], prcp < 1.0
    return {
        "p_mean": p_mean,
        "pet_mean": pet_mean,
        "p_seasonality": seasonality(prcp, temperature, day_of_year),
        "frac_snow": np.where(temperature < 0, prcp, 0).sum(axis=1) / prcp.sum(axis=1),
        "aridity": pet_mean / p_mean,
        "high_prec_freq": heavy.mean(axis=1) * 365.25,
        "high_prec_dur": mean_spell(heavy),
        "low_prec_freq": dry.mean(axis=1) * 365.25,
        "low_prec_dur": mean_spell(dry),
    }


def seasonality(prcp: np.ndarray, temperature: np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Seasonality and timing of precipitation against temperature [-], (basin,).

    Sine curves ``P = p (1 + d_p sin(2 pi (t - s_p) / 365.25))`` and ``T = m + d_t sin(2 pi
    (t - s_t) / 365.25)`` are fitted by least squares; the index is ``d_p sgn(d_t) cos(2 pi
    (s_p - s_t) / 365.25)`` (Woods 2009, doi 10.1016/j.advwatres.2009.06.011, eq. 14):
    positive with summer rain, negative with winter rain, near zero without a cycle.

    Examples
    --------
    >>> day = np.arange(1, 1462) % 365.25
    >>> warm = np.sin(2 * np.pi * (day - 100) / 365.25)[None, :]
    >>> seasonality(2 * (1 - 0.6 * warm), 10 + 8 * warm, day).round(3)
    array([-0.6])
    """
    angle = 2 * np.pi * np.asarray(day_of_year, float) / 365.25
    design = np.stack([np.ones_like(angle), np.sin(angle), np.cos(angle)])  # (3, T)
    solve = np.linalg.inv(design @ design.T) @ design
    p0, p1, p2 = (prcp.astype(float) @ solve.T).T
    _, t1, t2 = (temperature.astype(float) @ solve.T).T
    return (p1 * t1 + p2 * t2) / (p0 * np.hypot(t1, t2))


def mean_spell(happens: np.ndarray) -> np.ndarray:
    """Mean length of the runs of True along the last axis; 0 where there is none.

    Examples
    --------
    >>> mean_spell(np.array([[True, True, False, True], [False] * 4]))
    array([1.5, 0. ])
    """
    before = np.pad(happens[:, :-1], ((0, 0), (1, 0)))
    runs = (happens & ~before).sum(axis=1)
    return happens.sum(axis=1) / np.maximum(runs, 1)
