"""The way back through the hoisted recurrence, some steps at a time.

Derivative factors are computed for `STEPS_AT_ONCE` steps together, in buffers small enough for
the cache and used again; so are the cell states, from the one kept before these steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

STEPS_AT_ONCE = 16


class BackwardWalk:
    """Buffers and steps of the way back, with the gradients gathered so far.

    Parameters
    ----------
    weight, static_gate
        As `hydroml.models.hoisted.hoisted_lstm` takes them.
    hx : Tensor
        Hidden states above inputs, (T + 1, [K,] H + F, B).
    gates : Tensor
        Activated gates, (T, [K,] kH, B).
    kept : list of Tensor
        Cell state before every `STEPS_AT_ONCE`-th step, ([K,] H, B).
    of_inputs, of_weights : bool
        Whether gradients of inputs, and of weights and offset, are wanted.

    Attributes
    ----------
    d_x, d_weight, d_offset, d_static_gate : Tensor
        Gradients; None or zero where not wanted. `d_offset` is ([K,] kH, B).
    """

    def __init__(
        self,
        weight: Tensor,
        static_gate: Tensor | None,
        hx: Tensor,
        gates: Tensor,
        kept: list[Tensor],
        of_inputs: bool,
        of_weights: bool,
    ) -> None:
        self._hidden = hidden = kept[0].shape[-2]
        self._static_gate, self._hx, self._gates, self._kept = static_gate, hx, gates, kept
        self._w_h, self._w_x = weight[..., :hidden].mT.contiguous(), weight[..., hidden:].mT
        self._factors = torch.empty_like(gates[:STEPS_AT_ONCE])
        self._d_gates = torch.empty_like(self._factors)
        self._d_cell = kept[0].new_empty(STEPS_AT_ONCE, *kept[0].shape)
        self._c = torch.cat([self._d_cell, self._d_cell[:1]])
        self._of_weights = of_weights
        self.d_weight = torch.zeros_like(weight)
        self.d_offset = torch.zeros_like(gates[0])
        self.d_static_gate = None if static_gate is None else torch.zeros_like(static_gate)
        self.d_x = torch.empty_like(hx[1:, ..., hidden:, :]) if of_inputs else None

    def steps(
        self, start: int, stop: int, grads: Sequence[Tensor | None], d_h: Tensor, d_c: Tensor
    ) -> Tensor:
        """Go back from step `stop` to `start`; `d_h` is updated in place.

        `grads` are the gradients of the hidden states of these steps, None where nothing was
        asked of one. Returns the gradient of the cell state before `start`.
        """
        count, hidden = stop - start, self._hidden
        gates = self._gates[start:stop]
        to_cell = self._derive(gates, self._cells(start, gates)).unbind(0)
        factors, d_gates, d_cell = (
            buffer[:count] for buffer in (self._factors, self._d_gates, self._d_cell)
        )
        out, d_out = (a[..., :hidden, :].unbind(0) for a in (factors, d_gates))
        rest, d_rest = (
            a[..., hidden:, :].unflatten(-2, (-1, hidden)).unbind(0) for a in (factors, d_gates)
        )
        forget = gates[..., hidden : 2 * hidden, :].unbind(0)
        cells, wide_cells = d_cell.unbind(0), d_cell.unsqueeze(-3).unbind(0)
        before = self._hx[start:stop].mT.unbind(0)
        product, accumulate = (
            (torch.mm, torch.addmm) if d_h.ndim == 2 else (torch.bmm, torch.baddbmm)
        )
        for t in range(count - 1, -1, -1):
            grad = grads[t]
            if grad is not None:
                d_h.add_(grad)
            torch.addcmul(d_c, d_h, to_cell[t], out=cells[t])
            torch.mul(d_h, out[t], out=d_out[t])
            torch.mul(wide_cells[t], rest[t], out=d_rest[t])
            product(self._w_h, d_gates[t], out=d_h)
            if self._of_weights:
                accumulate(self.d_weight, d_gates[t], before[t], out=self.d_weight)
            d_c = cells[t] * forget[t]
        if self._of_weights:
            self.d_offset += d_gates.sum(0)
        if self.d_static_gate is not None:
            self.d_static_gate += torch.linalg.vecdot(d_cell, gates[..., -hidden:, :], dim=0)
        if self.d_x is not None:
            torch.matmul(self._w_x, d_gates, out=self.d_x[start:stop])
        return d_c

    def _cells(self, start: int, gates: Tensor) -> Tensor:
        """Cell states again, by the very operations of the way there: (t + 1, [K,] H, B)."""
        hidden, c = self._hidden, self._c[: len(gates) + 1]
        forget, g = gates[..., hidden : 2 * hidden, :], gates[..., -hidden:, :]
        i = self._input_gate(gates)
        # all products at once, the sums step by step
        torch.mul(i, g, out=c[1:])
        c[0] = self._kept[start // STEPS_AT_ONCE]
        cells = c.unbind(0)
        for t, forget_t in enumerate(forget.unbind(0)):
            cells[t + 1].addcmul_(forget_t, cells[t])
        return c

    def _derive(self, gates: Tensor, c: Tensor) -> Tensor:
        """Fill the factors of pre-activations (of o to h, of the rest to c); return c to h."""
        hidden, factors = self._hidden, self._factors[: len(gates)]
        o, f, g = (
            gates[..., :hidden, :],
            gates[..., hidden : 2 * hidden, :],
            gates[..., -hidden:, :],
        )
        squashed, i = torch.tanh(c[1:]), self._input_gate(gates)
        o_slope = torch.addcmul(o, o, o, value=-1)
        torch.mul(squashed, o_slope, out=factors[..., :hidden, :])
        f_slope = torch.addcmul(f, f, f, value=-1)
        torch.mul(f_slope, c[:-1], out=factors[..., hidden : 2 * hidden, :])
        if self._static_gate is None:
            i_slope = torch.addcmul(i, i, i, value=-1)
            torch.mul(g, i_slope, out=factors[..., 2 * hidden : 3 * hidden, :])
        torch.mul(1 - g.square(), i, out=factors[..., -hidden:, :])
        return torch.addcmul(o, o, squashed.square_(), value=-1)

    def _input_gate(self, gates: Tensor) -> Tensor:
        if self._static_gate is not None:
            return self._static_gate
        return gates[..., 2 * self._hidden : 3 * self._hidden, :]
