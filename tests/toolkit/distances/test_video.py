import pytest
import torch
from torch import Tensor, nn

from hydroml.toolkit.demos.scenes import CLASSES, FRAMES, SIDE, SPEEDS, scenes
from hydroml.toolkit.demos.video import run
from hydroml.toolkit.distances.frechet import FrechetDistance, feature_distance
from hydroml.toolkit.distances.small_i3d import InceptionBlock
from hydroml.toolkit.distances.video import (
    FrechetVideoDistance,
    SmallI3D,
    frame_noise,
    prepared,
    swap,
    temporal_permute,
)


class FrameAndMotion(nn.Module):
    """Mean brightness, and mean change of it from frame to frame squared: known by hand."""

    def forward(self, clips: Tensor) -> Tensor:
        bright = clips.double().mean(dim=(2, 3, 4))
        return torch.stack([bright.mean(1), bright.diff(dim=1).square().mean(1)], dim=1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(clips: int = 5, frames: int = 8) -> Tensor:
    """Frame t of each clip has the value t / frames throughout."""
    return (torch.arange(frames) / frames).reshape(1, -1, 1, 1, 1).expand(clips, -1, 3, 4, 4)


class TestPrepared:
    def test_bytes_and_fractions_agree(self) -> None:
        raw = torch.randint(256, (2, 3, 3, 8, 8), generator=seeded(), dtype=torch.uint8)
        found = prepared(raw, (8, 8))
        torch.testing.assert_close(found, raw.double().div(255).mul(2).sub(1).float())
        torch.testing.assert_close(prepared(raw.float() / 255, (8, 8)), found)

    def test_resizing_is_bilinear_between_pixel_middles(self) -> None:
        # 2 pixels to 4: middles at -1/4 (held), 1/4, 3/4, 5/4 (held) of the way from 0 to 1
        clip = torch.tensor([0.0, 1.0]).expand(1, 1, 1, 2, 2)
        expected = 2 * torch.tensor([0.0, 0.25, 0.75, 1.0]) - 1
        torch.testing.assert_close(prepared(clip, (4, 4))[0, 0, 0, 2], expected)

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match=r"give \(B, T, C, H, W\)"):
            prepared(torch.zeros(2, 3, 8, 8), (8, 8))
        with pytest.raises(ValueError, match="values 0 to 255; give 0 to 1, or uint8"):
            prepared(torch.tensor([0.0, 255.0]).reshape(1, 2, 1, 1, 1), (8, 8))
        with pytest.raises(TypeError, match=r"torch\.int64; give uint8 or floating"):
            prepared(torch.zeros(1, 2, 1, 4, 4, dtype=torch.int64), (8, 8))


class TestDistance:
    def test_equals_the_distance_of_features(self) -> None:
        a, b = (torch.rand(9, 6, 3, 5, 5, generator=seeded(s)) for s in (1, 2))
        metric = FrechetVideoDistance(FrameAndMotion(), size=(5, 5))
        for part in a.split(4):
            metric.update(part, real=True)
        metric.update(b, real=False)
        features = FrameAndMotion()
        expected = feature_distance(features(2 * a - 1), features(2 * b - 1))
        assert float(metric.compute()) == pytest.approx(float(expected), rel=1e-5)

    def test_order_is_seen_by_motion_only(self) -> None:
        clips = torch.rand(12, 1, 1, 1, 1, generator=seeded()) / 2 + numbered(12) / 2
        shuffled = temporal_permute(clips, seeded())
        of_clips = FrechetVideoDistance(FrameAndMotion(), size=(4, 4))
        of_frames = FrechetDistance(lambda x: x.mean(dim=(2, 3)))
        for name, x in ((True, clips), (False, shuffled)):
            of_clips.update(x, name)
            of_frames.update(x.flatten(0, 1), name)
        assert float(of_frames.compute()) == pytest.approx(0, abs=1e-10)
        # in units of one step, 1/8 after scaling: 1 in order; out of order k, l of 0..7 without
        # return, mean of (k - l)^2 = 2 (64 - 1) / 12 * 8 / 7 = 12; means differ by 11 / 64
        assert float(of_clips.compute()) == pytest.approx((11 / 64) ** 2, rel=0.3)


