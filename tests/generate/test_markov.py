import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from hydroml.data.water_years import YEAR, days_since_october
from hydroml.generate.amounts import fit_gamma
from hydroml.generate.chain import fit_chain, run_chain
from hydroml.generate.linear import fit_linear
from hydroml.generate.markov import fit_markov
from hydroml.generate.season import fit_season
from tests.generate.samples import (
    DRY_TO_WET,
    SAME,
    SCALE,
    SHAPE,
    STEP,
    WET_TO_WET,
    days,
    known_weather,
)

TEN_YEARS = (np.datetime64("2000-10-01"), np.datetime64("2010-09-30"))


@pytest.fixture(scope="module")
def learned():
    return known_weather()


@pytest.fixture(scope="module")
def fitted(learned):
    return fit_markov(learned)


class TestKnownTruth:
    def test_the_chain_comes_back(self, fitted):
        # 40 years of 30 days: a probability is known to sqrt(p (1 - p) / 400) or better
        assert fitted.chain[..., 0] == pytest.approx(DRY_TO_WET, abs=0.08)
        assert fitted.chain[..., 1] == pytest.approx(WET_TO_WET, abs=0.13)
        assert fitted.chain.mean(axis=(0, 1)) == pytest.approx([DRY_TO_WET, WET_TO_WET], abs=0.02)

    def test_gamma_amounts_come_back(self, fitted):
        assert fitted.shape.mean() == pytest.approx(SHAPE, rel=0.05)
        assert fitted.scale.mean() == pytest.approx(SCALE, rel=0.06)

    def test_the_linear_series_comes_back(self, fitted):
        assert fitted.step.mean(axis=0) == pytest.approx(STEP, abs=0.02)
        noise = fitted.innovate @ fitted.innovate.transpose(0, 2, 1)
        assert noise.mean(axis=0) == pytest.approx(SAME - STEP @ SAME @ STEP.T, abs=0.02)

    def test_wet_and_dry_days_have_courses_of_their_own(self, fitted, learned):
        dry, wet = (s.mean_on(learned.time[:365]).mean(axis=(0, 1)) for s in fitted.seasons)
        assert dry == pytest.approx([20, 2], abs=0.1)
        assert wet == pytest.approx([14, 6], abs=0.1)


class TestGenerating:
    def test_made_weather_obeys_the_rules_it_was_fitted_to(self, fitted):
        made = fitted.generate((np.datetime64("2000-10-01"), np.datetime64("2030-09-30")), 1, 3)[0]
        again = fit_markov(made)
        assert again.chain.mean(axis=1) == pytest.approx(fitted.chain.mean(axis=1), abs=0.02)
        assert again.shape.mean() == pytest.approx(fitted.shape.mean(), rel=0.08)
        assert again.step == pytest.approx(fitted.step, abs=0.04)

    def test_the_same_seed_gives_the_same_weather_and_members_differ(self, fitted):
        one, two = fitted.generate(TEN_YEARS, 2, seed=5)
        again = fitted.generate(TEN_YEARS, 1, seed=5)[0]
        other = fitted.generate(TEN_YEARS, 1, seed=6)[0]
        np.testing.assert_array_equal(one.values, again.values)
        assert (one.values != two.values).mean() > 0.5
        assert (one.values != other.values).mean() > 0.5

    def test_days_are_those_asked_for(self, fitted):
        made = fitted.generate(TEN_YEARS, 1, seed=0)[0]
        assert (made.time[0], made.time[-1]) == TEN_YEARS
        assert made.values.shape == (2, len(made.time), 3)
        assert np.isfinite(made.values).all()

    def test_what_falls_on_dry_days_is_kept_in_the_mean(self, learned):
        rain = learned.precipitation
        drizzle = np.where(rain < 1, np.float32(0.25), rain)
        values = learned.values.copy()
        values[..., 0] = drizzle
        made = fit_markov(learned.with_values(values)).generate(TEN_YEARS, 1, 0)[0].precipitation
        assert made[made < 1] == pytest.approx(0.25, abs=1e-6)


class TestParts:
    @given(st.floats(0.2, 5), st.floats(0.1, 30))
    def test_gamma_fits_its_own_moments(self, shape, scale):
        # of a gamma distribution: mean k s, mean logarithm digamma(k) + ln s
        from scipy.special import digamma

        found = fit_gamma(shape * scale, digamma(shape) + np.log(scale))
        assert found[0] == pytest.approx(shape, rel=1e-6)
        assert found[1] == pytest.approx(scale, rel=1e-6)

    def test_gamma_is_as_likely_as_scipys(self):
        x = np.random.default_rng(0).gamma(0.6, 4, 500)
        shape, scale = fit_gamma(x.mean(), np.log(x).mean())
        theirs, _, their_scale = gamma.fit(x, floc=0)
        ours = gamma.logpdf(x, shape, scale=scale).sum()
        assert ours == pytest.approx(gamma.logpdf(x, theirs, scale=their_scale).sum(), abs=1e-3)

    def test_transitions_are_counted_by_hand(self):
        # January: wet wet dry; February: dry wet. Transitions belong to the later day.
        wet = np.array([[True, True, False, False, True]])
        months = np.array([1, 1, 1, 2, 2])
        chain = fit_chain(wet, months)[0]
        assert chain[0] == pytest.approx([0.5, (1 + 0.5) / (2 + 1)])  # after wet: wet, then dry
        assert chain[1] == pytest.approx([(1 + 0.5) / (2 + 1), 0.5])  # after dry: dry, then wet
        assert chain[2] == pytest.approx([0.5, 0.5])  # never seen

    def test_a_chain_that_is_certain_alternates(self):
        chain = np.zeros((1, 12, 2))
        chain[..., 0] = 1.0  # after a dry day it is wet, after a wet one dry
        wet = run_chain(chain, np.ones(6, dtype=int), np.full((1, 6), 0.7))
        assert wet.tolist() == [[False, True, False, True, False, True]]

    def test_a_linear_series_of_white_noise_has_no_memory(self):
        step, innovate = fit_linear(np.random.default_rng(0).normal(size=(1, 50_000, 2)))
        assert step == pytest.approx(0, abs=0.02)
        assert innovate[0] == pytest.approx(np.eye(2), abs=0.02)

    def test_a_variable_that_never_varies_does_no_harm(self):
        x = np.random.default_rng(0).normal(size=(1, 500, 2))
        x[..., 1] = 3.0
        step, innovate = fit_linear(x)
        assert np.isfinite(step).all()
        assert np.isfinite(innovate).all()

    def test_a_season_of_wet_days_alone(self):
        time = days(4)
        wave = 5 + 2 * np.sin(2 * np.pi * days_since_october(time) / YEAR)
        where = np.zeros((1, len(time)), dtype=bool)
        where[0, ::3] = True
        values = np.where(where[0], wave, -99)[None, :, None]
        assert fit_season(values, time, where).mean_on(time)[0, :, 0] == pytest.approx(
            wave, abs=1e-3
        )
