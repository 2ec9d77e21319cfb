"""First-order GAN: a Wasserstein critic whose slope at generated points is penalised to be right.

For real points x and generated ones x' the critic f minimises

    -E f(x) + E f(x') + lip E (f(x) - f(x'))^2 / |x - x'| + grad E (|grad f(x')| - s(x'))^2

the first penalty over pairs. s(x') is the slope that the optimal critic of the first three terms
has at x', taken from the batch and held fixed,

    s(x') = | mean_x (x - x') (f(x) - f(x')) / |x - x'|^3 |  /  mean_x 1 / |x - x'|

or, cheaper, the constant 1 / (2 lip). Two point masses at distance D: f(x) - f(x') = D / (2 lip),
slope 1 / (2 lip), divergence D / (4 lip). The generator minimises -E f(x').
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from hydroml.toolkit.adversarial.losses import Condition, Critic, gradient_norm, scores
from hydroml.toolkit.card import Card

__all__ = ["CARD", "PenalisedWasserstein", "Slope", "optimal_slope", "pwgan_critic_loss"]

CARD = Card(
    name="first_order",
    title="First Order GAN (penalised Wasserstein GAN)",
    paper="Seward, Unterthiner, Bergmann, Jetchev & Hochreiter (2018): First Order Generative "
    "Adversarial Networks. ICML 2018, arXiv:1802.04591",
    year=2018,
    answers="Which critic tells the generator the direction of steepest descent?",
    inputs="real and generated points, (B, ...) each; a critic (B, ...) to (B,)",
    outputs="the critic's loss, a scalar; slopes (B,)",
    hydrology="one of the losses a weather generator can be trained with; it takes the place of "
    "the gradient penalty",
    claim="Two point masses: difference, slope and divergence as in closed form. From ring to ring "
    "its critic points along the exact transport much sooner than one with a gradient penalty (of "
    "weight 10), which gets there, too; on a line that one may point backwards. Not shown: better "
    "samples, or the paper's results on text and pictures",
    choices=(
        "A pair nearer than 1e-8 has no first penalty; distances in the slope have 1e-6 added.",
        "Slopes are asked for at the generated points themselves, not at points moved from them.",
        "With a condition `PenalisedWasserstein` takes the constant slope: the batch holds other "
        "points of other conditions only.",
    ),
)

Slope = Literal["optimal", "constant"]


def pwgan_critic_loss(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    lip: float = 0.5,
    grad: float = 1.0,
    slope: Slope = "optimal",
) -> Tensor:
    """Loss of the penalised Wasserstein critic.

    Parameters
    ----------
    critic : callable
        (B, ...) to (B,) or (B, 1).
    real, fake : Tensor
        (B, ...), of one shape; paired as they stand.
    lip, grad : float
        Weights of the two penalties (lambda and mu of the paper).
    slope : str
        ``optimal``, or ``constant`` 1 / (2 lip).

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ValueError
        Shapes differ, `lip` is not positive, `grad` negative, or an unknown `slope`.

    References
    ----------
    Seward et al. (2018), arXiv:1802.04591.

    Examples
    --------
    >>> x, made = torch.ones(1, 1), torch.zeros(1, 1)  # D = 1; f = x is optimal for lip = 1/2
    >>> pwgan_critic_loss(lambda x: x[:, 0], x, made)  # minus D / (4 lip)
    tensor(-0.5000)
    """
    _check(real, fake, lip, grad)
    if slope not in _SLOPES:
        raise ValueError(f"slope is {slope!r}; choose optimal or constant.")
    f_real, f_fake = scores(critic, real).mean(1), scores(critic, fake).mean(1)
    distance = (real - fake).reshape(len(real), -1).detach().square().sum(1).sqrt()
    apart = distance >= 1e-8
    quotient = (f_real - f_fake).square() / torch.where(apart, distance, 1.0)
    loss = f_fake.mean() - f_real.mean() + lip * (quotient * apart).mean()
    if grad == 0:
        return loss
    target = _SLOPES[slope](real, fake, f_real, f_fake, lip)
    return loss + grad * (gradient_norm(critic, fake) - target).square().mean()


@torch.no_grad()
def optimal_slope(real: Tensor, fake: Tensor, f_real: Tensor, f_fake: Tensor) -> Tensor:
    """Slope of the optimal critic at generated points, each against all real ones.

    Parameters
    ----------
    real, fake : Tensor
        (m, ...) and (n, ...).
    f_real, f_fake : Tensor
        The critic's values there, (m,) and (n,).

    Returns
    -------
    Tensor
        (n,), without gradient.

    Raises
    ------
    ValueError
        Points of unlike size, or values that do not belong to them.

    References
    ----------
    Seward et al. (2018), arXiv:1802.04591.

    Examples
    --------
    >>> optimal_slope(torch.tensor([[2.0]]), torch.zeros(1, 1), torch.tensor([6.0]), torch.zeros(1))
    tensor([3.0000])
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"Real points are {tuple(real.shape)}, generated ones {tuple(fake.shape)}: "
            "all axes but the first must agree."
        )
    if f_real.shape != real.shape[:1] or f_fake.shape != fake.shape[:1]:
        raise ValueError(
            f"Values {tuple(f_real.shape)} and {tuple(f_fake.shape)} for {len(real)} real and "
            f"{len(fake)} generated points; give one for each."
        )
    x, made = real.reshape(len(real), -1), fake.reshape(len(fake), -1)
    r = torch.cdist(made, x, compute_mode="donot_use_mm_for_euclid_dist") + 1e-6  # (n, m)
    w = (f_real - f_fake[:, None]) / r**3
    pull = w @ x / len(x) - made * w.mean(1, keepdim=True)  # mean over x of w (x - x')
    return pull.square().sum(1).sqrt() / r.reciprocal().mean(1)


