import math

import numpy as np
import pytest
import torch
from torch import Tensor

from hydroml.toolkit.demos.bucket_flows import bucket_flows
from hydroml.toolkit.demos.hydrograph import run
from hydroml.toolkit.distances.flow_disturbances import moving_mean, shuffle_days
from hydroml.toolkit.distances.frechet import feature_distance
from hydroml.toolkit.distances.hydrograph import (
    FrechetHydrographDistance,
    HydrographEncoder,
    fit_encoder,
    relative_flow,
)
from hydroml.toolkit.distances.hydrograph_encoder import WARM_UP, next_day_loss

BASINS, YEARS = 20, 8


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def flow() -> Tensor:
    """Years of all basins, those with odd numbers last: (160, 365) [mm d-1]."""
    found = torch.from_numpy(bucket_flows(BASINS, YEARS, np.random.default_rng(0))).float()
    return torch.cat([found[:, 0::2].flatten(0, 1), found[:, 1::2].flatten(0, 1)])


@pytest.fixture(scope="module")
def mean(flow: Tensor) -> Tensor:
    half = BASINS * YEARS // 2
    both = (flow[:half] + flow[half:]).reshape(BASINS, YEARS // 2, -1).mean(dim=(1, 2)) / 2
    return both.repeat_interleave(YEARS // 2)


@pytest.fixture(scope="module")
def distance(flow: Tensor, mean: Tensor) -> FrechetHydrographDistance:
    years = relative_flow(flow[: len(mean)], mean)
    return FrechetHydrographDistance(fit_encoder(years, generator=seeded(), steps=80))


class TestRelativeFlow:
    def test_known_values(self) -> None:
        flow = torch.tensor([[0.0, 2.0, 4.0], [0.0, 1.0, torch.nan]])
        found = relative_flow(flow, torch.tensor([2.0, 1.0]))
        expected = [[math.log(0.05), math.log(1.05), math.log(2.05)]]
        torch.testing.assert_close(found[:1], torch.tensor(expected))
        torch.testing.assert_close(found[1, :2], found[0, :2])
        assert found[1, 2].isnan()

    def test_unit_does_not_matter(self, flow: Tensor, mean: Tensor) -> None:
        years = flow[: len(mean)]
        torch.testing.assert_close(relative_flow(35.3 * years, 35.3 * mean),
                                   relative_flow(years, mean))  # fmt: skip

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match="below 0; set negative simulated flow to 0"):
            relative_flow(torch.tensor([[-0.1, 1.0]]), torch.ones(1))
        with pytest.raises(ValueError, match="leave out basins that are always dry"):
            relative_flow(torch.zeros(1, 3), torch.zeros(1))
        with pytest.raises(ValueError, match=r"give \(N, T\) and \(N,\)"):
            relative_flow(torch.zeros(2, 3), torch.ones(3))


class TestEncoder:
    def test_equals_a_plain_loop(self) -> None:
        torch.manual_seed(0)
        encoder = HydrographEncoder(hidden=4).double()
        year = torch.randn(1, WARM_UP + 9, generator=seeded(), dtype=torch.float64)
        lstm = encoder.lstm
        h = c = torch.zeros(4, dtype=torch.float64)
        before, states, errors = year[0, 0], [], []
        for t, today in enumerate(year[0]):
            if t > WARM_UP:  # states of WARM_UP + 1 days have warmed up
                move, log_scale = encoder.head(h)
                errors.append(float(((today - before - move) / log_scale.exp()).detach()))
            x = torch.stack([today, today - before])
            gates = lstm.weight_ih_l0 @ x + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h
            i, f, g, o = (gates + lstm.bias_hh_l0).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            if t >= WARM_UP:
                states.append(h)
            before = today
        found = encoder(year)[0]
        torch.testing.assert_close(found[:4], torch.stack(states).mean(0))
        assert len(errors) == 8
        assert float(found[4].detach()) == pytest.approx(np.mean(np.log(1 + np.abs(errors))))
        assert float(found[5].detach()) == pytest.approx(np.mean(np.sign(errors)), abs=1e-12)

    def test_loss_of_a_known_prediction(self) -> None:
        # no weights: tomorrow as today, scale e^0; flow steps by 2: 2 + log 2
        encoder = HydrographEncoder(hidden=4).double()
        for weight in encoder.parameters():
            torch.nn.init.zeros_(weight)
        steps = 2 * torch.arange(60, dtype=torch.float64)[None]
        assert next_day_loss(encoder, steps).item() == pytest.approx(2 + math.log(2))

    def test_learns_a_wave(self) -> None:
        # a period of 20 days: today tells tomorrow to 0.2, today and yesterday tell it exactly
        phase = 20 * torch.rand(100, 1, generator=seeded())
        years = (2 * math.pi / 20 * (torch.arange(60) + phase)).sin()
        encoder = fit_encoder(years, generator=seeded(), steps=60)
        with torch.no_grad():
            middle, _ = encoder.predict(years)
        error = (middle[:, WARM_UP:-1] - years[:, WARM_UP + 1 :]).abs().mean()
        as_today = years.diff(dim=1)[:, WARM_UP:].abs().mean()
        assert float(as_today) == pytest.approx(4 / math.pi * math.sin(math.pi / 20), rel=0.01)
        assert float(error) < 0.3 * float(as_today)

    def test_same_seed_same_weights(self, flow: Tensor, mean: Tensor) -> None:
        years = relative_flow(flow[: len(mean)], mean)[:, :60]
        one, two, other = (
            torch.cat([p.flatten() for p in encoder.parameters()]).detach()
            for encoder in (fit_encoder(years, generator=seeded(s), steps=3) for s in (1, 1, 2))
        )
        assert torch.equal(one, two)
        assert not torch.equal(one, other)

    def test_plain_state_dict(self, distance: FrechetHydrographDistance, flow: Tensor) -> None:
        copy = HydrographEncoder()
        copy.load_state_dict(distance.encoder.state_dict())
        years = relative_flow(flow[:5], torch.ones(5))
        torch.testing.assert_close(copy(years), distance.encoder(years))
        assert copy(years).shape == (5, copy.features)

    def test_progress_and_failure(self) -> None:
        told: list[float] = []
        years = torch.rand(4, 50, generator=seeded())
        fit_encoder(years, generator=seeded(), steps=4, advance=told.append)
        assert told == [0.25, 0.5, 0.75, 1.0]
        years[:, ::2] = 3e38  # differences are beyond float32
        years[:, 1::2] = -3e38
        with pytest.raises(FloatingPointError, match="at step 0"):
            fit_encoder(years, generator=seeded(), steps=2)

    def test_refused(self) -> None:
        years = torch.zeros(3, 40)
        years[1, 7] = torch.nan
        with pytest.raises(ValueError, match=r"1 of 3 years have missing .* number 1\); drop"):
            HydrographEncoder()(years)
        with pytest.raises(ValueError, match="drop these years"):
            fit_encoder(years, generator=seeded())
        with pytest.raises(ValueError, match="T of at least 32 days"):
            HydrographEncoder()(torch.zeros(3, 31))
        with pytest.raises(ValueError, match="N of at least 1"):
            fit_encoder(torch.zeros(0, 365), generator=seeded())


class TestDistance:
    def test_zero_to_itself_and_symmetric(
        self, distance: FrechetHydrographDistance, flow: Tensor, mean: Tensor
    ) -> None:
        a, b = relative_flow(flow[: len(mean)], mean), relative_flow(flow[len(mean) :], mean)
        assert float(distance(a, a)) == pytest.approx(0, abs=1e-10)
        assert float(distance(a, a.flip(0))) == pytest.approx(0, abs=1e-10)  # sets have no order
        torch.testing.assert_close(distance(a, b), distance(b, a))

    def test_floor_is_the_mean_of_halves(
        self, distance: FrechetHydrographDistance, flow: Tensor, mean: Tensor
    ) -> None:
        years = relative_flow(flow[: len(mean)], mean)
        order = torch.randperm(len(years), generator=seeded(3))
        halves = distance(years[order[:40]], years[order[40:]])
        torch.testing.assert_close(distance.floor(years, seeded(3), repeats=1), halves)
        assert float(distance.floor(years, seeded(3))) > 0

    def test_order_of_days(
        self, distance: FrechetHydrographDistance, flow: Tensor, mean: Tensor
    ) -> None:
        real, held = flow[: len(mean)], flow[len(mean) :]
        a = relative_flow(real, mean)

        def away(simulated: Tensor) -> float:
            return float(distance(a, relative_flow(simulated, mean)))

        def marginal(simulated: Tensor) -> Tensor:
            x = relative_flow(simulated, mean).double()
            moments = torch.stack([x.mean(1), x.std(1), x.amax(1)], dim=1)
            y = a.double()
            return feature_distance(torch.stack([y.mean(1), y.std(1), y.amax(1)], 1), moments)

        shuffled = [shuffle_days(held, days, seeded()) for days in (7, 30, 365)]
        reversed_ = held.flip(1)
        untouched = away(held)
        week, month, year = (away(s) for s in shuffled)
        assert 10 * untouched < week < month < year
        assert away(reversed_) > 10 * untouched
        for same_days in (*shuffled, reversed_):
            torch.testing.assert_close(marginal(same_days), marginal(held))

    @pytest.mark.parametrize("kind", ["mean", "noise", "bias"])
    def test_rises_with_the_disturbance(
        self, distance: FrechetHydrographDistance, flow: Tensor, mean: Tensor, kind: str
    ) -> None:
        real, held = flow[: len(mean)], flow[len(mean) :]
        noise = torch.randn(held.shape, generator=seeded())
        versions = {
            "mean": [moving_mean(held, d) for d in (1, 3, 7)],
            "noise": [held * (s * noise).exp() for s in (0, 0.1, 0.2)],
            "bias": [held * b for b in (1.0, 1.1, 1.25, 1.5)],
        }[kind]
        a = relative_flow(real, mean)
        found = [float(distance(a, relative_flow(v, mean))) for v in versions]
        assert found == sorted(found)
        assert found[-1] > 5 * found[0]

    def test_missing_values_and_too_few(self, distance: FrechetHydrographDistance) -> None:
        years = torch.zeros(40, 365)
        gap = years.clone()
        gap[3, 100] = torch.nan
        with pytest.raises(ValueError, match="1 of 40 years have missing"):
            distance(years, gap)
        with pytest.raises(ValueError, match="give at least 4"):
            distance.floor(years[:3], seeded())
        few = torch.rand(18, 60, generator=seeded())
        with pytest.warns(UserWarning, match="18 years for 18 features"):
            distance.floor(few, seeded())


class TestDisturbances:
    def test_shuffling_stays_within_blocks(self) -> None:
        days = torch.arange(365.0).expand(20, 365)
        found = shuffle_days(days, 30, seeded())
        assert torch.equal(found // 30, days // 30)
        assert torch.equal(found.sort(1).values, days)
        assert not torch.equal(found[0], found[1])
        assert torch.equal(shuffle_days(days, 1, seeded()), days)

    def test_moving_mean_of_a_bump(self) -> None:
        bump = torch.zeros(1, 15)
        bump[0, 7] = 5
        expected = torch.zeros(1, 15)
        expected[0, 5:10] = 1
        torch.testing.assert_close(moving_mean(bump, 5), expected)

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match="give an odd number"):
            moving_mean(torch.zeros(1, 9), 4)
        with pytest.raises(ValueError, match="give at least 1"):
            shuffle_days(torch.zeros(1, 9), 0, seeded())


def test_bucket_flows() -> None:
    found = bucket_flows(6, 3, np.random.default_rng(1))
    assert found.shape == (6, 3, 365)
    assert (found > 0).all()
    # floods rise faster than they fall: days of rise are fewer than days of fall
    assert (np.diff(found, axis=2) > 0).mean() < 0.45
    assert np.array_equal(found, bucket_flows(6, 3, np.random.default_rng(1)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
