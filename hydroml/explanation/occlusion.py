"""Occlusion: what flow would have been, had the baseline's weather come on some day instead.

The slow and direct way that the others are judged by: the model simulates each altered world. The
effects of single days do not add up to the whole, as days act together (rain on wet ground); what
is missing is told.
"""

import torch
from torch import Tensor

from hydroml.explanation.window import Flow, Window

DAYS_AT_ONCE = 32
"""Days whose altered worlds are simulated together; they start from the state before the first."""


@torch.no_grad()
def occlude_days(window: Window) -> Tensor:
    """Occlude all inputs of one day, for each day.

    Parameters
    ----------
    window : Window
        The event.

    Returns
    -------
    Tensor
        Simulated flow less that of the altered world [mm d-1], (T,).
    """
    everything = torch.ones(1, window.x_d.shape[1], dtype=torch.bool, device=window.x_d.device)
    return _occlude(window, everything)[:, 0]


@torch.no_grad()
def occlude_inputs(window: Window) -> Tensor:
    """Occlude one input of one day, for each day and each input; see `occlude_days`.

    Returns
    -------
    Tensor
        [mm d-1], (T, F).
    """
    one = torch.eye(window.x_d.shape[1], dtype=torch.bool, device=window.x_d.device)
    return _occlude(window, one)


@torch.no_grad()
def occlude_past(window: Window) -> Tensor:
    """Occlude all that was before the window: begin with the baseline's state.

    Returns
    -------
    Tensor
        [mm d-1], ().
    """
    flow = Flow(window.model, window.scaler)
    states = [torch.stack(pair) for pair in zip(window.state, window.base_state, strict=True)]
    x_d, x_s = (v.expand(2, *v.shape) for v in (window.x_d, window.x_s))
    actual, altered = flow(x_d, *states, x_s)
    return actual - altered


def _occlude(window: Window, masks: Tensor) -> Tensor:
    """Replace the inputs of each of M masks (M, F) on each day by the baseline: (T, M)."""
    flow = Flow(window.model, window.scaler)
    steps, sets = len(window.x_d), len(masks)
    state: list[Tensor] = [part[None] for part in window.state]
    effects = []
    for begin in range(0, steps, DAYS_AT_ONCE):
        rest = window.x_d[begin:]
        count = min(DAYS_AT_ONCE, len(rest))
        worlds = rest.expand(count, sets, -1, -1).clone()  # (day, mask, T - begin, F)
        day = torch.arange(count, device=rest.device)
        base = window.base_d[begin : begin + count, None]  # (day, 1, F)
        worlds[day, :, day] = torch.where(masks, base, worlds[day, :, day])
        rows = worlds.flatten(0, 1)
        many = [part.expand(len(rows) + 1, -1) for part in state]
        rows = torch.cat([rows, rest[None]])  # the unaltered world, to the same rounding
        found = flow(rows, *many, window.x_s.expand(len(rows), -1))
        effects.append((found[-1] - found[:-1]).view(count, sets))
        _, last = window.model(rest[None, :count], window.x_s[None], tuple(state))
        state = list(last)
    return torch.cat(effects)
