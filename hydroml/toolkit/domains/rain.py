"""Rain on a clear image, in the simple way and in a more realistic one.

Simple overlay adds bright streaks R, 0 to 1, and clips,

    I = min(1, B + 0.7 R) .

Realistic rain does four things, one after the other: drops on the lens show what is behind them
upside down and shrunk; contrast c is lost about the mean; haze of brightness A comes in, more of it
far away (at the top of the image), with transmission t; and streaks, out of focus (R blurred) and
translucent, cover what is behind them,

    I = (1 - 0.6 R) J + 0.6 R . 0.9,    J = t (m + c (D(B) - m)) + (1 - t) A .

It is our design: no rain of the paper (arXiv:2305.12983) is public.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from hydroml.toolkit.domains.image_quality import require_unit_images
from hydroml.toolkit.domains.streaks import line_kernel

__all__ = ["rain_overlay", "shower"]

BRIGHT, COVER, LIGHT = 0.7, 0.6, 0.9
DROPS, RADIUS, SHRINK = 4, (0.06, 0.12), 2.0
CONTRAST, AIR, CLEAR = (0.6, 0.9), (0.6, 0.8), (0.35, 0.65)
"""Ranges of c, of A, and of t at the top of the image; halfway to 1 at its bottom."""


def rain_overlay(
    img: Tensor,
    density: float,
    angle: float,
    length: float,
    realistic: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Let it rain.

    Parameters
    ----------
    img : Tensor
        Clear images (B, C, H, W), values 0 to 1.
    density : float
        Chance that a streak is centred on a pixel, 0 to 1.
    angle : float
        Of the streaks from the vertical, lower end to the right if positive [degrees].
    length : float
        Of the streaks [pixels].
    realistic : bool
        With drops, loss of contrast and haze, and streaks that are translucent and out of focus.
    generator : torch.Generator, optional
        On the device of `img`; the same one draws the same rain.

    Returns
    -------
    Tensor
        (B, C, H, W), values 0 to 1.

    Raises
    ------
    ValueError
        Values outside 0 to 1; a density, an angle or a length beyond bounds.

    Examples
    --------
    >>> clear = torch.zeros(1, 1, 16, 16)
    >>> bool((rain_overlay(clear, 0.0, 10, 7) == clear).all())
    True
    >>> rain_overlay(clear, 1.0, 10, 7).mean()
    tensor(0.7000)
    """
    require_unit_images(img, "img")
    if not 0 <= density <= 1:
        raise ValueError(f"density is {density}; give streaks per pixel, 0 to 1.")
    streaks = _streaks(img, density, line_kernel(angle, length).to(img), generator)
    if not realistic:
        return (img + BRIGHT * streaks).clamp(max=1)
    hazy = _haze(_through_drops(img, generator), generator)
    cover = COVER * _blur(streaks)
    return ((1 - cover) * hazy + cover * LIGHT).clamp(0, 1)


def shower(
    img: Tensor, realistic: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """Let it rain as it may: density, angle and length are drawn once for the batch.

    Parameters
    ----------
    img : Tensor
        Clear images (B, C, H, W), values 0 to 1.
    realistic : bool
        As in `rain_overlay`.
    generator : torch.Generator, optional
        On the device of `img`.

    Returns
    -------
    Tensor
        (B, C, H, W), with density 0.01 to 0.03, angle -20 to 20 degrees, length 5 to 13 pixels.

    Examples
    --------
    >>> shower(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """
    dense, lean, far = torch.rand(3, generator=generator, device=img.device).tolist()
    return rain_overlay(img, 0.01 + 0.02 * dense, 40 * lean - 20, 5 + 8 * far, realistic, generator)


def _streaks(
    img: Tensor, density: float, kernel: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Lines about centres that may lie outside the image, (B, 1, H, W)."""
    reach = len(kernel) // 2
    shape = (len(img), 1, img.shape[2] + 2 * reach, img.shape[3] + 2 * reach)
    there = torch.rand(shape, generator=generator, device=img.device, dtype=img.dtype) < density
    opacity = 0.5 + 0.5 * torch.rand(shape, generator=generator, device=img.device, dtype=img.dtype)
    return F.conv2d(there * opacity, kernel[None, None]).clamp(max=1)


def _through_drops(img: Tensor, generator: torch.Generator | None) -> Tensor:
    """Look through drops: at p inside one with centre m stands what is at m - 2 (p - m)."""
    axes = [torch.linspace(-1, 1, n, device=img.device, dtype=img.dtype) for n in img.shape[2:]]
    row, column = torch.meshgrid(*axes, indexing="ij")
    place = torch.stack([column, row], dim=-1)[None].expand(len(img), -1, -1, -1)  # (B, H, W, 2)
    look = place
    for _ in range(DROPS):
        middle = _uniform(img, (-1, 1), 2, generator)[:, None, None, :]
        low, high = RADIUS
        radius = _uniform(img, (2 * low, 2 * high), 1, generator)[:, None, None, :]
        away = place - middle
        inside = away.square().sum(dim=-1, keepdim=True) < radius**2
        look = torch.where(inside, middle - SHRINK * away, look)
    return F.grid_sample(img, look, padding_mode="border", align_corners=True)


def _haze(img: Tensor, generator: torch.Generator | None) -> Tensor:
    """Lose contrast about the mean, then mix with the brightness of the air."""
    contrast, air, top = (
        _uniform(img, bounds, 1, generator)[:, :, None, None] for bounds in (CONTRAST, AIR, CLEAR)
    )
    mean = img.mean(dim=(1, 2, 3), keepdim=True)
    row = torch.linspace(0, 1, img.shape[2], device=img.device, dtype=img.dtype).view(1, 1, -1, 1)
    t = top + (1 - top) * row / 2
    return t * (mean + contrast * (img - mean)) + (1 - t) * air


def _blur(x: Tensor) -> Tensor:
    """Put out of focus, with weights 1 2 1 along rows and columns."""
    weights = torch.tensor([0.25, 0.5, 0.25]).to(x)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, torch.outer(weights, weights)[None, None])


def _uniform(
    img: Tensor, bounds: tuple[float, float], size: int, generator: torch.Generator | None
) -> Tensor:
    low, high = bounds
    shape = (len(img), size)
    draw = torch.rand(shape, generator=generator, device=img.device, dtype=img.dtype)
    return low + (high - low) * draw
