import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hydroml.toolkit.adversarial.coulomb import (
    Coulomb,
    CoulombGAN,
    coulomb_field,
    coulomb_potentials,
    plummer_kernel,
)
from hydroml.toolkit.adversarial.mixtures import covered, draw, grid, ring
from hydroml.toolkit.demos.coulomb import run


def rng_of(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int, size: int, seed: int = 0) -> Tensor:
    return torch.randn(n, size, generator=rng_of(seed), dtype=torch.float64)


def kernel_of(a: Tensor, b: Tensor, dim: float, eps: float) -> float:
    squares = sum((float(p) - float(q)) ** 2 for p, q in zip(a, b, strict=True))
    return 1 / (squares + eps**2) ** ((dim - 2) / 2)


class TestClosedForm:
    @pytest.mark.parametrize("size", [1, 2, 7])
    @pytest.mark.parametrize(("dim", "eps"), [(3, 1.0), (3, 0.1), (5, 0.5)])
    def test_against_a_plain_loop(self, size: int, dim: float, eps: float) -> None:
        x, y = points(4, size), points(6, size, 1)
        kernel = plummer_kernel(x, y, dim, eps)
        for i in range(4):
            for j in range(6):
                assert float(kernel[i, j]) == pytest.approx(kernel_of(x[i], y[j], dim, eps))
        pot_x, pot_y = coulomb_potentials(x, y, dim, eps)
        for at, pots in ((x, pot_x), (y, pot_y)):
            for a, pot in zip(at, pots, strict=True):
                repelled = sum(kernel_of(a, b, dim, eps) for b in x) / 4
                attracted = sum(kernel_of(a, b, dim, eps) for b in y) / 6
                assert float(pot) == pytest.approx(repelled - attracted)

    def test_by_hand(self) -> None:
        # one generated point at 0, data at 3 and 4 away, eps 1: self term 1
        x, y = torch.zeros(1, 1).double(), torch.tensor([[3.0], [4.0]]).double()
        pot_x, pot_y = coulomb_potentials(x, y)
        near, far, between = 1 / math.sqrt(10), 1 / math.sqrt(17), 1 / math.sqrt(2)
        assert pot_x.tolist() == pytest.approx([1 - (near + far) / 2])
        expected = [near - (1 + between) / 2, far - (1 + between) / 2]
        assert pot_y.tolist() == pytest.approx(expected)

    def test_self_terms_are_kept(self) -> None:
        assert plummer_kernel(points(3, 2), points(3, 2), 5, 0.5).diagonal().tolist() == [8.0] * 3

    @pytest.mark.parametrize("size", [2, 7])
    def test_the_field_is_minus_the_gradient_of_the_potential(self, size: int) -> None:
        a, x, y = points(3, size, 2).requires_grad_(), points(4, size), points(6, size, 1)
        pot = plummer_kernel(a, x, 4, 0.3).mean(1) - plummer_kernel(a, y, 4, 0.3).mean(1)
        (slope,) = torch.autograd.grad(pot.sum(), a)
        torch.testing.assert_close(coulomb_field(a, x, y, 4, 0.3), -slope)

    def test_batches_are_independent(self) -> None:
        x, y = torch.stack([points(4, 2), points(4, 2, 5)]), torch.stack([points(6, 2, 1)] * 2)
        together = coulomb_potentials(x, y, 3, 0.1)
        for n in range(2):
            alone = coulomb_potentials(x[n], y[n], 3, 0.1)
            torch.testing.assert_close((together[0][n], together[1][n]), alone)

    @settings(max_examples=20, deadline=None)
    @given(shift=st.floats(-50, 50), seed=st.integers(0, 1000))
    def test_moving_and_swapping(self, shift: float, seed: int) -> None:
        x, y = points(4, 2, seed), points(6, 2, seed + 1)
        pot_x, pot_y = coulomb_potentials(x, y, 3, 0.2)
        moved = coulomb_potentials(x + shift, y + shift, 3, 0.2)
        torch.testing.assert_close(moved, (pot_x, pot_y), rtol=1e-6, atol=1e-8)
        swapped_y, swapped_x = coulomb_potentials(y, x, 3, 0.2)  # charges change sign
        torch.testing.assert_close((swapped_x, swapped_y), (-pot_x, -pot_y))
        # mean potential over x minus that over y is a squared distance of densities
        assert float(pot_x.mean() - pot_y.mean()) >= 0

    def test_equal_densities_feel_nothing(self) -> None:
        x = points(5, 2)
        pot_x, pot_y = coulomb_potentials(x, x.flip(0), 3, 0.1)
        assert pot_x.abs().max() < 1e-12
        assert pot_y.abs().max() < 1e-12
        assert coulomb_field(points(3, 2, 1), x, x.flip(0)).abs().max() < 1e-12


