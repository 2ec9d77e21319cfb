"""The Frechet distance in small: it rises with every disturbance of synthetic pictures."""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.distances.disturbances import (
    black_rectangles,
    blur,
    mixing,
    noise,
    salt_and_pepper,
    swirl,
)
from hydroml.toolkit.distances.frechet import FrechetDistance, frechet_distance

SIDE, SHAPES, STRIPES = 32, 3, 3  # pixels; discs, squares, crosses; lying, standing, none
TRAIN, SET = 3000, 2000  # pictures to train with, and of each of the sets that are compared
FEATURES, STEPS, BATCH, RATE = 32, 900, 64, 2e-3
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the strongest disturbance
STRONGEST = {"noise": 0.6, "blur": 3.0, "black rectangles": 0.4, "swirl": 4.0,
             "salt and pepper": 0.3, "mixing": 1.0}  # fmt: skip
COVERING = (
    "black rectangles"  # at 3/4 of the strongest 38 % of a picture is black, at the strongest 58 %
)


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train a small network to name shapes and stripes; disturb; take distances of its features.

    Parameters
    ----------
    seed : int
        Of pictures, network and disturbances.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Distances by kind and level of disturbance.
    """
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    extractor, right = _train(rng, lambda done: advance(0.5 * done))
    real, fresh = _pictures(SET, rng)[0], _pictures(SET, rng)[0]
    metric = FrechetDistance(extractor)
    _feed(metric, real, real=True)
    curves: dict[str, list[float]] = {}
    disturbed: dict[str, Tensor] = {}
    for i, (kind, disturb) in enumerate(_disturbances(rng).items()):
        sets = [disturb(fresh, level * STRONGEST[kind]) for level in LEVELS]
        curves[kind] = [_distance(metric, pictures) for pictures in sets]
        disturbed[kind] = sets[2][:4]
        advance(0.5 + 0.5 * (i + 1) / len(STRONGEST))
    itself = _distance(metric, real)
    return Demo(_findings(curves, itself, right), _panels(curves, disturbed, fresh), _note(seed))


def _disturbances(rng: torch.Generator) -> dict[str, Callable[[Tensor, float], Tensor]]:
    other = _other(rng)
    return {
        "noise": lambda x, a: noise(x, a, rng),
        "blur": blur,
        "black rectangles": lambda x, a: black_rectangles(x, a, rng),
        "swirl": swirl,
        "salt and pepper": lambda x, a: salt_and_pepper(x, a, rng),
        "mixing": lambda x, a: mixing(x, other, a),
    }


def _findings(curves: dict[str, list[float]], itself: float, right: float) -> tuple[Finding, ...]:
    one = torch.ones(1, dtype=torch.float64)
    ten = float(frechet_distance(0 * one, one[None], 3 * one, 4 * one[None]))
    rising = tuple(_rise(kind, curve) for kind, curve in curves.items())
    last = curves[COVERING][-1] / curves[COVERING][-2]
    return (
        Finding("N(0, 1) against N(3, 4)", "10", ten, ten == 10),
        Finding("a set against itself", "0 to 1e-9", itself, abs(itself) < 1e-9),
        Finding("new pictures named right by the extractor", "orientation", right),
        *rising,
        Finding(f"{COVERING}: the strongest over 3/4 of it", "orientation (does not always rise)",
                last),
    )  # fmt: skip


def _rise(kind: str, curve: list[float]) -> Finding:
    tested = curve[:-1] if kind == COVERING else curve
    levels = "0, 1/4, 1/2 and 3/4" if kind == COVERING else "0, 1/4, 1/2, 3/4 and 1"
    return Finding(
        f"{kind}: distance at {levels} of the strongest", "every step above the one before",
        " ".join(f"{d:.3g}" for d in tested), all(a < b for a, b in pairwise(tested)),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"Sets of {SET} pictures, {SIDE} x {SIDE}; features: {FEATURES} of a network trained to "
        f"name {SHAPES} shapes and {STRIPES} kinds of stripes on {TRAIN} pictures. Level 0 is a "
        f"second set of the same kind. Pictures and network are our design; seed {seed}."
    )


def _distance(metric: FrechetDistance, pictures: Tensor) -> float:
    metric.reset(real=False)
    _feed(metric, pictures, real=False)
    return float(metric.compute())


def _feed(metric: FrechetDistance, pictures: Tensor, real: bool) -> None:
    for part in pictures.split(500):
        metric.update(part, real=real)


def _pictures(count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a bright shape on stripes, (n, 1, SIDE, SIDE), and its kind (n,)."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=rng)

    shape = torch.randint(SHAPES, (count,), generator=rng)
    stripe = torch.randint(STRIPES, (count,), generator=rng)
    axis = torch.arange(SIDE).float()
    down, right = axis[:, None] - uniform(10, 22), axis[None] - uniform(10, 22)
    size = uniform(5, 8)
    disc = torch.hypot(down, right) < size
    square = torch.maximum(down.abs(), right.abs()) < 0.85 * size
    cross = torch.minimum(down.abs(), right.abs()) < 0.35 * size
    cross &= torch.maximum(down.abs(), right.abs()) < 1.2 * size
    mask = torch.stack([disc, square, cross])[shape, torch.arange(count)]
    wave, phase = 6.28 / uniform(5, 8), uniform(0, 6.28)
    lying, standing = (wave * down + phase).sin(), (wave * right + phase).sin()
    waves = torch.stack(torch.broadcast_tensors(lying, standing, torch.zeros_like(disc.float())))
    ground = 0.35 + 0.15 * waves[stripe, torch.arange(count)]
    picture = torch.where(mask, uniform(0.7, 0.95).expand_as(ground), ground)
    picture = picture + 0.03 * torch.randn(picture.shape, generator=rng)
    return picture.clamp(0, 1)[:, None], shape * STRIPES + stripe


def _other(rng: torch.Generator) -> Tensor:
    """Draw pictures of another kind: smooth clouds."""
    coarse = torch.rand(SET, 1, 6, 6, generator=rng)
    return F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=True).clamp(0, 1)


def _train(rng: torch.Generator, advance: Advance) -> tuple[nn.Module, float]:
    """Train to name what is drawn; hand the network back without its last layer."""
    body = nn.Sequential(
        nn.Conv2d(1, 12, 5, stride=2, padding=2), nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(24, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 4 * 4, FEATURES), nn.Tanh(),
    )  # fmt: skip
    head = nn.Linear(FEATURES, SHAPES * STRIPES)
    pictures, kinds = _pictures(TRAIN, rng)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=RATE)
    for step in range(STEPS):
        chosen = torch.randint(TRAIN, (BATCH,), generator=rng)
        loss = F.cross_entropy(head(body(pictures[chosen])), kinds[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        advance((step + 1) / STEPS)
    fresh, truth = _pictures(1000, rng)
    with torch.no_grad():
        right = float((head(body(fresh)).argmax(1) == truth).float().mean())
    return body.eval(), right


def _panels(
    curves: dict[str, list[float]], disturbed: dict[str, Tensor], fresh: Tensor
) -> tuple[Panel, ...]:
    rows = [fresh[:4], *disturbed.values()]
    image = torch.cat([torch.cat(list(row[:, 0]), dim=1) for row in rows])
    lines = tuple(Series(LEVELS, curve, kind) for kind, curve in curves.items())
    return (
        Panel("Distance to real pictures", "share of the strongest disturbance [-]",
              "Frechet distance [-]", lines, log_y=True),
        Panel("Undisturbed; at 1/2: " + ", ".join(disturbed), "pixel", "pixel", image=image),
    )  # fmt: skip
