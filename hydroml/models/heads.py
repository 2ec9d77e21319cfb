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

    def forward(self, h: Tensor) -> Tensor:
        """Map hidden states (B, T, H) to standardised discharge (B, T)."""
        return self.linear(self.dropout(h)).squeeze(-1)
