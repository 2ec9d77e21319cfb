"""Rules that replace an integral from 0 to 1 by a weighted sum."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def nodes_and_weights(method: str, steps: int) -> tuple[Tensor, Tensor]:
    """Points between 0 and 1, and weights that sum to 1.

    Parameters
    ----------
    method : str
        A key of `RULES`.
    steps : int
        How many points.

    Returns
    -------
    nodes, weights : Tensor
        (steps,), float64.

    Raises
    ------
    ValueError
        Unknown method, or too few steps for it.

    Examples
    --------
    >>> nodes, weights = nodes_and_weights("gausslegendre", 3)
    >>> round(float((weights * nodes**5).sum()), 12)  # exact up to degree 5
    0.166666666667
    """
    if method not in RULES:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(RULES)}")
    least = 2 if method == "riemann_trapezoid" else 1
    if steps < least:
        raise ValueError(f"steps is {steps}: {method} needs at least {least}")
    nodes, weights = RULES[method](steps)
    return torch.from_numpy(nodes), torch.from_numpy(weights)


def _gauss_legendre(steps: int) -> Points:
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1) / 2, weights / 2  # from -1..1 to 0..1


def _left(steps: int) -> Points:
    return np.arange(steps) / steps, np.full(steps, 1 / steps)


def _right(steps: int) -> Points:
    return np.arange(1, steps + 1) / steps, np.full(steps, 1 / steps)


def _middle(steps: int) -> Points:
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)


def _trapezoid(steps: int) -> Points:
    weights = np.full(steps, 1 / (steps - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, steps), weights


RULES: dict[str, Callable[[int], Points]] = {
    "gausslegendre": _gauss_legendre,
    "riemann_left": _left,
    "riemann_right": _right,
    "riemann_middle": _middle,
    "riemann_trapezoid": _trapezoid,
}
"""Rules by name."""
