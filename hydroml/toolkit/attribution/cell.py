"""The weights of an LSTM cell, and everything it computes on a sequence, once."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""Hidden and cell state, (B, H) each."""


@dataclass(frozen=True)
class CellWeights:
    r"""Weights of one LSTM layer; with a static input gate, of an entity-aware LSTM.

    .. math::
        z_t = W x_t + U h_{t-1} + b \quad
        c_t = f_t c_{t-1} + i_t g_t \quad h_t = o_t \tanh(c_t)

    with i, f, o = sigmoid(z), g = tanh(z) of their blocks of rows.

    Parameters
    ----------
    w_ih, w_hh, bias : Tensor
        (kH, I), (kH, H), (kH,). Blocks of rows i, f, g, o (k = 4, torch's order), or f, g, o
        (k = 3) where the input gate is static.
    static_gate : Tensor, optional
        Input gate after its sigmoid, (H,), or (B, H) for each sample.

    Raises
    ------
    ValueError
        Shapes that do not fit each other.

    Examples
    --------
    >>> CellWeights.of(nn.LSTM(3, 8, batch_first=True)).hidden
    8
    """

    w_ih: Tensor
    w_hh: Tensor
    bias: Tensor
    static_gate: Tensor | None = None

    def __post_init__(self) -> None:
        blocks, hidden = 4 if self.static_gate is None else 3, self.w_hh.shape[-1]
        rows = blocks * hidden
        shapes = [tuple(w.shape) for w in (self.w_ih, self.w_hh, self.bias)]
        if shapes != [(rows, self.w_ih.shape[-1]), (rows, hidden), (rows,)]:
            raise ValueError(
                f"weights of shapes {shapes} are not those of a cell: {blocks} gates of "
                f"{hidden} units need ({rows}, I), ({rows}, {hidden}) and ({rows},)"
            )
        if self.static_gate is not None and self.static_gate.shape[-1] != hidden:
            raise ValueError(
                f"the static gate is {tuple(self.static_gate.shape)}: it needs {hidden} units"
            )

    @classmethod
    def of(cls, lstm: nn.LSTM) -> Self:
        """Take the weights of torch's layer.

        Raises
        ------
        ValueError
            Several layers, both directions, or a projection.
        """
        if lstm.num_layers != 1 or lstm.bidirectional or lstm.proj_size:
            raise ValueError(
                f"{lstm}: relevance needs one layer, one direction and no projection; explain "
                "a stack of layers by integrated_gradients"
            )
        w_ih, w_hh = (lstm.get_parameter(n).detach() for n in ("weight_ih_l0", "weight_hh_l0"))
        bias = w_ih.new_zeros(len(w_ih))
        if lstm.bias:
            bias = (lstm.get_parameter("bias_ih_l0") + lstm.get_parameter("bias_hh_l0")).detach()
        return cls(w_ih, w_hh, bias)

    @property
    def hidden(self) -> int:
        """Size H of the state."""
        return self.w_hh.shape[1]

    @property
    def signal_rows(self) -> slice:
        """Rows of g, the cell's input."""
        first = 2 if self.static_gate is None else 1
        return slice(first * self.hidden, (first + 1) * self.hidden)


class Trace(NamedTuple):
    """What a cell computed on a sequence; the time axis comes first.

    Parameters
    ----------
    z : Tensor
        Pre-activations, (T, B, kH).
    i, f, g, o : Tensor
        Activated, (T, B, H); i is (1, B, H) where it is static.
    h, c : Tensor
        States before the first and after each step, (T + 1, B, H).
    """

    z: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    h: Tensor
    c: Tensor


def trace(cell: CellWeights, x: Tensor, state: State | None = None) -> Trace:
    """Run a cell over sequences and keep everything.

    Parameters
    ----------
    cell : CellWeights
        Its weights.
    x : Tensor
        (B, T, I).
    state : tuple of Tensor, optional
        Hidden and cell state (B, H) before the first step; zero by default.

    Returns
    -------
    Trace
        Equal to what torch's layer computes, to rounding.
    """
    steps, batch, hidden = x.shape[1], x.shape[0], cell.hidden
    z = torch.addmm(cell.bias, x.transpose(0, 1).reshape(steps * batch, -1), cell.w_ih.T)
    z = z.view(steps, batch, -1)  # what does not recur, for all steps at once
    h, c = x.new_zeros(2, steps + 1, batch, hidden).unbind(0)
    if state is not None:
        h[0], c[0] = state
    gates = torch.empty_like(z)
    i, f, g, o = _blocks(cell, gates, batch)
    for t in range(steps):
        z[t].addmm_(h[t], cell.w_hh.T)
        torch.sigmoid(z[t], out=gates[t])
        torch.tanh(z[t][:, cell.signal_rows], out=g[t])
        torch.addcmul(f[t] * c[t], i[t % len(i)], g[t], out=c[t + 1])
        torch.mul(o[t], torch.tanh(c[t + 1]), out=h[t + 1])
    return Trace(z, i, f, g, o, h, c)


def _blocks(cell: CellWeights, gates: Tensor, batch: int) -> tuple[Tensor, ...]:
    """Part activated gates into i, f, g, o; views, not copies."""
    if cell.static_gate is None:
        return gates.chunk(4, dim=-1)
    return (cell.static_gate.to(gates).expand(1, batch, -1), *gates.chunk(3, dim=-1))
