r"""An LSTM cell whose connections can be cut one by one.

Four inlets look at the input and at the cell's own last output: cell input g, input gate i, forget
gate f, output gate o,

.. math::
    g_t = \phi_g(W_g x_t + R_g h_{t-1} + b_g) \qquad
    k_t = \sigma(W_k x_t + R_k h_{t-1} + b_k), \quad k \in \{i, f, o\} \\
    c_t = f_t \odot c_{t-1} + i_t \odot g_t \qquad h_t = o_t \odot \phi(c_t).

Of each inlet the forward weights W or the recurrent weights R can be left out, and the forget and
the output gate altogether, which are then 1. With all of them it is the ordinary LSTM. RUDDER's
cell (arXiv:1806.07857) has neither of the two gates, a cell input that sees inputs only and an
input gate that sees its own memory only: what is stored stays, and says when it was stored.
"""

import torch
from torch import nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.recurrent.flex_cell import ACTIVATIONS, INLETS, FlexLSTM

__all__ = ["ACTIVATIONS", "CARD", "INLETS", "FlexLSTM", "from_torch", "reduced_lstm"]

CARD = Card(
    name="flex_lstm",
    title="LSTM cell with connections to cut",
    paper="Hochreiter, Schmidhuber (1997): Long Short-Term Memory. Neural Computation 9, "
    "doi 10.1162/neco.1997.9.8.1735. Forget gate: Gers, Schmidhuber, Cummins (2000), "
    "doi 10.1162/089976600300015015. Reduced cell: Arjona-Medina et al. (2019), arXiv:1806.07857",
    year=1997,
    answers="How does a net remember one thing over many steps, and which connections does it "
    "need for that?",
    inputs="x (B, T, F); optional state h, c (B, H) each and lengths (B)",
    outputs="h (B, T, H) and a dict: c, i, f, o, g (B, T, H); h_n, c_n (B, H)",
    hydrology="The LSTM and EA-LSTM are hydroml's models and have faster loops of their own in "
    "hydroml.models; this cell is for other parts of the toolkit and for experiments with cells "
    "whose memory is to be read, such as a store that loses nothing (no forget gate).",
    claim="Class = first of 32 symbols: the reduced cell and the full one with a forget bias of 3 "
    "name it; a plain recurrent net and the full cell with a forget bias near 0 do not, in as much "
    "training. Small nets, 20 epochs, four lengths.",
    choices=(
        "A gate is left out with None; (False, False) leaves a gate with a bias only.",
        "One bias per inlet; torch.nn.LSTM has two, which are always added.",
        "Initial weights are those of torch.nn.LSTM; `initialise_` draws normal ones, as RUDDER "
        "needs.",
        "Steps after the end of a sequence are 0 in h and in the internals.",
    ),
)


def reduced_lstm(
    input_size: int,
    hidden: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> FlexLSTM:
    r"""Make RUDDER's cell: no forget gate, no output gate, nothing lost once it is stored.

    .. math::
        z_t = \tanh(W x_t + b_z), \quad i_t = \sigma(R h_{t-1} + b_i), \quad
        h_t = c_t = c_{t-1} + i_t z_t

    with W, R from N(0, 0.1²), b_i from N(-3, 1), b_z from N(0, 1).

    Parameters
    ----------
    input_size, hidden : int
        Number of inputs and of cells.
    generator : torch.Generator, optional
        Source of the initial weights.
    device, dtype
        Of the weights.

    Examples
    --------
    >>> reduced_lstm(3, 8)
    FlexLSTM(3, 8, i=(False, True), g=(True, False))
    """
    cell = FlexLSTM(
        input_size, hidden, w_ci=(True, False), w_ig=(False, True), w_og=None, w_fg=None,
        a_out="identity", device=device, dtype=dtype,
    )  # fmt: skip
    return cell.initialise_(0.1, {"i": (-3.0, 1.0), "g": (0.0, 1.0)}, generator)


def from_torch(lstm: nn.LSTM) -> FlexLSTM:
    """Make an uncut cell with the weights of a `torch.nn.LSTM` (copied).

    Parameters
    ----------
    lstm : torch.nn.LSTM
        One layer, one direction, no projection.

    Raises
    ------
    ValueError
        More than one layer, two directions, or a projection.

    Examples
    --------
    >>> lstm = nn.LSTM(3, 8, batch_first=True)
    >>> x = torch.randn(2, 5, 3)
    >>> bool(torch.allclose(from_torch(lstm)(x)[0], lstm(x)[0], atol=1e-6))
    True
    """
    if lstm.num_layers != 1 or lstm.bidirectional or lstm.proj_size:
        raise ValueError(f"{lstm} is not one layer in one direction without projection")
    weights = dict(lstm.named_parameters())
    like = weights["weight_ih_l0"]
    cell = FlexLSTM(lstm.input_size, lstm.hidden_size, device=like.device, dtype=like.dtype)
    with torch.no_grad():
        cell.w_forward.copy_(like)
        cell.w_recurrent.copy_(weights["weight_hh_l0"])
        cell.bias.zero_()
        if lstm.bias:
            cell.bias.copy_(weights["bias_ih_l0"] + weights["bias_hh_l0"])
    return cell
