"""Second moments of days: all that a linear fit, and its error on other days, need to know."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Sums over days of regressors v (D) and of a target t.

    Parameters
    ----------
    gram : Tensor
        Of v v^T, (..., D, D).
    moment : Tensor
        Of v t, (..., D).
    energy : Tensor
        Of t^2, (...).
    days : Tensor
        How many, (...).

    Examples
    --------
    >>> v, t = torch.tensor([[[1.0, 1.0], [2.0, 1.0]]]), torch.tensor([[3.0, 5.0]])
    >>> of_days = moments_of_stretches(v, t, torch.ones(1, 2), 1)
    >>> float(of_days.squared_error(torch.tensor([2.0, 1.0]).double()))
    0.0
    """

    gram: Tensor
    moment: Tensor
    energy: Tensor
    days: Tensor

    def total(self) -> "Moments":
        """Sum over the first axis."""
        return Moments(*(part.sum(0) for part in self._parts()))

    def each(self) -> Iterator["Moments"]:
        """Go along the first axis."""
        return (Moments(*parts) for parts in zip(*self._parts(), strict=True))

    def without(self, some: "Moments") -> "Moments":
        """Leave out some of the days."""
        pairs = zip(self._parts(), some._parts(), strict=True)
        return Moments(*(all_of_them - few for all_of_them, few in pairs))

    def chosen(self, columns: Tensor) -> "Moments":
        """Keep some of the regressors, by index."""
        gram = self.gram[..., columns, :][..., columns]
        return Moments(gram, self.moment[..., columns], self.energy, self.days)

    def squared_error(self, coefficients: Tensor) -> Tensor:
        """Sum over days of (t - w^T v)^2, for w (..., D): (...)."""
        w = coefficients.unsqueeze(-1)
        fitted = (w * (self.gram @ w - 2 * self.moment.unsqueeze(-1))).sum((-2, -1))
        return (self.energy + fitted).clamp(min=0)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.gram, self.moment, self.energy, self.days


def moments_of_stretches(v: Tensor, t: Tensor, counted: Tensor, stretches: int) -> Moments:
    """Sum over each of several stretches of days of (nearly) equal length.

    Parameters
    ----------
    v : Tensor
        Regressors, (..., T, D).
    t : Tensor
        Target, (..., T), finite also where it does not count.
    counted : Tensor
        1 where a day counts, else 0, (..., T) or broadcast to it.
    stretches : int
        How many, at most T.

    Returns
    -------
    Moments
        In double precision, stretches along the first axis.
    """
    cuts = [piece.tolist() for piece in torch.arange(v.shape[-2]).tensor_split(stretches)]
    parts = []
    for days in (slice(cut[0], cut[-1] + 1) for cut in cuts):
        weight = counted[..., days].to(v.dtype).expand(t[..., days].shape)
        v_w, t_w = v[..., days, :] * weight.unsqueeze(-1), t[..., days] * weight
        parts.append(
            (
                (v_w.mT @ v[..., days, :]).double(),
                (v_w.mT @ t_w.unsqueeze(-1))[..., 0].double(),
                (t_w**2).sum(-1).double(),
                weight.sum(-1).double(),
            )
        )
    return Moments(*(torch.stack(part) for part in zip(*parts, strict=True)))
