"""Two time-scale update rule, and one trainer for every adversarial loss of this group.

Critic weights w and generator weights v follow noisy gradients with step sizes of their own,

    w_{n+1} = w_n + b(n) (g + noise)        v_{n+1} = v_n + a(n) (h + noise)

With sum a = sum b = infinity, sum a^2 and sum b^2 finite, and a(n) / b(n) -> 0, the generator sees
a critic that has settled, and both converge to a stationary local Nash equilibrium. Adam with
constant rates is a heavy ball with friction; in practice the critic's rate is the larger one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hydroml.toolkit.adversarial.coulomb import Coulomb
from hydroml.toolkit.adversarial.first_order import PenalisedWasserstein
from hydroml.toolkit.adversarial.losses import (
    AdversarialLoss,
    Condition,
    LeastSquares,
    NonSaturating,
    WassersteinGP,
)
from hydroml.toolkit.card import Card

__all__ = ["CARD", "LOSSES", "GANTrainer", "Latent", "ttur_optimizers"]

CARD = Card(
    name="ttur",
    title="Two time-scale update rule, and a trainer of generators and critics",
    paper="Heusel, Ramsauer, Unterthiner, Nessler & Hochreiter (2017): GANs Trained by a Two "
    "Time-Scale Update Rule Converge to a Local Nash Equilibrium. NIPS 2017, arXiv:1706.08500",
    year=2017,
    answers="At which rates should a generator and its critic learn?",
    inputs="real samples (B, ...), and a condition (B, ...) or a tuple of them",
    outputs="losses of a step; the networks are trained in place",
    hydrology="trains the weather generator (years of daily forcing); one trainer for every loss",
    claim="On a noisy saddle a fast rate settles beside a slow one, and not beside itself; on a "
    "ring of Gaussians two rates come nearer than either rate for both. Not shown: that two rates "
    "beat a well chosen single one (on the saddle they do not), or any result of the paper on "
    "pictures and text",
    choices=(
        "Rates are constant, as in the paper's experiments, not falling as in its theorem.",
        "Of several critic steps each sees the same real batch and fresh latents; call "
        "`critic_step` for fresh data.",
        "Running averages of the generator's weights are an addition, off by default.",
    ),
)

Latent = int | Callable[[int, torch.Generator | None], Any]
"""Size of a normal latent (B, size), or what draws one: ``latent(batch, generator)``."""

LOSSES: dict[str, Callable[[], AdversarialLoss]] = {
    "ns": NonSaturating,
    "ls": LeastSquares,
    "wgan-gp": WassersteinGP,
    "pwgan": PenalisedWasserstein,
    "coulomb": Coulomb,
}
"""Losses by name, with their default settings; an object of one's own does as well."""


def ttur_optimizers(
    G: nn.Module,
    D: nn.Module,
    lr_g: float = 1e-4,
    lr_d: float = 3e-4,
    betas: tuple[float, float] = (0.5, 0.9),
) -> tuple[Adam, Adam]:
    """Make an Adam for each network, the critic's the faster.

    Parameters
    ----------
    G, D : nn.Module
        Generator and critic.
    lr_g, lr_d : float
        Their rates.
    betas : tuple of float
        Of both; the first is low, as the other player moves the target.

    Returns
    -------
    tuple of Adam
        Of G and of D.

    References
    ----------
    Heusel et al. (2017), arXiv:1706.08500.

    Examples
    --------
    >>> slow, fast = ttur_optimizers(nn.Linear(3, 2), nn.Linear(2, 1))
    >>> slow.param_groups[0]["lr"], fast.param_groups[0]["lr"]
    (0.0001, 0.0003)
    """
    return Adam(G.parameters(), lr_g, betas), Adam(D.parameters(), lr_d, betas)


