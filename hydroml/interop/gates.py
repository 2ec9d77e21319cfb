"""Weights of recurrent layers from one convention to another: gates by name."""

import torch
from torch import Tensor

LSTM_GATES = "ifgo"
"""Order of the gates in the rows of hydroml's LSTM, as in torch."""

EALSTM_GATES = "fgo"
"""Order in hydroml's EA-LSTM, whose input gate stands apart."""


def reorder_gates(rows: Tensor, have: str, want: str) -> Tensor:
    """Put the blocks of rows, one a gate, into another order.

    Parameters
    ----------
    rows : Tensor
        (kH, ...): weights or biases of k gates.
    have, want : str
        A letter a gate: i input, f forget, g cell, o output.

    Examples
    --------
    >>> reorder_gates(torch.tensor([1, 1, 2, 2, 3, 3]), have="fog", want="fgo")
    tensor([1, 1, 3, 3, 2, 2])
    """
    blocks = dict(zip(have, rows.chunk(len(have)), strict=True))
    return torch.cat([blocks[gate] for gate in want])


def as_lstm(
    w_ih: Tensor, w_hh: Tensor, bias: Tensor, head: tuple[Tensor, Tensor], have: str
) -> dict[str, Tensor]:
    """Parameters of `hydroml.models.LSTM`.

    Parameters
    ----------
    w_ih, w_hh, bias : Tensor
        (4H, I), (4H, H), (4H,).
    head : tuple of Tensor
        Weight (1, H) and bias (1,).
    have : str
        Order of the gates.
    """
    gates = {"w_ih": w_ih, "w_hh": w_hh, "bias": bias}
    found = {name: reorder_gates(rows, have, LSTM_GATES) for name, rows in gates.items()}
    return found | {"head.linear.weight": head[0], "head.linear.bias": head[1]}


def as_ealstm(
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    static: tuple[Tensor, Tensor],
    head: tuple[Tensor, Tensor],
    have: str,
) -> dict[str, Tensor]:
    """Parameters of `hydroml.models.EALSTM`.

    Parameters
    ----------
    w_ih, w_hh, bias : Tensor
        (3H, F), (3H, H), (3H,).
    static : tuple of Tensor
        Weight (H, S) and bias (H,) of the input gate.
    head : tuple of Tensor
        Weight (1, H) and bias (1,).
    have : str
        Order of the three gates.
    """
    gates = {"w_ih": w_ih, "w_hh": w_hh, "bias": bias}
    found = {name: reorder_gates(rows, have, EALSTM_GATES) for name, rows in gates.items()}
    found |= {"w_sh": static[0], "b_s": static[1]}
    return found | {"head.linear.weight": head[0], "head.linear.bias": head[1]}
