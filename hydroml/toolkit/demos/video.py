"""The Frechet sequence distance in small: out of order is seen, where single frames look right."""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.scenes import CLASSES, FRAMES, SIDE, scenes
from hydroml.toolkit.distances.frechet import FrechetDistance
from hydroml.toolkit.distances.video import (
    FrechetVideoDistance,
    SmallI3D,
    frame_noise,
    prepared,
    swap,
    temporal_permute,
)

TRAIN, SET = 800, 400  # clips to train with, and of each set that is compared
STEPS, BATCH, RATE = 240, 32, 3e-3
FRAME_FEATURES = 16
NOISES = (0.1, 0.2, 0.4)
SWAPS = (1, 3, 9)


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train a small network to name what happens in scenes; disturb clips; take distances.

    Parameters
    ----------
    seed : int
        Of scenes, network and disturbances.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Distances of clips and of their single frames.
    """
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = _train(rng, lambda done: advance(0.8 * done))
    real, fresh = scenes(SET, rng)[0], scenes(SET, rng)[0]
    of_clips = FrechetVideoDistance(network, (SIDE, SIDE))
    of_frames = FrechetDistance(_frame_network())
    _feed(of_clips, real, True)
    _feed(of_frames, real.flatten(0, 1), True)
    disturbed = _disturbed(fresh, rng)
    found = {}
    for i, (name, clips) in enumerate(disturbed.items()):
        frames = clips.flatten(0, 1)
        found[name] = (_distance(of_clips, clips), _distance(of_frames, frames))
        advance(0.8 + 0.2 * (i + 1) / len(disturbed))
    itself = _distance(of_clips, real)
    return Demo(
        _findings(found, itself, _right(network, rng)), _panels(found, disturbed), _note(seed)
    )


def _disturbed(fresh: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    found = {"untouched": fresh}
    found |= {f"noise {s:.0%}": frame_noise(fresh, s, rng) for s in NOISES}
    found |= {f"{n} swaps": swap(fresh, n, rng) for n in SWAPS}
    found["swaps of neighbours"] = swap(fresh, FRAMES, rng, local=True)
    found["any order"] = temporal_permute(fresh, rng)
    found["interleaved"] = _interleaved(fresh)
    return found


def _interleaved(clips: Tensor) -> Tensor:
    """Every second frame from another clip; all frames of the set stay in it."""
    odd = (torch.arange(clips.shape[1]) % 2 == 1)[:, None, None, None]
    return torch.where(odd, clips.roll(1, dims=0), clips)


def _findings(
    found: dict[str, tuple[float, float]], itself: float, right: float
) -> tuple[Finding, ...]:
    clip, frame = ({n: f[i] for n, f in found.items()} for i in (0, 1))
    floor = clip["untouched"]
    out_of_order = ("any order", "interleaved")
    least = min(clip[n] for n in out_of_order) / floor
    still = max(abs(frame[n] / frame["untouched"] - 1) for n in (*out_of_order, "9 swaps"))
    noises, swaps = [f"noise {s:.0%}" for s in NOISES], [f"{n} swaps" for n in SWAPS]
    return (
        Finding("clips against themselves", "below 1e-9", itself, abs(itself) < 1e-9),
        Finding("frames in any order, interleaved clips: distance of clips [times untouched]",
                "above 5", least, least > 5),
        Finding("the same: change of the distance of single frames", "below 1e-6", still,
                still < 1e-6),
        _rising("distance of clips, 1, 3, 9 swaps [times untouched]", swaps, clip),
        _rising("distance of clips, noise 10, 20, 40 % [times untouched]", noises, clip),
        _rising("distance of single frames, the same noise [times untouched]", noises, frame),
        Finding("16 swaps of neighbours [times untouched]", "orientation",
                clip["swaps of neighbours"] / floor),
        Finding(f"new clips named right (chance {1 / CLASSES:.2f})", "orientation", right),
    )  # fmt: skip


def _rising(what: str, names: list[str], distances: dict[str, float]) -> Finding:
    floor = distances["untouched"]
    steps = [floor, *(distances[n] for n in names)]
    measured = " ".join(f"{d / floor:.3g}" for d in steps[1:])
    return Finding(what, "rising, all above 1", measured, all(a < b for a, b in pairwise(steps)))


def _note(seed: int) -> str:
    return (
        f"Sets of {SET} clips, {FRAMES} frames of {SIDE} x {SIDE}, two armies. Features: "
        f"{CLASSES} logits of a small I3D trained for {STEPS} steps on {TRAIN} clips to name deed "
        f"and speed; of frames: {FRAME_FEATURES} of a fixed random network. Untouched: new clips "
        f"of the same kind. Scenes and sizes are our design; seed {seed}."
    )


def _train(rng: torch.Generator, advance: Callable[[float], None]) -> SmallI3D:
    clips, labels = scenes(TRAIN, rng)
    clips = prepared(clips, (SIDE, SIDE))
    network = SmallI3D(CLASSES, channels=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for step in range(STEPS):
        chosen = torch.randint(TRAIN, (BATCH,), generator=rng)
        loss = F.cross_entropy(network(clips[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        advance((step + 1) / STEPS)
    return network.eval()


@torch.no_grad()
def _right(network: SmallI3D, rng: torch.Generator) -> float:
    clips, labels = scenes(300, rng)
    return float((network(prepared(clips, (SIDE, SIDE))).argmax(1) == labels).float().mean())


def _frame_network() -> nn.Module:
    """Look at single frames: filters with random weights, mean answers."""
    return nn.Sequential(
        nn.Conv2d(1, FRAME_FEATURES, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2),
        nn.ReLU(), nn.Conv2d(16, FRAME_FEATURES, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def _distance(metric: FrechetDistance, things: Tensor) -> float:
    metric.reset(real=False)
    _feed(metric, things, False)
    return float(metric.compute())


def _feed(metric: FrechetDistance, things: Tensor, real: bool) -> None:
    for part in things.split(100 if things.ndim == 5 else 1600):
        metric.update(part, real)


def _panels(
    found: dict[str, tuple[float, float]], disturbed: dict[str, Tensor]
) -> tuple[Panel, ...]:
    names = list(found)
    of_clips, of_frames = ([found[n][i] / found["untouched"][i] for n in names] for i in (0, 1))
    shown = ("untouched", "any order", "noise 20%")
    rows = [torch.cat(list(disturbed[n][0, ::2, 0]), dim=1) for n in shown]
    return (
        Panel("Clips, by a small I3D", "", "Frechet sequence distance [times untouched]",
              (Series(names, of_clips, kind="bars"),), log_y=True),
        Panel("Their single frames", "", "Frechet distance [times untouched]",
              (Series(names, of_frames, kind="bars"),), log_y=True),
        Panel("Every second frame: " + ", ".join(shown), "pixel", "pixel", image=torch.cat(rows)),
    )  # fmt: skip
