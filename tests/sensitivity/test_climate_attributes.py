"""Recomputed climatic attributes: what has to move moves by its arithmetic, the rest stays."""

import numpy as np

from hydroml.sensitivity.climate_attributes import (
    baseline_climate,
    climatic,
    recomputed_attributes,
)
from hydroml.sensitivity.perturb import perturb
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.scenarios import Add, Multiply, Scenario
from tests.sensitivity.forcings import column, forcing

STATIC = ("p_mean", "pet_mean", "aridity", "frac_snow", "high_prec_freq", "slope_mean")
X_S = np.array([[3.0, 2.0, 0.7, 0.3, 20.0, 50.0], [4.0, 1.5, 0.4, 0.95, 15.0, 80.0]], "float32")
LATITUDE = np.array([40.0, 45.0])


def moved(*changes: Add | Multiply, physics: Physics | None = None) -> dict[str, np.ndarray]:
    present = forcing()
    known = physics or Physics()
    after = perturb(present, Scenario(name="a", changes=changes), known)
    found = recomputed_attributes(X_S, STATIC, present, after, LATITUDE, known)
    return dict(zip(STATIC, found.T, strict=True))


def test_more_rain_at_the_same_shape() -> None:
    found = moved(Multiply(variable="precipitation", factor=1.25))
    np.testing.assert_allclose(found["p_mean"], 1.25 * X_S[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found["aridity"], X_S[:, 2] / 1.25, rtol=1e-5)
    # all relative to the mean, or not of precipitation at all
    for name in ("pet_mean", "frac_snow", "high_prec_freq", "slope_mean"):
        np.testing.assert_allclose(found[name], X_S[:, STATIC.index(name)], rtol=1e-5)


def test_warming_melts_snow_and_evaporates() -> None:
    found = moved(Add(variable="temperature", amount=3))
    assert (found["frac_snow"] < X_S[:, 3]).all()
    assert (found["pet_mean"] > X_S[:, 1]).all()
    np.testing.assert_allclose(found["aridity"] / X_S[:, 2], found["pet_mean"] / X_S[:, 1], 1e-5)
    np.testing.assert_allclose(found["p_mean"], X_S[:, 0], rtol=1e-6)


def test_evaporation_held_is_held_in_the_attributes_too() -> None:
    held = Physics(potential_evaporation="held")
    found = moved(Add(variable="temperature", amount=3), physics=held)
    np.testing.assert_allclose(found["pet_mean"], X_S[:, 1], rtol=1e-6)


def test_snow_fraction_stays_a_fraction() -> None:
    found = moved(Add(variable="temperature", amount=-60))
    np.testing.assert_allclose(found["frac_snow"], 1.0)


def test_what_is_climatic() -> None:
    assert climatic(STATIC) == list(STATIC[:5])


def test_climate_of_the_forcing() -> None:
    present = forcing(lead=10)
    rain = column(present, "prcp")[:, 10:].astype(float)
    mean = (column(present, "tmax") + column(present, "tmin"))[:, 10:] / 2
    found = baseline_climate(present)
    np.testing.assert_allclose(found["p_mean"], rain.mean(axis=1))
    snow = [r[t < 0].sum() / r.sum() for r, t in zip(rain, mean, strict=True)]
    np.testing.assert_allclose(found["frac_snow"], snow)
