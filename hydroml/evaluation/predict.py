"""Discharge from a trained model: one continuous pass, or a window for each day."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.models.ealstm import EALSTM
from hydroml.models.lstm import LSTM
from hydroml.models.sliding import last_states
from hydroml.progress import Advance, silent
from hydroml.training.cores import every_core
from hydroml.training.device import autocast

Array = NDArray[np.float32]

BATCH_ON_CPU = (128, 32)
"""Series simulated side by side and days in one call: their gates stay in the cache."""
BATCH_ELSEWHERE = (4096, 512)
WINDOWS_ON_CPU = 512
"""Windows simulated side by side: their gates stay in the cache."""
WINDOWS_ELSEWHERE = 4096


def predict_continuous(
    model: nn.Module,
    x_d: Array,
    x_s: Array,
    device: torch.device,
    *,
    precision: str = "fp32",
    on_progress: Advance = silent,
) -> Array:
    """Simulate whole series in one pass, the state carried from piece to piece.

    Memory is bounded by `BATCH_ON_CPU` or `BATCH_ELSEWHERE`, whatever the length.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode, on `device`.
    x_d : ndarray
        Standardised inputs, (B, T, F).
    x_s : ndarray
        Standardised attributes, (B, S).
    device : torch.device
        Where to compute.
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    on_progress : callable
        Told of the basins done.

    Returns
    -------
    ndarray
        Standardised discharge, (B, T).
    """
    y = np.empty(x_d.shape[:2], dtype="float32")
    side_by_side, piece_days = BATCH_ON_CPU if device.type == "cpu" else BATCH_ELSEWHERE

    @torch.inference_mode()
    def simulate(rows: slice) -> None:
        statics = torch.from_numpy(x_s[rows]).to(device)
        state = None
        for days in _batches(x_d.shape[1], piece_days):
            piece = torch.from_numpy(x_d[rows, days]).to(device)
            with autocast(device, precision):
                y_hat, state = model(piece, statics, state)
            y[rows, days] = y_hat.float().cpu().numpy()
        on_progress(rows.stop - rows.start)

    with every_core(device) as cores:
        cores.run(simulate, _batches(len(x_d), side_by_side))
    return y


def predict_windowed(
    model: nn.Module,
    x_d: Array,
    x_s: Array,
    device: torch.device,
    *,
    length: int,
    precision: str = "fp32",
    on_progress: Advance = silent,
) -> Array:
    """Simulate each day from a window of its own (the protocol of Kratzert et al. 2019).

    The head is applied to the last day of a window only. On a CPU each core takes some windows
    of a basin at a time and what they share is worked out once, see `hydroml.models.sliding`;
    elsewhere, and in 16 bits, windows of several basins are gathered on the device.

    Parameters are those of `predict_continuous`, and `length`, the days in a window.

    Returns
    -------
    ndarray
        Standardised discharge, (B, T); NaN on the first ``length - 1`` days.
    """
    y = np.full(x_d.shape[:2], np.nan, dtype="float32")
    windows = y[:, length - 1 :]
    series, statics = torch.from_numpy(x_d), torch.from_numpy(x_s)
    if device.type == "cpu" and precision == "fp32" and isinstance(model, LSTM | EALSTM):
        _slide(model, series, statics, length, windows, on_progress)
    else:
        _gather(
            model, series.to(device), statics.to(device), length, precision, windows, on_progress
        )
    return y


def _slide(
    model: LSTM | EALSTM,
    x_d: Tensor,
    x_s: Tensor,
    length: int,
    y: Array,
    on_progress: Advance,
) -> None:
    """Fill `y` (B, W) with the discharge at the end of each of the W windows of B basins."""

    @torch.inference_mode()
    def simulate(task: tuple[int, slice]) -> None:
        basin, days = task
        some = x_d[basin, days.start : days.stop + length - 1]
        h = last_states(model, some, x_s[basin], length)
        y[basin, days] = model.head(h[:, None])[:, 0].numpy()
        on_progress(int(days.stop == y.shape[1]))

    tasks = [(b, days) for b in range(len(y)) for days in _batches(y.shape[1], WINDOWS_ON_CPU)]
    with every_core(x_d.device) as cores:
        cores.run(simulate, tasks)


def _gather(
    model: nn.Module,
    x_d: Tensor,
    x_s: Tensor,
    length: int,
    precision: str,
    y: Array,
    on_progress: Advance,
) -> None:
    """Do what `_slide` does with any model on any device: windows are copied out of the series."""
    (basins, days, features), count = x_d.shape, y.shape[1]
    flat = x_d.contiguous().view(-1)
    starts = basins * days - length + 1
    windows = flat.as_strided((starts, length * features), (features, 1))
    size = WINDOWS_ON_CPU if x_d.device.type == "cpu" else WINDOWS_ELSEWHERE

    @torch.inference_mode()
    def simulate(some: slice) -> None:
        which = torch.arange(some.start, some.stop, device=x_d.device)
        basin = torch.div(which, count, rounding_mode="floor")
        start = which + basin * (days - count)
        x = windows.index_select(0, start).view(-1, length, features)
        with autocast(x_d.device, precision):
            y_hat, _ = model(x, x_s.index_select(0, basin), last=1)
        found = y_hat[:, 0].float().cpu().numpy()
        y[basin.cpu().numpy(), (which % count).cpu().numpy()] = found
        on_progress(some.stop // count - some.start // count)

    with every_core(x_d.device) as cores:
        cores.run(simulate, _batches(basins * count, size))


def _batches(total: int, size: int) -> Iterator[slice]:
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