@dataclass(frozen=True)
class PenalisedWasserstein:
    """The loss, for `GANTrainer`.

    Parameters
    ----------
    lip, grad : float
        See `pwgan_critic_loss`.
    slope : str, optional
        ``optimal`` or ``constant``; None: optimal without a condition, constant with one.

    Raises
    ------
    ValueError
        ``optimal`` and a condition.
    """

    lip: float = 0.5
    grad: float = 1.0
    slope: Slope | None = None

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Give `pwgan_critic_loss`."""
        if condition is None:
            slope = self.slope or "optimal"
            return pwgan_critic_loss(critic, real, fake, self.lip, self.grad, slope)
        if self.slope == "optimal":
            raise ValueError(
                "The optimal slope compares with real points of other conditions; "
                "give PenalisedWasserstein(slope='constant'), or leave slope out."
            )
        told = partial(scores, critic, condition=condition)
        return pwgan_critic_loss(told, real, fake, self.lip, self.grad, "constant")

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Minus the mean of f(x')."""
        return -scores(critic, fake, condition).mean()


def _optimal(real: Tensor, fake: Tensor, f_real: Tensor, f_fake: Tensor, lip: float) -> Tensor:
    return optimal_slope(real.detach(), fake.detach(), f_real.detach(), f_fake.detach())


def _constant(real: Tensor, fake: Tensor, f_real: Tensor, f_fake: Tensor, lip: float) -> Tensor:
    return torch.full_like(f_fake, 1 / (2 * lip))


_SLOPES = {"optimal": _optimal, "constant": _constant}


def _check(real: Tensor, fake: Tensor, lip: float, grad: float) -> None:
    if real.shape != fake.shape:
        raise ValueError(
            f"Real points are {tuple(real.shape)}, generated ones {tuple(fake.shape)}: "
            "they are paired one to one, so give both one shape."
        )
    if not (lip > 0 and grad >= 0):
        raise ValueError(f"lip is {lip}, grad {grad}; give lip above 0 and grad 0 or above.")