class TestLosses:
    def test_points_and_potentials_are_held_fixed(self) -> None:
        torch.manual_seed(0)
        gan = CoulombGAN(nn.Linear(2, 3), nn.Linear(3, 1), eps=0.5).double()
        x = gan(points(4, 2))
        gan.d_loss(x, points(6, 3, 1)).backward()
        assert all(p.grad is None for p in gan.generator.parameters())
        assert gan.critic.weight.grad is not None
        assert not any(pot.requires_grad for pot in coulomb_potentials(x, points(6, 3, 1)))

    def test_values(self) -> None:
        gan = CoulombGAN(nn.Identity(), nn.Linear(2, 1), eps=0.5).double()
        x, y, before = points(4, 2), points(6, 2, 1), points(3, 2, 2)
        pot_x, pot_y = coulomb_potentials(x, y, 3, 0.5)
        with torch.no_grad():
            d_x, d_y, d_b = (gan.critic(p)[:, 0] for p in (x, y, before))
            expected = ((d_x - pot_x) ** 2).mean() + ((d_y - pot_y) ** 2).mean()
            torch.testing.assert_close(gan.d_loss(x, y), expected)
            torch.testing.assert_close(gan.g_loss(x), d_x.mean())
            pot_b = [
                sum(kernel_of(b, p, 3, 0.5) for p in x) / 4
                - sum(kernel_of(b, p, 3, 0.5) for p in y) / 6
                for b in before
            ]
            expected = expected + ((d_b - torch.tensor(pot_b).double()) ** 2).mean()
            torch.testing.assert_close(gan.d_loss(x, y, before), expected)

    def test_an_exact_critic_has_no_loss(self) -> None:
        x, y = points(4, 2), points(6, 2, 1)

        def exact(a: Tensor) -> Tensor:
            return plummer_kernel(a, x, 3, 0.3).mean(1) - plummer_kernel(a, y, 3, 0.3).mean(1)

        assert float(Coulomb(eps=0.3).critic_loss(exact, y, x)) == pytest.approx(0)

    def test_a_condition_is_part_of_the_point(self) -> None:
        # samples agree, conditions do not: the joint densities differ
        x, c = points(4, 2), points(4, 3, 1)
        kind = torch.tensor([0, 0, 1, 1])
        zero = lambda a, told: a.new_zeros(len(a))  # noqa: E731
        found = Coulomb().critic_loss(zero, x.flip(0), x, (c, kind))
        joint = torch.cat([x, c, kind[:, None].double()], 1)
        flipped = torch.cat([x.flip(0), c, kind[:, None].double()], 1)
        pot_x, pot_y = coulomb_potentials(joint, flipped)
        torch.testing.assert_close(found, pot_x.square().mean() + pot_y.square().mean())
        assert found > 1e-4


class TestTheExactField:
    def test_points_that_follow_it_reach_every_mode(self) -> None:
        y = draw(grid(), 0.1, (500,), rng_of())
        x = 0.1 * torch.randn(250, 2, generator=rng_of(1))
        assert covered(x, grid(), 0.1).count == 1
        for _ in range(250):
            x = x + 0.1 * coulomb_field(x, x, y, 3, 0.1)
        found = covered(x, grid(), 0.1)
        assert found.count == 25
        assert found.kl < 0.12  # of 500 data points themselves 24 / (2 * 500) on average
        assert found.sharp > 0.8


class TestMixtures:
    def test_the_mixture_itself(self) -> None:
        found = covered(draw(grid(), 0.1, (5000,), rng_of()), grid(), 0.1)
        assert found.count == 25
        assert found.kl == pytest.approx(24 / 10000, rel=0.8)  # chi-square over twice n
        assert found.sharp == pytest.approx(1 - math.exp(-4.5), abs=0.005)

    def test_one_mode_of_eight(self) -> None:
        found = covered(ring()[:1].repeat(50, 1), ring(), 0.05)
        assert (found.count, found.sharp) == (1, 1.0)
        assert found.kl == pytest.approx(math.log(8))

    def test_blurred_points_cover_nothing(self) -> None:
        found = covered(grid() + 0.4, grid(), 0.1)  # all off by 0.57, nearest centres in bounds
        assert (found.count, found.sharp) == (0, 0.0)


class TestBadInput:
    def test_kernel(self) -> None:
        x = points(3, 2)
        with pytest.raises(ValueError, match="dim is 2; at 2 and below"):
            plummer_kernel(x, x, dim=2)
        with pytest.raises(ValueError, match="eps is 0"):
            plummer_kernel(x, x, eps=0)
        with pytest.raises(ValueError, match=r"\(3, 2\) and \(3, 4\)"):
            coulomb_potentials(x, points(3, 4))
        with pytest.raises(ValueError, match="vectors of one size"):
            coulomb_field(x[0], x, x)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
