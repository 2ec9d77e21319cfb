"""The cell states of a model on every day of a long series."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.models import EALSTM, LSTM

BASINS_AT_ONCE = 64
"""Series whose cell states are in memory at once."""


@torch.inference_mode()
def cell_states(
    model: nn.Module,
    x_d: NDArray[np.float32],
    x_s: NDArray[np.float32],
    device: torch.device,
    days: slice,
) -> Tensor:
    """Run a recurrence day by day, the state carried on, and keep the cell state of some days.

    The models hand out their state after the last step only; here each step is one call of torch's
    LSTM cell on their weights, without the head.

    Parameters
    ----------
    model : nn.Module
        `LSTM` or `EALSTM`, on `device`; no dropout lies within the recurrence.
    x_d : ndarray
        Standardised inputs, (B, T, F), from the first day that the state is to know.
    x_s : ndarray
        Standardised attributes, (B, S).
    device : torch.device
        Where to compute.
    days : slice
        Days of `x_d` that are kept.

    Returns
    -------
    Tensor
        On the CPU, (B, days, H).

    Raises
    ------
    TypeError
        Another model.

    Examples
    --------
    >>> x_d, x_s = np.ones((2, 9, 3), "float32"), np.ones((2, 1), "float32")
    >>> cell_states(LSTM(3, 1, hidden=4), x_d, x_s, torch.device("cpu"), slice(5, 9)).shape
    torch.Size([2, 4, 4])
    """
    w_ih, w_hh, bias = _weights(model)
    inputs = torch.from_numpy(x_d).to(device)
    statics = torch.from_numpy(x_s).to(device)[:, : w_ih.shape[1] - x_d.shape[2]]
    first, behind, _ = days.indices(x_d.shape[1])
    none = torch.zeros_like(bias)
    h = c = inputs.new_zeros(len(x_d), w_hh.shape[1])
    kept = []
    for day in range(behind):
        joined = torch.cat([inputs[:, day], statics], dim=1)
        h, c = torch.lstm_cell(joined, (h, c), w_ih, w_hh, bias, none)
        if day >= first:
            kept.append(c)
    return torch.stack(kept, 1).cpu()


def _weights(model: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of the ordinary LSTM on inputs and attributes; gates i, f, g, o."""
    if isinstance(model, EALSTM):
        return model.lstm_weights()
    if isinstance(model, LSTM):
        return model.w_ih, model.w_hh, model.bias
    raise TypeError(f"cell states are read from LSTM and EALSTM, not {type(model).__name__}")


def some_basins(count: int) -> Iterator[slice]:
    """Cut so many basins into parts of `BASINS_AT_ONCE`."""
    for start in range(0, count, BASINS_AT_ONCE):
        yield slice(start, min(start + BASINS_AT_ONCE, count))
