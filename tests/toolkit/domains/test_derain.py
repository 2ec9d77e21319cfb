import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hydroml.toolkit.demos.derain import run
from hydroml.toolkit.domains.derain import DerainCNN, DerainViT, fit_derainer, restore
from hydroml.toolkit.domains.image_patches import patchify, unpatchify
from hydroml.toolkit.domains.image_quality import psnr, ssim
from hydroml.toolkit.domains.rain import BRIGHT, rain_overlay
from hydroml.toolkit.domains.scenes import scenes
from hydroml.toolkit.domains.streaks import line_kernel, streak_score


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noisy_pair(size: int = 24) -> tuple[Tensor, Tensor]:
    truth = torch.rand(3, 2, size, size, generator=rng(1), dtype=torch.float64)
    noise = torch.randn(truth.shape, generator=rng(2), dtype=torch.float64)
    return (truth + 0.1 * noise).clamp(0, 1), truth


class TestQuality:
    def test_psnr_of_a_constant_error(self) -> None:
        # 10 log10(1 / 0.1^2) = 20 dB; half of it, 20 + 20 log10(2) = 26.02 dB
        truth = torch.full((2, 3, 4, 4), 0.5, dtype=torch.float64)
        error = torch.tensor([0.1, 0.05], dtype=torch.float64)[:, None, None, None]
        expected = torch.tensor([20.0, 20 + 20 * math.log10(2)], dtype=torch.float64)
        torch.testing.assert_close(psnr(truth + error, truth), expected)
        assert psnr(truth, truth).tolist() == [math.inf] * 2

    def test_ssim_of_itself_is_one(self) -> None:
        found, truth = noisy_pair()
        torch.testing.assert_close(ssim(truth, truth), torch.ones(3, dtype=torch.float64))
        assert bool((ssim(found, truth) < 0.99).all())
        torch.testing.assert_close(ssim(found, truth), ssim(truth, found))

    def test_ssim_against_a_plain_loop(self) -> None:
        found, truth = noisy_pair(13)
        window = torch.tensor(
            [[math.exp(-(i * i + j * j) / 4.5) for i in range(-5, 6)] for j in range(-5, 6)],
            dtype=torch.float64,
        )
        window = window / window.sum()
        for b in range(3):
            places = []
            for c in range(2):
                for i in range(3):
                    for j in range(3):
                        x = found[b, c, i : i + 11, j : j + 11]
                        y = truth[b, c, i : i + 11, j : j + 11]
                        mx, my = (window * x).sum(), (window * y).sum()
                        vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
                        cov = (window * (x - mx) * (y - my)).sum()
                        up = (2 * mx * my + 1e-4) * (2 * cov + 9e-4)
                        places.append(up / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
            torch.testing.assert_close(ssim(found, truth)[b], torch.stack(places).mean())

    def test_of_a_shifted_image_only_brightness_counts(self) -> None:
        truth = 0.5 * noisy_pair()[1]
        a, b = ssim(truth + 0.1, truth), ssim(truth + 0.4, truth)
        assert bool((a > b).all())

    @pytest.mark.parametrize("quality", [psnr, ssim])
    def test_bad_input(self, quality) -> None:
        good = torch.rand(1, 1, 12, 12)
        for bad in (good + 1, good - 1, good * torch.nan):
            with pytest.raises(ValueError, match=r"found runs from .* scale or clamp it to 0 to 1"):
                quality(bad, good)
        with pytest.raises(ValueError, match="truth runs from 1"):
            quality(good, good + 1)
        with pytest.raises(ValueError, match=r"\(1, 1, 12, 12\) but truth is \(1, 1, 12, 11\)"):
            quality(good, good[..., :11])
        with pytest.raises(ValueError, match=r"shape \(12, 12\); give images \(B, C, H, W\)"):
            quality(good[0, 0], good[0, 0])
        with pytest.raises(TypeError, match="bytes divided by 255"):
            quality((255 * good).byte(), good)

    def test_smaller_than_the_window(self) -> None:
        with pytest.raises(ValueError, match="at least 11 x 11"):
            ssim(torch.zeros(1, 1, 10, 20), torch.zeros(1, 1, 10, 20))

    def test_against_torchmetrics(self) -> None:
        image = pytest.importorskip("torchmetrics.functional.image")
        found, truth = noisy_pair()
        theirs = image.structural_similarity_index_measure(
            found, truth, data_range=1.0, reduction="none"
        )
        # it reflects images at the borders, where ours takes whole windows only
        mirrored = [nn.functional.pad(x, (5, 5, 5, 5), mode="reflect") for x in (found, truth)]
        torch.testing.assert_close(ssim(*mirrored), theirs, rtol=1e-9, atol=1e-9)
        theirs = image.peak_signal_noise_ratio(
            found, truth, data_range=1.0, reduction="none", dim=(1, 2, 3)
        )
        # its log(10) is in single precision
        torch.testing.assert_close(psnr(found, truth), theirs, rtol=1e-6, atol=0)

    def test_against_scikit_image(self) -> None:
        metrics = pytest.importorskip("skimage.metrics")
        found, truth = noisy_pair()
        for b in range(3):
            x, y = found[b].numpy(), truth[b].numpy()
            theirs = metrics.structural_similarity(
                x, y, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5,
                use_sample_covariance=False,
            )  # fmt: skip
            assert float(ssim(found, truth)[b]) == pytest.approx(theirs, abs=1e-9)
            theirs = metrics.peak_signal_noise_ratio(y, x, data_range=1.0)
            assert float(psnr(found, truth)[b]) == pytest.approx(theirs, abs=1e-9)


class TestRain:
    def test_one_streak_is_one_line(self) -> None:
        # density 1 / (many): take a seed with exactly one streak, upright, 3 long
        clear = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
        for seed in range(50):
            rainy = rain_overlay(clear, 0.01, 0, 3, generator=rng(seed))
            rows, columns = torch.nonzero(rainy[0, 0], as_tuple=True)
            if len(rows) == 3 and int(rows.min()) > 0 and int(rows.max()) < 11:
                break
        else:
            pytest.fail("no seed with one streak inside")
        assert len(set(columns.tolist())) == 1
        assert int(rows.max() - rows.min()) == 2
        values = rainy[0, 0][rows, columns]
        assert bool((values == values[0]).all())
        assert BRIGHT / 2 <= float(values[0]) <= BRIGHT

    @settings(max_examples=25)
    @given(
        st.floats(0, 0.2), st.floats(-60, 60), st.floats(1, 12), st.booleans(), st.integers(0, 99)
    )
    def test_stays_within_bounds(
        self, density: float, angle: float, length: float, realistic: bool, seed: int
    ) -> None:
        clear = torch.rand(2, 3, 9, 11, generator=rng(seed))
        rainy = rain_overlay(clear, density, angle, length, realistic, rng(seed))
        assert rainy.shape == clear.shape
        assert float(rainy.min()) >= 0
        assert float(rainy.max()) <= 1
        if not realistic:
            assert bool((rainy >= clear).all())
        again = rain_overlay(clear, density, angle, length, realistic, rng(seed))
        assert torch.equal(rainy, again)

    def test_streaks_of_realistic_rain_come_last(self) -> None:
        # the same seed without streaks: what is left is behind them, and they only brighten it
        clear = scenes(4, 32, rng())
        behind = rain_overlay(clear, 0.0, 0, 7, True, rng(1))
        rainy = rain_overlay(clear, 0.02, 0, 7, True, rng(1))
        assert bool((rainy >= behind - 1e-6).all())
        assert float((rainy - behind).mean()) > 0.02

    def test_haze_takes_contrast(self) -> None:
        clear = scenes(16, 32, rng())
        hazy = rain_overlay(clear, 0.0, 0, 7, True, rng(1))
        assert bool((hazy.std(dim=(1, 2, 3)) < clear.std(dim=(1, 2, 3))).all())
        # of an even image no drop and no contrast is left: t B + (1 - t) A, t from top to bottom
        even = torch.full((1, 3, 20, 10), 0.2, dtype=torch.float64)
        hazy = rain_overlay(even, 0.0, 0, 7, True, rng(1))[0, 0]
        torch.testing.assert_close(hazy, hazy[:, :1].expand(-1, 10))
        assert bool((hazy.diff(dim=0) < 0).all())
        top, bottom = float(hazy[0, 0]), float(hazy[-1, 0])
        assert 0.35 * 0.4 <= top - 0.2 <= 0.65 * 0.6  # (1 - t)(A - B)
        assert bottom - 0.2 == pytest.approx((top - 0.2) / 2)  # t is halfway to 1

    def test_bad_input(self) -> None:
        clear = torch.full((1, 1, 12, 12), 0.5)
        for bad in (clear + 1, clear - 1):
            with pytest.raises(ValueError, match="img runs from"):
                rain_overlay(bad, 0.1, 0, 5)
        with pytest.raises(ValueError, match=r"density is 1\.5"):
            rain_overlay(clear, 1.5, 0, 5)
        with pytest.raises(ValueError, match="angle is 80"):
            rain_overlay(clear, 0.1, 80, 5)
        with pytest.raises(ValueError, match="length is 0"):
            rain_overlay(clear, 0.1, 0, 0)

    def test_scenes(self) -> None:
        found = scenes(8, 24, rng(3))
        assert torch.equal(found, scenes(8, 24, rng(3)))
        assert not torch.equal(found, scenes(8, 24, rng(4)))
        assert float(found.min()) >= 0
        assert float(found.max()) <= 0.9
        with pytest.raises(ValueError, match="at least 1 of at least 8"):
            scenes(1, 7)


class TestDetector:
    @pytest.mark.parametrize(("angle", "row", "column"), [(0, 2, 0), (45, 2, 2), (-45, 2, -2)])
    def test_line_kernel_leans(self, angle: float, row: int, column: int) -> None:
        length = 2 * math.hypot(row, column) + 1
        kernel = line_kernel(angle, length)
        middle = len(kernel) // 2
        assert float(kernel[middle + row, middle + column]) == pytest.approx(1, abs=1e-6)
        torch.testing.assert_close(kernel, kernel.flip(0, 1))
        torch.testing.assert_close(line_kernel(-angle, length), kernel.flip(1))

    def test_fires_on_an_upright_line_only(self) -> None:
        image = torch.zeros(1, 1, 20, 20)
        image[..., :, 10] = 1
        # 16 x 12 places see the line; in 16 of them it is the middle; leaning lines see a part
        assert float(streak_score(image)) >= 16 / (16 * 12)
        assert float(streak_score(image.mT)) == 0
        assert float(streak_score(1 - image)) < float(streak_score(image))

    def test_more_rain_fires_more(self) -> None:
        clear = scenes(32, 32, rng())
        scores = [
            float(streak_score(rain_overlay(clear, d, 10, 9, True, rng(1))).median())
            for d in (0.0, 0.01, 0.03)
        ]
        assert scores[0] < scores[1] < scores[2]

    def test_too_small(self) -> None:
        with pytest.raises(ValueError, match="at least 9 x 9"):
            streak_score(torch.zeros(1, 1, 8, 12))


class TestPatches:
    @settings(max_examples=25)
    @given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
    def test_identity(self, patch: int, rows: int, columns: int, channels: int) -> None:
        images = torch.rand(2, channels, rows * patch, columns * patch)
        patches = patchify(images, patch)
        assert patches.shape == (2, rows * columns, channels * patch**2)
        assert torch.equal(unpatchify(patches, patch, images.shape[-2:]), images)

    def test_a_patch_is_a_square(self) -> None:
        images = torch.rand(1, 2, 6, 9)
        expected = images[0, :, 3:6, 3:6]  # second row, second of three columns: number 4
        assert torch.equal(patchify(images, 3)[0, 4], expected.flatten())

    def test_bad_sizes(self) -> None:
        with pytest.raises(ValueError, match=r"\(30, 32\) cannot be cut into patches of 4"):
            patchify(torch.zeros(1, 1, 30, 32), 4)
        with pytest.raises(ValueError, match="pad or crop"):
            unpatchify(torch.zeros(1, 1, 4), 2, (3, 2))
        with pytest.raises(ValueError, match="patches of 5"):
            DerainViT(image=32, patch=5, dim=8, depth=1, heads=2)
        with pytest.raises(ValueError, match="not a multiple of 3 heads"):
            DerainViT(image=32, patch=8, dim=8, depth=1, heads=3)
        with pytest.raises(ValueError, match=r"\(3, 16, 16\); this DerainViT was built for"):
            DerainViT(image=32, patch=8, dim=8, depth=1, heads=2)(torch.zeros(1, 3, 16, 16))


def models() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return DerainCNN(3, 8, (1, 2)), DerainViT(image=16, patch=4, dim=16, depth=1, heads=2)


class TestDerainers:
    @pytest.mark.parametrize("which", [0, 1])
    def test_starts_at_the_image_and_takes_the_rain_away(self, which: int) -> None:
        model = models()[which].double()
        rainy = torch.rand(2, 3, 16, 16, dtype=torch.float64)
        assert torch.equal(model(rainy), rainy)
        last = model.last if which == 0 else model.out
        nn.init.constant_(last.bias, 0.25)  # rain of 0.25 everywhere
        torch.testing.assert_close(model(rainy), rainy - 0.25)

    def test_vit_sees_the_whole_image_and_the_cnn_its_neighbourhood(self) -> None:
        reach = []
        for model, last in zip(models(), ("last", "out"), strict=True):
            nn.init.normal_(getattr(model, last).weight)
            image = torch.rand(1, 3, 16, 16, requires_grad=True)
            model(image)[0, 0, 0, 0].backward()
            assert image.grad is not None
            reach.append(int(torch.nonzero(image.grad[0].abs().sum(0))[:, 0].max()))
        # 3 x 3 convolutions of dilation 1, 1, 2, 1 reach five pixels far
        assert reach == [5, 15]

    def test_cnn_takes_any_size(self) -> None:
        assert DerainCNN(1, 4, (1,))(torch.rand(1, 1, 7, 13)).shape == (1, 1, 7, 13)
        with pytest.raises(ValueError, match="width 0"):
            DerainCNN(width=0)

    def test_fit_learns_a_constant_veil(self) -> None:
        model, draw = models()[0], rng()

        def pairs() -> tuple[Tensor, Tensor]:
            clear = 0.5 * torch.rand(4, 3, 8, 8, generator=draw)
            return clear + 0.3, clear

        told: list[float] = []
        losses = fit_derainer(model, pairs, 80, advance=told.append)
        assert losses[0] == pytest.approx(0.3)
        assert losses[-1] < 0.03
        assert told[-1] == 1.0
        rainy, clear = pairs()
        assert float(psnr(restore(model, rainy), clear).min()) > 25

    def test_fit_stops_at_no_number(self) -> None:
        calls = []

        def pairs() -> tuple[Tensor, Tensor]:
            calls.append(1)
            clear = torch.zeros(1, 3, 8, 8)
            return clear + (torch.nan if len(calls) == 3 else 0.1), clear

        with pytest.raises(FloatingPointError, match="nan at step 3"):
            fit_derainer(models()[0], pairs, 5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
