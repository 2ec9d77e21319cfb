r"""Read-outs of a basin fitted on what a regional model knows at several depths.

With v the states of all depths of a day and q the standardised discharge, a read-out is
:math:`\hat q = w^T v + b`. That of the region sees the hidden state only, :math:`w_0^T h + b_0`.
For a basin with little flow on record these are compared (`METHODS`):

- ``last_layer``: ridge regression of q on h, towards zero;
- ``chef``: at each depth the Hebbian rule of CHEF from zero; the mean of the read-outs;
- ``chef_regional``: the same on what the region's read-out leaves over;
- ``shrunk_last_layer``: ridge regression of that rest on h, so that the refit is drawn towards
  the region's read-out instead of zero;
- ``shrunk``: the same on h and on what the input gate lets in, together.

For one basin the squared error is its NSE: 1 - NSE is the mean squared error over the variance.
States are centred and each depth is scaled to a total variance of one, or else the depth with
the largest values would decide. The fits see the days through their second moments only; by
them the strength is judged, too, on stretches of days that are left out one after another.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hydroml.regionalisation.depths import DEPTHS
from hydroml.regionalisation.second_moments import Moments, moments_of_stretches
from hydroml.toolkit.transfer.hebbian import hebbian_numbers, hebbian_rates

RATE = 0.1
"""Learning rate of CHEF's offsets: stable on standardised depths, whatever the data."""
STEPS = (10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4)
PENALTIES = (3.0, 10.0, 30.0)
"""Towards the region's read-out: a narrow choice, as a year of flow cannot tell a wide one apart.
On validation years of 30 Daymet basins and two runs, 10 to 30 was about best for one year of flow,
1 to 10 for five (docs/toolkit/adaptation.md)."""
PENALTIES_FROM_ZERO = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

Fit = Callable[[Moments, Tensor], Tensor]
"""From moments (..., D) and strengths (N,) to coefficients (N, ..., D), the constant last."""


def ridge(moments: Moments, penalties: Tensor) -> Tensor:
    """Minimise the sum over days of the squared error plus penalty times squared coefficients.

    The sum, not the mean: with more days on record the same penalty shrinks less.
    """
    eye = torch.eye(moments.gram.shape[-1], dtype=penalties.dtype, device=penalties.device)
    factor = torch.linalg.cholesky(
        moments.gram + penalties.view(-1, *[1] * moments.gram.ndim) * eye
    )
    right = moments.moment.unsqueeze(-1).expand(*factor.shape[:-1], 1)
    return torch.cholesky_solve(right, factor)[..., 0]


def hebbian(moments: Moments, steps: Tensor) -> Tensor:
    """Apply CHEF's rule so many times, from zero."""
    days = moments.days[..., None, None].clamp(min=1)
    gram, moment = moments.gram / days, moments.moment.unsqueeze(-1) / days
    rates = hebbian_rates(gram.shape[-1] - 1, RATE, gram)
    return hebbian_numbers(gram, moment, rates, steps)[..., 0]


@dataclass(frozen=True)
class Method:
    """A way to fit a basin's read-out.

    Parameters
    ----------
    depths : tuple of str
        Keys of `hydroml.regionalisation.depths.DEPTHS`.
    regional : bool
        Whether it starts from the region's read-out, or from nothing.
    fused : bool
        Whether each depth has a read-out of its own and their mean is taken, as in CHEF.
    fit : callable
        `ridge` or `hebbian`.
    strengths : tuple of float
        To choose from: penalties, or numbers of steps.
    """

    depths: tuple[str, ...]
    regional: bool
    fused: bool
    fit: Fit
    strengths: tuple[float, ...]


ALL = tuple(DEPTHS)
METHODS = {
    "shrunk": Method(("written", "hidden"), True, False, ridge, PENALTIES),
    "shrunk_last_layer": Method(("hidden",), True, False, ridge, PENALTIES),
    "last_layer": Method(("hidden",), False, False, ridge, PENALTIES_FROM_ZERO),
    "chef": Method(ALL, False, True, hebbian, STEPS),
    "chef_regional": Method(ALL, True, True, hebbian, STEPS),
}
"""What ``hydroml adapt --method`` takes; the first is the default."""


