"""Training losses: one masked, weighted squared error; the basin weights make the loss.

===================  =========================================  ===========================
name                 weight of basin b                          units of s_b
===================  =========================================  ===========================
mse                  1
nse_star             1 / (s_b + 0.1)^2                          mm d-1 (as published)
nse_star_consistent  1 / (s_b / s + 0.1)^2                      standard deviations
===================  =========================================  ===========================

s_b is the standard deviation of the basin's training discharge, s the global one by which
targets are standardised. Kratzert et al. (2019, doi 10.5194/hess-23-5089-2019, eq. 13) divide
*standardised* errors by s_b in *mm d-1*: the units are mixed in the published code, and kept so
under the name ``nse_star``.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EPSILON = 0.1
"""Keeps basins of nearly constant flow from dominating (Kratzert et al. 2019, eq. 13)."""

BasinWeights = Callable[[NDArray[np.float64], float], NDArray[np.float64]]

BASIN_WEIGHTS: dict[str, BasinWeights] = {
    "mse": lambda basin_std, target_std: np.ones_like(basin_std),
    "nse_star": lambda basin_std, target_std: (basin_std + EPSILON) ** -2.0,
    "nse_star_consistent": lambda basin_std, target_std: (basin_std / target_std + EPSILON) ** -2.0,
}
"""Weights (B,) from the standard deviation of each basin's discharge (B,) and the global one,
both in [mm d-1], by the loss's name."""


def weighted_squared_error(
    y_hat: Tensor, y: Tensor, weight: Tensor, count: Tensor | None = None
) -> Tensor:
    """Mean over all valid targets of weight * (y_hat - y)^2.

    Parameters
    ----------
    y_hat : Tensor
        Simulated, standardised discharge, (B, K).
    y : Tensor
        Observed, standardised discharge, (B, K); NaN where there is no valid target.
    weight : Tensor
        Weight of each sample's basin, (B,).
    count : Tensor, optional
        Valid targets to divide by, where these rows are a part of a batch: the parts' losses add
        up to the batch's. By default those of `y`.

    Returns
    -------
    Tensor
        Scalar; 0 (with zero gradient) if there is no valid target at all.

    Examples
    --------
    >>> y = torch.tensor([[1.0, float("nan")], [0.0, 2.0]])
    >>> float(weighted_squared_error(torch.zeros(2, 2), y, torch.tensor([2.0, 0.5])))
    1.3333...
    """
    valid = ~torch.isnan(y)
    # NaN times zero is NaN, in the gradient too: replace the target before the difference
    error = y_hat - torch.where(valid, y, y_hat.detach())
    total = valid.sum().clamp(min=1) if count is None else count
    return (weight.unsqueeze(1) * error**2).sum() / total
