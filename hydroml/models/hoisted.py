"""LSTM recurrence in plain torch for the CPU: what does not recur is hoisted out of the loop.

Arrays are (time, unit, sample), so that each gate of a step is one contiguous block. Forward,
the input projections of all steps are one product. Backward, derivative factors are computed
for `STEPS_AT_ONCE` steps together, in buffers small enough for the cache and used again. The
numbers are those of the plain loop up to rounding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

STEPS_AT_ONCE = 16


def hoisted_lstm(
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    static_gate: Tensor | None,
    state: tuple[Tensor, Tensor],
    last: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the recurrence; differentiable once in every argument.

    Parameters
    ----------
    x : Tensor
        Inputs, (T, I, B).
    w_ih, w_hh, bias : Tensor
        (kH, I), (kH, H), (kH,); gates in the order o, f, i, g (k = 4), or o, f, g (k = 3)
        where the input gate is static.
    static_gate : Tensor or None
        Input gate of each sample, (H, B), after its sigmoid; None for an ordinary LSTM.
    state : tuple of Tensor
        Hidden and cell state before the first step, (H, B).
    last : int
        How many of the last hidden states to return.

    Returns
    -------
    h : Tensor
        Last hidden states, (last, H, B).
    h_n, c_n : Tensor
        State after the last step, (H, B).
    """
    if torch.is_grad_enabled():
        gate = x.new_empty(0) if static_gate is None else static_gate
        return _Hoisted.apply(x, w_ih, w_hh, bias, gate, *state, last)
    h, c, _ = _run(x, w_ih, w_hh, bias, static_gate, *state)
    return h[len(h) - last :], h[-1], c[-1]


