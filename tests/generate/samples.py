"""Weather made by arithmetic: a known Markov chain, gamma amounts, a known linear series."""

import numpy as np

from hydroml.data.roles import Role
from hydroml.generate.weather import Weather

NAMES = ("prcp", "tmax", "tmin")
ROLES: dict[str, Role] = {
    "prcp": "precipitation", "tmax": "temperature", "tmin": "temperature",
}  # fmt: skip
STEP = np.array([[0.6, 0.2], [0.1, 0.5]])
SAME = np.array([[1.0, 0.7], [0.7, 1.0]])  # correlation of the two residuals
DRY_TO_WET, WET_TO_WET = 0.2, 0.6
SHAPE, SCALE = 0.8, 6.0


def days(years: int) -> np.ndarray:
    return np.arange("1980-10-01", f"{1980 + years}-10-01", dtype="datetime64[D]")


HIDDEN_STEP = np.array([[0.4, 0.0, 0.1], [0.1, 0.7, 0.0], [0.0, 0.1, 0.6]])
HIDDEN_SAME = np.array([[1.0, -0.3, 0.2], [-0.3, 1.0, 0.6], [0.2, 0.6, 1.0]])
DRY_BELOW = 0.4


def hidden_weather(years: int = 12, basins: int = 2, seed: int = 0) -> Weather:
    """A linear series of three normal scores, of which the first is rain above `DRY_BELOW`."""
    rng, time = np.random.default_rng(seed), days(years)
    root = np.linalg.cholesky(HIDDEN_SAME - HIDDEN_STEP @ HIDDEN_SAME @ HIDDEN_STEP.T)
    z = np.zeros((basins, len(time), 3))
    for t in range(1, len(time)):
        z[:, t] = z[:, t - 1] @ HIDDEN_STEP.T + rng.normal(size=(basins, 3)) @ root.T
    rain = np.where(z[..., 0] > DRY_BELOW, 1 + 10 * np.maximum(z[..., 0] - DRY_BELOW, 0) ** 1.5, 0)
    values = np.stack([rain, 25 + 4 * z[..., 1], 3 + 3 * z[..., 2]], axis=2)
    ids = [f"0{i + 1}000000" for i in range(basins)]
    return Weather(ids, time, NAMES, ROLES, values.astype("float32"))


def known_weather(years: int = 40, basins: int = 2, seed: int = 0) -> Weather:
    """Same rules all year: what a fit has to find again is known."""
    rng, time = np.random.default_rng(seed), days(years)
    shape = (basins, len(time))
    wet = np.zeros(shape, dtype=bool)
    for t in range(1, len(time)):
        chance = np.where(wet[:, t - 1], WET_TO_WET, DRY_TO_WET)
        wet[:, t] = rng.random(basins) < chance
    rain = np.where(wet, 1 + rng.gamma(SHAPE, SCALE, shape), 0.0)
    root = np.linalg.cholesky(SAME - STEP @ SAME @ STEP.T)
    residual = np.zeros((*shape, 2))
    for t in range(1, len(time)):
        residual[:, t] = residual[:, t - 1] @ STEP.T + rng.normal(size=(basins, 2)) @ root.T
    level = np.where(wet[..., None], [14.0, 6.0], [20.0, 2.0])
    values = np.concatenate([rain[..., None], level + residual], axis=2)
    ids = [f"0{i + 1}000000" for i in range(basins)]
    return Weather(ids, time, NAMES, ROLES, values.astype("float32"))
