"""Relevance of an LSTM's states, handed back in time, and from its gates to its inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hydroml.toolkit.attribution.cell import CellWeights, Trace
from hydroml.toolkit.attribution.lrp_rules import SPLITS, signs


@dataclass(frozen=True)
class Rules:
    """How relevance is shared out; see `LSTMLRP`.

    Parameters
    ----------
    rule : str
        A key of `SPLITS`.
    eps, bias_factor : float
        As in `lrp_linear`.
    """

    rule: str
    eps: float
    bias_factor: float


def walk_back(
    cell: CellWeights, known: Trace, x: Tensor, offset: Tensor, start: Tensor, rules: Rules
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hand relevance from the last hidden state back to inputs and first states.

    Parameters
    ----------
    cell : CellWeights
        Weights.
    known : Trace
        What the cell computed.
    x : Tensor
        Inputs, counted from their origin, (T, B, I).
    offset : Tensor
        What the pre-activations have besides x and the hidden state: bias and origin, (kH,) or
        (T, B, kH).
    start : Tensor
        Relevance of the last hidden state, (B, H).
    rules : Rules
        Rule, stabiliser, bias factor.

    Returns
    -------
    x : Tensor
        (T, B, I).
    h_0, c_0, static_gate : Tensor
        (B, H) each.
    """
    # with the rule "all" nothing but g hands relevance on to what feeds the gates
    rows = cell.signal_rows if rules.rule == "all" else slice(None)
    w_ih, w_hh, z = cell.w_ih[rows], cell.w_hh[rows], known.z[..., rows]
    stable = z + rules.eps * signs(z)
    # what biases and stabiliser hold of a gate, for each of the units that feed it: to each input
    # and each hidden unit the same
    units = x.shape[-1] + cell.hidden
    held = (rules.bias_factor / units) * (offset[..., rows] + stable - z)
    shares = torch.empty_like(stable)  # relevance of the gates over their pre-activations
    to_units = x.new_zeros(*shares.shape[:2], 1)
    r_h, r_c = start, torch.zeros_like(start)
    r_gate = torch.zeros_like(start)
    for t in range(len(x) - 1, -1, -1):
        r_i, r_f, r_g, r_o, r_c = _through_cell(known, t, r_h, r_c, rules)
        if cell.static_gate is not None:
            r_gate = r_gate + r_i
        gates = {3: [r_f, r_g, r_o], 4: [r_i, r_f, r_g, r_o]}[len(cell.w_ih) // cell.hidden]
        r_z = r_g if rules.rule == "all" else torch.cat(gates, dim=-1)
        torch.div(r_z, stable[t], out=shares[t])
        r_h = known.h[t] * (shares[t] @ w_hh)
        if rules.bias_factor:
            to_units[t] = (held[t] * shares[t]).sum(-1, keepdim=True)
            r_h = r_h + to_units[t]
    return x * (shares @ w_ih) + to_units, r_h, r_c, r_gate


def _through_cell(
    known: Trace, t: int, r_h: Tensor, r_c: Tensor, rules: Rules
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Hand relevance of h and c after a step to i, f, g, o and to c before it."""
    split, eps, delta = SPLITS[rules.rule], rules.eps, rules.bias_factor
    i, f, g, o = known.i[t % len(known.i)], known.f[t], known.g[t], known.o[t]
    before, c = known.c[t], known.c[t + 1]
    r_o, r_s = split(o, torch.tanh(c), r_h, eps, delta)
    r_c = r_c + r_s
    sign = signs(c)
    share = r_c / (c + eps * sign)
    r_old, r_new = f * before * share, i * g * share
    if delta:
        stabiliser = (delta * eps / (2 * c.shape[-1])) * (sign * share).sum(-1, keepdim=True)
        r_old, r_new = r_old + stabiliser, r_new + stabiliser
    r_f, r_c = split(f, before, r_old, eps, delta)
    r_i, r_g = split(i, g, r_new, eps, delta)
    return r_i, r_f, r_g, r_o, r_c
