"""Made-up scenes of a scanner: hollow boxes among walls, poles, ground and stray points.

A box shows its four sides and its top, each as densely as chance will have it (some hardly at all),
with points moved by a little noise. Walls and poles are boxes, too, but too thin to be meant. The
reflectance tells nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["REACH", "SIZE", "Scene", "draw_scene", "shell_points"]

REACH = 10.0
"""Scenes lie within x and y of -10 to 10 m."""

SIZE = (3.0, 1.5, 1.4)
"""Length, width, height [m] of a box in the middle of those drawn."""

SPREAD, APART, MARGIN = 0.15, 4.0, 2.0  # share of a size; least distance and distance to rim [m]
NOISE = 0.03  # [m]
POINTS, CLUTTER_POINTS = (60, 200), (40, 120)  # of a box; of a wall or a pole
GROUND, STRAY = 400, 200
WALL, POLE = (3.0, 0.15, 1.6), (0.25, 0.25, 2.0)  # [m]


@dataclass(frozen=True)
class Scene:
    """Points (N, 4) and boxes (K, 7), in metres and radians."""

    points: Tensor
    boxes: Tensor


def draw_scene(generator: torch.Generator) -> Scene:
    """Draw a scene with 1 to 4 boxes and, as far as there is room, 2 to 4 walls and poles each.

    Parameters
    ----------
    generator : torch.Generator
        Source of chance.

    Returns
    -------
    Scene
        Points in random order. Things stand at least 4 m apart, boxes at least 2 m from the rim.

    Examples
    --------
    >>> scene = draw_scene(torch.Generator().manual_seed(0))
    >>> scene.points.shape[1], 1 <= len(scene.boxes) <= 4
    (4, True)
    """
    boxes, walls, poles = (_count(low, 4, generator) for low in (1, 2, 2))
    places = _places(boxes + walls + poles, generator)
    things = [
        _thing(place, size, generator)
        for place, size in zip(
            places, [SIZE] * boxes + [WALL] * walls + [POLE] * poles, strict=False
        )
    ]
    clouds = [_ground(generator), _stray(generator)]
    for i, thing in enumerate(things):
        count = _count(*(POINTS if i < boxes else CLUTTER_POINTS), generator)
        clouds.append(shell_points(thing, count, generator))
    cloud = torch.cat(clouds)
    cloud = cloud + NOISE * torch.randn(cloud.shape, generator=generator)
    points = torch.cat([cloud, torch.rand(len(cloud), 1, generator=generator)], dim=1)
    return Scene(
        points[torch.randperm(len(points), generator=generator)], torch.stack(things[:boxes])
    )


def shell_points(box: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points on the four sides and the top of a box.

    Parameters
    ----------
    box : Tensor
        (7,).
    count : int
        How many.
    generator : torch.Generator
        Source of chance.

    Returns
    -------
    Tensor
        (count, 3), without noise.
    """
    length, width, height = box[3:6].tolist()
    area = torch.tensor([width * height] * 2 + [length * height] * 2 + [length * width])
    seen = area * (0.1 + 0.9 * torch.rand(5, generator=generator))
    face = torch.multinomial(seen, count, replacement=True, generator=generator)
    own = torch.rand(count, 3, generator=generator) - 0.5
    axis = torch.tensor([0, 0, 1, 1, 2])[face]
    side = torch.tensor([-0.5, 0.5, -0.5, 0.5, 0.5])[face]
    own = own.scatter(1, axis[:, None], side[:, None]) * box[3:6]
    cos, sin = box[6].cos(), box[6].sin()
    x, y = own[:, 0] * cos - own[:, 1] * sin, own[:, 0] * sin + own[:, 1] * cos
    return torch.stack([x, y, own[:, 2]], dim=1) + box[:3]


def _count(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (1,), generator=generator))


def _places(count: int, generator: torch.Generator) -> Tensor:
    """Places (at most `count`, 2) that keep their distance, the earlier ones first."""
    rim = REACH - MARGIN
    tried = (torch.rand(60 * count, 2, generator=generator) * 2 - 1) * rim
    near = torch.cdist(tried, tried) < APART
    kept: list[int] = []
    for i in range(len(tried)):
        if len(kept) < count and not near[i, kept].any():
            kept.append(i)
    return tried[kept]


def _thing(place: Tensor, size: tuple[float, float, float], generator: torch.Generator) -> Tensor:
    """Box (7,) of about the size, turned anyhow, on ground that is not quite level."""
    draw = torch.rand(5, generator=generator)
    own = torch.tensor(size) * (1 + SPREAD * (2 * draw[:3] - 1))
    z = own[2] / 2 + 0.2 * draw[3]
    return torch.cat([place, z[None], own, draw[4:] * torch.pi])


def _ground(generator: torch.Generator) -> Tensor:
    xy = (torch.rand(GROUND, 2, generator=generator) * 2 - 1) * REACH
    return torch.cat([xy, torch.zeros(GROUND, 1)], dim=1)


def _stray(generator: torch.Generator) -> Tensor:
    draw = torch.rand(STRAY, 3, generator=generator)
    return (draw * 2 - torch.tensor([1.0, 1.0, 0.0])) * torch.tensor([REACH, REACH, 1.2])
