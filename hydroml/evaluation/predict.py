"""Discharge from a trained model: one continuous pass, or a window for each day."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.evaluation.cores import every_core
from hydroml.progress import Advance, silent
from hydroml.training.device import autocast

Array = NDArray[np.float32]

BATCH_ON_CPU = (128, 32)
"""Series simulated side by side and days in one call: their gates stay in the cache."""
BATCH_ELSEWHERE = (4096, 512)
WINDOWS_PER_BATCH = 1024


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

    with every_core(device) as run:
        run(simulate, _batches(len(x_d), side_by_side))
    return y


@torch.inference_mode()
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

    Parameters are those of `predict_continuous`, and `length`, the days in a window.

    Returns
    -------
    ndarray
        Standardised discharge, (B, T); NaN on the first ``length - 1`` days.
    """
    basins, days, features = x_d.shape
    y = np.full((basins, days), np.nan, dtype="float32")
    for b in range(basins):
        series = torch.from_numpy(np.ascontiguousarray(x_d[b])).to(device)
        statics = torch.from_numpy(x_s[b]).to(device)
        windows = series.as_strided((days - length + 1, length, features), (features, features, 1))
        for rows in _batches(len(windows), WINDOWS_PER_BATCH):
            y_hat = _last_day(model, windows[rows], statics, precision)
            y[b, rows.start + length - 1 : rows.stop + length - 1] = y_hat.cpu().numpy()
        on_progress(1)
    return y


def _last_day(model: nn.Module, windows: Tensor, statics: Tensor, precision: str) -> Tensor:
    with autocast(windows.device, precision):
        y_hat, _ = model(windows.contiguous(), statics.expand(len(windows), -1), last=1)
    return y_hat[:, 0].float()


def _batches(total: int, size: int) -> Iterator[slice]:
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