@dataclass(frozen=True)
class Fitted:
    """Read-outs of K members for B basins, with each of N strengths.

    Parameters
    ----------
    weight : dict of Tensor
        By depth, on the states as they are, (N, K, B, D); to be added to the region's read-out
        where the method is regional.
    bias : Tensor
        (N, K, B).
    left_out : Tensor
        Squared error on days while they were left out over that of the region's read-out, (N, B);
        mean over members. Below 1: better than not adapting.
    """

    weight: dict[str, Tensor]
    bias: Tensor
    left_out: Tensor

    def take(self, strength: Tensor) -> "Fitted":
        """Choose a strength, by its index, for each basin, (B,): N becomes 1."""
        basins = torch.arange(len(strength), device=strength.device)
        weight = {
            name: w[strength, :, basins].transpose(0, 1)[None] for name, w in self.weight.items()
        }
        bias = self.bias[strength, :, basins].mT[None]
        return Fitted(weight, bias, self.left_out[strength, basins][None])


def fit_readouts(
    states: Mapping[str, Tensor], y: Tensor, regional: Tensor, method: Method, stretches: int
) -> Fitted:
    """Fit the read-outs of some basins with every strength of a method.

    Parameters
    ----------
    states : mapping of Tensor
        By depth, (K, B, T, D): the days from which to learn.
    y : Tensor
        Standardised discharge, (B, T); NaN where a day does not count.
    regional : Tensor
        Standardised discharge by the region's read-out, (K, B, T).
    method : Method
        One of `METHODS`.
    stretches : int
        Into how many stretches the days are cut, to leave out one after another; at least 2.

    Returns
    -------
    Fitted
        With all strengths.

    Examples
    --------
    >>> hidden = torch.randn(1, 2, 400, 3)
    >>> y = 2 * hidden[0, :, :, 0] + 1
    >>> fitted = fit_readouts({"hidden": hidden}, y, 0 * hidden[..., 0], METHODS["last_layer"], 4)
    >>> fitted.weight["hidden"].shape, bool((fitted.left_out[0] < 0.01).all())
    (torch.Size([6, 1, 2, 3]), True)
    """
    counted = ~torch.isnan(y)
    parts = {name: _standardise(states[name], counted) for name in method.depths}
    rest = torch.nan_to_num(y).expand_as(regional) - (regional if method.regional else 0)
    error = torch.where(counted, y - regional, 0).square().sum(-1).double()
    ones = regional.new_ones(*regional.shape, 1)
    v = torch.cat([*(z for z, _, _ in parts.values()), ones], dim=-1)
    of_stretches = moments_of_stretches(v, rest, counted, stretches)
    total = of_stretches.total()
    sizes = [z.shape[-1] for z, _, _ in parts.values()]
    strengths = torch.tensor(method.strengths, dtype=torch.float64, device=y.device)
    left_out = torch.stack(
        [one.squared_error(_fit(total.without(one), method, sizes, strengths))
         for one in of_stretches.each()]
    ).sum(0)  # fmt: skip
    found = _fit(total, method, sizes, strengths)
    bias, weight = found[..., -1], {}
    for (name, (_, centre, spread)), w in zip(
        parts.items(), found[..., :-1].split(sizes, dim=-1), strict=True
    ):
        weight[name] = w / spread[:, :, 0]
        bias = bias - (weight[name] * centre[:, :, 0]).sum(-1)
    return Fitted(weight, bias, left_out.mean(1) / error.mean(0).clamp(min=1e-12))


def _standardise(states: Tensor, counted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre the units and scale all of them alike, so that their variances add up to one."""
    weight = counted.unsqueeze(-1).to(states.dtype)
    days = weight.sum(-2, keepdim=True).clamp(min=1)
    centre = (states * weight).sum(-2, keepdim=True) / days
    z = states - centre
    total = ((z * weight).square().sum(-2, keepdim=True) / days).sum(-1, keepdim=True)
    spread = torch.where(total > 0, total, 1).sqrt()
    return z / spread, centre.double(), spread.double()


def _fit(moments: Moments, method: Method, sizes: list[int], strengths: Tensor) -> Tensor:
    """Coefficients (N, K, B, D) on all depths and the constant."""
    if not method.fused:
        return method.fit(moments, strengths)
    constant = moments.gram.shape[-1] - 1
    columns = torch.arange(constant, device=strengths.device).split(sizes)
    last = torch.tensor([constant], device=strengths.device)
    each = [method.fit(moments.chosen(torch.cat([some, last])), strengths) for some in columns]
    weights = [w[..., :-1] for w in each]
    bias = torch.stack([w[..., -1:] for w in each]).sum(0)
    return torch.cat([*weights, bias], dim=-1) / len(sizes)
