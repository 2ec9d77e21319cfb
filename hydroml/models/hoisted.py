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
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from hydroml.models.backwalk import STEPS_AT_ONCE, BackwardWalk


def hoisted_lstm(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    static_gate: Tensor | None,
    state: tuple[Tensor, Tensor],
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
    if torch.is_grad_enabled():
        gate = x.new_empty(0) if static_gate is None else static_gate
        return _Hoisted.apply(x, weight, offset, gate, *state, last)
    # nothing goes back: every step writes its gates to the same place
    gates = x.new_empty(*weight.shape[:-1], x.shape[-1]).expand(len(x), *weight.shape[:-1], -1)
    hx = _above(state[0], x)
    _, c = _run(hx, weight, offset, static_gate, gates, state[1])
    h = hx[..., : c.shape[-2], :]
    return h[len(h) - last :], h[-1], c


def _above(h_0: Tensor, x: Tensor) -> Tensor:
    """Make room for hidden states above the inputs, (T + 1, [K,] H + F, B), and put in the first.

    Step t reads row t, and writes its hidden state to row t + 1.
    """
    hidden = h_0.shape[-2]
    hx = x.new_empty(len(x) + 1, *x.shape[1:-2], hidden + x.shape[-2], x.shape[-1])
    hx[0, ..., :hidden, :] = h_0
    hx[:-1, ..., hidden:, :] = x
    return hx


def _run(
    hx: Tensor,
    weight: Tensor,
    offset: Tensor,
    static_gate: Tensor | None,
    gates: Tensor,
    c_0: Tensor,
) -> tuple[list[Tensor], Tensor]:
    """Fill hidden states and activated gates (T, [K,] kH, B) in place.

    Returns the cell states before every `STEPS_AT_ONCE`-th step, and the last one.
    """
    hidden, c, kept = c_0.shape[-2], c_0.clone(), []
    # views made once for all steps: slicing in the loop would cost as much as the arithmetic
    sigmoids, g = gates[..., :-hidden, :].unbind(0), gates[..., -hidden:, :].unbind(0)
    o, f = gates[..., :hidden, :].unbind(0), gates[..., hidden : 2 * hidden, :].unbind(0)
    i: list[Tensor] | tuple[Tensor, ...]
    if static_gate is None:
        i = gates[..., 2 * hidden : 3 * hidden, :].unbind(0)
    else:
        i = [static_gate] * len(gates)
    before, h = hx[:-1].unbind(0), hx[1:, ..., :hidden, :].unbind(0)
    squashed = torch.empty_like(c)
    product = torch.addmm if weight.ndim == 2 else torch.baddbmm
    for t, gates_t in enumerate(gates.unbind(0)):
        if t % STEPS_AT_ONCE == 0:
            kept.append(c.clone())
        product(offset, weight, before[t], out=gates_t)
        sigmoids[t].sigmoid_()
        g[t].tanh_()
        c.mul_(f[t]).addcmul_(i[t], g[t])
        torch.tanh(c, out=squashed)
        torch.mul(o[t], squashed, out=h[t])
    return kept, c


class _Hoisted(Function):
    @staticmethod
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
        gates = x.new_empty(len(x), *weight.shape[:-1], x.shape[-1])
        hx = _above(h_0, x)
        kept, c = _run(hx, weight, offset, gate, gates, c_0)
        ctx.save_for_backward(weight, static_gate, hx, gates, *kept)
        ctx.offset_shape = offset.shape
        # copies: what is returned may be written to, what is saved may not
        h = hx[len(hx) - last :, ..., : c.shape[-2], :].clone()
        return h, h[-1].clone(), c

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_h: Tensor, grad_hn: Tensor, grad_cn: Tensor
    ) -> tuple[Tensor | None, ...]:
        weight, static_gate, hx, gates, *kept = ctx.saved_tensors
        of_inputs = ctx.needs_input_grad[0]
        of_weights = any(ctx.needs_input_grad[1:3])  # not where only inputs are asked about
        gate = static_gate if static_gate.numel() else None
        walk = BackwardWalk(weight, gate, hx, gates, kept, of_inputs, of_weights)
        first_head = len(gates) - len(grad_h)
        d_h, d_c = grad_hn.clone(), grad_cn
        for piece in range(len(kept) - 1, -1, -1):
            start, stop = piece * STEPS_AT_ONCE, min((piece + 1) * STEPS_AT_ONCE, len(gates))
            # contiguous, some steps at a time: it comes with the sample's axis first
            heads = grad_h[max(start - first_head, 0) : max(stop - first_head, 0)].contiguous()
            grads = [None] * (stop - start - len(heads)) + list(heads.unbind(0))
            d_c = walk.steps(start, stop, grads, d_h, d_c)
        d_offset = walk.d_offset.sum_to_size(ctx.offset_shape)
        return walk.d_x, walk.d_weight, d_offset, walk.d_static_gate, d_h, d_c, None
