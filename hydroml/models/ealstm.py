"""Entity-aware LSTM: static attributes set the input gate, once for each basin."""

import torch
from torch import Tensor, nn

from hydroml.models.fused import State
from hydroml.models.heads import RegressionHead
from hydroml.models.initialisation import initialise_gates
from hydroml.models.recurrence import fused_is_faster, run_lstm, run_static_gate_lstm


class EALSTM(nn.Module):
    r"""Entity-aware LSTM rainfall-runoff model.

    .. math::
        i = \sigma(W_i x_s + b_i) \quad
        f_t = \sigma(W_f x_d(t) + U_f h_{t-1} + b_f) \\
        g_t = \tanh(W_g x_d(t) + U_g h_{t-1} + b_g) \quad
        o_t = \sigma(W_o x_d(t) + U_o h_{t-1} + b_o) \\
        c_t = f_t c_{t-1} + i g_t \quad h_t = o_t \tanh(c_t)

    The static gate is an ordinary input gate whose dynamic and recurrent weights are
    structurally zero: on a GPU `forward` builds those weights and lets the fused LSTM kernel
    compute the recurrence, exactly and without a Python loop over time. On the CPU the
    recurrence of `hydroml.models.hoisted` is faster than the fused kernel, and equally exact.

    Parameters
    ----------
    dynamic : int
        Number of dynamic inputs F.
    static : int
        Number of static attributes S, at least 1.
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
    Kratzert et al. (2019), doi 10.5194/hess-23-5089-2019, eqs. 7-12.

    Examples
    --------
    >>> model = EALSTM(dynamic=5, static=27, hidden=16)
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
        self.w_sh = nn.Parameter(torch.empty(hidden, static))
        self.b_s = nn.Parameter(torch.zeros(hidden))
        # gates f, g, o
        self.w_ih = nn.Parameter(torch.empty(3 * hidden, dynamic))
        self.w_hh = nn.Parameter(torch.empty(3 * hidden, hidden))
        self.bias = nn.Parameter(torch.empty(3 * hidden))
        self.head = RegressionHead(hidden, dropout)
        forget = slice(0, hidden)
        initialise_gates(
            initial_weights, [self.w_ih, self.w_sh], self.w_hh, self.bias, forget, forget_bias
        )

    def forward(
        self,
        x_d: Tensor,
        x_s: Tensor,
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
        x_s : Tensor
            Static attributes, standardised, (B, S).
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
        if fused_is_faster(x_d, self.w_hh):
            h, state = run_lstm(x_d, x_s, *self.lstm_weights(), state, last)
        else:
            gate = self.static_gate(x_s)
            h, state = run_static_gate_lstm(x_d, self.w_ih, self.w_hh, self.bias, gate, state, last)
        return self.head(h, mask), state

    def lstm_weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the ordinary LSTM on [x_d, x_s] that equals this model.

        Returns
        -------
        w_ih : Tensor
            (4H, F + S): the input gate sees statics only, the others dynamics only.
        w_hh : Tensor
            (4H, H): the input gate's rows are zero.
        bias : Tensor
            (4H,).
        """
        hidden, static = self.w_sh.shape
        gate = torch.cat([self.w_sh.new_zeros(hidden, self.w_ih.shape[1]), self.w_sh], dim=1)
        rest = torch.cat([self.w_ih, self.w_ih.new_zeros(3 * hidden, static)], dim=1)
        w_hh = torch.cat([self.w_hh.new_zeros(hidden, hidden), self.w_hh])
        return torch.cat([gate, rest]), w_hh, torch.cat([self.b_s, self.bias])

    def static_gate(self, x_s: Tensor) -> Tensor:
        """Input gate of each basin, (B, H): the model's embedding of catchments (eq. 7)."""
        return torch.sigmoid(x_s @ self.w_sh.mT + self.b_s.unsqueeze(-2))