def _run(
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    static_gate: Tensor | None,
    h_t: Tensor,
    c_t: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden and cell states, (T, H, B) each, and activated gates, (T, kH, B)."""
    steps, hidden = len(x), w_hh.shape[1]
    gates = torch.baddbmm(bias.view(1, -1, 1), w_ih.expand(steps, -1, -1), x)
    h = x.new_empty(steps, hidden, x.shape[2])
    c = torch.empty_like(h)
    # views made once for all steps: slicing in the loop would cost as much as the arithmetic
    sigmoids, g = gates[:, :-hidden].unbind(0), gates[:, -hidden:].unbind(0)
    o, f = gates[:, :hidden].unbind(0), gates[:, hidden : 2 * hidden].unbind(0)
    i = [static_gate] * steps if static_gate is not None else gates[:, 2 * hidden : -hidden]
    squashed = torch.empty_like(c_t)
    for t, (gates_t, i_t, h_out, c_out) in enumerate(
        zip(gates.unbind(0), i, h.unbind(0), c.unbind(0), strict=True)
    ):
        gates_t.addmm_(w_hh, h_t)
        sigmoids[t].sigmoid_()
        g[t].tanh_()
        torch.mul(f[t], c_t, out=c_out)
        c_out.addcmul_(i_t, g[t])
        torch.tanh(c_out, out=squashed)
        torch.mul(o[t], squashed, out=h_out)
        h_t, c_t = h_out, c_out
    return h, c, gates


class _Hoisted(Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        bias: Tensor,
        static_gate: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        last: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        gate = static_gate if static_gate.numel() else None
        h, c, gates = _run(x, w_ih, w_hh, bias, gate, h_0, c_0)
        ctx.save_for_backward(x, w_ih, w_hh, static_gate, h_0, c_0, h, c, gates)
        # copies: what is returned may be written to, what is saved may not
        return h[len(h) - last :].clone(), h[-1].clone(), c[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_h: Tensor, grad_hn: Tensor, grad_cn: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, w_ih, w_hh, static_gate, h_0, c_0, h, c, gates = ctx.saved_tensors
        walk = _BackwardWalk(w_hh, static_gate, gates.shape[1], h_0)
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        of_weights = any(ctx.needs_input_grad[1:4])  # not where only inputs are asked about
        d_w_ih, d_bias = torch.zeros_like(w_ih), w_ih.new_zeros(len(w_ih))
        d_gate = torch.zeros_like(static_gate)
        d_h, d_c = grad_hn.clone(), grad_cn
        first_head = len(h) - len(grad_h)
        for stop in range(len(h), 0, -STEPS_AT_ONCE):
            start = max(stop - STEPS_AT_ONCE, 0)
            # contiguous, some steps at a time: it comes with the sample's axis first
            heads = grad_h[max(start - first_head, 0) : max(stop - first_head, 0)].contiguous()
            grads = [None] * (stop - start - len(heads)) + list(heads.unbind(0))
            h_before = [h[t - 1] if t else h_0 for t in range(start, stop)] if of_weights else []
            c_before = torch.cat(
                [c[start - 1 : start] if start else c_0[None], c[start : stop - 1]]
            )
            d_gates, d_cell, d_c = walk.steps(
                gates[start:stop], c[start:stop], c_before, h_before, grads, d_h, d_c
            )
            if of_weights:
                d_w_ih += torch.bmm(d_gates, x[start:stop].transpose(1, 2)).sum(0)
                d_bias += d_gates.sum((0, 2))
            if static_gate.numel():
                d_gate += torch.linalg.vecdot(d_cell, gates[start:stop, -len(h_0) :], dim=0)
            if d_x is not None:
                torch.matmul(w_ih.T, d_gates, out=d_x[start:stop])
        return d_x, d_w_ih, walk.d_w_hh, d_bias, d_gate, d_h, d_c, None


class _BackwardWalk:
    """Buffers and steps of the way back; `d_w_hh` gathers the recurrent weights' gradient."""

    def __init__(self, w_hh: Tensor, static_gate: Tensor, width: int, like: Tensor) -> None:
        hidden, batch = like.shape
        self._hidden = hidden
        self._static_gate = static_gate
        self._w_hh_t = w_hh.T.contiguous()
        self._factors = like.new_empty(STEPS_AT_ONCE, width, batch)
        self._d_gates = like.new_empty(STEPS_AT_ONCE, width, batch)
        self._d_cell = like.new_empty(STEPS_AT_ONCE, hidden, batch)
        self.d_w_hh = torch.zeros_like(w_hh)

    def steps(
        self,
        gates: Tensor,
        c: Tensor,
        c_before: Tensor,
        h_before: list[Tensor],
        grads: Sequence[Tensor | None],
        d_h: Tensor,
        d_c: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go back over some steps; `d_h` is updated in place.

        Without `h_before` the recurrent weights' gradient is left alone.

        Returns gradients of pre-activations (t, kH, B), of cell states (t, H, B), and of the
        cell state before (H, B).
        """
        steps, hidden = len(gates), self._hidden
        to_cell = self._derive(gates, c, c_before).unbind(0)
        factors, d_gates = self._factors[:steps], self._d_gates[:steps]
        d_cell = self._d_cell[:steps]
        out, d_out = factors[:, :hidden].unbind(0), d_gates[:, :hidden].unbind(0)
        rest = factors[:, hidden:].unflatten(1, (-1, hidden)).unbind(0)
        d_rest = d_gates[:, hidden:].unflatten(1, (-1, hidden)).unbind(0)
        forget = gates[:, hidden : 2 * hidden].unbind(0)
        for t in range(steps - 1, -1, -1):
            grad = grads[t]
            if grad is not None:
                d_h.add_(grad)
            torch.addcmul(d_c, d_h, to_cell[t], out=d_cell[t])
            torch.mul(d_h, out[t], out=d_out[t])
            torch.mul(d_cell[t], rest[t], out=d_rest[t])
            torch.mm(self._w_hh_t, d_gates[t], out=d_h)
            if h_before:
                self.d_w_hh.addmm_(d_gates[t], h_before[t].T)
            d_c = d_cell[t] * forget[t]
        return d_gates, d_cell, d_c

    def _derive(self, gates: Tensor, c: Tensor, c_before: Tensor) -> Tensor:
        """Fill the factors of pre-activations (of o to h, of the rest to c); return c to h."""
        hidden, factors = self._hidden, self._factors[: len(gates)]
        o, f, g = gates[:, :hidden], gates[:, hidden : 2 * hidden], gates[:, -hidden:]
        squashed = torch.tanh(c)
        torch.mul(squashed, torch.addcmul(o, o, o, value=-1), out=factors[:, :hidden])
        f_slope = torch.addcmul(f, f, f, value=-1)
        torch.mul(f_slope, c_before, out=factors[:, hidden : 2 * hidden])
        i = self._static_gate
        if not i.numel():
            i = gates[:, 2 * hidden : 3 * hidden]
            i_slope = torch.addcmul(i, i, i, value=-1)
            torch.mul(g, i_slope, out=factors[:, 2 * hidden : 3 * hidden])
        torch.mul(1 - g.square(), i, out=factors[:, -hidden:])
        return torch.addcmul(o, o, squashed.square_(), value=-1)