class GANTrainer:
    """Train a generator against a critic, one call a step.

    Parameters
    ----------
    generator : nn.Module
        ``generator(z)``, or ``generator(z, condition)``, to samples (B, ...).
    critic : nn.Module
        ``critic(x)``, or ``critic(x, condition)``, to (B,) or (B, ...).
    loss : str or AdversarialLoss
        A name of `LOSSES`, or an object with ``critic_loss`` and ``generator_loss``.
    latent : int or callable
        Size of a normal latent, or ``latent(batch, generator)``.
    optimizers : tuple of Optimizer, optional
        Of generator and critic; `ttur_optimizers` by default.
    n_critic : int
        Critic steps before each generator step.

    Attributes
    ----------
    steps : int
        Generator steps done.

    Raises
    ------
    ValueError
        Unknown loss, `latent` or `n_critic` below 1.

    Examples
    --------
    >>> rng = torch.Generator().manual_seed(0)
    >>> gan = GANTrainer(nn.Linear(2, 3), nn.Linear(3, 1), "ns", latent=2)
    >>> losses = gan.step(torch.randn(8, 3, generator=rng), generator=rng)
    >>> sorted(losses), gan.steps
    (['critic', 'generator'], 1)
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        loss: str | AdversarialLoss = "wgan-gp",
        *,
        latent: Latent,
        optimizers: tuple[Optimizer, Optimizer] | None = None,
        n_critic: int = 1,
    ) -> None:
        if isinstance(loss, str):
            if loss not in LOSSES:
                raise ValueError(f"loss is {loss!r}; choose from {', '.join(LOSSES)}.")
            loss = LOSSES[loss]()
        if n_critic < 1 or (isinstance(latent, int) and latent < 1):
            raise ValueError(f"n_critic is {n_critic}, latent {latent}; give at least 1 each.")
        self.generator, self.critic, self.loss = generator, critic, loss
        self.latent, self.n_critic, self.steps = latent, n_critic, 0
        self.optimizers = optimizers or ttur_optimizers(generator, critic)
        self._average: AveragedModel | None = None
        self._decay = 0.0

    def step(
        self, real: Tensor, condition: Condition = None, generator: torch.Generator | None = None
    ) -> dict[str, float]:
        """Do `n_critic` critic steps on this batch, then one generator step.

        Parameters
        ----------
        real : Tensor
            Samples, (B, ...), finite.
        condition : Tensor or tuple of Tensor, optional
            Of the samples, (B, ...) each; handed on to both networks.
        generator : torch.Generator, optional
            Of latents and penalties.

        Returns
        -------
        dict
            ``critic`` (mean over its steps) and ``generator``.

        Raises
        ------
        FloatingPointError
            A loss is NaN or infinite; the step at fault is not taken.
        ValueError
            Samples that are not finite, or of another shape than the generated ones.
        """
        losses = [self.critic_step(real, condition, generator) for _ in range(self.n_critic)]
        last = self.generator_step(len(real), condition, generator)
        return {"critic": sum(losses) / len(losses), "generator": last}

    def critic_step(
        self, real: Tensor, condition: Condition = None, generator: torch.Generator | None = None
    ) -> float:
        """Update the critic alone; see `step`."""
        if not torch.isfinite(real).all():
            raise ValueError(
                "Real samples hold NaN or infinity: fill or leave out what is missing."
            )
        with torch.no_grad():
            fake = self._generate(len(real), condition, generator)
        if fake.shape != real.shape:
            raise ValueError(
                f"The generator made {tuple(fake.shape)}, real samples are {tuple(real.shape)}; "
                "they must agree."
            )
        loss = self.loss.critic_loss(self.critic, real, fake, condition, generator)
        return self._descend("critic", loss, self.critic, self.optimizers[1])

    def generator_step(
        self, batch: int, condition: Condition = None, generator: torch.Generator | None = None
    ) -> float:
        """Update the generator alone, on `batch` generated samples; see `step`."""
        fake = self._generate(batch, condition, generator)
        loss = self.loss.generator_loss(self.critic, fake, condition)
        value = self._descend("generator", loss, self.generator, self.optimizers[0])
        self.steps += 1
        if self._average is not None:
            self._average.update_parameters(self.generator)
        return value

    def keep_average(self, decay: float = 0.999) -> None:
        """Keep a running average of the generator's weights from now on.

        Parameters
        ----------
        decay : float
            The old average's share at each step, within (0, 1).
        """
        if not 0 < decay < 1:
            raise ValueError(f"decay is {decay}; give a share between 0 and 1, such as 0.999.")
        self._decay = decay
        average = get_ema_multi_avg_fn(decay)
        self._average = AveragedModel(self.generator, multi_avg_fn=average).requires_grad_(False)
        self._average.update_parameters(self.generator)  # the first is a copy

    @property
    def averaged(self) -> nn.Module:
        """The generator with averaged weights; steadier than the last one.

        Raises
        ------
        ValueError
            `keep_average` was not called.
        """
        if self._average is None:
            raise ValueError("No average is kept: call keep_average() before the first step.")
        return self._average.module

    def state_dict(self) -> dict[str, Any]:
        """Give all that a run needs to go on: networks, optimizers, average, steps.

        Tensors and numbers only, fit for ``torch.save``; tensors are those in use, not copies. The
        random generator is the caller's to save.
        """
        average = self._average
        return {
            "steps": self.steps,
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": None if average is None else average.state_dict(),
            "decay": self._decay,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, of networks and optimizers of the same kind.

        Raises
        ------
        KeyError
            A part is missing.
        """
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._average, self._decay, self.steps = None, 0.0, state["steps"]
        if state["average"] is not None:
            self.keep_average(state["decay"])
            assert self._average is not None
            self._average.load_state_dict(state["average"])

    def _generate(
        self, batch: int, condition: Condition, generator: torch.Generator | None
    ) -> Tensor:
        z = self._draw(batch, generator)
        made: Tensor = self.generator(z) if condition is None else self.generator(z, condition)
        return made

    def _draw(self, batch: int, generator: torch.Generator | None) -> Any:
        if not isinstance(self.latent, int):
            return self.latent(batch, generator)
        like = next(self.generator.parameters())
        device = like.device if generator is None else generator.device
        return torch.randn(batch, self.latent, generator=generator, device=device).to(like)

    def _descend(self, name: str, loss: Tensor, net: nn.Module, optimizer: Optimizer) -> float:
        value = float(loss.detach())
        if not -torch.inf < value < torch.inf:
            raise FloatingPointError(
                f"Loss of the {name} is {value} at step {self.steps + 1}. Try lower rates, "
                "samples scaled to about unit variance, or another loss."
            )
        optimizer.zero_grad()
        # gradients of this network only: the other one's are not even computed
        loss.backward(inputs=[p for p in net.parameters() if p.requires_grad])
        optimizer.step()
        return value
