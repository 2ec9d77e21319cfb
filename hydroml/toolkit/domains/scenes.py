"""Synthetic street scenes: sky, ground, houses and trees, drawn at random in colour."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["scenes"]

HOUSES, TREES = 3, 2
SKY, GROUND = (0.35, 0.45, 0.60), (0.30, 0.28, 0.25)
"""Mean colours."""
TEXTURE = 0.05


def scenes(count: int, size: int = 32, generator: torch.Generator | None = None) -> Tensor:
    """Draw scenes.

    Parameters
    ----------
    count : int
        How many.
    size : int
        Height and width, at least 8.
    generator : torch.Generator, optional
        The same one draws the same scenes.

    Returns
    -------
    Tensor
        (count, 3, size, size), values 0 to 0.9.

    Raises
    ------
    ValueError
        Fewer than one scene, or smaller than 8.

    Examples
    --------
    >>> scenes(2, 16, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 16, 16])
    """
    if count < 1 or size < 8:
        raise ValueError(f"{count} scenes of size {size}: ask for at least 1 of at least 8.")
    axis = (torch.arange(size) + 0.5) / size
    row, column = axis.view(1, 1, -1, 1), axis.view(1, 1, 1, -1)

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, channels, 1, 1, generator=generator)

    horizon = uniform(0.35, 0.65)
    sky = _colour(SKY) + uniform(-0.15, 0.15) + uniform(-0.1, 0.1) * row
    ground = _colour(GROUND) + uniform(-0.1, 0.15) + uniform(-0.04, 0.04, 3)
    image = torch.where(row < horizon, sky, ground).expand(count, 3, size, size)
    for _ in range(HOUSES):
        left, width, height = uniform(-0.1, 0.9), uniform(0.12, 0.3), uniform(0.15, 0.4)
        inside = (column > left) & (column < left + width)
        inside = inside & (row > horizon - height) & (row < horizon + 0.1)
        image = torch.where(inside, uniform(0.1, 0.55) + uniform(-0.1, 0.1, 3), image)
    for _ in range(TREES):
        middle, radius = uniform(0, 1), uniform(0.08, 0.16)
        inside = (column - middle) ** 2 + (row - horizon) ** 2 < radius**2
        image = torch.where(inside, _colour((0.12, 0.25, 0.1)) * uniform(0.6, 1.4), image)
    noise = torch.rand(count, 1, size + 2, size + 2, generator=generator) - 0.5
    return (image + 3 * TEXTURE * F.avg_pool2d(noise, 3, stride=1)).clamp(0, 0.9)


def _colour(rgb: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rgb).view(1, 3, 1, 1)
