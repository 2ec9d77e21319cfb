"""Clips of two armies of small units, seen from above: what they do is the label.

Two armies march against each other, one crosses the other's front, both circle, gather, scatter, or
wander; slowly or fast. A still tells little of it: where units are is drawn anew for each clip.
"""

import torch
from torch import Tensor

SIDE, FRAMES, UNITS = 32, 16, 6  # pixels, frames of a clip, units of an army
DEEDS = ("meet", "cross", "circle", "gather", "scatter", "wander")
SPEEDS = (0.35, 0.8)  # pixels a frame
CLASSES = len(DEEDS) * len(SPEEDS)


def scenes(count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw clips.

    Parameters
    ----------
    count : int
        How many.
    rng : torch.Generator
        A CPU generator.

    Returns
    -------
    clips : Tensor
        (count, 16, 1, 32, 32), 0 to 1.
    labels : Tensor
        Deed and speed, 0 to 11, (count,).
    """
    labels = torch.randint(CLASSES, (count,), generator=rng)
    paths = _paths(labels // len(SPEEDS), torch.tensor(SPEEDS)[labels % len(SPEEDS)], rng)
    return _drawn(paths, rng), labels


def _paths(deeds: Tensor, speeds: Tensor, rng: torch.Generator) -> Tensor:
    """Where units are, (count, frames, armies, units, 2) [pixels from the middle]."""
    count = len(deeds)
    ahead = 6.28 * torch.rand(count, 1, 1, generator=rng)  # the first army's way
    side = torch.tensor([1.0, -1.0])[:, None]
    way = torch.stack([ahead.cos(), ahead.sin()], -1) * side[..., None]  # (count, armies, 1, 2)
    across = way.flip(-1) * torch.tensor([1.0, -1.0])
    place = 16 * (torch.rand(count, 2, UNITS, 2, generator=rng) - 0.5)
    middle = 6 * (torch.rand(count, 1, 1, 2, generator=rng) - 0.5)
    out = torch.nn.functional.normalize(place, dim=-1)
    turned = place.flip(-1) * torch.tensor([1.0, -1.0]) / 6
    heading = 6.28 * torch.rand(count, 2, UNITS, generator=rng)
    wander = torch.stack([heading.cos(), heading.sin()], -1)
    first = torch.tensor([1.0, 0.0])[:, None, None]
    crossing = first * way + (1 - first) * across
    zero = torch.zeros_like(place)
    moves = torch.stack([way + zero, crossing + zero, turned, -out, out, wander])
    move = moves[deeds, torch.arange(count)] * speeds[:, None, None, None]
    time = torch.arange(FRAMES) - (FRAMES - 1) / 2
    return (middle + place)[:, None] + time[:, None, None, None] * move[:, None]


def _drawn(paths: Tensor, rng: torch.Generator) -> Tensor:
    """Units as soft dots, the second army darker, on a faint ground."""
    axis = torch.arange(SIDE) - (SIDE - 1) / 2
    down = torch.exp(-((axis - paths[..., :1]) ** 2) / 2)  # (..., units, SIDE)
    right = torch.exp(-((axis - paths[..., 1:]) ** 2) / 2)
    armies = torch.einsum("ntauy,ntaux->ntayx", down, right).clamp(max=1)
    ground = 0.2 + 0.05 * torch.rand(len(paths), 1, SIDE, SIDE, generator=rng)
    return (ground + 0.7 * armies[:, :, 0] - 0.18 * armies[:, :, 1]).clamp(0, 1)[:, :, None]
