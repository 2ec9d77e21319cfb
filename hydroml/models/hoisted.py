"""LSTM recurrence in plain torch for the CPU: what does not recur is hoisted out of the loop.

Arrays are (time, unit, sample), so that each gate of a step is one contiguous block; with a
member axis, (time, member, unit, sample), the same lines run several models in one pass. The
hidden state is written above the next day's inputs, so that one product a step serves both.
Gates are kept for the way back (`hydroml.models.backwalk`), cell states only one in
`STEPS_AT_ONCE`: the others follow from the gates. The numbers are those of the plain loop up to
rounding.
"""

from typing import Any

import torch
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from hydroml.models.backwalk import BackwardWalk, Piece
from hydroml.models.fused import State

STEPS_AT_ONCE = 16


def hoisted_lstm(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    static_gate: Tensor | None,
    state: State,
    last: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the recurrence; differentiable once in every argument.

    The arrays of several members at once have a member axis K, in brackets below.

    Parameters
    ----------
    x : Tensor
        Inputs that change with time, (T, [K,] F, B).
    weight : Tensor
        Weights of the hidden state and of these inputs, side by side, ([K,] kH, H + F); gates in
        the order o, f, i, g (k = 4), or o, f, g (k = 3) where the input gate is static.
    offset : Tensor
        What every step adds, ([K,] kH, 1) or, with something for each sample, ([K,] kH, B): the
        bias and what static attributes contribute.
    static_gate : Tensor or None
        Input gate of each sample, ([K,] H, B), after its sigmoid; None for an ordinary LSTM.
    state : tuple of Tensor
        Hidden and cell state before the first step, ([K,] H, B).
    last : int
        How many of the last hidden states to return.

    Returns
    -------
    h : Tensor
        Last hidden states, (last, [K,] H, B).
    h_n, c_n : Tensor
        State after the last step, ([K,] H, B).
    """
    gate = x.new_empty(0) if static_gate is None else static_gate
    return _Hoisted.apply(x, weight, offset, gate, *state, last)


def _run(
    x: Tensor, weight: Tensor, offset: Tensor, static_gate: Tensor | None, state: State
) -> tuple[list[Piece], Tensor]:
    """Go through all steps, `STEPS_AT_ONCE` a piece; returns the last cell state, too.

    Arrays of a piece are small enough for the heap of the process: one array for all steps would
    be asked of the system at every call, and filled with zeros by it first.
    """
    pieces: list[Piece] = []
    h, c = state[0], state[1].clone()
    for x_piece in x.split(STEPS_AT_ONCE):
        hidden, steps = h.shape[-2], len(x_piece)
        hx = x.new_empty(steps + 1, *h.shape[:-2], weight.shape[-1], h.shape[-1])
        hx[0, ..., :hidden, :] = h
        hx[:-1, ..., hidden:, :] = x_piece
        piece = Piece(hx, x.new_empty(steps, *weight.shape[:-1], h.shape[-1]), c.clone())
        _walk(piece, weight, offset, static_gate, c)
        pieces.append(piece)
        h = piece.h[-1]
    return pieces, c


def _walk(
    piece: Piece, weight: Tensor, offset: Tensor, static_gate: Tensor | None, c: Tensor
) -> None:
    """Fill the hidden states and gates of a piece; `c` goes along in place."""
    hidden, gates = c.shape[-2], piece.gates
    # views made once for all steps: slicing in the loop would cost as much as the arithmetic
    sigmoids, g = gates[..., :-hidden, :].unbind(0), gates[..., -hidden:, :].unbind(0)
    o, f = gates[..., :hidden, :].unbind(0), gates[..., hidden : 2 * hidden, :].unbind(0)
    i: list[Tensor] | tuple[Tensor, ...]
    if static_gate is None:
        i = gates[..., 2 * hidden : 3 * hidden, :].unbind(0)
    else:
        i = [static_gate] * len(gates)
    before, h = piece.hx[:-1].unbind(0), piece.h.unbind(0)
    squashed = torch.empty_like(c)
    product = torch.addmm if weight.ndim == 2 else torch.baddbmm
    for t, gates_t in enumerate(gates.unbind(0)):
        product(offset, weight, before[t], out=gates_t)
        sigmoids[t].sigmoid_()
        g[t].tanh_()
        c.mul_(f[t]).addcmul_(i[t], g[t])
        torch.tanh(c, out=squashed)
        torch.mul(o[t], squashed, out=h[t])


def _last_hidden(pieces: list[Piece], last: int) -> Tensor:
    counted = pieces[-last // STEPS_AT_ONCE - 1 :]  # the last piece may be a short one
    return torch.cat([piece.h for piece in counted])[-last:]


class _Hoisted(Function):
    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # 16-bit autocast ends here
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        offset: Tensor,
        static_gate: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        last: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        gate = static_gate if static_gate.numel() else None
        pieces, c = _run(x, weight, offset, gate, (h_0, c_0))
        ctx.save_for_backward(weight, static_gate, *(array for piece in pieces for array in piece))
        ctx.offset_shape = offset.shape
        # a copy: what is returned may be written to, what is saved may not
        return _last_hidden(pieces, last), pieces[-1].h[-1].clone(), c

    @staticmethod
    @once_differentiable
    @custom_bwd(device_type="cpu")
    def backward(  # type: ignore[override]  # hidden by the decorators
        ctx: Any, grad_h: Tensor, grad_hn: Tensor, grad_cn: Tensor
    ) -> tuple[Tensor | None, ...]:
        weight, static_gate, *arrays = ctx.saved_tensors
        pieces = [Piece(*arrays[n : n + 3]) for n in range(0, len(arrays), 3)]
        gate = static_gate if static_gate.numel() else None
        of_weights = any(ctx.needs_input_grad[1:3])  # not where only inputs are asked about
        walk = BackwardWalk(weight, gate, pieces[0], of_weights, of_inputs=ctx.needs_input_grad[0])
        d_h, d_c = grad_hn.clone(), grad_cn.clone()
        heads = grad_h
        for piece in reversed(pieces):
            steps = len(piece.gates)
            # contiguous, some steps at a time: it comes with the sample's axis first
            grads = heads[-steps:].contiguous().unbind(0)
            heads = heads[:-steps]
            walk.steps(piece, [None] * (steps - len(grads)) + list(grads), d_h, d_c)
        d_offset = walk.d_offset.sum_to_size(ctx.offset_shape)
        d_x = torch.cat(walk.d_x[::-1]) if walk.d_x else None
        return d_x, walk.d_weight, d_offset, walk.d_static_gate, d_h, d_c, None
