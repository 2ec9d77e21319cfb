"""From hidden states to discharge."""

from torch import Tensor, nn


class RegressionHead(nn.Module):
    """Dropout and one linear unit on the hidden states.

    Parameters
    ----------
    hidden : int
        Size of the hidden state.
    dropout : float
        Share of hidden units dropped in training.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map hidden states to discharge.

        Parameters
        ----------
        h : Tensor
            (B, T, H); or (K, B, T, H), where K members' weights are stacked.
        mask : Tensor, optional
            Dropout drawn by the caller, like `h`: 0 where a unit is dropped, 1 / (1 - p) where
            it is kept. Without it the head draws its own, in training mode.

        Returns
        -------
        Tensor
            Standardised discharge, (B, T).
        """
        h = self.dropout(h) if mask is None else h * mask
        if h.ndim == 3:
            return self.linear(h).squeeze(-1)
        weight, bias = self.linear.weight, self.linear.bias  # (K, 1, H), (K, 1)
        return (h.flatten(1, 2) @ weight.mT).view(h.shape[:3]) + bias.unsqueeze(-1)
