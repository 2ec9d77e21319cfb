import pytest
import torch
from torch import Tensor, nn

from hydroml.toolkit.adversarial.first_order import (
    PenalisedWasserstein,
    optimal_slope,
    pwgan_critic_loss,
)
from hydroml.toolkit.demos.first_order import run


def points(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def critic_of(size: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 6), nn.Tanh(), nn.Linear(6, 1)).double()


def slope_of(real: Tensor, made: Tensor, f_real: Tensor, f_made: Tensor) -> list[float]:
    slopes = []
    for x0, f0 in zip(made, f_made, strict=True):
        pull, weight = torch.zeros_like(x0), 0.0
        for x, f in zip(real, f_real, strict=True):
            r = float((x - x0).square().sum().sqrt()) + 1e-6
            pull = pull + (x - x0) * (f - f0) / r**3 / len(real)
            weight += 1 / r / len(real)
        slopes.append(float(pull.square().sum().sqrt()) / weight)
    return slopes


class TestOptimalSlope:
    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_against_a_plain_loop(self, size: int) -> None:
        real, made = points(6, size), points(4, size, seed=1)
        f_real, f_made = points(6, seed=2), points(4, seed=3)
        found = optimal_slope(real, made, f_real, f_made)
        assert found.tolist() == pytest.approx(slope_of(real, made, f_real, f_made))

    def test_sequences_are_vectors(self) -> None:
        real, made, f = points(6, 3, 2), points(6, 3, 2, seed=1), points(6, seed=2)
        flat = optimal_slope(real.flatten(1), made.flatten(1), f, -f)
        torch.testing.assert_close(optimal_slope(real, made, f, -f), flat)

    def test_two_points(self) -> None:
        # 3-4-5: (x - x') 10 / 125, of norm 5 * 10 / 125 = 0.4, over 1 / 5
        real, made = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
        found = optimal_slope(real, made, torch.tensor([7.0]), torch.tensor([-3.0]))
        assert found.tolist() == pytest.approx([2.0])

    def test_pulls_from_both_sides_cancel(self) -> None:
        real, made = torch.tensor([[-1.0], [1.0]]), torch.zeros(1, 1)
        assert optimal_slope(real, made, torch.ones(2), torch.zeros(1)).tolist() == [0.0]

    def test_a_linear_critic_on_a_line(self) -> None:
        # f = 3 x: (x - x') 3 (x - x') / r^3 is 3 / r on either side
        real, made = points(6, 1), points(4, 1, seed=1)
        found = optimal_slope(real, made, 3 * real[:, 0], 3 * made[:, 0])
        assert found.tolist() == pytest.approx([3.0] * 4, rel=1e-3)

    def test_coincident_points_are_finite(self) -> None:
        x = points(3, 2)
        assert torch.isfinite(optimal_slope(x, x, points(3), points(3, seed=1))).all()


class TestCriticLoss:
    @pytest.mark.parametrize("slope", ["optimal", "constant"])
    def test_against_a_plain_loop(self, slope: str) -> None:
        critic, real, made = critic_of(2), points(5, 2), points(5, 2, seed=1)
        lip, grad = 0.7, 1.3
        found = pwgan_critic_loss(critic, real, made, lip, grad, slope)  # type: ignore[arg-type]
        f_real, f_made = critic(real)[:, 0], critic(made)[:, 0]
        target = [1 / (2 * lip)] * 5
        if slope == "optimal":
            target = slope_of(real, made, f_real.detach(), f_made.detach())
        expected = torch.zeros((), dtype=torch.float64)
        for b in range(5):
            u = made[b].clone().requires_grad_()
            (g,) = torch.autograd.grad(critic(u[None]).sum(), u, create_graph=True)
            r = (real[b] - made[b]).norm()
            expected = expected + (
                f_made[b] - f_real[b] + lip * (f_real[b] - f_made[b]) ** 2 / r
                + grad * (g.norm() - target[b]) ** 2
            ) / 5  # fmt: skip
        torch.testing.assert_close(found, expected)
        weights = list(critic.parameters())[:2]
        slopes = torch.autograd.grad(found, weights, retain_graph=True)
        torch.testing.assert_close(slopes, torch.autograd.grad(expected, weights))

    @pytest.mark.parametrize("lip", [0.5, 1.0])
    @pytest.mark.parametrize("distance", [1.0, 3.0])
    def test_two_point_masses(self, lip: float, distance: float) -> None:
        # f = s x: -s D + lip s^2 D has its minimum -D / (4 lip) at s = 1 / (2 lip)
        s = torch.tensor(1 / (2 * lip), dtype=torch.float64, requires_grad=True)
        real = torch.full((4, 1), distance, dtype=torch.float64)
        for slope in ("optimal", "constant"):
            loss = pwgan_critic_loss(
                lambda x: s * x[:, 0], real, torch.zeros_like(real), lip, 1.0, slope
            )
            assert float(loss.detach()) == pytest.approx(-distance / (4 * lip), abs=1e-6)
            (flat,) = torch.autograd.grad(loss, s)
            assert float(flat) == pytest.approx(0, abs=1e-4)

    def test_a_pair_at_one_place_has_no_penalty(self) -> None:
        x = points(3, 2)
        critic = critic_of(2)
        loss = pwgan_critic_loss(critic, x, x + 1e-10, grad=0)
        loss.backward()
        assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
        assert all(torch.isfinite(p.grad).all() for p in critic.parameters() if p.grad is not None)

    def test_bad_input(self) -> None:
        critic, x = critic_of(2), points(3, 2)
        with pytest.raises(ValueError, match=r"\(3, 2\), generated ones \(2, 2\)"):
            pwgan_critic_loss(critic, x, x[:2])
        with pytest.raises(ValueError, match="lip is 0"):
            pwgan_critic_loss(critic, x, x, lip=0)
        with pytest.raises(ValueError, match="slope is 'best'; choose optimal or constant"):
            pwgan_critic_loss(critic, x, x, slope="best")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="all axes but the first must agree"):
            optimal_slope(x, points(3, 4), points(3), points(3))
        with pytest.raises(ValueError, match="give one for each"):
            optimal_slope(x, x, points(3), points(3, 1))


class TestTheLossObject:
    def test_without_a_condition(self) -> None:
        critic, real, made = critic_of(2), points(5, 2), points(5, 2, seed=1)
        loss = PenalisedWasserstein(0.7, 1.3)
        expected = pwgan_critic_loss(critic, real, made, 0.7, 1.3, "optimal")
        torch.testing.assert_close(loss.critic_loss(critic, real, made), expected)
        torch.testing.assert_close(loss.generator_loss(critic, made), -critic(made).mean())

    def test_with_one_the_slope_is_constant(self) -> None:
        net, told = critic_of(3), points(5, 1, seed=2)
        real, made = points(5, 2), points(5, 2, seed=1)

        def critic(x: Tensor, c: Tensor) -> Tensor:
            out: Tensor = net(torch.cat([x, c], 1))
            return out

        expected = pwgan_critic_loss(lambda x: critic(x, told), real, made, 0.7, 1.3, "constant")
        found = PenalisedWasserstein(0.7, 1.3).critic_loss(critic, real, made, told)
        torch.testing.assert_close(found, expected)
        with pytest.raises(ValueError, match="real points of other conditions"):
            PenalisedWasserstein(slope="optimal").critic_loss(critic, real, made, told)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