class TestSmallI3D:
    def test_shapes(self) -> None:
        net = SmallI3D(classes=7, channels=1, width=4).eval()
        assert net(torch.zeros(2, FRAMES, 1, SIDE, SIDE)).shape == (2, 7)
        assert net(torch.zeros(1, 4, 1, 16, 16)).shape == (1, 7)
        assert net.body(torch.zeros(1, 1, 16, 64, 64)).shape == (1, 16, 4, 4, 4)

    def test_logits_are_means_over_time(self) -> None:
        net = SmallI3D(classes=3, channels=1, width=2).double().eval()
        clip = torch.rand(1, 16, 1, 32, 32, generator=seeded(), dtype=torch.float64)
        h = net.body(clip.transpose(1, 2))[0].mean(dim=(2, 3))  # (8, 4 times)
        each = torch.stack([net.logits(h[:, t]) for t in range(4)])
        torch.testing.assert_close(net(clip)[0], each.mean(0))

    def test_order_matters(self) -> None:
        torch.manual_seed(0)
        net = SmallI3D(classes=3, channels=1).double().eval()
        clip, other = torch.rand(2, 1, 16, 1, 32, 32, generator=seeded(), dtype=torch.float64)
        away = (net(clip) - net(other)).abs().max()
        assert (net(clip) - net(clip.flip(1))).abs().max() > 0.1 * away > 0

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match="T of at least 4"):
            SmallI3D(3)(torch.zeros(1, 3, 3, 32, 32))
        with pytest.raises(ValueError, match="even number"):
            InceptionBlock(4, 3)


class TestDisturbances:
    def test_any_order_keeps_frames(self) -> None:
        found = temporal_permute(numbered(), seeded())[:, :, 0, 0, 0]
        assert torch.equal(found.sort(1).values, numbered()[:, :, 0, 0, 0])
        assert len({tuple(row.tolist()) for row in found}) > 1

    @pytest.mark.parametrize("local", [False, True])
    def test_one_swap_moves_two_frames(self, local: bool) -> None:
        before = numbered(200)[:, :, 0, 0, 0]
        after = swap(numbered(200), 1, seeded(), local)[:, :, 0, 0, 0]
        moved = after != before
        assert (moved.sum(1) == 2).all()
        places = moved.nonzero()[:, 1].reshape(200, 2)
        apart = places[:, 1] - places[:, 0]
        assert (apart == 1).all() if local else set(apart.tolist()) == set(range(1, 8))

    def test_swaps_follow_one_another(self) -> None:
        assert torch.equal(swap(numbered(), 0, seeded()), numbered())
        found = swap(numbered(50), 30, seeded())[:, :, 0, 0, 0]
        assert torch.equal(found.sort(1).values, numbered(50)[:, :, 0, 0, 0])
        with pytest.raises(ValueError, match="-1 exchanges"):
            swap(numbered(), -1, seeded())

    def test_noise_of_each_frame_is_its_own(self) -> None:
        flat = torch.full((2, 3, 1, 16, 16), 0.5)
        found = frame_noise(flat, 0.5, seeded())
        assert found.shape == flat.shape
        assert float(found.std()) == pytest.approx(0.5 * 0.24, abs=0.02)  # tails are cut
        assert not torch.equal(found[0, 0], found[0, 1])
        with pytest.raises(ValueError, match=r"give \(B, T, C, H, W\)"):
            frame_noise(flat[0], 0.5, seeded())


def test_scenes() -> None:
    clips, labels = scenes(120, seeded())
    assert clips.shape == (120, FRAMES, 1, SIDE, SIDE)
    assert float(clips.min()) >= 0
    assert float(clips.max()) <= 1
    assert set(labels.tolist()) == set(range(CLASSES))
    change = clips.diff(dim=1).square().mean(dim=(1, 2, 3, 4))
    fast = labels % len(SPEEDS) == 1
    assert float(change[fast].mean()) > 2 * float(change[~fast].mean())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
