from dataclasses import replace

import numpy as np
import pytest
import torch

from hydroml.errors import ConfigError, TrainingError
from hydroml.generate.adversarial import AdversarialSettings, train_adversarial
from hydroml.generate.criteria import weather_criteria
from hydroml.generate.networks import (
    MEMORIES,
    REACH,
    WeatherCritic,
    WeatherGenerator,
    draw_noise,
    linear_series,
    memory_noise,
)
from tests.generate.samples import hidden_weather

FAST = AdversarialSettings(
    window=16, width=8, critic_width=8, steps=2, batch=4, calibration_years=10
)
PERIOD = (np.datetime64("2000-10-01"), np.datetime64("2012-09-30"))


@pytest.fixture(scope="module")
def learned():
    return hidden_weather()


@pytest.fixture(scope="module")
def fitted(learned):
    return train_adversarial(learned, FAST, seed=0)


@pytest.fixture(scope="module")
def found(learned):
    fitted = train_adversarial(learned, replace(FAST, steps=0, calibration_years=30), seed=0)
    made = [weather_criteria(w) for w in fitted.generate(PERIOD, 3, seed=1)]
    return made, weather_criteria(learned)


class TestBeforeAnythingIsLearned:
    """The linear series of each basin, and the climate: what the method `linear` is."""

    @pytest.mark.parametrize(
        ("key", "off"),
        [
            (("wet_frequency", "prcp"), 0.015),
            (("wet_spell_mean", "prcp"), 0.12),
            (("dry_spell_mean", "prcp"), 0.25),
            (("lag1", "prcp"), 0.05),
            (("lag1", "tmax"), 0.04),
            (("lag1", "tmin"), 0.06),
            (("correlation", "tmax tmin"), 0.05),
            (("correlation", "prcp tmax"), 0.08),
            (("monthly_mean", "tmax"), 0.25),
            (("monthly_std", "tmin"), 0.15),
        ],
    )
    def test_what_was_learned_from_comes_back(self, found, key, off):
        made, seen = found
        assert np.mean([m[key] for m in made]) == pytest.approx(seen[key].mean(), abs=off)

    def test_precipitation_and_its_extremes_come_back(self, found):
        made, seen = found
        for key in (("p99.9", "prcp"), ("max_1day", "prcp"), ("annual_std", "prcp")):
            assert np.mean([m[key] for m in made]) == pytest.approx(seen[key].mean(), rel=0.25)


class TestGenerating:
    def test_the_same_seed_gives_the_same_network_and_weather(self, fitted, learned):
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        again = train_adversarial(learned, FAST, seed=0)
        assert torch.equal(before, torch.random.get_rng_state())  # the global one is left alone
        for one, two in zip(again.network.parameters(), fitted.network.parameters(), strict=True):
            assert torch.equal(one, two)
        one = fitted.generate(PERIOD, 2, seed=3)
        two = again.generate(PERIOD, 2, seed=3)
        np.testing.assert_array_equal(one[1].values, two[1].values)
        assert (one[0].values != one[1].values).mean() > 0.4  # dry days are alike
        assert (one[0].values != fitted.generate(PERIOD, 1, seed=4)[0].values).mean() > 0.4

    def test_weather_is_physical_and_complete(self, fitted):
        (made,) = fitted.generate(PERIOD, 1, seed=0)
        assert np.isfinite(made.values).all()
        assert (made.precipitation >= 0).all()
        assert (made.values[..., 2] <= made.values[..., 1]).all()
        assert (made.time[0], made.time[-1]) == PERIOD


class TestNetworks:
    def test_a_day_sees_no_later_noise_and_reaches_back_so_far(self):
        network = WeatherGenerator(2, 3, rain=0, width=4)
        network.outward.weight.data.normal_(generator=torch.Generator().manual_seed(0))
        rng = torch.Generator().manual_seed(1)
        noise = draw_noise((1, REACH + 8), 2, rng, torch.device("cpu"))
        channels = torch.zeros(1, 3, REACH + 8)
        matrices = (torch.zeros(1, 2, 2), torch.eye(2)[None])
        base = network.latent(noise, (channels, *matrices))
        assert base.shape == (1, 2, 8)
        later = noise[1].clone()
        later[..., REACH + 4] += 1
        changed = (network.latent((noise[0], later), (channels, *matrices)) != base).any(1)[0]
        assert changed.tolist() == [False] * 4 + [True] + changed.tolist()[5:]
        earliest = noise[1].clone()
        earliest[..., 0] += 1
        moved = (network.latent((noise[0], earliest), (channels, *matrices)) != base).any(1)[0]
        assert moved.tolist() == [True] + [False] * 7

    def test_dry_days_lie_at_their_threshold(self):
        network = WeatherGenerator(2, 3, rain=1, width=4)
        noise = draw_noise(
            (5, REACH + 50), 2, torch.Generator().manual_seed(0), torch.device("cpu")
        )
        channels = torch.full((5, 3, REACH + 50), 0.4)
        condition = (channels, torch.zeros(5, 2, 2), torch.eye(2).expand(5, 2, 2))
        made = network(noise, condition)
        assert made[:, 1].min() == 0.4
        assert made[:, 0].min() < -1
        assert WeatherCritic(2, 3, 4)(made, condition).shape == (5,)

    def test_the_linear_series_against_a_plain_loop(self):
        rng = torch.Generator().manual_seed(0)
        e = torch.randn(3, 2, 20, generator=rng, dtype=torch.float64)
        a, b = torch.randn(2, 3, 2, 2, generator=rng, dtype=torch.float64) * 0.4
        made = linear_series(e, a, b)
        for n in range(3):
            state = e[n, :, 0]
            for t in range(20):
                state = state if t == 0 else a[n] @ state + b[n] @ e[n, :, t]
                assert made[n, :, t] == pytest.approx(state, abs=1e-12)

    def test_noise_remembers_as_it_says(self):
        noise = memory_noise((200, 400), torch.Generator().manual_seed(0), torch.device("cpu"))
        assert noise.std(dim=(0, 2)) == pytest.approx(1.0, abs=0.08)
        lagged = (noise[..., 1:] * noise[..., :-1]).mean(dim=(0, 2))
        assert lagged.numpy() == pytest.approx(np.array(MEMORIES), abs=0.13)


class TestBadInput:
    def test_a_loss_that_is_not_a_number_stops_and_says_when(self, learned):
        wild = AdversarialSettings(
            window=16,
            width=8,
            critic_width=8,
            steps=30,
            batch=4,
            rate=1e25,
            critic_rate=1e25,
            calibration_years=2,
        )
        with pytest.raises(TrainingError, match=r"at step \d+") as caught:
            train_adversarial(learned, wild)
        assert "--method markov" in caught.value.remedy

    def test_too_few_days(self, learned):
        few = learned.during((learned.time[0], learned.time[60]))
        with pytest.raises(ConfigError, match="61 days to learn weather from; a window needs 191"):
            train_adversarial(few, AdversarialSettings(steps=1))

    @pytest.mark.parametrize("wrong", [{"steps": -1}, {"batch": 0}, {"window": 8}])
    def test_settings_out_of_range(self, wrong):
        with pytest.raises(ConfigError, match=str(next(iter(wrong.values())))):
            AdversarialSettings(**wrong)
