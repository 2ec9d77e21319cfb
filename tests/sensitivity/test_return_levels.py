from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import gamma
from scipy.stats import genextreme

from hydroml.errors import ConfigError
from hydroml.sensitivity.return_levels import (
    Gev,
    LMoments,
    fit_gev,
    l_moments,
    return_level,
    return_levels,
)

SHAPES = np.array([-0.4, -0.2, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.2, 0.4])
maxima = arrays(np.float64, st.integers(10, 40), elements=st.floats(0, 500, width=32))


def plain_l_moments(x):
    """L-moments as expectations of order statistics: means over all pairs and triples."""
    x = sorted(x)
    l2 = np.mean([(b - a) / 2 for a, b in combinations(x, 2)])
    l3 = np.mean([(c - 2 * b + a) / 3 for a, b, c in combinations(x, 3)])
    return np.mean(x), l2, l3 / l2


def population_l_moments(location, scale, k):
    """L-moments of a GEV of shape k (not 0), Hosking (1990), table 1."""
    l1 = location + scale * (1 - gamma(1 + k)) / k
    l2 = scale * (1 - 2.0**-k) * gamma(1 + k) / k
    return LMoments(l1, l2, 2 * (1 - 3.0**-k) / (1 - 2.0**-k) - 3)


@pytest.mark.parametrize("n", [3, 4, 7, 12])
def test_l_moments_equal_their_definition(n):
    x = np.random.default_rng(n).gamma(1, 20, n)
    found = l_moments(x)
    assert (found.l1, found.l2, found.t3) == pytest.approx(plain_l_moments(x), rel=1e-12)


def test_l_moments_leave_missing_years_out():
    x = np.random.default_rng(1).gamma(1, 20, (3, 12))
    x[0, [0, 5, 11]], x[1, 1:], x[2] = np.nan, np.nan, np.nan
    found = l_moments(x)
    expected = plain_l_moments(x[0, [1, 2, 3, 4, 6, 7, 8, 9, 10]])
    assert (found.l1[0], found.l2[0], found.t3[0]) == pytest.approx(expected, rel=1e-12)
    assert found.l1[1] == x[1, 0]  # one year has a mean and nothing more
    assert np.isnan([found.l2[1], found.t3[1], found.l1[2], found.l2[2], found.t3[2]]).all()


def test_no_year_at_all():
    found = return_levels(np.empty((4, 0)), [2, 10])
    assert found.shape == (4, 2)
    assert np.isnan(found).all()


@pytest.mark.parametrize("period", [1.01, 2, 10, 50, 1e4])
def test_quantiles_equal_scipy(period):
    gev = Gev(np.full(9, 30.0), np.full(9, 12.0), SHAPES)
    expected = genextreme.isf(1 / period, SHAPES, loc=30, scale=12)
    np.testing.assert_allclose(return_level(gev, period), expected, rtol=1e-7)


def test_the_gumbel_limit_is_continuous():
    k = np.array([-1.01e-8, -0.99e-8, 0.0, 0.99e-8, 1.01e-8])  # both sides of the switch
    levels = return_level(Gev(np.zeros(5), np.ones(5), k), 50)
    np.testing.assert_allclose(levels, -np.log(-np.log(0.98)), rtol=1e-6)
    t3 = 2 * np.log(3) / np.log(2) - 3 + np.linspace(-1e-7, 1e-7, 201)
    gev = fit_gev(LMoments(np.full(201, 5.0), np.full(201, 2.0), t3))
    assert np.ptp(gev.location) < 1e-5
    assert np.ptp(gev.scale) < 1e-5


def test_the_shape_is_good_to_the_published_error():
    k = np.linspace(-0.5, 0.5, 400)  # an even number leaves 0 out
    found = fit_gev(population_l_moments(30.0, 12.0, k))
    worst = np.abs(found.shape - k).max()
    assert 5e-4 < worst < 9e-4  # Hosking et al. (1985): better than 9e-4
    # d ln(scale) / d shape is at most 2.3 here (at -0.5): 9e-4 become 0.21 %
    np.testing.assert_allclose(found.scale, 12, rtol=0.0021)
    np.testing.assert_allclose(found.location, 30, rtol=0.0021)


@pytest.mark.parametrize("k", [-0.25, 0.0, 0.25])
def test_parameters_of_a_large_sample_are_recovered(k):
    x = genextreme.rvs(k, loc=30, scale=12, size=200_000, random_state=7)
    found = fit_gev(l_moments(x))
    assert float(found.shape) == pytest.approx(k, abs=0.01)
    assert float(found.location) == pytest.approx(30, abs=0.15)
    assert float(found.scale) == pytest.approx(12, abs=0.15)


def test_return_levels_of_many_short_samples_are_about_right():
    # 2000 rivers of 40 years each: the estimate is nearly unbiased at 10 years
    x = genextreme.rvs(-0.1, loc=30, scale=12, size=(2000, 40), random_state=3)
    truth = genextreme.isf([1 / 2, 1 / 10], -0.1, loc=30, scale=12)
    np.testing.assert_allclose(return_levels(x, [2, 10]).mean(axis=0), truth, rtol=0.02)


def test_too_short_records_are_refused_period_by_period():
    x = np.random.default_rng(2).gamma(2, 10, (4, 25))
    for row, years in enumerate((9, 10, 19, 20)):
        x[row, years:] = np.nan
    told = np.isfinite(return_levels(x, [2, 10, 25, 26, 50]))
    assert told.tolist() == [
        [False, False, False, False, False],
        [True, True, True, False, False],  # 26 years need 10.4
        [True, True, True, True, False],
        [True, True, True, True, True],
    ]


def test_a_short_record_raises_where_asked_to():
    with pytest.raises(ConfigError, match=r"50-year flood needs 20 whole years.*has 12") as error:
        return_levels(np.arange(12.0), [2, 50], short="raise")
    assert "shorter return period" in str(error.value)
    x = np.arange(20.0)
    np.testing.assert_array_equal(
        return_levels(x, [2, 50], short="raise"), return_levels(x, [2, 50])
    )


@pytest.mark.parametrize("period", [1, 0.5, -2, np.nan])
def test_a_return_period_of_a_year_or_less_is_refused(period):
    with pytest.raises(ConfigError, match="above 1 year"):
        return_levels(np.arange(20.0), [2, period])


@given(st.floats(0, 1e6), st.integers(10, 30))
def test_equal_maxima_return_themselves(value, years):
    assert return_levels(np.full(years, value), [2, 10]).tolist() == [value, value]


@given(maxima)
def test_return_levels_rise_with_the_period(x):
    levels = return_levels(np.concatenate([x, x]), [2, 5, 10, 20, 50])
    assert (np.diff(levels) >= 0).all()


@given(maxima, st.integers(-6, 6), st.floats(0, 100))
def test_return_levels_scale_and_move_with_the_record(x, power, offset):
    levels = return_levels(x, [2, 10])
    np.testing.assert_array_equal(return_levels(x * 2.0**power, [2, 10]), levels * 2.0**power)
    close = {"rtol": 1e-6, "atol": 1e-6 * (1 + np.abs(levels).max())}
    if np.ptp(x) > 0.01 or np.ptp(x) == 0:  # less is lost in the rounding of the sum
        np.testing.assert_allclose(return_levels(x + offset, [2, 10]), levels + offset, **close)


@given(maxima)
def test_l_skewness_is_within_its_bounds(x):
    found = l_moments(x)
    assert found.l2 >= 0
    assert np.isnan(found.t3) if np.ptp(x) == 0 else abs(found.t3) <= 1 + 1e-9
