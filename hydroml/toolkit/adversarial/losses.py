"""Losses of a generator G and a critic f, on real points x and generated points x' = G(z).

Each is a small object that gives two numbers to be minimised; `GANTrainer` takes any of them.

    critic                                                             generator
    non-saturating  E softplus(-f(x)) + E softplus(f(x'))              E softplus(-f(x'))
    least squares   E (f(x) - 1)^2 / 2 + E f(x')^2 / 2                 E (f(x') - 1)^2 / 2
    Wasserstein     E f(x') - E f(x) + w E (|grad f(u)| - 1)^2         -E f(x')

with ``u = t x + (1 - t) x'``, t uniform in [0, 1]. A critic gives one number a sample, or several
(patches); numbers are averaged.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "AdversarialLoss",
    "Condition",
    "Critic",
    "LeastSquares",
    "NonSaturating",
    "WassersteinGP",
    "gradient_norm",
    "gradient_penalty",
    "scores",
]

Condition = Tensor | tuple[Tensor, ...] | None
"""What both networks are told besides: (B, ...) each."""

Critic = Callable[..., Tensor]
"""``critic(x)``, or ``critic(x, condition)`` where there is one: (B,) or (B, ...)."""


class AdversarialLoss(Protocol):
    """What `GANTrainer` asks of a loss: two scalars, each to be minimised by its network."""

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Give the critic's loss; `fake` is detached."""
        ...

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Give the generator's loss; `fake` carries its gradient."""
        ...


@dataclass(frozen=True)
class NonSaturating:
    """The game of Goodfellow et al. (2014), arXiv:1406.2661, with the generator's -log D.

    Examples
    --------
    >>> loss, zeros = NonSaturating(), torch.zeros(4, 2)
    >>> loss.critic_loss(lambda x: x.sum(1), zeros, zeros)  # 2 log 2
    tensor(1.3863)
    """

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Mean of softplus(-f(x)) plus mean of softplus(f(x'))."""
        of_real, of_fake = scores(critic, real, condition), scores(critic, fake, condition)
        return F.softplus(-of_real).mean() + F.softplus(of_fake).mean()

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Mean of softplus(-f(x'))."""
        return F.softplus(-scores(critic, fake, condition)).mean()


@dataclass(frozen=True)
class LeastSquares:
    """Mao et al. (2017), arXiv:1611.04076: 1 for real points, 0 for generated ones.

    Examples
    --------
    >>> loss, ones = LeastSquares(), torch.ones(4, 1)
    >>> loss.critic_loss(lambda x: x[:, 0], ones, ones), loss.generator_loss(lambda x: x, ones)
    (tensor(0.5000), tensor(0.))
    """

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Half the mean squares of f(x) - 1 and f(x')."""
        of_real, of_fake = scores(critic, real, condition), scores(critic, fake, condition)
        return ((of_real - 1).square().mean() + of_fake.square().mean()) / 2

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Half the mean square of f(x') - 1."""
        return (scores(critic, fake, condition) - 1).square().mean() / 2


@dataclass(frozen=True)
class WassersteinGP:
    """Gulrajani et al. (2017), arXiv:1704.00028, eq. 3.

    On a line the penalty holds a critic of the wrong sign, too: ``D s + w (|s| - 1)^2`` of a slope
    s has two minima. From two dimensions on the slope can turn.

    Parameters
    ----------
    weight : float
        Of the penalty, w.

    Examples
    --------
    >>> loss, real = WassersteinGP(), torch.zeros(4, 1)
    >>> loss.critic_loss(lambda x: x[:, 0], real, real + 2)  # slope 1: no penalty
    tensor(2.)
    """

    weight: float = 10.0

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Mean f(x') minus mean f(x) plus the gradient penalty."""
        gap = scores(critic, fake, condition).mean() - scores(critic, real, condition).mean()
        return gap + self.weight * gradient_penalty(critic, real, fake, condition, generator)

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Minus the mean of f(x')."""
        return -scores(critic, fake, condition).mean()


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    condition: Condition = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean of (|grad f(u)| - 1)^2 at points u between real and generated ones.

    ``u_b = t_b x_b + (1 - t_b) x'_b``, t_b uniform in [0, 1], the norm over all numbers of a
    sample. A critic that mixes samples (batch norm) has no such gradient.

    Parameters
    ----------
    critic : callable
        See `Critic`.
    real, fake : Tensor
        (B, ...), of one shape.
    condition : Tensor or tuple of Tensor, optional
        Of the real points; handed on to the critic.
    generator : torch.Generator, optional
        Of t.

    Raises
    ------
    ValueError
        Shapes differ.

    References
    ----------
    Gulrajani et al. (2017), arXiv:1704.00028, eq. 3.

    Examples
    --------
    >>> gradient_penalty(lambda x: 3 * x[:, 0], torch.zeros(4, 2), torch.ones(4, 2))  # (3 - 1)^2
    tensor(4.)
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"Real points are {tuple(real.shape)}, generated ones {tuple(fake.shape)}: "
            "the penalty draws lines between them, so give both one shape."
        )
    device = real.device if generator is None else generator.device
    t = torch.rand(len(real), generator=generator, device=device).to(real)
    t = t.reshape(-1, *[1] * (real.ndim - 1))
    between = t * real.detach() + (1 - t) * fake.detach()
    return (gradient_norm(critic, between, condition) - 1).square().mean()


def gradient_norm(critic: Critic, x: Tensor, condition: Condition = None) -> Tensor:
    """Norm of the critic's gradient at each of `x`, itself differentiable in the weights.

    Parameters
    ----------
    critic : callable
        See `Critic`.
    x : Tensor
        (B, ...).
    condition : Tensor or tuple of Tensor, optional
        Handed on to the critic.

    Returns
    -------
    Tensor
        (B,).

    Examples
    --------
    >>> gradient_norm(lambda x: x.square().sum(1) / 2, torch.tensor([[3.0, 4.0]]))
    tensor([5.], grad_fn=...)
    """
    x = x.detach().requires_grad_()
    with _twice_differentiable(x.device), torch.enable_grad():
        total = scores(critic, x, condition).mean(1).sum()
        (slope,) = torch.autograd.grad(total, x, create_graph=True)
    return (slope.reshape(len(x), -1).square().sum(1) + 1e-12).sqrt()  # sqrt has no slope at 0


def scores(critic: Critic, x: Tensor, condition: Condition = None) -> Tensor:
    """Ask the critic, with the condition where there is one.

    Returns
    -------
    Tensor
        (B, S), S numbers a sample.

    Raises
    ------
    ValueError
        The critic does not keep samples apart.

    Examples
    --------
    >>> scores(lambda x, c: x[:, 0] + c, torch.zeros(2, 3), torch.ones(2))
    tensor([[1.],
            [1.]])
    """
    found = critic(x) if condition is None else critic(x, condition)
    if found.ndim == 0 or len(found) != len(x):
        raise ValueError(
            f"The critic made {tuple(found.shape)} of {tuple(x.shape)}; "
            f"it must give one number (or several) for each of the {len(x)} samples."
        )
    return found.reshape(len(x), -1)


def _twice_differentiable(device: torch.device) -> AbstractContextManager[object]:
    # cuDNN's recurrent networks have no second derivative; torch's own have
    return torch.backends.cudnn.flags(enabled=False) if device.type == "cuda" else nullcontext()
