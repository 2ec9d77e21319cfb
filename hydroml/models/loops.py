"""The recurrences written out step by step: slow, plain, the reference of the fused paths."""

import torch
from torch import Tensor

from hydroml.models.ealstm import EALSTM
from hydroml.models.fused import State
from hydroml.models.lstm import LSTM
from hydroml.models.recurrence import join


def lstm_loop(
    model: LSTM, x_d: Tensor, x_s: Tensor | None = None, state: State | None = None
) -> tuple[Tensor, State]:
    """Compute what `LSTM.forward` computes, one step at a time.

    Parameters and returns are those of `LSTM.forward`.
    """
    z = join(x_d, x_s if model.static else None)
    h, c = state or _zeros(x_d, model.w_hh.shape[1])
    steps = []
    for t in range(z.shape[1]):
        gates = z[:, t] @ model.w_ih.T + h @ model.w_hh.T + model.bias
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        steps.append(h)
    return model.head(torch.stack(steps, dim=1)), (h, c)


def ealstm_loop(
    model: EALSTM, x_d: Tensor, x_s: Tensor, state: State | None = None
) -> tuple[Tensor, State]:
    """Compute what `EALSTM.forward` computes, one step at a time.

    Parameters and returns are those of `EALSTM.forward`.
    """
    h, c = state or _zeros(x_d, model.w_hh.shape[1])
    i = model.static_gate(x_s)
    steps = []
    for t in range(x_d.shape[1]):
        f, g, o = (x_d[:, t] @ model.w_ih.T + h @ model.w_hh.T + model.bias).chunk(3, dim=1)
        c = torch.sigmoid(f) * c + i * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        steps.append(h)
    return model.head(torch.stack(steps, dim=1)), (h, c)


def _zeros(x: Tensor, hidden: int) -> State:
    return x.new_zeros(x.shape[0], hidden), x.new_zeros(x.shape[0], hidden)
