"""torch's fused LSTM kernel (cuDNN, oneDNN) as a plain function of its weights."""

import warnings

import torch
from torch import Tensor

# cuDNN wants its weights in one piece and copies them at every call. Ours are built at every
# call (the EA-LSTM's with their zeros), and are small: there is nothing for a user to do.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")

State = tuple[Tensor, Tensor]
"""Hidden and cell state, each (B, H)."""


def fused_lstm(
    x: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor, state: State | None = None
) -> tuple[Tensor, State]:
    """Run an LSTM layer over a sequence with one kernel call.

    Parameters
    ----------
    x : Tensor
        Inputs, (B, T, I).
    w_ih, w_hh : Tensor
        Input (4H, I) and recurrent (4H, H) weights; gates in torch's order i, f, g, o.
    bias : Tensor
        One bias a gate, (4H,). torch's layer has two whose sum counts; with one, the optimizer
        takes the step the published recipe takes.
    state : tuple of Tensor, optional
        Hidden and cell state (B, H) before the first step; zero by default.

    Returns
    -------
    h : Tensor
        Hidden state of every step, (B, T, H).
    state : tuple of Tensor
        Hidden and cell state after the last step.

    Examples
    --------
    >>> h, (h_n, c_n) = fused_lstm(
    ...     torch.ones(2, 5, 3), torch.ones(16, 3), torch.eye(4).repeat(4, 1), torch.zeros(16)
    ... )
    >>> h.shape, bool((h[:, -1] == h_n).all())
    (torch.Size([2, 5, 4]), True)
    """
    if state is None:
        zeros = x.new_zeros(x.shape[0], w_hh.shape[1])
        state = (zeros, zeros)
    h, h_n, c_n = torch.lstm(
        x,
        [s.unsqueeze(0) for s in state],
        [w_ih, w_hh, bias, torch.zeros_like(bias)],
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=torch.is_grad_enabled(),
        bidirectional=False,
        batch_first=True,
    )
    return h, (h_n.squeeze(0), c_n.squeeze(0))
