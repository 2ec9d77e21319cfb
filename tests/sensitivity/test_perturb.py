"""Forcing of another climate: each change by its arithmetic, physics kept, faults named."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from hydroml.data.roles import role_of
from hydroml.errors import ConfigError
from hydroml.sensitivity.perturb import perturb, require_applicable
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.scenarios import Add, Change, Intensify, Multiply, Scenario
from tests.sensitivity.forcings import column, forcing

HELD = Physics(vapour_pressure="held", potential_evaporation="held")


def scenario(*changes: Change) -> Scenario:
    return Scenario(name="mine", changes=changes)


def test_baseline_copies_nothing() -> None:
    present = forcing()
    assert perturb(present, scenario(), Physics()) is present


def test_warming_moves_all_temperatures_and_leaves_the_rest() -> None:
    present = forcing()
    before = present.values.copy()
    warm = perturb(present, scenario(Add(variable="temperature", amount=3)), HELD)
    for name in ("tmax", "tmin"):
        np.testing.assert_allclose(column(warm, name) - column(present, name), 3, atol=1e-5)
    for name in ("prcp", "srad", "vp"):
        np.testing.assert_array_equal(column(warm, name), column(present, name))
    np.testing.assert_array_equal(present.values, before)


def test_vapour_keeps_its_relative_humidity() -> None:
    warm = perturb(forcing(), scenario(Add(variable="temperature", amount=4)), Physics())
    mean = (column(warm, "tmax") + column(warm, "tmin")) / 2
    saturated = 610.8 * np.exp(17.27 * mean / (mean + 237.3))
    np.testing.assert_allclose(column(warm, "vp") / saturated, 0.5, rtol=1e-4)


def test_potential_evaporation_follows_or_is_held() -> None:
    present = forcing()
    names = ("prcp", "potential_evaporation_sum", "tmax", "tmin", "vp")
    roles = {n: role_of(n, xr.Dataset()) for n in names}
    present = type(present)(
        present.basins, present.time, present.period, names, roles, present.values
    )
    warming = scenario(Add(variable="temperature", amount=1))
    ratio = column(perturb(present, warming, Physics()), names[1]) / column(present, names[1])
    assert ((ratio > 1.01) & (ratio < 1.07)).all()
    cold = present.mean_temperature() < 2
    assert ratio[cold].min() > ratio[~cold].max() - 0.005  # falls with temperature
    np.testing.assert_array_equal(
        column(perturb(present, warming, HELD), names[1]), column(present, names[1])
    )


@given(factor=st.just(0.0) | st.floats(0.01, 3))
def test_dry_days_stay_dry_and_sums_scale(factor: float) -> None:
    present = forcing()
    changed = perturb(present, scenario(Multiply(variable="precipitation", factor=factor)), HELD)
    was, now = column(present, "prcp"), column(changed, "prcp")
    assert (now[was == 0] == 0).all()
    np.testing.assert_allclose(now.sum(), factor * was.sum(), rtol=1e-4)


def test_an_addition_never_makes_precipitation_negative() -> None:
    less = perturb(forcing(), scenario(Add(variable="precipitation", amount=-2)), HELD)
    rain = column(less, "prcp")
    np.testing.assert_allclose(rain, np.maximum(column(forcing(), "prcp") - 2, 0), atol=1e-5)


def test_months_and_seasons() -> None:
    present = forcing()
    summer = perturb(present, scenario(Multiply(variable="prcp", factor=2, season="JJA")), HELD)
    months = present.time.astype("datetime64[M]").astype(int) % 12 + 1
    inside = np.isin(months, (6, 7, 8))
    was, now = column(present, "prcp"), column(summer, "prcp")
    np.testing.assert_allclose(now[:, inside], 2 * was[:, inside], rtol=1e-6)
    np.testing.assert_array_equal(now[:, ~inside], was[:, ~inside])


def test_wetter_storms_at_equal_mean() -> None:
    present = forcing()
    change = Intensify(factor=1.5, above_quantile=0.9, keep_mean=True)
    was = column(present, "prcp").astype(float)
    now = column(perturb(present, scenario(change), HELD), "prcp").astype(float)
    np.testing.assert_allclose(now.sum(axis=1), was.sum(axis=1), rtol=1e-5)
    for b in range(len(was)):
        threshold = np.quantile(was[b][was[b] >= 1], 0.9)
        heavy = was[b] >= threshold
        np.testing.assert_allclose(now[b][heavy], 1.5 * was[b][heavy], rtol=1e-5)
        rest = was[b][~heavy & (was[b] > 0)]
        ratio = now[b][~heavy & (was[b] > 0)] / rest
        expected = 1 - 0.5 * was[b][heavy].sum() / was[b][~heavy].sum()
        np.testing.assert_allclose(ratio, expected, rtol=1e-5)


def test_storms_that_cannot_be_paid_for() -> None:
    change = Intensify(factor=20, above_quantile=0.5, keep_mean=True)
    with pytest.raises(ConfigError, match="00000001") as error:
        perturb(forcing(), scenario(change), HELD)
    assert "negative" in str(error.value)


def test_missing_days_stay_missing() -> None:
    present = forcing()
    present.values[0, 5] = np.nan
    changed = perturb(
        present,
        scenario(Add(variable="temperature", amount=1), Intensify(factor=1.2, keep_mean=True)),
        Physics(),
    )
    np.testing.assert_array_equal(np.isnan(changed.values), np.isnan(present.values))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Add(variable="wind", amount=1), "'wind'"),
        (Add(variable="tmax", amount=1), "tmax, tmin belong together"),
        (Multiply(variable="temperature", factor=1.1), "in degC"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(
    change: Change, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        require_applicable(forcing(), scenario(change))
    assert "'mine'" in str(error.value)


def test_a_group_the_run_does_not_read() -> None:
    present = forcing()
    dry = type(present)(
        present.basins, present.time, present.period, ("srad",), {"srad": "other"},
        present.values[..., 1:2],
    )  # fmt: skip
    for change in (Multiply(variable="precipitation", factor=1.1), Intensify(factor=2)):
        with pytest.raises(ConfigError, match="no input of the run is a precipitation"):
            require_applicable(dry, scenario(change))
