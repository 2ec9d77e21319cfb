"""Disturbances of years of daily flow that a measure of realism must notice.

`shuffle_days` keeps every year's flow duration curve and destroys the order; `moving_mean` makes
flow too smooth. Reversed time needs no function: ``flow.flip(1)``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["moving_mean", "shuffle_days"]


def shuffle_days(flow: Tensor, days: int, generator: torch.Generator) -> Tensor:
    """Shuffle the days within blocks, of each year anew.

    Parameters
    ----------
    flow : Tensor
        (N, T).
    days : int
        Of a block; 7 for weeks, T for the whole year. The last block may be shorter.
    generator : torch.Generator
        A CPU generator.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(1)
    >>> shuffle_days(torch.arange(6.0)[None], 3, g).sort(1).values
    tensor([[0., 1., 2., 3., 4., 5.]])
    """
    if days < 1:
        raise ValueError(f"Blocks of {days} days; give at least 1.")
    block = torch.arange(flow.shape[1]) // days
    key = 2 * block + torch.rand(flow.shape, generator=generator, dtype=torch.float64)
    return flow.gather(1, key.argsort(dim=1).to(flow.device))


def moving_mean(flow: Tensor, days: int) -> Tensor:
    """Mean over a window about each day; the first and last values are repeated at the ends.

    Parameters
    ----------
    flow : Tensor
        (N, T).
    days : int
        Of the window, odd.

    Examples
    --------
    >>> moving_mean(torch.tensor([[0.0, 3.0, 0.0, 0.0]]), 3)
    tensor([[1., 1., 1., 0.]])
    """
    if days < 1 or days % 2 == 0:
        raise ValueError(f"A window of {days} days has no middle; give an odd number.")
    wide = F.pad(flow[:, None], (days // 2, days // 2), mode="replicate")
    return F.avg_pool1d(wide, days, stride=1)[:, 0]
