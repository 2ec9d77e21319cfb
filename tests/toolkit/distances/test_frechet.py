import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor, nn

from hydroml.toolkit.demos.frechet import run
from hydroml.toolkit.distances.disturbances import (
    black_rectangles,
    blur,
    mixing,
    noise,
    salt_and_pepper,
    swirl,
)
from hydroml.toolkit.distances.frechet import (
    FrechetDistance,
    feature_distance,
    frechet_distance,
    mean_and_covariance,
)

Gaussian = tuple[Tensor, Tensor]


def gaussian(d: int, seed: int, rank: int | None = None) -> Gaussian:
    rng = torch.Generator().manual_seed(seed)
    factor = torch.randn(d, rank or d, generator=rng, dtype=torch.float64)
    mean = torch.randn(d, generator=rng, dtype=torch.float64)
    return mean, factor @ factor.T / d


def rotation(d: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(d, d, generator=rng, dtype=torch.float64)).Q


class TestAgainstKnownValues:
    def test_two_normal_distributions(self) -> None:
        # (3 - 0)^2 + (sqrt 4 - sqrt 1)^2 = 9 + 1
        one = torch.ones(1, dtype=torch.float64)
        assert float(frechet_distance(0 * one, one[None], 3 * one, 4 * one[None])) == 10

    def test_commuting_covariances(self) -> None:
        # diagonal: sum of squared differences of the deviations: (1-2)^2 + (3-1)^2 + (0-2)^2 = 9
        zero = torch.zeros(3, dtype=torch.float64)
        first = torch.diag(torch.tensor([1.0, 9.0, 0.0]).double())
        second = torch.diag(torch.tensor([4.0, 1.0, 4.0]).double())
        assert float(frechet_distance(zero, first, zero, second)) == pytest.approx(9, rel=1e-14)

    def test_lines_across_each_other(self) -> None:
        # rank one each, orthogonal: nothing in common, so the traces remain, 4 + 9
        zero = torch.zeros(2, dtype=torch.float64)
        first, second = torch.zeros(2, 2).double(), torch.zeros(2, 2).double()
        first[0, 0], second[1, 1] = 4, 9
        assert float(frechet_distance(zero, first, zero, second)) == 13

    @pytest.mark.parametrize("d", [1, 2, 7, 40])
    def test_root_of_the_product(self, d: int) -> None:
        (mu1, cov1), (mu2, cov2) = gaussian(d, 1), gaussian(d, 2)
        root = sqrtm(cov1.numpy() @ cov2.numpy()).real
        expected = (mu1 - mu2).square().sum() + (cov1 + cov2).trace() - 2 * np.trace(root)
        assert float(frechet_distance(mu1, cov1, mu2, cov2)) == pytest.approx(
            float(expected), rel=1e-9
        )

    @pytest.mark.parametrize("d", [3, 64])
    def test_torchmetrics(self, d: int) -> None:
        image = pytest.importorskip("torchmetrics.image.fid")
        pair = (*gaussian(d, 3), *gaussian(d, 4))
        expected = float(image._compute_fid(*pair))
        assert float(frechet_distance(*pair)) == pytest.approx(expected, rel=1e-8)


class TestInvariants:
    @settings(max_examples=30, deadline=None)
    @given(
        d=st.integers(1, 8), rank=st.integers(1, 8), seed=st.integers(0, 10**6)
    )  # fmt: skip
    def test_zero_to_itself_symmetric_and_blind_to_rotation(
        self, d: int, rank: int, seed: int
    ) -> None:
        (mu1, cov1), (mu2, cov2) = gaussian(d, seed, min(rank, d)), gaussian(d, seed + 1)
        there = frechet_distance(mu1, cov1, mu2, cov2)
        scale = float((cov1 + cov2).trace() + (mu1 - mu2).square().sum())
        assert float(frechet_distance(mu1, cov1, mu1, cov1)) == pytest.approx(0, abs=1e-12 * scale)
        back = frechet_distance(mu2, cov2, mu1, cov1)
        turn = rotation(d, seed + 2)
        turned = frechet_distance(
            turn @ mu1, turn @ cov1 @ turn.T, turn @ mu2, turn @ cov2 @ turn.T
        )
        # a turned matrix without full rank has eigenvalues of 1e-16 in place of 0, roots of 1e-8
        assert float(back) == pytest.approx(float(there), abs=1e-6 * scale)
        assert float(turned) == pytest.approx(float(there), abs=1e-6 * scale)
        assert float(there) >= float((mu1 - mu2).square().sum()) - 1e-9 * scale

    def test_scales_with_the_square(self) -> None:
        (mu1, cov1), (mu2, cov2) = gaussian(4, 5), gaussian(4, 6)
        once = frechet_distance(mu1, cov1, mu2, cov2)
        thrice = frechet_distance(3 * mu1, 9 * cov1, 3 * mu2, 9 * cov2)
        torch.testing.assert_close(thrice, 9 * once)

    def test_any_dtype(self) -> None:
        pair = (*gaussian(6, 7), *gaussian(6, 8))
        single = frechet_distance(*(x.float() for x in pair))
        assert single.dtype == torch.float32
        assert float(single) == pytest.approx(float(frechet_distance(*pair)), rel=1e-4)


