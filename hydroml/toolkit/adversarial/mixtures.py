"""Mixtures of Gaussians in the plane: where every mode is known, a dropped one is seen."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Modes", "covered", "draw", "grid", "ring"]


@dataclass(frozen=True)
class Modes:
    """How points lie about the centres of a mixture.

    Parameters
    ----------
    count : int
        Modes with at least a tenth of their fair share of the points within three spreads.
    kl : float
        Kullback-Leibler divergence [nat] of the shares of the nearest centre from equal ones; 0
        where all have as many, log K where one has all.
    sharp : float
        Share of the points within three spreads of a centre; 0.989 of the mixture itself.
    """

    count: int
    kl: float
    sharp: float


def grid(side: int = 5, spacing: float = 1.0) -> Tensor:
    """Centres on a square grid about 0, (side^2, 2).

    Examples
    --------
    >>> grid(2, 3.0).tolist()
    [[-1.5, -1.5], [-1.5, 1.5], [1.5, -1.5], [1.5, 1.5]]
    """
    line = spacing * (torch.arange(side) - (side - 1) / 2)
    return torch.cartesian_prod(line, line)


def ring(modes: int = 8, radius: float = 2.0) -> Tensor:
    """Centres on a circle about 0, (modes, 2).

    Examples
    --------
    >>> ring(8).norm(dim=1)[:3]
    tensor([2.0000, 2.0000, 2.0000])
    """
    angle = torch.arange(modes) * (2 * torch.pi / modes)
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def draw(
    centres: Tensor, spread: float, shape: tuple[int, ...], generator: torch.Generator | None = None
) -> Tensor:
    """Draw points of the mixture of equal weights.

    Parameters
    ----------
    centres : Tensor
        (K, 2).
    spread : float
        Standard deviation along each axis.
    shape : tuple of int
        Of the points.
    generator : torch.Generator, optional
        Of centres and noise.

    Returns
    -------
    Tensor
        (*shape, 2).

    Examples
    --------
    >>> draw(grid(), 0.1, (7, 3)).shape
    torch.Size([7, 3, 2])
    """
    chosen = torch.randint(len(centres), shape, generator=generator)
    noise = torch.randn(*shape, centres.shape[1], generator=generator, dtype=centres.dtype)
    return centres[chosen] + spread * noise


def covered(points: Tensor, centres: Tensor, spread: float) -> Modes:
    """Count modes, and tell how evenly and how sharply points lie on them.

    Parameters
    ----------
    points, centres : Tensor
        (n, 2) and (K, 2).
    spread : float
        Of a mode.

    Examples
    --------
    >>> covered(grid(), grid(), 0.1)
    Modes(count=25, kl=0.0, sharp=1.0)
    """
    distance, nearest = torch.cdist(points, centres).min(1)
    within = distance <= 3 * spread
    fair = len(points) / len(centres)
    shares = torch.bincount(nearest, minlength=len(centres)).double() / len(points)
    hits = torch.bincount(nearest[within], minlength=len(centres))
    kl = float(torch.xlogy(shares, shares * len(centres)).sum())
    return Modes(int((hits >= fair / 10).sum()), kl, float(within.double().mean()))
