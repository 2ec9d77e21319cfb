"""A streak of rain: how one is drawn, and a fixed detector of them.

A streak is a bright line, about a pixel wide, leaning by an angle from the vertical. The detector
takes the mean brightness m along a line of five pixels through each pixel and asks by how much it
is above that of *both* parallel lines, two pixels to the left and to the right,

    response = max over angles of  m(x) - max( m(x - 2), m(x + 2) ) .

An edge is bright on one side only and gives none. The score of an image is the share of its pixels
whose response is above 0.02. Line and threshold were chosen to tell `rain_overlay`, realistic, from
clear `scenes`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hydroml.toolkit.domains.image_quality import require_unit_images

__all__ = ["line_kernel", "streak_score"]

ANGLES, LINE, ASIDE = (-20.0, -10.0, 0.0, 10.0, 20.0), 5.0, 2
THRESHOLD = 0.02


def line_kernel(angle: float, length: float) -> Tensor:
    """Draw one streak.

    Parameters
    ----------
    angle : float
        From the vertical, its lower end to the right if positive [degrees], within -60 to 60.
    length : float
        [pixels], at least 1.

    Returns
    -------
    Tensor
        (K, K), K odd; 1 on the line, falling to 0 at a distance of one pixel.

    Raises
    ------
    ValueError
        An angle or a length beyond those bounds.

    Examples
    --------
    >>> line_kernel(0, 3)
    tensor([[0., 1., 0.],
            [0., 1., 0.],
            [0., 1., 0.]])
    """
    if not abs(angle) <= 60:
        raise ValueError(f"angle is {angle} degrees from the vertical; give -60 to 60.")
    if not 1 <= length < math.inf:
        raise ValueError(f"length is {length} pixels; give at least 1.")
    half = (length - 1) / 2
    reach = math.ceil(half)
    away = torch.arange(-reach, reach + 1.0)
    row, column = away[:, None], away[None, :]
    down, right = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    along = (row * down + column * right).clamp(-half, half)
    distance = torch.hypot(row - along * down, column - along * right)
    return (1 - distance).clamp(min=0)


def streak_score(img: Tensor) -> Tensor:
    """Share of pixels where the streak detector fires.

    Parameters
    ----------
    img : Tensor
        (B, C, H, W), values 0 to 1, at least 9 high and wide; channels are averaged.

    Returns
    -------
    Tensor
        (B,), 0 to 1.

    Raises
    ------
    ValueError
        Values outside 0 to 1, or an image too small for the line.

    Examples
    --------
    A wall has an edge, but nothing that is brighter than both its sides.

    >>> wall = torch.zeros(1, 1, 16, 16)
    >>> wall[..., 8:] = 1
    >>> streak_score(wall)
    tensor([0.])
    """
    require_unit_images(img, "img")
    kernels = torch.stack([line_kernel(angle, LINE) for angle in ANGLES]).to(img)
    if min(img.shape[-2:]) < kernels.shape[-1] + 2 * ASIDE:
        raise ValueError(f"img is {tuple(img.shape[-2:])}; the detector needs at least 9 x 9.")
    kernels = kernels / kernels.sum(dim=(1, 2), keepdim=True)
    m = F.conv2d(img.mean(dim=1, keepdim=True), kernels[:, None])  # (B, angles, h, w)
    sides = torch.maximum(m[..., : -2 * ASIDE], m[..., 2 * ASIDE :])
    response = (m[..., ASIDE:-ASIDE] - sides).amax(dim=1)
    return (response > THRESHOLD).to(img).mean(dim=(1, 2))