class TestSlopes:
    def test_against_finite_differences(self) -> None:
        pair = [x.requires_grad_() for x in (*gaussian(4, 9), *gaussian(4, 10))]
        assert torch.autograd.gradcheck(frechet_distance, pair)

    def test_equal_eigenvalues(self) -> None:
        # d/dS of |R_1 - R_2|^2 for S_1 = I, S_2 = 4 I: I - 2 I = -I, and (1 - 1/2) I
        zero, unit = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
        first, second = unit.clone().requires_grad_(), (4 * unit).requires_grad_()
        frechet_distance(zero, first, zero, second).backward()
        torch.testing.assert_close(first.grad, -unit)
        torch.testing.assert_close(second.grad, unit / 2)

    @pytest.mark.parametrize("rank", [0, 1, 3])
    def test_finite_without_full_rank(self, rank: int) -> None:
        mu, cov = gaussian(5, 11, 1)
        cov = cov * 0 if rank == 0 else gaussian(5, 11, rank)[1]
        pair = [x.clone().requires_grad_() for x in (mu, cov, *gaussian(5, 12, 2))]
        frechet_distance(*pair).backward()
        assert all(torch.isfinite(x.grad).all() for x in pair if x.grad is not None)

    def test_descent_carries_features_to_the_target(self) -> None:
        rng = torch.Generator().manual_seed(13)
        target = 2 + torch.randn(40, 3, generator=rng, dtype=torch.float64)
        target = target * torch.tensor([3.0, 2.0, 0.5])
        moving = torch.randn(3, 3, generator=rng, dtype=torch.float64).requires_grad_()  # rank 2
        optimizer = torch.optim.Adam([moving], lr=0.05)
        first = float(feature_distance(moving.detach(), target))
        for _ in range(500):
            loss = feature_distance(moving, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        # a plane of two dimensions can reach all but the smallest of three variances
        least = float(torch.linalg.eigvalsh(mean_and_covariance(target)[1])[0])
        assert first > 10 * least
        assert float(loss.detach()) == pytest.approx(least, rel=0.02)


class TestMetric:
    def test_batches_equal_the_whole(self) -> None:
        rng = torch.Generator().manual_seed(0)
        a = 1e4 + torch.randn(50, 4, generator=rng, dtype=torch.float64)
        b = 1e4 + 2 * torch.randn(30, 4, generator=rng, dtype=torch.float64)
        metric = FrechetDistance(nn.Flatten())
        for part in a.split([1, 20, 29]):
            metric.update(part, real=True)
        metric.update(b, real=False)
        torch.testing.assert_close(metric.compute(), feature_distance(a, b))
        np.testing.assert_allclose(metric.real.covariance, np.cov(a.numpy().T), rtol=1e-9)
        metric.reset(real=False)
        assert (metric.real.count, metric.generated.count) == (50, 0)
        metric.reset()
        assert metric.real.count == metric.generated.count == 0

    def test_dropout_is_off_and_on_again(self) -> None:
        net = nn.Sequential(nn.Dropout(0.5), nn.Flatten())
        net[1].eval()
        metric = FrechetDistance(net)
        metric.update(torch.ones(8, 3), real=True)
        assert not metric.real.covariance.any()
        assert (net.training, net[0].training, net[1].training) == (True, True, False)

    def test_too_few(self) -> None:
        metric = FrechetDistance(nn.Flatten())
        metric.update(torch.zeros(1, 3), real=True)
        with pytest.raises(ValueError, match="real stream has 1 samples; give at least 2"):
            metric.compute()
        with pytest.raises(ValueError, match="one sample has no covariance"):
            mean_and_covariance(torch.zeros(1, 3))

    def test_says_where_rank_is_missing(self) -> None:
        metric = FrechetDistance(nn.Flatten())
        rng = torch.Generator().manual_seed(0)
        metric.update(torch.randn(4, 3, generator=rng), real=True)
        metric.update(torch.randn(3, 3, generator=rng), real=False)
        with pytest.warns(UserWarning, match="generated stream has 3 samples of 3 features"):
            metric.compute()

    def test_bad_features(self) -> None:
        metric = FrechetDistance(nn.Flatten())
        with pytest.raises(ValueError, match="NaN or infinity"):
            metric.update(torch.tensor([[torch.nan]]), real=True)
        metric.update(torch.zeros(2, 3), real=True)
        with pytest.raises(ValueError, match="2 features, those before had 3"):
            metric.update(torch.zeros(2, 2), real=True)
        with pytest.raises(ValueError, match=r"expected \(n, d\)"):
            FrechetDistance(lambda x: x.mean(0)).update(torch.zeros(4, 3), real=True)


class TestBadGaussians:
    def test_refused(self) -> None:
        mu, cov = gaussian(3, 0)
        with pytest.raises(ValueError, match=r"expected \(d,\) and \(d, d\)"):
            frechet_distance(mu, cov[:2], mu, cov)
        with pytest.raises(ValueError, match="3 and 2 features"):
            frechet_distance(mu, cov, *gaussian(2, 0))
        with pytest.raises(ValueError, match="second covariance: NaN or infinity"):
            frechet_distance(mu, cov, mu, cov * torch.inf)
        with pytest.raises(ValueError, match="no covariance"):
            frechet_distance(mu, cov - 10 * torch.eye(3), mu, cov)


class TestDisturbances:
    pictures = torch.rand(6, 2, 9, 12, generator=torch.Generator().manual_seed(0))

    def test_nothing_at_strength_zero(self) -> None:
        x, g = self.pictures, torch.Generator()
        same = (noise(x, 0, g), blur(x, 0), black_rectangles(x, 0, g), swirl(x, 0),
                salt_and_pepper(x, 0, g), mixing(x, x.flip(0), 0))  # fmt: skip
        for found in same:
            torch.testing.assert_close(found, x)

    def test_blur_of_a_point(self) -> None:
        point = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
        point[0, 0, 10, 10] = 1
        found = blur(point, 1.5)[0, 0]
        assert float(found.sum()) == pytest.approx(1)
        away = torch.arange(21).double() - 10
        assert float((found.sum(0) * away**2).sum()) == pytest.approx(1.5**2, rel=0.02)
        torch.testing.assert_close(found[10, 11] / found[10, 10], math.exp(-1 / 4.5) * point.sum())

    def test_rectangles_and_pixels_cover_their_share(self) -> None:
        x, g = torch.ones(400, 1, 16, 16), torch.Generator().manual_seed(1)
        assert not black_rectangles(x, 1.0, g, count=1).any()
        one = 1 - float(black_rectangles(x, 0.25, g, count=1).mean())
        assert one == pytest.approx(0.0625)
        hit = salt_and_pepper(0.5 * x, 0.2, g)
        assert float((hit != 0.5).float().mean()) == pytest.approx(0.2, abs=0.01)
        assert float((hit == 1).float().mean()) == pytest.approx(0.1, abs=0.01)

    def test_swirl_turns_the_middle(self) -> None:
        # a half turn in the middle: what was right of it comes from the left, the edge stays
        right = torch.linspace(-1, 1, 101, dtype=torch.float64).expand(1, 1, 101, 101)
        found = swirl(right, math.pi)[0, 0]
        assert float(found[50, 52] - found[50, 48]) < -0.05
        torch.testing.assert_close(found[0], right[0, 0, 0])

    def test_mixing(self) -> None:
        found = mixing(self.pictures, 1 + self.pictures, 0.5)
        assert (found > 1).flatten(1).all(1).tolist() == [True] * 3 + [False] * 3
        with pytest.raises(ValueError, match="other set has 2 pictures, 6 are needed"):
            mixing(self.pictures, self.pictures[:2], 1.0)

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match=r"share is 1\.5"):
            noise(self.pictures, 1.5, torch.Generator())
        with pytest.raises(ValueError, match=r"give \(N, C, H, W\) of floating point"):
            blur(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), 1)
        with pytest.raises(ValueError, match="sigma is -1"):
            blur(self.pictures, -1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
