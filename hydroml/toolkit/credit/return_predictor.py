r"""A recurrent net that predicts at every step what the whole episode will return, and its loss.

.. math::
    z_t = \tanh(W [\Delta s_t, a_t] + b_z) \quad i_t = \sigma(R c_{t-1} + b_i) \quad
    c_t = c_{t-1} + i_t \odot z_t \quad g_t = w \cdot c_t + b

State differences are what stops the net from reading everything off the last state: an event is
seen when it happens or not at all. What is stored is never forgotten, so the prediction moves
where something is learned about the return, and stays where nothing is.
"""

import torch
from torch import Tensor, nn

from hydroml.toolkit.credit.reduced_cell import reduced_memory
from hydroml.toolkit.recurrent.flex_lstm import reduced_lstm

__all__ = ["ReturnPredictor", "last_prediction", "rudder_loss", "state_differences", "within"]


class ReturnPredictor(nn.Module):
    """The reduced LSTM with a linear read-out at every step.

    Parameters
    ----------
    state_dim : int
        Numbers of a state, S.
    n_actions : int
        Numbers of an action, A (one-hot for discrete ones); 0 where nobody acts.
    hidden : int
        Cells.
    generator : torch.Generator, optional
        Source of the initial weights.
    device, dtype
        Of the weights.

    References
    ----------
    Arjona-Medina et al. (2019), arXiv:1806.07857, appendix on the LSTM of RUDDER.

    Examples
    --------
    >>> model = ReturnPredictor(state_dim=5, n_actions=2)
    >>> model(torch.zeros(3, 10, 5), torch.zeros(3, 10, 2), torch.tensor([10, 4, 1])).shape
    torch.Size([3, 10])
    """

    def __init__(
        self,
        state_dim: int,
        n_actions: int,
        hidden: int = 16,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.state_dim, self.n_actions = state_dim, n_actions
        self.lstm = reduced_lstm(
            state_dim + n_actions, hidden, generator=generator, device=device, dtype=dtype
        )
        self.head = nn.Linear(hidden, 1, device=device, dtype=dtype)
        with torch.no_grad():
            self.head.weight.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)
            self.head.bias.zero_()

    def forward(
        self, delta_states: Tensor, actions: Tensor, lengths: Tensor | None = None
    ) -> Tensor:
        """Predict the return of the whole episode from what was seen so far.

        Parameters
        ----------
        delta_states : Tensor
            State differences, (B, T, S); see `state_differences`.
        actions : Tensor
            (B, T, A).
        lengths : Tensor, optional
            Steps of each episode, (B,); T by default.

        Returns
        -------
        Tensor
            g_t, (B, T), in units of the return; 0 after the end.
        """
        x = self.joined(delta_states, actions)
        alive = None if lengths is None else within(lengths, x)
        if alive is not None:  # padding may hold anything, NaN as well
            x = x.masked_fill(~alive[..., None], 0.0)
        g: Tensor = self.head(reduced_memory(self.lstm, x)).squeeze(2)
        return g if alive is None else g.masked_fill(~alive, 0.0)

    def joined(self, delta_states: Tensor, actions: Tensor) -> Tensor:
        """Put state differences and actions side by side, (B, T, S + A).

        Raises
        ------
        ValueError
            Shapes that do not fit.
        """
        wanted = ((self.state_dim,), (self.n_actions,))
        if (delta_states.shape[2:], actions.shape[2:]) != wanted or (
            delta_states.shape[:2] != actions.shape[:2]
        ):
            raise ValueError(
                f"delta_states {tuple(delta_states.shape)} and actions {tuple(actions.shape)} "
                f"must be (B, T, {self.state_dim}) and (B, T, {self.n_actions})"
            )
        return torch.cat([delta_states, actions], dim=2)


def rudder_loss(
    pred: Tensor, returns: Tensor, lengths: Tensor | None = None, aux_weight: float = 0.5
) -> Tensor:
    r"""Mean square error of the last prediction, and of all predictions as an auxiliary task.

    .. math::
        L = \frac1B \sum_b (g_{b,T_b} - G_b)^2
          + \frac{w}{B} \sum_b \frac1{T_b} \sum_t (g_{b,t} - G_b)^2

    The mean of squares, not the square of the mean error, which errors of both signs would make 0.

    Parameters
    ----------
    pred : Tensor
        g, (B, T).
    returns : Tensor
        G, (B,).
    lengths : Tensor, optional
        Steps of each episode, (B,); T by default.
    aux_weight : float
        w; 0 leaves early predictions to themselves.

    Examples
    --------
    >>> rudder_loss(torch.tensor([[0.0, 3.0], [0.0, -1.0]]), torch.tensor([2.0, 0.0]))
    tensor(1.7500)
    """
    error = (pred - _column(returns, pred)).square()
    if lengths is None:
        return error[:, -1].mean() + aux_weight * error.mean()
    mean = error.masked_fill(~within(lengths, pred), 0.0).sum(1) / lengths.to(pred)
    return last_prediction(error, lengths).mean() + aux_weight * mean.mean()


def last_prediction(pred: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Take the value of each sequence's last step, (B,).

    Examples
    --------
    >>> last_prediction(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([2, 1]))
    tensor([2., 3.])
    """
    if lengths is None:
        return pred[:, -1]
    within(lengths, pred)  # refuses lengths that do not fit
    return pred.gather(1, (lengths.to(pred.device) - 1)[:, None]).squeeze(1)


def state_differences(states: Tensor) -> Tensor:
    """Subtract from each state the one before; the first is kept as it is.

    Parameters
    ----------
    states : Tensor
        (B, T, S).

    Examples
    --------
    >>> state_differences(torch.tensor([[[1.0], [1.0], [4.0]]])).flatten()
    tensor([1., 0., 3.])
    """
    return torch.diff(states, dim=1, prepend=torch.zeros_like(states[:, :1]))


def within(lengths: Tensor, pred: Tensor) -> Tensor:
    """Tell which steps of (B, T) lie within each episode, bool (B, T).

    Raises
    ------
    ValueError
        Lengths that are no whole numbers from 1 to T, or not one for each episode.
    """
    batch, steps = pred.shape[:2]
    if lengths.shape != (batch,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths are {lengths.dtype} of shape {tuple(lengths.shape)}: give a whole number "
            f"for each of {batch} episodes"
        )
    if batch and not 1 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise ValueError(
            f"lengths go from {int(lengths.min())} to {int(lengths.max())}: they must be from 1 "
            f"to {steps}"
        )
    return torch.arange(steps, device=pred.device) < lengths.to(pred.device)[:, None]


def _column(returns: Tensor, pred: Tensor) -> Tensor:
    if pred.ndim != 2 or returns.shape != pred.shape[:1]:
        raise ValueError(
            f"predictions {tuple(pred.shape)} and returns {tuple(returns.shape)} must be (B, T) "
            "and (B,)"
        )
    return returns[:, None]
