"""Hidden states at the end of windows that slide along a series by a day, on the CPU.

Windows of consecutive days read the same inputs, shifted: the input projection of a day is
worked out once for all the windows that see it, and what a step of the recurrence adds for N
windows is N consecutive columns of it. Nothing is gathered, and of the hidden states only the
present one is kept.
"""

import torch
from torch import Tensor

from hydroml.models.ealstm import EALSTM
from hydroml.models.lstm import LSTM


def last_states(model: LSTM | EALSTM, x_d: Tensor, x_s: Tensor, length: int) -> Tensor:
    """Run the recurrence over every window of a series, each from a state of zero.

    Parameters
    ----------
    model : LSTM or EALSTM
        Its weights; no gradient is kept.
    x_d : Tensor
        Standardised inputs of one basin, (N + length - 1, F).
    x_s : Tensor
        Its standardised attributes, (S,).
    length : int
        Days in a window.

    Returns
    -------
    Tensor
        Hidden state after the last day of each of the N windows, (N, H).

    Examples
    --------
    >>> model = LSTM(dynamic=2, static=3, hidden=4)
    >>> x_d, x_s = torch.ones(9, 2), torch.ones(3)
    >>> one_by_one = torch.cat([model(x_d[d : d + 7][None], x_s[None])[1][0] for d in range(3)])
    >>> torch.allclose(last_states(model, x_d, x_s, length=7), one_by_one, atol=1e-6)
    True
    """
    with torch.no_grad():
        w_ih, w_hh, bias, static_gate = _weights(model, x_s)
        projected = torch.addmm(bias[:, None], w_ih, x_d.T)  # (kH, N + length - 1)
        count, hidden = len(x_d) - length + 1, w_hh.shape[1]
        h, c = x_d.new_zeros(2, hidden, count)
        gates = x_d.new_empty(len(bias), count)
        sigmoids, g = gates[:-hidden], gates[-hidden:]
        f, o = gates[:hidden], gates[hidden : 2 * hidden]
        if static_gate is None:
            i = gates[2 * hidden : 3 * hidden]
        else:
            i = static_gate[:, None].expand_as(g)
        for t in range(length):
            torch.addmm(projected[:, t : t + count], w_hh, h, out=gates)
            sigmoids.sigmoid_()
            g.tanh_()
            c.mul_(f).addcmul_(i, g)
            torch.tanh(c, out=h).mul_(o)
        return h.T


def _weights(model: LSTM | EALSTM, x_s: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Weights on inputs and states, offset, all in the order f, o, (i,) g; the static gate."""
    if isinstance(model, EALSTM):
        w_ih, w_hh, bias = (_reorder(w, 0, 2, 1) for w in (model.w_ih, model.w_hh, model.bias))
        return w_ih, w_hh, bias, model.static_gate(x_s[None])[0]
    w_ih, w_hh, bias = (_reorder(w, 1, 3, 0, 2) for w in (model.w_ih, model.w_hh, model.bias))
    dynamic = w_ih.shape[1] - model.static
    if model.static:
        bias = bias + w_ih[:, dynamic:] @ x_s
    return w_ih[:, :dynamic], w_hh, bias, None


def _reorder(weight: Tensor, *gates: int) -> Tensor:
    parts = weight.chunk(len(gates))
    return torch.cat([parts[gate] for gate in gates])
