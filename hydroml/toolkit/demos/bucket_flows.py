"""Years of daily flow of many basins: a bucket with a fast and a slow reservoir, Markov rain.

A day's rain falls with a chance that depends on the day before. It fills a soil store, which lets
run off a share that grows with the square of its filling, drains to the slow reservoir, and spills;
both reservoirs empty in proportion to their content. Every basin has constants of its own.
"""

import numpy as np
from numpy.typing import NDArray

YEAR = 365
GAUGING = 0.02  # deviation of the logarithm of a day's measured flow


def bucket_flows(basins: int, years: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Simulate flow after one year of warm-up.

    Parameters
    ----------
    basins, years : int
        How many.
    rng : numpy.random.Generator
        Draws constants, rain and errors of gauging.

    Returns
    -------
    ndarray
        Flow [mm d-1], (basins, years, 365).
    """
    days = YEAR * (years + 1)
    rain = _rain(basins, days, rng)
    season = 1 - 0.8 * np.cos(2 * np.pi * np.arange(days) / YEAR)
    evaporation = rng.uniform(1, 4, (basins, 1)) * season
    size = rng.uniform(60, 250, basins)  # of the soil store [mm]
    quick, slow = 1 / rng.uniform(1.2, 6, basins), 1 / rng.uniform(30, 150, basins)  # [d-1]
    soil, fast_water, slow_water = size / 2, np.zeros(basins), np.full(basins, 30.0)  # [mm]
    flow = np.empty((basins, days))
    for t in range(days):
        filled = soil / size
        runoff, drained = rain[:, t] * filled**2, 0.03 * soil * filled
        soil = soil + rain[:, t] - runoff - drained - evaporation[:, t] * filled
        spilled = np.maximum(soil - size, 0)
        soil = np.maximum(soil - spilled, 1.0)
        fast_water, slow_water = fast_water + runoff + spilled, slow_water + drained
        flow[:, t] = quick * fast_water + slow * slow_water
        fast_water, slow_water = fast_water * (1 - quick), slow_water * (1 - slow)
    flow *= np.exp(GAUGING * rng.standard_normal(flow.shape))
    return flow[:, YEAR:].reshape(basins, years, YEAR)


def _rain(basins: int, days: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Two-state Markov chain, exponential depths with a season [mm d-1], (basins, days)."""
    starts, stays = rng.uniform(0.15, 0.35, basins), rng.uniform(0.4, 0.7, basins)
    depth, swing = rng.uniform(5, 14, (basins, 1)), rng.uniform(0.1, 0.8, (basins, 1))
    phase = rng.uniform(0, YEAR, (basins, 1))
    wet = np.zeros((basins, days), bool)
    draw = rng.random((basins, days))
    for t in range(1, days):
        wet[:, t] = draw[:, t] < np.where(wet[:, t - 1], stays, starts)
    season = 1 + swing * np.cos(2 * np.pi * (np.arange(days) - phase) / YEAR)
    rain: NDArray[np.float64] = wet * rng.exponential(1.0, (basins, days)) * depth * season
    return rain
