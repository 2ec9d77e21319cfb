"""Gradient of one day's flow by the inputs of the days before it, backward through the model.

A continuous pass without gradients comes first and keeps the state every `STRIDE` days. The
window of a day then starts from the kept state before it, so that the day's flow is that of the
continuous simulation, with nothing to spin up anew for each window.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.data.scaling import Scaler
from hydroml.training.device import flushed_denormals

STRIDE = 16
"""Days between kept states. A window is up to so many days longer than its lags."""

WINDOWS_PER_BATCH = 256


@dataclass(frozen=True)
class Trajectory:
    """A continuous simulation and the states it went through.

    Parameters
    ----------
    x_d, x_s : Tensor
        Standardised inputs (B, T, F) and attributes (B, S).
    y : Tensor
        Standardised discharge, (B, T).
    states : tuple of Tensor
        Each part of the model's state after every `STRIDE` days, (P, B, ...).
    """

    x_d: Tensor
    x_s: Tensor
    y: Tensor
    states: tuple[Tensor, ...]


@torch.no_grad()
def follow(model: nn.Module, x_d: Tensor, x_s: Tensor) -> Trajectory:
    """Simulate whole series in one pass and keep states on the way.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    x_d, x_s : Tensor
        Standardised inputs (B, T, F) and attributes (B, S).
    """
    y, states, state = [], [], None
    for start in range(0, x_d.shape[1], STRIDE):
        piece, state = model(x_d[:, start : start + STRIDE], x_s, state)
        y.append(piece)
        states.append(state)
    parts = tuple(torch.stack(part) for part in zip(*states, strict=True))
    return Trajectory(x_d, x_s, torch.cat(y, dim=1), parts)


def first_day(lags: int) -> int:
    """Tell the first day of a series whose window of so many lags has a state before it.

    Examples
    --------
    >>> first_day(365)
    380
    """
    return lags - 1 + STRIDE


def flow_gradient(
    model: nn.Module,
    scaler: Scaler,
    simulated: Trajectory,
    basin: Tensor,
    day: Tensor,
    lags: int,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Differentiate the flow of N days, in physical units.

    With standardised output :math:`y`, its mean :math:`\mu_q` and standard deviations
    :math:`\sigma`,

    .. math::
        q = \max(0, \sigma_q y + \mu_q) \quad
        \frac{\partial q}{\partial x} = \frac{\sigma_q}{\sigma_x} \frac{\partial y}{\partial x}
        \;\text{where}\; q > 0, \text{ else } 0

    Weights take no part: `frozen` switches their gradients off.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    scaler : Scaler
        The run's standardisation.
    simulated : Trajectory
        The model's own continuous simulation.
    basin, day : Tensor
        Which days: rows and columns of the series, (N,), int64; each day at least
        ``first_day(lags)``, and with ``STRIDE - 1`` days behind it.
    lags : int
        L, how many days to differentiate by, the day itself included.

    Returns
    -------
    q : Tensor
        Flow of the days [mm d-1], (N,), exactly 0 where it was clipped.
    dq_dx : Tensor
        [mm d-1 per unit of the input], (N, L, F); lag 0 is the day itself.
    dq_da : Tensor
        [mm d-1 per unit of the attribute], (N, S). The attributes act through the L days of
        the window (up to `STRIDE` - 1 more, where it starts earlier); the state before it is
        held.
    """
    after = (day - lags + 1) // STRIDE  # pieces that end before the window
    start = STRIDE * after
    steps = torch.arange(lags + STRIDE - 1, device=day.device)
    # (N, L + STRIDE - 1, F)
    window = simulated.x_d[basin[:, None], start[:, None] + steps].requires_grad_()
    attributes = simulated.x_s[basin].requires_grad_()
    state = tuple(part[after - 1, basin] for part in simulated.states)
    with frozen(model), _without_cudnn(window.device), flushed_denormals():
        y, _ = model(window, attributes, state, last=STRIDE)
        y = y.gather(1, (day - start - lags + 1)[:, None])[:, 0]
        q = torch.relu(scaler.target_std * y + scaler.target_mean)
        d_x, d_a = torch.autograd.grad(q.sum(), [window, attributes], materialize_grads=True)
    lag = (day - start)[:, None] - torch.arange(lags, device=day.device)
    d_x = d_x.take_along_dim(lag[:, :, None], dim=1)
    d_x /= d_x.new_tensor(scaler.dynamic_std)
    return q.detach(), d_x, d_a / d_a.new_tensor(scaler.static_std)


def mean_gradients(
    model: nn.Module,
    scaler: Scaler,
    simulated: Trajectory,
    basin: int,
    days: list[NDArray[np.int64]],
    lags: int,
) -> dict[str, NDArray[Any]]:
    """Average the gradients of one basin over the days of each kind.

    Parameters
    ----------
    model, scaler, simulated, lags
        As in `flow_gradient`.
    basin : int
        Row of the series.
    days : list of ndarray
        Days of each of K kinds; see `flow_gradient` for which there may be.

    Returns
    -------
    dict of ndarray
        ``dq_dx``, ``dq_dx_abs`` (K, L, F) and ``dq_da``, ``dq_da_abs`` (K, S), NaN where a kind
        has no day; ``days`` (K,) and ``clipped`` (K,), how many of them had no flow.
    """
    x_d, x_s = simulated.x_d, simulated.x_s
    kinds, device = len(days), x_d.device
    by_lag = x_d.new_zeros(2, kinds, lags, x_d.shape[2])  # signed and absolute
    by_attribute = x_s.new_zeros(2, kinds, x_s.shape[1])
    count, clipped = np.array([len(d) for d in days]), np.zeros(kinds, dtype="int64")
    day, kind = np.concatenate(days), np.repeat(np.arange(kinds), count)
    for start in range(0, len(day), WINDOWS_PER_BATCH):
        some = slice(start, start + WINDOWS_PER_BATCH)
        when, which = (torch.from_numpy(v[some]).to(device) for v in (day, kind))
        where = torch.full_like(when, basin)
        q, dq_dx, dq_da = flow_gradient(model, scaler, simulated, where, when, lags)
        for total, gradient in ((by_lag, dq_dx), (by_attribute, dq_da)):
            total[0].index_add_(0, which, gradient)
            total[1].index_add_(0, which, gradient.abs())
        clipped += np.bincount(kind[some][(q == 0).cpu().numpy()], minlength=kinds)
    n = np.where(count > 0, count, np.nan)
    dq_dx, dq_dx_abs = (v.cpu().numpy() / n[:, None, None] for v in by_lag)
    dq_da, dq_da_abs = (v.cpu().numpy() / n[:, None] for v in by_attribute)
    return {
        "dq_dx": dq_dx,
        "dq_dx_abs": dq_dx_abs,
        "dq_da": dq_da,
        "dq_da_abs": dq_da_abs,
        "days": count,
        "clipped": clipped,
    }


def _without_cudnn(device: torch.device) -> AbstractContextManager[object]:
    """Switch cuDNN off, which has no backward in evaluation mode.

    Only where it would be used: the switch is global, and on a CPU several threads are here.
    """
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=False)


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Let no parameter ask for a gradient within the block; restore what each asked before."""
    asked = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, before in asked:
            parameter.requires_grad_(before)
