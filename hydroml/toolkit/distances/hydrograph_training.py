"""Train the encoder of hydrograph years: tomorrow's flow, random windows of years of all basins."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hydroml.toolkit.distances.hydrograph_encoder import (
    WARM_UP,
    HydrographEncoder,
    check_years,
    next_day_loss,
)

__all__ = ["fit_encoder"]

WINDOW, BATCH = 120, 128  # of a step: days of a window, years
RATE, CLIP = 1e-2, 1.0
FORGET_BIAS = 3.0  # a state that stays at first


def _silent(done: float) -> None:
    """Tell nobody."""


def fit_encoder(
    years: Tensor,
    *,
    generator: torch.Generator,
    steps: int = 600,
    hidden: int = 16,
    advance: Callable[[float], None] = _silent,
) -> HydrographEncoder:
    """Train one encoder for all basins.

    Parameters
    ----------
    years : Tensor
        Transformed flow (`relative_flow`) of years of all basins, (N, T), without a gap. Observed
        flow: the years that are the measure of realism.
    generator : torch.Generator
        A CPU generator; draws weights and windows, so that the result can be had again.
    steps : int
        Of Adam, each on 128 windows of 120 days; 600 take about 12 s on one core.
    hidden : int
        Size of the state.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    HydrographEncoder
        In evaluation mode.

    Raises
    ------
    ValueError
        Years with missing values, or too short.
    FloatingPointError
        The loss is no number any more; the message has the step.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> encoder = fit_encoder(torch.rand(4, 60, generator=g), generator=g, steps=2)
    >>> encoder.training
    False
    """
    check_years(years)
    encoder = _fresh(hidden, generator).to(years)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(steps, 2))
    for step in range(steps):
        loss = next_day_loss(encoder, _windows(years, generator))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"The loss is {float(loss.detach())} at step {step}.")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), CLIP)
        optimizer.step()
        schedule.step()
        advance((step + 1) / steps)
    return encoder.eval()


def _fresh(hidden: int, generator: torch.Generator) -> HydrographEncoder:
    """Weights from the generator, uniform within 1 / sqrt(H); the forget gate open."""
    encoder = HydrographEncoder(hidden)
    reach = 1 / math.sqrt(hidden)
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            weight.uniform_(-reach, reach, generator=generator)
            if name == "lstm.bias_ih_l0":
                weight[hidden : 2 * hidden] += FORGET_BIAS
    return encoder


def _windows(years: Tensor, generator: torch.Generator) -> Tensor:
    """Draw windows, (BATCH, days)."""
    length = min(max(WINDOW, WARM_UP + 2), years.shape[1])
    chosen = torch.randint(len(years), (BATCH, 1), generator=generator)
    first = torch.randint(years.shape[1] - length + 1, (BATCH, 1), generator=generator)
    days = first + torch.arange(length)
    return years[chosen.to(years.device), days.to(years.device)]
