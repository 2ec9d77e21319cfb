import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hydroml.toolkit.adversarial.losses import (
    LeastSquares,
    NonSaturating,
    WassersteinGP,
    gradient_norm,
    gradient_penalty,
    scores,
)
from hydroml.toolkit.adversarial.ttur import LOSSES, GANTrainer, ttur_optimizers
from hydroml.toolkit.demos.ttur import run

every_loss = pytest.mark.parametrize("name", LOSSES)


def rng_of(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trainer_of(loss: str = "ns", seed: int = 0, **options: Any) -> GANTrainer:
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
    critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    return GANTrainer(generator, critic, loss, latent=2, **options)


def weights(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach().clone()


class Sequences(nn.Module):
    """An LSTM from (B, T, n) to (B, T, m), told (B, c) and (B, T, e) besides."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n + 2 + 1, 6, batch_first=True)
        self.out = nn.Linear(6, m)

    def forward(self, x: Tensor, condition: tuple[Tensor, Tensor]) -> Tensor:
        static, daily = condition
        told = static[:, None].expand(-1, x.shape[1], -1)
        out: Tensor = self.out(self.lstm(torch.cat([x, told, daily], 2))[0])
        return out


class Judge(Sequences):
    def __init__(self) -> None:
        super().__init__(3, 1)

    def forward(self, x: Tensor, condition: tuple[Tensor, Tensor]) -> Tensor:
        return super().forward(x, condition)[:, -1, 0]


class TestLossesByHand:
    x, made = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [-2.0]])

    def test_non_saturating(self) -> None:
        loss = NonSaturating()
        # log(1 + e^-1), log(1 + e^-3), log 2, log(1 + e^-2)
        expected = (0.3132617 + 0.0485874) / 2 + (0.6931472 + 0.1269280) / 2
        assert float(loss.critic_loss(_first, self.x, self.made)) == pytest.approx(expected)
        # log 2, log(1 + e^2)
        expected = (0.6931472 + 2.1269280) / 2
        assert float(loss.generator_loss(_first, self.made)) == pytest.approx(expected)

    def test_least_squares(self) -> None:
        loss = LeastSquares()
        # ((0 + 4) / 2 + (0 + 4) / 2) / 2; ((1 + 9) / 2) / 2
        assert float(loss.critic_loss(_first, self.x, self.made)) == 2
        assert float(loss.generator_loss(_first, self.made)) == 2.5

    def test_wasserstein(self) -> None:
        loss = WassersteinGP(weight=10)
        # critic 4 x: -4 - 8 + 10 (4 - 1)^2; the generator's - mean of 0 and -8
        found = loss.critic_loss(lambda x: 4 * x[:, 0], self.x, self.made)
        assert float(found) == pytest.approx(78)
        assert float(loss.generator_loss(lambda x: 4 * x[:, 0], self.made)) == 4


def _first(x: Tensor) -> Tensor:
    return x[:, 0]


class TestGradientPenalty:
    def test_quadratic_critic(self) -> None:
        # f = x' M x / 2 has slope |M x| for a symmetric M
        m = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
        x = torch.randn(5, 2, generator=rng_of(), dtype=torch.float64)
        norm = gradient_norm(lambda x: ((x @ m) * x).sum(1) / 2, x)
        torch.testing.assert_close(norm, (x @ m).norm(dim=1))

    @pytest.mark.parametrize("shape", [(4, 2), (4, 3, 2), (4,)])
    def test_against_double_backward_sample_by_sample(self, shape: tuple[int, ...]) -> None:
        torch.manual_seed(0)
        size = int(torch.tensor(shape[1:]).prod()) if shape[1:] else 1
        net = nn.Sequential(nn.Linear(size, 5), nn.Tanh(), nn.Linear(5, 1)).double()

        def critic(x: Tensor) -> Tensor:
            return net(x.reshape(len(x), -1))[:, 0]

        real = torch.randn(shape, generator=rng_of(1), dtype=torch.float64)
        fake = torch.randn(shape, generator=rng_of(2), dtype=torch.float64)
        found = gradient_penalty(critic, real, fake, generator=rng_of(3))
        t = torch.rand(4, generator=rng_of(3))
        expected = torch.zeros((), dtype=torch.float64)
        for b in range(4):
            u = (t[b] * real[b] + (1 - t[b]) * fake[b]).requires_grad_()
            (slope,) = torch.autograd.grad(critic(u[None])[0], u, create_graph=True)
            expected = expected + (slope.square().sum().sqrt() - 1) ** 2 / 4
        torch.testing.assert_close(found, expected)
        slopes = torch.autograd.grad(found, list(net.parameters())[:2], retain_graph=True)
        wanted = torch.autograd.grad(expected, list(net.parameters())[:2])
        torch.testing.assert_close(slopes, wanted)

    def test_a_flat_critic_has_a_finite_gradient(self) -> None:
        net = nn.Linear(2, 1)
        nn.init.zeros_(net.weight)
        penalty = gradient_penalty(net, torch.ones(3, 2), torch.zeros(3, 2))
        assert float(penalty.detach()) == pytest.approx(1, abs=1e-5)
        penalty.backward()
        assert torch.isfinite(net.weight.grad).all()

    @pytest.mark.parametrize("slope", [-1.1, 0.9])
    def test_on_a_line_the_wrong_sign_is_a_minimum_too(self, slope: float) -> None:
        # f = s x, data at 0, generated points at 2: 2 s + 10 (|s| - 1)^2 is flat at both
        s = torch.tensor(slope, requires_grad=True)
        real = torch.zeros(3, 1)
        WassersteinGP().critic_loss(lambda x: s * x[:, 0], real, real + 2).backward()
        assert float(s.grad) == pytest.approx(0, abs=1e-5)

    def test_unlike_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"Real points are \(3, 2\), generated ones \(2, 2\)"):
            gradient_penalty(_first, torch.ones(3, 2), torch.zeros(2, 2))

    def test_patches_are_averaged(self) -> None:
        # two numbers a sample, slopes 2 and 4: their mean has slope 3
        norm = gradient_norm(lambda x: torch.stack([2 * x[:, 0], 4 * x[:, 0]], 1), torch.ones(3, 1))
        assert norm.tolist() == pytest.approx([3, 3, 3])

    def test_a_critic_that_mixes_samples(self) -> None:
        with pytest.raises(ValueError, match=r"made \(\) of \(3, 2\)"):
            scores(lambda x: x.mean(), torch.ones(3, 2))


class TestOneStep:
    def test_it_is_the_plain_loop(self) -> None:
        gan = trainer_of("ns", n_critic=2)
        G, D = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
        adam_g = torch.optim.Adam(G.parameters(), 1e-4, (0.5, 0.9))
        adam_d = torch.optim.Adam(D.parameters(), 3e-4, (0.5, 0.9))
        real = torch.randn(4, 3, generator=rng_of(1))
        found = gan.step(real, generator=rng_of(2))
        rng, critic = rng_of(2), []
        softplus = nn.functional.softplus
        for _ in range(2):
            fake = G(torch.randn(4, 2, generator=rng)).detach()
            loss = softplus(-D(real)).mean() + softplus(D(fake)).mean()
            adam_d.zero_grad()
            loss.backward()
            adam_d.step()
            critic.append(float(loss.detach()))
        loss = softplus(-D(G(torch.randn(4, 2, generator=rng)))).mean()
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
        assert found == {"critic": sum(critic) / 2, "generator": float(loss.detach())}
        assert torch.equal(weights(gan.generator), weights(G))
        assert torch.equal(weights(gan.critic), weights(D))

    @every_loss
    def test_of_every_loss(self, name: str) -> None:
        gan = trainer_of(name)
        before = weights(gan.generator), weights(gan.critic)
        losses = gan.step(torch.randn(6, 3, generator=rng_of()), generator=rng_of(1))
        assert set(losses) == {"critic", "generator"}
        assert not torch.equal(weights(gan.generator), before[0])
        assert not torch.equal(weights(gan.critic), before[1])

    @every_loss
    def test_of_sequences_with_conditions(self, name: str) -> None:
        torch.manual_seed(0)
        latent = lambda batch, rng: torch.randn(batch, 5, 2, generator=rng)  # noqa: E731
        gan = GANTrainer(Sequences(2, 3), Judge(), name, latent=latent)
        real = torch.randn(4, 5, 3, generator=rng_of())
        told = torch.randn(4, 2, generator=rng_of(1)), torch.randn(4, 5, 1, generator=rng_of(2))
        before = weights(gan.generator)
        gan.step(real, told, rng_of(3))
        assert not torch.equal(weights(gan.generator), before)

    def test_each_player_moves_itself_only(self) -> None:
        gan = trainer_of("wgan-gp")
        before = weights(gan.generator)
        gan.critic_step(torch.randn(6, 3))
        assert torch.equal(weights(gan.generator), before)
        before = weights(gan.critic)
        gan.generator_step(6)
        assert torch.equal(weights(gan.critic), before)
        assert gan.steps == 1

    def test_frozen_weights_stay(self) -> None:
        gan = trainer_of("ns")
        gan.generator[0].requires_grad_(False)
        before = weights(gan.generator[0])
        gan.step(torch.randn(6, 3))
        assert torch.equal(weights(gan.generator[0]), before)


class TestARun:
    def test_it_goes_on_exactly(self) -> None:
        real = torch.randn(6, 3, generator=rng_of())
        gan, rng = trainer_of("wgan-gp"), rng_of(1)
        gan.keep_average(0.9)
        for _ in range(3):
            gan.step(real, generator=rng)
        file = io.BytesIO()
        torch.save(gan.state_dict(), file)
        after = rng.get_state()
        expected = [gan.step(real, generator=rng) for _ in range(3)]
        file.seek(0)
        again = trainer_of("wgan-gp", seed=5)
        again.load_state_dict(torch.load(file, weights_only=True))
        rng.set_state(after)
        assert [again.step(real, generator=rng) for _ in range(3)] == expected
        assert again.steps == 6
        assert torch.equal(weights(again.averaged), weights(gan.averaged))
        assert torch.equal(weights(again.critic), weights(gan.critic))

    def test_the_same_seed_is_the_same_run(self) -> None:
        real = torch.randn(6, 3, generator=rng_of())
        one, other = trainer_of("pwgan"), trainer_of("pwgan")
        assert one.step(real, generator=rng_of(1)) == other.step(real, generator=rng_of(1))

    def test_the_average(self) -> None:
        gan = trainer_of("ns")
        gan.keep_average(0.75)
        expected = weights(gan.generator)
        for _ in range(4):
            gan.step(torch.randn(6, 3))
            expected = 0.75 * expected + 0.25 * weights(gan.generator)
        torch.testing.assert_close(weights(gan.averaged), expected)
        assert gan.averaged(torch.zeros(1, 2)).shape == (1, 3)

    @pytest.mark.parametrize("name", ["ns", "ls", "pwgan", "coulomb"])
    def test_a_shift_is_undone(self, name: str) -> None:
        # generated points are the data moved by b = 0.5: b = 0 is the only equilibrium
        torch.manual_seed(0)
        generator, points = Shift(0.5), torch.linspace(-1, 1, 8)[:, None]
        critic = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
        rates = ttur_optimizers(generator, critic, 1e-2, 3e-2)
        gan = GANTrainer(generator, critic, name, latent=lambda *_: points, optimizers=rates)
        places = []
        for _ in range(150):
            gan.step(points)
            places.append(float(generator.b.detach()))
        assert abs(sum(places[-50:])) / 50 < 0.15


class Shift(nn.Module):
    def __init__(self, b: float) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.tensor(b))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.b


class TestWhatGoesWrong:
    def test_a_loss_that_is_no_number_stops_before_the_step(self) -> None:
        gan = trainer_of("ns")
        gan.step(torch.randn(6, 3))
        with torch.no_grad():
            gan.critic[2].bias.fill_(torch.nan)
        before = weights(gan.generator)
        with pytest.raises(FloatingPointError, match="Loss of the critic is nan at step 2"):
            gan.step(torch.randn(6, 3))
        with pytest.raises(FloatingPointError, match="Loss of the generator is nan at step 2"):
            gan.generator_step(6)
        assert torch.equal(weights(gan.generator), before)

    def test_infinite(self) -> None:
        gan = trainer_of("ls")
        with torch.no_grad():
            gan.critic[2].bias.fill_(1e30)
        with pytest.raises(FloatingPointError, match=r"is inf at step 1\. Try lower rates"):
            gan.step(torch.randn(6, 3))

    def test_gaps_in_the_data(self) -> None:
        with pytest.raises(ValueError, match="Real samples hold NaN"):
            trainer_of().step(torch.full((6, 3), torch.nan))

    def test_unlike_samples(self) -> None:
        with pytest.raises(ValueError, match=r"made \(6, 3\), real samples are \(6, 4\)"):
            trainer_of().step(torch.zeros(6, 4))

    def test_settings(self) -> None:
        with pytest.raises(ValueError, match="loss is 'gan'; choose from ns, ls, wgan-gp"):
            trainer_of("gan")
        with pytest.raises(ValueError, match="n_critic is 0"):
            trainer_of(n_critic=0)
        with pytest.raises(ValueError, match="decay is 1"):
            trainer_of().keep_average(1)
        with pytest.raises(ValueError, match=r"call keep_average\(\)"):
            _ = trainer_of().averaged

    def test_a_state_that_lacks_a_part(self) -> None:
        state = trainer_of().state_dict()
        del state["critic"]
        with pytest.raises(KeyError, match="critic"):
            trainer_of().load_state_dict(state)


def test_two_rates() -> None:
    slow, fast = ttur_optimizers(nn.Linear(2, 2), nn.Linear(2, 1), lr_d=4e-4)
    assert [o.param_groups[0]["lr"] for o in (slow, fast)] == [1e-4, 4e-4]
    assert [o.param_groups[0]["betas"] for o in (slow, fast)] == [(0.5, 0.9)] * 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
