import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import genpareto

from hydroml.generate.bounds import within_bounds
from hydroml.generate.hidden import fit_hidden_linear
from hydroml.generate.linear import fit_linear
from hydroml.generate.margins import NODES, fit_margins, with_pareto_tail
from hydroml.generate.scores import TRACE, dependence, fit_climate
from hydroml.generate.weather import Weather
from tests.generate.samples import NAMES, ROLES, days, known_weather


@pytest.fixture(scope="module")
def weather():
    return known_weather(years=9)


@pytest.fixture(scope="module")
def climate(weather):
    return fit_climate(weather)


class TestThereAndBack:
    def test_scores_are_standard_normal_and_dry_days_at_their_threshold(self, weather, climate):
        scores = climate.scores(weather)
        others = scores[..., 1:]
        assert others.mean() == pytest.approx(0, abs=0.02)
        assert others.std() == pytest.approx(1, abs=0.02)
        dry = weather.precipitation < TRACE
        threshold = climate.threshold(weather.time)
        np.testing.assert_array_equal(scores[..., 0][dry], threshold[dry])
        # the threshold is the score of the share of dry days of the month
        own = weather.months == 4
        assert ndtr(threshold[0, own][0]) == pytest.approx(dry[0, own].mean(), abs=1e-6)

    def test_weather_comes_back(self, weather, climate):
        back = climate.weather(climate.scores(weather), weather)
        assert back[..., 1:] == pytest.approx(weather.values[..., 1:], abs=2e-2)
        wet = weather.precipitation >= TRACE
        np.testing.assert_array_equal(back[..., 0] >= TRACE, wet)
        body = wet & (climate.scores(weather)[..., 0] < 1.6)  # below the Pareto tail
        assert back[..., 0][body] == pytest.approx(weather.precipitation[body], abs=0.02)

    def test_random_scores_have_the_climates_share_of_wet_days(self, weather, climate):
        normal = np.random.default_rng(0).normal(size=weather.values.shape)
        made = climate.weather(normal, weather)[..., 0]
        assert (made >= 1).mean() == pytest.approx((weather.precipitation >= 1).mean(), abs=0.015)
        assert made.mean() == pytest.approx(weather.precipitation.mean(), rel=0.08)

    @settings(max_examples=15)
    @given(st.integers(0, 1000))
    def test_margins_never_fall(self, seed):
        x = np.random.default_rng(seed).gamma(0.5, 3, (1, 600, 1))
        months = np.arange(600) % 12 + 1
        margins = with_pareto_tail(fit_margins(x, months), 0, x[..., 0], months)
        assert (np.diff(margins.quantiles[..., NODES > -1], axis=-1) >= -1e-9).all()

    def test_the_tail_is_the_pareto_distribution_it_was_drawn_from(self):
        xi, scale, per_month = 0.15, 8.0, 4000
        x = genpareto.rvs(xi, scale=scale, size=12 * per_month, random_state=1)[None, :, None]
        months = np.arange(12 * per_month) % 12 + 1
        margins = with_pareto_tail(fit_margins(x, months), 0, x[..., 0], months)
        rare = np.argmin(np.abs(NODES - 3.5))  # once in 4300 days
        true = genpareto.ppf(ndtr(NODES[rare]), xi, scale=scale)
        assert margins.quantiles[0, :, 0, rare].mean() == pytest.approx(true, rel=0.1)


class TestHiddenScores:
    def test_correlations_behind_a_threshold_come_back(self):
        rng = np.random.default_rng(0)
        step = np.array([[0.4, 0.1], [0.05, 0.7]])
        same = np.array([[1.0, -0.5], [-0.5, 1.0]])
        root = np.linalg.cholesky(same - step @ same @ step.T)
        x = np.zeros((1, 20_000, 2))
        for t in range(1, x.shape[1]):
            x[:, t] = x[:, t - 1] @ step.T + rng.normal(size=(1, 2)) @ root.T
        threshold = np.full(x.shape[:2], 0.3)
        seen = x.copy()
        seen[..., 0] = np.maximum(x[..., 0], 0.3)  # 62 % of the days are dry
        found, innovate = fit_hidden_linear(seen, threshold, 0, seed=1)
        assert found[0] == pytest.approx(step, abs=0.04)
        assert (innovate @ innovate.transpose(0, 2, 1))[0] == pytest.approx(root @ root.T, abs=0.04)
        assert abs(fit_linear(seen)[0][0, 0, 0] - 0.4) > 0.08  # what is seen alone tells less

    def test_basins_are_told_apart_by_how_long_weather_lasts(self):
        rng, x = np.random.default_rng(0), np.zeros((3, 5000, 1))
        memory = np.array([0.2, 0.5, 0.8])
        for t in range(1, 5000):
            x[:, t, 0] = memory * x[:, t - 1, 0] + rng.normal(size=3)
        told = dependence(x)[:, 0]
        assert told[0] < told[1] < told[2]
        assert told.mean() == pytest.approx(0, abs=1e-6)
        assert dependence(x[:1]) == pytest.approx(0)  # one basin differs from none


class TestBounds:
    @given(st.integers(0, 10_000))
    def test_nothing_unphysical_is_left(self, seed):
        rng, time = np.random.default_rng(seed), days(1)[:30]
        names = ("prcp", "tmin", "tmax", "vp")
        roles = {**ROLES, "vp": "vapour_pressure"}
        learned = Weather(["1"], time, names, roles, rng.random((1, 30, 4)).astype("float32"))
        made = learned.with_values(rng.normal(0, 9, (1, 30, 4)).astype("float32"))
        mended = within_bounds(made, learned).values
        assert (mended[..., 0] >= 0).all()
        assert (mended[..., 1] <= mended[..., 2]).all()
        assert (mended[..., 3] >= 0).all()
        # temperatures are only sorted, never changed
        both = made.values[..., 1:3]
        np.testing.assert_array_equal(np.sort(mended[..., 1:3], -1), np.sort(both, -1))

    def test_what_was_negative_where_it_was_learned_may_be_so(self):
        time = days(1)[:2]
        values = np.array([[[0, 0, 0], [1, 1, -1]]], dtype="float32")
        roles = {**ROLES, "tmin": "potential_evaporation"}
        learned = Weather(["1"], time, NAMES, roles, values)
        made = learned.with_values(np.full((1, 2, 3), -0.5, dtype="float32"))
        assert within_bounds(made, learned).values[0, 0].tolist() == [0.0, -0.5, -0.5]
