r"""The way back through the hoisted recurrence, a piece of some steps at a time.

Derivative factors are computed for all steps of a piece together, in buffers small enough for the
cache and used again; so are the cell states, from the one kept before the piece. With the
products :math:`p_t = f_t c_{t-1}` and :math:`q_t = i_t g_t` each factor is one pass over memory:

.. math::
    c_t = p_t + q_t \quad s_t = \tanh(c_t) \quad h_t = o_t s_t \\
    \partial h / \partial z_o = h - o h \quad \partial h / \partial c = o - h s \\
    \partial c / \partial z_f = p - f p \quad \partial c / \partial z_i = q - i q \quad
    \partial c / \partial z_g = i - q g

where z are the gates before their sigmoid or tanh.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Piece(NamedTuple):
    """Some successive steps: what the way back needs of them."""

    hx: Tensor
    """Hidden states above the next step's inputs, (t + 1, [K,] H + F, B)."""
    gates: Tensor
    """Activated gates, (t, [K,] kH, B)."""
    c: Tensor
    """Cell state before the first step, ([K,] H, B)."""

    @property
    def h(self) -> Tensor:
        """Hidden states after each step, (t, [K,] H, B)."""
        return self.hx[1:, ..., : self.c.shape[-2], :]


class BackwardWalk:
    """Buffers and steps of the way back, with the gradients gathered so far.

    Parameters
    ----------
    weight, static_gate
        As `hydroml.models.hoisted.hoisted_lstm` takes them.
    longest : Piece
        No other piece has more steps.
    of_weights, of_inputs : bool
        Whether gradients of weights and offset, and of inputs, are wanted.

    Attributes
    ----------
    d_weight, d_offset, d_static_gate : Tensor
        Gradients; zero where not wanted. `d_offset` is ([K,] kH, B).
    d_x : list of Tensor
        Gradients of the inputs of each piece, the last piece first.
    """

    def __init__(
        self,
        weight: Tensor,
        static_gate: Tensor | None,
        longest: Piece,
        of_weights: bool,
        of_inputs: bool,
    ) -> None:
        self._hidden = hidden = longest.c.shape[-2]
        self._static_gate = static_gate
        self._of_weights, self._of_inputs = of_weights, of_inputs
        self._w_h, self._w_x = weight[..., :hidden].mT.contiguous(), weight[..., hidden:].mT
        self._d_gates = torch.empty_like(longest.gates)
        self._d_cell = torch.empty_like(longest.h)
        self._to_cell = torch.empty_like(self._d_cell)
        self._c = self._d_cell.new_empty(len(self._d_cell) + 1, *longest.c.shape)
        # views of each step made once: slicing in the loop would cost as much as the arithmetic
        rest = self._d_gates[..., hidden:, :].unflatten(-2, (-1, hidden))
        self._d_gates_of, self._d_rest_of = self._d_gates.unbind(0), rest.unbind(0)
        self._d_o_of = self._d_gates[..., :hidden, :].unbind(0)
        self._d_cell_of = self._d_cell.unbind(0)
        self._wide_d_cell_of = self._d_cell.unsqueeze(-3).unbind(0)
        self._to_cell_of, self._c_of = self._to_cell.unbind(0), self._c.unbind(0)
        self.d_weight = torch.zeros_like(weight)
        self.d_offset = torch.zeros_like(longest.gates[0])
        self.d_static_gate = None if static_gate is None else torch.zeros_like(static_gate)
        self.d_x: list[Tensor] = []

    def steps(self, piece: Piece, grads: Sequence[Tensor | None], d_h: Tensor, d_c: Tensor) -> None:
        """Go back over a piece; `d_h` and `d_c` go along in place.

        `grads` are the gradients of the hidden states of these steps, None where nothing was
        asked of one.
        """
        steps, d_cell_of = len(piece.gates), self._d_cell_of
        self._fill_factors(piece)
        before, forget = piece.hx[:-1].mT.unbind(0), self._forget(piece.gates).unbind(0)
        alone = d_h.ndim == 2
        product = torch.mm if alone else torch.bmm
        accumulate = torch.addmm if alone else torch.baddbmm
        for t in range(steps - 1, -1, -1):
            grad = grads[t]
            if grad is not None:
                d_h.add_(grad)
            torch.addcmul(d_c, d_h, self._to_cell_of[t], out=d_cell_of[t])
            self._d_o_of[t].mul_(d_h)
            self._d_rest_of[t].mul_(self._wide_d_cell_of[t])
            product(self._w_h, self._d_gates_of[t], out=d_h)
            if self._of_weights:
                accumulate(self.d_weight, self._d_gates_of[t], before[t], out=self.d_weight)
            torch.mul(d_cell_of[t], forget[t], out=d_c)
        d_gates, d_cell = self._d_gates[:steps], self._d_cell[:steps]
        if self._of_weights:
            self.d_offset += d_gates.sum(0)
        if self.d_static_gate is not None:
            g = piece.gates[..., -self._hidden :, :]
            self.d_static_gate += torch.linalg.vecdot(d_cell, g, dim=0)
        if self._of_inputs:
            self.d_x.append(self._w_x @ d_gates)

    def _fill_factors(self, piece: Piece) -> None:
        """Fill the buffers of pre-activations with their factors, and those of c to h."""
        hidden, steps = self._hidden, len(piece.gates)
        o, f, g = (
            piece.gates[..., :hidden, :],
            self._forget(piece.gates),
            piece.gates[..., -hidden:, :],
        )
        i = self._static_gate
        if i is None:
            i = piece.gates[..., 2 * hidden : 3 * hidden, :]
        to_o, p, q = (
            a[:steps]
            for a in (
                self._d_gates[..., :hidden, :],
                self._forget(self._d_gates),
                self._d_gates[..., -hidden:, :],
            )
        )
        c_of, to_cell, h = self._c_of, self._to_cell[:steps], piece.h
        torch.mul(i, g, out=q)
        c_of[0].copy_(piece.c)
        for t, (f_t, p_t, q_t) in enumerate(zip(f, p, q, strict=True)):
            torch.mul(f_t, c_of[t], out=p_t)
            torch.add(p_t, q_t, out=c_of[t + 1])
        torch.tanh(self._c[1 : steps + 1], out=to_cell)
        torch.addcmul(o, h, to_cell, value=-1, out=to_cell)
        torch.addcmul(h, o, h, value=-1, out=to_o)
        torch.addcmul(p, f, p, value=-1, out=p)
        if self._static_gate is None:
            torch.addcmul(
                q, i, q, value=-1, out=self._d_gates[:steps, ..., 2 * hidden : 3 * hidden, :]
            )
        torch.addcmul(i, q, g, value=-1, out=q)

    def _forget(self, gates: Tensor) -> Tensor:
        return gates[..., self._hidden : 2 * self._hidden, :]
