"""Energy, retrieval and error bound of the modern Hopfield network: functions without weights.

Stored patterns x_i (N of d features), state xi, inverse temperature beta, M = max |x_i|:

    E(xi)   = -1/beta log sum_i exp(beta x_i . xi) + 1/2 xi . xi + 1/beta log N + 1/2 M^2
    xi'     = sum_i softmax_i(beta x_i . xi) x_i                 (never raises E)
    Delta_i = x_i . x_i - max_{j != i} x_i . x_j                 (separation)
    |xi' - x_i| <= 2 (N - 1) exp(-beta (Delta_i - 2 |xi - x_i| M)) M

The bound in three steps: xi' - x_i = sum_j p_j (x_j - x_i) is at most 2 M (1 - p_i) long; 1 - p_i
is at most (N - 1) exp(-beta min_j xi . (x_i - x_j)); and xi . (x_i - x_j) is at least
Delta_i - |xi - x_i| 2 M.

Ramsauer et al. (2021), arXiv:2008.02217, equations 2 and 3, theorems 1 and 5.
"""

import math

import torch
from torch import Tensor


def hopfield_energy(X: Tensor, xi: Tensor, beta: float | Tensor) -> Tensor:
    """Energy of states among stored patterns.

    Parameters
    ----------
    X : Tensor
        Stored patterns, (N, d); or (B, N, d) with states (B, L, d).
    xi : Tensor
        States, (..., d).
    beta : float or Tensor
        Inverse temperature, positive; broadcasts against the result.

    Returns
    -------
    Tensor
        (...): never negative, and never higher after an update.

    Raises
    ------
    ValueError
        Shapes that do not fit, no stored pattern, beta not positive.

    References
    ----------
    Ramsauer et al. (2021), arXiv:2008.02217, equation 2.

    Examples
    --------
    >>> hopfield_energy(torch.eye(1), torch.ones(1), beta=2.0)
    tensor(0.)
    """
    _refuse(X, xi, beta)
    patterns = X.shape[-2]
    nearness = _logits(X, xi, beta).logsumexp(-1)
    largest = X.square().sum(-1).amax(-1)
    if X.ndim > 2:
        largest = largest.unsqueeze(-1)
    return (math.log(patterns) - nearness) / beta + 0.5 * (xi.square().sum(-1) + largest)


def hopfield_retrieve(X: Tensor, xi: Tensor, beta: float | Tensor, steps: int = 1) -> Tensor:
    """Update states `steps` times.

    Parameters
    ----------
    X : Tensor
        Stored patterns, (N, d); or (B, N, d) with states (B, L, d).
    xi : Tensor
        States, (..., d).
    beta : float or Tensor
        Inverse temperature, positive; broadcasts against the states without their last axis.
    steps : int
        Number of updates; 0 returns the states.

    Returns
    -------
    Tensor
        (..., d).

    Raises
    ------
    ValueError
        Shapes that do not fit, no stored pattern, beta not positive, negative steps.

    References
    ----------
    Ramsauer et al. (2021), arXiv:2008.02217, equation 3.

    Examples
    --------
    >>> stored = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> hopfield_retrieve(stored, torch.tensor([0.9, 0.3]), beta=50.0).round()
    tensor([1., 0.])
    """
    _refuse(X, xi, beta)
    if steps < 0:
        raise ValueError(f"steps is {steps}: 0 or more updates")
    for _ in range(steps):
        xi = _logits(X, xi, beta).softmax(-1) @ X
    return xi


def separation(X: Tensor) -> Tensor:
    """How far each stored pattern stands out from the others.

    Parameters
    ----------
    X : Tensor
        Stored patterns (..., N, d), at least two.

    Returns
    -------
    Tensor
        x_i . x_i minus the largest x_i . x_j of the others, (..., N).

    Examples
    --------
    >>> separation(torch.eye(3))
    tensor([1., 1., 1.])
    """
    if X.shape[-2] < 2:
        raise ValueError(f"separation needs two patterns or more, and X is {tuple(X.shape)}")
    products = X @ X.mT
    own = products.diagonal(dim1=-2, dim2=-1)
    same = torch.eye(X.shape[-2], dtype=torch.bool, device=X.device)
    return own - products.masked_fill(same, -torch.inf).amax(-1)


def retrieval_error_bound(X: Tensor, distance: Tensor, beta: float) -> Tensor:
    """Bound on the distance to a stored pattern after one update.

    Parameters
    ----------
    X : Tensor
        Stored patterns (N, d).
    distance : Tensor
        Of a state from each pattern before the update, |xi - x_i|, (..., N).
    beta : float
        Inverse temperature.

    Returns
    -------
    Tensor
        (..., N); above 2 M it says nothing.

    References
    ----------
    Ramsauer et al. (2021), arXiv:2008.02217, theorem 5.

    Examples
    --------
    >>> retrieval_error_bound(10 * torch.eye(2), torch.zeros(2), beta=0.1)
    tensor([0.0009, 0.0009])
    """
    largest = X.norm(dim=-1).max()
    exponent = -beta * (separation(X) - 2 * distance * largest)
    return 2 * (X.shape[-2] - 1) * exponent.exp() * largest


def _logits(X: Tensor, xi: Tensor, beta: float | Tensor) -> Tensor:
    if isinstance(beta, Tensor):
        beta = beta.unsqueeze(-1)  # of a state, whatever the pattern
    return beta * (xi @ X.mT)


def _refuse(X: Tensor, xi: Tensor, beta: float | Tensor) -> None:
    shapes = f"X is {tuple(X.shape)}, xi is {tuple(xi.shape)}"
    if X.ndim < 2 or xi.ndim < 1 or X.shape[-1] != xi.shape[-1]:
        raise ValueError(f"{shapes}: give X as (N, d) or (B, N, d) and xi as (..., d)")
    if X.ndim > 2 and (xi.ndim != X.ndim or xi.shape[:-2] != X.shape[:-2]):
        raise ValueError(f"{shapes}: several sets of patterns take states (B, L, d)")
    if X.shape[-2] == 0:
        raise ValueError(f"{shapes}: no pattern is stored, so there is nothing to retrieve")
    if not bool(torch.as_tensor(beta > 0).all()):
        raise ValueError(f"beta is {beta}: the inverse temperature is positive")
