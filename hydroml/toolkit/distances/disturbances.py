"""Disturbances of pictures, each with one strength: what a distance of pictures must notice.

    noise             (1 - a) x + a n            blur              Gaussian of sigma pixels
    black rectangles  x = 0 within               salt and pepper   x = 0 or 1 at a share of pixels
    swirl             turned by angle (1 - r / R)^2 at the distance r < R of the middle
    mixing            a share of the pictures comes from another set

Strength 0 gives pictures back as they are. The kinds are those of Heusel et al. (2017,
arXiv:1706.08500); what the strength is measured in is our choice.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["black_rectangles", "blur", "mixing", "noise", "salt_and_pepper", "swirl"]


def noise(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Blend pictures with normal noise of mean 1/2 and deviation 1/4, cut to 0 to 1.

    Parameters
    ----------
    x : Tensor
        (N, C, H, W), 0 to 1.
    share : float
        a of ``(1 - a) x + a n``, 0 to 1.
    generator : torch.Generator
        On the device of `x`.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> bool((noise(torch.ones(1, 1, 4, 4), 0.0, g) == 1).all())
    True
    """
    _check_pictures(x)
    _check_share(share)
    blank = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return (1 - share) * x + share * (0.5 + 0.25 * blank).clamp(0, 1)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Smooth with a Gaussian of standard deviation `sigma` [pixels]; edges are repeated.

    Parameters
    ----------
    x : Tensor
        (N, C, H, W).
    sigma : float
        At least 0.

    Examples
    --------
    A flat picture stays flat.

    >>> bool(torch.allclose(blur(torch.full((1, 1, 8, 8), 0.3), 2.0), torch.tensor(0.3)))
    True
    """
    _check_pictures(x)
    if sigma < 0:
        raise ValueError(f"sigma is {sigma}; give at least 0 pixels.")
    if sigma == 0:
        return x.clone()
    reach = math.ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.softmax(-steps.square() / (2 * sigma**2), dim=0)
    height, width = x.shape[-2:]
    flat = F.pad(x.reshape(-1, 1, height, width), (reach,) * 4, mode="replicate")
    flat = F.conv2d(F.conv2d(flat, kernel.reshape(1, 1, 1, -1)), kernel.reshape(1, 1, -1, 1))
    return flat.reshape(x.shape)


def black_rectangles(x: Tensor, share: float, generator: torch.Generator, count: int = 5) -> Tensor:
    """Black out `count` rectangles at random places of each picture; they may overlap.

    Parameters
    ----------
    x : Tensor
        (N, C, H, W).
    share : float
        Of height and of width that a rectangle takes, 0 to 1.
    generator : torch.Generator
        On the device of `x`.
    count : int
        Rectangles of a picture.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> int((black_rectangles(torch.ones(1, 1, 8, 8), 0.25, g, count=1) == 0).sum())
    4
    """
    _check_pictures(x)
    _check_share(share)
    free = torch.ones(len(x), *x.shape[-2:], dtype=torch.bool, device=x.device)
    for _ in range(count):
        spans = []
        for size in x.shape[-2:]:
            side = round(share * size)
            corner = torch.rand(len(x), 1, generator=generator, device=x.device)
            first = (corner * (size - side + 1)).long()
            place = torch.arange(size, device=x.device)
            spans.append((place >= first) & (place < first + side))
        free &= ~(spans[0][:, :, None] & spans[1][:, None, :])
    return x * free[:, None]


def swirl(x: Tensor, angle: float) -> Tensor:
    """Turn pictures about their middle, by `angle` [rad] there and by nothing at the edge.

    Parameters
    ----------
    x : Tensor
        (N, C, H, W).
    angle : float
        In the middle; ``angle (1 - r)^2`` at r half sides away.

    Examples
    --------
    >>> x = torch.rand(1, 1, 5, 5)
    >>> torch.testing.assert_close(swirl(x, 0.0), x)
    """
    _check_pictures(x)
    height, width = x.shape[-2:]
    down = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype)[:, None]
    right = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype)[None]
    turn = angle * (1 - torch.hypot(down, right)).clamp(min=0).square()
    sin, cos = turn.sin(), turn.cos()
    grid = torch.stack([cos * right - sin * down, sin * right + cos * down], dim=-1)
    grid = grid.expand(len(x), height, width, 2)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=True)


def salt_and_pepper(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Set a share of the pixels to 0 or 1, all channels alike.

    Parameters
    ----------
    x : Tensor
        (N, C, H, W).
    share : float
        Chance of a pixel to be hit, 0 to 1.
    generator : torch.Generator
        On the device of `x`.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> sorted(salt_and_pepper(torch.full((1, 1, 9, 9), 0.5), 1.0, g).unique().tolist())
    [0.0, 1.0]
    """
    _check_pictures(x)
    _check_share(share)
    draw = torch.rand(len(x), 1, *x.shape[-2:], generator=generator, device=x.device)
    return torch.where(draw < share, (draw < share / 2).to(x), x)


def mixing(x: Tensor, other: Tensor, share: float) -> Tensor:
    """Replace the first ``round(share N)`` pictures by those of another set.

    Parameters
    ----------
    x, other : Tensor
        (N, ...) and (M, ...) with M of at least that number.
    share : float
        0 to 1.

    Examples
    --------
    >>> mixing(torch.zeros(4, 1), torch.ones(4, 1), 0.5).sum()
    tensor(2.)
    """
    _check_share(share)
    replaced = round(share * len(x))
    if replaced > len(other):
        raise ValueError(
            f"The other set has {len(other)} pictures, {replaced} are needed; give more of them."
        )
    return torch.cat([other[:replaced], x[replaced:]])


def _check_pictures(x: Tensor) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            f"Pictures have the shape {tuple(x.shape)} and type {x.dtype}; give (N, C, H, W) of "
            "floating point, 0 to 1."
        )


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"The share is {share}; give 0 to 1.")
