"""A regional LSTM that reads daily flow and says what comes next; its states describe a year.

One network for all basins reads the transformed flow x_1 ... x_t and gives the middle m_t and the
scale b_t of a Laplace distribution of tomorrow's change:

    h_t = LSTM(x_t, x_t - x_(t-1); state before)        (m_t, log b_t) = W h_t + v
    loss = mean of  |e_t| + log(2 b_t)                  e_t = (x_(t+1) - x_t - m_t) / b_t

To say what comes next it has to know how fast flow falls and how a flood rises, so that its states
depend on the order of the days. The features of a year are, over the days after a warm-up,

    mean of h_t  (H numbers)      mean of log(1 + |e_t|)      mean sign of e_t

where the network has been, how much the days surprised it, and to which side. One wild day moves
none of them far: the distance takes features for Gaussian.
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["WARM_UP", "HydrographEncoder", "check_years", "next_day_loss"]

WARM_UP = 30
"""Days at the start of a year, or of a window, that neither features nor loss use."""

LOG_SCALES = (math.log(0.01), 3.0)  # held within: no flow is gauged to better than 1 %


class HydrographEncoder(nn.Module):
    """Years of daily flow to features.

    Parameters
    ----------
    hidden : int
        Size H of the state.

    Examples
    --------
    >>> HydrographEncoder(hidden=16)(torch.zeros(3, 365)).shape
    torch.Size([3, 18])
    """

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2)

    @property
    def features(self) -> int:
        """How many features a year has, H + 2."""
        return self.lstm.hidden_size + 2

    def forward(self, years: Tensor) -> Tensor:
        """Describe years.

        Parameters
        ----------
        years : Tensor
            Transformed flow (`relative_flow`), (N, T) days without a gap; T is 365 as a rule.

        Returns
        -------
        Tensor
            (N, H + 2).

        Raises
        ------
        ValueError
            A year with missing values, or one no longer than the warm-up.
        """
        h, move, log_scale = self._read(years)
        error = (torch.diff(years, dim=1) - move[:, :-1]) * (-log_scale[:, :-1]).exp()
        error = error[:, WARM_UP:]
        surprise = error.abs().log1p().mean(dim=1)
        side = error.sign().mean(dim=1)
        return torch.cat([h[:, WARM_UP:].mean(dim=1), surprise[:, None], side[:, None]], dim=1)

    def predict(self, years: Tensor) -> tuple[Tensor, Tensor]:
        """Tell the next day.

        Parameters
        ----------
        years : Tensor
            Transformed flow, (N, T).

        Returns
        -------
        middle : Tensor
            Median of the day after each day, (N, T), transformed flow.
        log_scale : Tensor
            Logarithm of the Laplace distribution's scale, (N, T).
        """
        _, move, log_scale = self._read(years)
        return years + move, log_scale

    def _read(self, years: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        check_years(years)
        change = torch.diff(years, dim=1, prepend=years[:, :1])
        h = self.lstm(torch.stack([years, change], dim=-1))[0]  # (N, T, H)
        move, log_scale = self.head(h).unbind(dim=-1)
        return h, move, log_scale.clamp(*LOG_SCALES)


def next_day_loss(encoder: HydrographEncoder, years: Tensor) -> Tensor:
    """Mean negative log likelihood of the next days after the warm-up, Laplace distribution.

    Parameters
    ----------
    encoder : HydrographEncoder
        Whose predictions are scored.
    years : Tensor
        Transformed flow, (N, T).
    """
    middle, log_scale = encoder.predict(years)
    middle, log_scale = middle[:, WARM_UP:-1], log_scale[:, WARM_UP:-1]
    error = (years[:, WARM_UP + 1 :] - middle).abs()
    return (error * (-log_scale).exp() + log_scale + math.log(2)).mean()


def check_years(years: Tensor) -> None:
    """Refuse years with gaps, years no longer than the warm-up, and no years at all.

    Raises
    ------
    ValueError
        With what is wrong and where.
    """
    if years.ndim != 2 or years.shape[1] < WARM_UP + 2 or not len(years):
        raise ValueError(
            f"Years have the shape {tuple(years.shape)}; give (N, T) with N of at least 1 "
            f"and T of at least {WARM_UP + 2} days."
        )
    whole = torch.isfinite(years).all(dim=1)
    if not whole.all():
        raise ValueError(
            f"{int((~whole).sum())} of {len(years)} years have missing or infinite values (the "
            f"first is number {int(torch.nonzero(~whole)[0])}); drop these years."
        )
