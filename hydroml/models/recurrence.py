"""One entry to the LSTM recurrence: the fastest exact formulation for the device at hand."""

import torch
from torch import Tensor

from hydroml.models.fused import State, fused_lstm
from hydroml.models.hoisted import hoisted_lstm

HOISTED_FROM_HIDDEN = 128
"""Size of the state from which the hoisted recurrence beats the fused kernel for an ordinary
LSTM on a CPU; for the static gate it does at any size (`benchmarks/recurrence.py`)."""


def run_lstm(
    x: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor, state: State | None, last: int | None
) -> tuple[Tensor, State]:
    """Run an ordinary LSTM layer.

    Parameters
    ----------
    x : Tensor
        Inputs, (B, T, I).
    w_ih, w_hh, bias : Tensor
        (4H, I), (4H, H), (4H,); gates in torch's order i, f, g, o.
    state : tuple of Tensor or None
        Hidden and cell state (B, H) before the first step.
    last : int or None
        How many of the last hidden states to return; all by default.

    Returns
    -------
    h : Tensor
        (B, last, H).
    state : tuple of Tensor
        (B, H) each.
    """
    # gradients of inputs alone: the hoisted way back leaves those of the weights out
    small = w_hh.shape[1] < HOISTED_FROM_HIDDEN and w_hh.requires_grad
    if fused_is_faster(x) or small:
        h, state = fused_lstm(x, w_ih, w_hh, bias, state)
        return h if last is None else h[:, -last:], state
    return _hoisted(x, _ofig(w_ih), _ofig(w_hh), _ofig(bias), None, state, last)


def run_static_gate_lstm(
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    static_gate: Tensor,
    state: State | None,
    last: int | None,
) -> tuple[Tensor, State]:
    """Run an LSTM layer whose input gate does not change with time, on the CPU.

    Parameters
    ----------
    x : Tensor
        Inputs, (B, T, I).
    w_ih, w_hh, bias : Tensor
        (3H, I), (3H, H), (3H,); gates f, g, o.
    static_gate : Tensor
        (B, H), after its sigmoid.
    state, last
        As in `run_lstm`, which see for what is returned, too.
    """
    gate = static_gate.T.contiguous()
    return _hoisted(x, _ofg(w_ih), _ofg(w_hh), _ofg(bias), gate, state, last)


def fused_is_faster(x: Tensor) -> bool:
    """Tell whether torch's own kernel is the one to use.

    It is off the CPU, in 16-bit autocast, and where no gradient is wanted: what the hoisted
    recurrence saves, it saves on the way back, and one call of the kernel keeps several threads
    of Python busy at once.
    """
    return x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled()


def _hoisted(
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    static_gate: Tensor | None,
    state: State | None,
    last: int | None,
) -> tuple[Tensor, State]:
    if state is None:
        zeros = x.new_zeros(w_hh.shape[1], len(x))
        state = (zeros, zeros)
    else:
        state = (state[0].T.contiguous(), state[1].T.contiguous())
    h, h_n, c_n = hoisted_lstm(
        x.permute(1, 2, 0).contiguous(), w_ih, w_hh, bias, static_gate, state, last or x.shape[1]
    )
    return h.permute(2, 0, 1), (h_n.T, c_n.T)


def _ofig(weight: Tensor) -> Tensor:
    i, f, g, o = weight.chunk(4)
    return torch.cat([o, f, i, g])


def _ofg(weight: Tensor) -> Tensor:
    f, g, o = weight.chunk(3)
    return torch.cat([o, f, g])
