"""LSTM with static attributes concatenated to every step, or without them."""

import torch
from torch import Tensor, nn

from hydroml.models.fused import State
from hydroml.models.heads import RegressionHead
from hydroml.models.initialisation import initialise_gates
from hydroml.models.recurrence import run_lstm


class LSTM(nn.Module):
    r"""Regional LSTM rainfall-runoff model.

    .. math::
        i_t = \sigma(W_i z_t + U_i h_{t-1} + b_i) \quad
        f_t = \sigma(W_f z_t + U_f h_{t-1} + b_f) \\
        g_t = \tanh(W_g z_t + U_g h_{t-1} + b_g) \quad
        o_t = \sigma(W_o z_t + U_o h_{t-1} + b_o) \\
        c_t = f_t c_{t-1} + i_t g_t \quad h_t = o_t \tanh(c_t)

    with :math:`z_t = [x_d(t), x_s]` and the head on :math:`h_t`.

    Parameters
    ----------
    dynamic : int
        Number of dynamic inputs F.
    static : int
        Number of static attributes S; 0 for the model without them.
    hidden : int
        Size H of the hidden state.
    dropout : float
        Dropout on the hidden states before the head.
    forget_bias : float
        Initial bias of the forget gate.
    initial_weights : str
        A key of `hydroml.models.initialisation.INITIALISATIONS`.

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735; use in hydrology and
    initial weights: Kratzert et al. (2019), doi 10.5194/hess-23-5089-2019, eqs. 1-6.

    Examples
    --------
    >>> model = LSTM(dynamic=5, static=27, hidden=16)
    >>> y, state = model(torch.zeros(3, 30, 5), torch.zeros(3, 27))
    >>> y.shape
    torch.Size([3, 30])
    """

    def __init__(
        self,
        dynamic: int,
        static: int,
        hidden: int = 256,
        dropout: float = 0.4,
        forget_bias: float = 5.0,
        initial_weights: str = "kratzert2019",
    ) -> None:
        super().__init__()
        self.static = static
        self.w_ih = nn.Parameter(torch.empty(4 * hidden, dynamic + static))
        self.w_hh = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.empty(4 * hidden))
        self.head = RegressionHead(hidden, dropout)
        forget = slice(hidden, 2 * hidden)
        initialise_gates(initial_weights, [self.w_ih], self.w_hh, self.bias, forget, forget_bias)

    def forward(
        self,
        x_d: Tensor,
        x_s: Tensor | None = None,
        state: State | None = None,
        *,
        last: int | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Simulate discharge.

        Parameters
        ----------
        x_d : Tensor
            Dynamic inputs, standardised, (B, T, F).
        x_s : Tensor, optional
            Static attributes, standardised, (B, S). Not read by a model without statics.
        state : tuple of Tensor, optional
            What an earlier call returned, to go on with a long series piece by piece.
        last : int, optional
            Apply the head to the last so many steps only.
        mask : Tensor, optional
            Dropout drawn by the caller, (B, last, H); see `RegressionHead`.

        Returns
        -------
        y : Tensor
            Standardised discharge, (B, T) or (B, last).
        state : tuple of Tensor
            Hidden and cell state after the last step, (B, H) each.
        """
        statics = x_s if self.static else None
        h, state = run_lstm(x_d, statics, self.w_ih, self.w_hh, self.bias, state, last)
        return self.head(h, mask), state
