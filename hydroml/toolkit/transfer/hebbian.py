r"""The Hebbian rule of CHEF: a linear read-out learned from zero on fixed features.

Of features f and targets t of a support set of S samples, with y = W f + b,

.. math::
    d_s = \tfrac1S (\mathrm{softmax}(y_s) - t_s) \quad \text{or, for numbers,} \quad
    d_s = \tfrac1S (y_s - t_s), \\
    W \leftarrow W - 2 \eta \sum_s d_s f_s^T, \qquad b \leftarrow b - \eta \sum_s d_s

a product of what a unit receives and of how wrong it is: gradient descent on cross entropy (half
the squared error) with the rate of the weights doubled.

For numbers, the rule sees the samples through two averages only: G of v v^T and m of v t, with
v = [f, 1]. With P = diag(2 eta, ..., 2 eta, eta), n steps from zero come to

.. math:: (I - (I - P G)^n) \, G^{-1} m = P^{1/2} U \frac{1 - (1 - s)^n}{s} U^T P^{1/2} m

with U s U^T = P^1/2 G P^1/2. A ridge regression of strength k in the same metric has 1 / (s + k)
in place of the fraction: n steps learn a direction about as ridge of strength 1/n does, and
n to infinity is least squares.
"""

import math

import torch
from torch import Tensor

WEIGHT_FACTOR = 2.0
"""How much faster weights learn than offsets."""


def hebbian_classes(
    features: Tensor, targets: Tensor, lr: float, steps: int
) -> tuple[Tensor, Tensor]:
    """Learn to tell classes apart.

    Parameters
    ----------
    features : Tensor
        (..., S, D): leading axes are support sets of their own, learned side by side.
    targets : Tensor
        1 for the class of a sample, else 0, (..., S, C).
    lr : float
        Learning rate of the offsets, eta.
    steps : int
        How often the rule is applied to the whole support set.

    Returns
    -------
    weight : Tensor
        (..., C, D).
    bias : Tensor
        (..., C).

    Examples
    --------
    >>> weight, bias = hebbian_classes(torch.eye(2), torch.eye(2), lr=0.1, steps=1)
    >>> weight  # classes are equally likely before: d is (0.5 - 1) / 2 for the right one
    tensor([[ 0.0500, -0.0500],
            [-0.0500,  0.0500]])
    """
    targets = targets.to(features.dtype)
    samples = features.shape[-2]
    weight = features.new_zeros(*features.shape[:-2], targets.shape[-1], features.shape[-1])
    bias = features.new_zeros(*features.shape[:-2], targets.shape[-1])
    for _ in range(steps):
        y = features @ weight.mT + bias.unsqueeze(-2)
        d = (torch.softmax(y, dim=-1) - targets) / samples
        weight = weight - WEIGHT_FACTOR * lr * d.mT @ features
        bias = bias - lr * d.sum(dim=-2)
    return weight, bias


def hebbian_rates(features: int, lr: float, like: Tensor) -> Tensor:
    """Rates of the weights and, last, of the offset: the diagonal of P, (D + 1,).

    Examples
    --------
    >>> hebbian_rates(2, 0.25, torch.zeros(()))
    tensor([0.5000, 0.5000, 0.2500])
    """
    return like.new_tensor([WEIGHT_FACTOR * lr] * features + [lr])


def hebbian_numbers(gram: Tensor, moment: Tensor, rates: Tensor, steps: Tensor) -> Tensor:
    """State of the rule for numbers after so many steps from zero, in closed form.

    Its cost depends neither on the samples nor on the steps.

    Parameters
    ----------
    gram : Tensor
        Mean of v v^T over the samples, (..., D, D); a constant 1 is among the D.
    moment : Tensor
        Mean of v t, (..., D, C).
    rates : Tensor
        Learning rate of each of the D, (D,), for example `hebbian_rates`.
    steps : Tensor
        Numbers of steps, (N,), or one, ().

    Returns
    -------
    Tensor
        Coefficients after each number of steps, (N, ..., D, C) or (..., D, C).

    Raises
    ------
    ValueError
        The rates are so large that the rule diverges.

    Examples
    --------
    >>> gram, moment = torch.eye(2), torch.tensor([[1.0], [2.0]])
    >>> hebbian_numbers(gram, moment, torch.tensor([0.5, 0.5]), torch.tensor([1, 2]))[..., 0]
    tensor([[0.5000, 1.0000],
            [0.7500, 1.5000]])
    """
    root = rates.sqrt()
    s, basis = torch.linalg.eigh(root.unsqueeze(-1) * gram * root)
    _refuse_divergence(float(s.max()), float(rates.min()))
    s = s.clamp(min=0).unsqueeze(-1)
    n = steps.to(s.dtype).view(*steps.shape, *[1] * s.ndim)
    slow = s < 0.5  # 1 - (1 - s)^n without cancellation
    gone = torch.where(slow, -torch.expm1(n * torch.log1p(-s.clamp(max=0.5))), 1 - (1 - s) ** n)
    learned = torch.where(s > 0, gone / s.clamp(min=torch.finfo(s.dtype).tiny), n)
    return root.unsqueeze(-1) * (basis @ (learned * (basis.mT @ (root.unsqueeze(-1) * moment))))


def _refuse_divergence(largest: float, lr: float) -> None:
    if not math.isfinite(largest):
        raise ValueError("features are not finite: fill or leave out what is missing")
    if largest > 2:
        raise ValueError(
            f"a learning rate of {lr:g} makes the rule diverge on these features: take one below "
            f"{2 * lr / largest:.2g}, or scale the features down"
        )
