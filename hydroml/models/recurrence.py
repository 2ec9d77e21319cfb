"""One entry to the LSTM recurrence: the fastest exact formulation for the device at hand."""

import threading
from functools import cache

import torch
from torch import Tensor

from hydroml.models.fused import State, fused_lstm
from hydroml.models.hoisted import hoisted_lstm

HOISTED_FROM_HIDDEN = 128
"""Size of the state from which the hoisted recurrence beats the fused kernel for an ordinary
LSTM on a CPU; for the static gate it does at any size (`benchmarks/recurrence.py`)."""
HOISTED_IN_A_CROWD = 8192
"""Size of the state times samples from which it does so for the static gate, too, where several
threads run models at once (`benchmarks/cores.py`)."""
_thread = threading.local()


def run_lstm(
    x_d: Tensor,
    x_s: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    state: State | None,
    last: int | None,
) -> tuple[Tensor, State]:
    """Run an ordinary LSTM layer, or with a member axis K (in brackets) several at once.

    Parameters
    ----------
    x_d : Tensor
        Inputs, ([K,] B, T, F).
    x_s : Tensor or None
        Inputs that stay the same, ([K,] B, S).
    w_ih, w_hh, bias : Tensor
        ([K,] 4H, F + S), ([K,] 4H, H), ([K,] 4H); gates in torch's order i, f, g, o.
    state : tuple of Tensor or None
        Hidden and cell state ([K,] B, H) before the first step.
    last : int or None
        How many of the last hidden states to return; all by default.

    Returns
    -------
    h : Tensor
        ([K,] B, last, H).
    state : tuple of Tensor
        ([K,] B, H) each.
    """
    # gradients of inputs alone: the hoisted way back leaves those of the weights out
    small = w_hh.shape[-1] < HOISTED_FROM_HIDDEN and w_hh.requires_grad
    if x_d.ndim == 3 and (fused_is_faster(x_d, w_hh) or small):
        # where 16 bits only cost time, autocast ends here
        with torch.autocast("cpu", enabled=torch.is_autocast_enabled("cpu") and has_tiles()):
            h, state = fused_lstm(join(x_d, x_s), w_ih, w_hh, bias, state)
        return h if last is None else h[:, -last:], state
    offset = bias.unsqueeze(-1)
    if x_s is not None:  # what does not change with time is worked out once
        dynamic = x_d.shape[-1]
        offset = offset + w_ih[..., dynamic:] @ x_s.mT
        w_ih = w_ih[..., :dynamic]
    weight = torch.cat([w_hh, w_ih], dim=-1)
    return _hoisted(x_d, _ofig(weight), _ofig(offset), None, state, last)


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
        Inputs, ([K,] B, T, F).
    w_ih, w_hh, bias : Tensor
        ([K,] 3H, F), ([K,] 3H, H), ([K,] 3H); gates f, g, o.
    static_gate : Tensor
        ([K,] B, H), after its sigmoid.
    state, last
        As in `run_lstm`, which see for what is returned, too.
    """
    weight, offset = torch.cat([w_hh, w_ih], dim=-1), bias.unsqueeze(-1)
    return _hoisted(x, _ofg(weight), _ofg(offset), static_gate.mT.contiguous(), state, last)


def join_crowd() -> None:
    """Say that this thread is one of several of Python that run models at the same time.

    Python runs one thread at a time: the many small calls of the hoisted recurrence would keep
    the others waiting, where one call of torch's kernel does not.
    """
    _thread.crowded = True


def fused_is_faster(x: Tensor, w_hh: Tensor) -> bool:
    """Tell whether torch's own kernel is the one to use for inputs (..., B, T, F).

    It is off the CPU, and where no gradient is wanted: what the hoisted recurrence saves, it
    saves on the way back. It is where small models are trained in a crowd of threads
    (`join_crowd`), not where gradients of inputs alone are wanted: of the weights' gradients the
    hoisted way back is free, and its numbers do not depend on the number of threads. In 16-bit
    autocast it is on processors with tiles for 16-bit products; on others those are slower than
    32-bit ones, and the recurrence stays with 32 bits.
    """
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return True
    crowded = getattr(_thread, "crowded", False) and w_hh.requires_grad
    if crowded and w_hh.shape[-1] * x.shape[-3] < HOISTED_IN_A_CROWD:
        return True
    return torch.is_autocast_enabled("cpu") and has_tiles()


@cache
def has_tiles() -> bool:
    """Tell whether the processor multiplies matrices in 16 bits faster than in 32 (AMX)."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)  # not in torch 2.4
    return supported is not None and supported()


def join(x_d: Tensor, x_s: Tensor | None) -> Tensor:
    """Put what stays the same, (B, S), beside every step, (B, T, F): (B, T, F + S)."""
    if x_s is None:
        return x_d
    return torch.cat([x_d, x_s.unsqueeze(1).expand(-1, x_d.shape[1], -1)], dim=2)


def _hoisted(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    static_gate: Tensor | None,
    state: State | None,
    last: int | None,
) -> tuple[Tensor, State]:
    """Turn arrays of sample, time, unit into those of time, unit, sample, and back."""
    hidden = weight.shape[-1] - x.shape[-1]
    if state is None:
        zeros = x.new_zeros(*x.shape[:-3], hidden, x.shape[-3])
        state = (zeros, zeros)
    else:
        state = (state[0].mT.contiguous(), state[1].mT.contiguous())
    steps = x.movedim(-2, 0).mT
    h, h_n, c_n = hoisted_lstm(steps, weight, offset, static_gate, state, last or len(steps))
    # in one piece: dropout and head would each go through it in strides
    return h.mT.movedim(0, -2).contiguous(), (h_n.mT, c_n.mT)


def _ofig(weight: Tensor) -> Tensor:
    i, f, g, o = weight.chunk(4, dim=-2)
    return torch.cat([o, f, i, g], dim=-2)


def _ofg(weight: Tensor) -> Tensor:
    f, g, o = weight.chunk(3, dim=-2)
    return torch.cat([o, f, g], dim=-2)
