"""Coulomb GAN in small: 25 Gaussians, by points in the exact field and by ten pairs of networks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from hydroml.toolkit.adversarial.coulomb import coulomb_field, coulomb_potentials
from hydroml.toolkit.adversarial.losses import AdversarialLoss, Condition, Critic, NonSaturating
from hydroml.toolkit.adversarial.mixtures import Modes, covered, draw, grid
from hydroml.toolkit.adversarial.ttur import GANTrainer
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.many_nets import ManyNets

SPREAD, EPS = 0.1, 0.1  # of a mode; modes lie 1 apart
CENTRES = grid()
POINTS, DATA, MOVES, STRIDE = 250, 500, 400, 0.1  # of the exact field
NETS, WIDTH, LATENT, BATCH = 10, 64, 8, 128
STEPS, CRITIC_STEPS, EVERY, JUDGED = 1200, 2, 120, 2500
RATES = {"Coulomb": (1e-4, 1e-3), "non-saturating": (2e-4, 1e-3)}  # of generator and critic


@dataclass(frozen=True)
class ManyCoulomb:
    """The Coulomb loss of networks side by side: points (B, N, 2), each n a world of its own."""

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Squared errors of the potentials, mean over networks."""
        x, y = fake.transpose(0, 1), real.transpose(0, 1)
        pot_x, pot_y = coulomb_potentials(x, y, eps=EPS)
        off_x, off_y = critic(fake) - pot_x.T, critic(real) - pot_y.T
        return off_x.square().mean() + off_y.square().mean()

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Mean potential."""
        return critic(fake).mean()


LOSSES: dict[str, Callable[[], AdversarialLoss]] = {
    "Coulomb": ManyCoulomb,
    "non-saturating": NonSaturating,
}


@dataclass(frozen=True)
class Course:
    """Modes of every network at each judgement, and the last points (JUDGED, N, 2)."""

    steps: list[int]
    modes: list[list[Modes]]
    points: Tensor

    def last(self, field: str) -> np.ndarray:
        """Give one figure of all networks at the end."""
        return np.array([getattr(m, field) for m in self.modes[-1]])

    def medians(self, field: str) -> list[float]:
        """Give the median over networks at each judgement."""
        return [float(np.median([getattr(m, field) for m in at])) for at in self.modes]


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Let points follow the exact field; train ten Coulomb and ten non-saturating GANs.

    Parameters
    ----------
    seed : int
        Of data, weights and latents; the ten networks of a kind start from different weights.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Modes reached, evenness (KL) and sharpness.
    """
    cloud = _follow_the_field(torch.Generator().manual_seed(seed))
    courses = {}
    for i, name in enumerate(LOSSES):
        courses[name] = _train(name, seed, partial(_part, advance, i))
    exact = covered(cloud, CENTRES, SPREAD)
    return Demo(_findings(exact, *courses.values()), _panels(cloud, courses), _note(seed))


def _part(advance: Advance, i: int, done: float) -> None:
    advance((i + done) / len(LOSSES))


def _follow_the_field(rng: torch.Generator) -> Tensor:
    data = draw(CENTRES, SPREAD, (DATA,), rng)
    x = SPREAD * torch.randn(POINTS, 2, generator=rng)
    for _ in range(MOVES):
        x = x + STRIDE * coulomb_field(x, x, data, eps=EPS)
    return x


def _train(name: str, seed: int, advance: Advance) -> Course:
    rng = torch.Generator().manual_seed(seed)
    generator = ManyNets(NETS, (LATENT, WIDTH, WIDTH, WIDTH, 2), rng)
    critic = ManyNets(NETS, (2, WIDTH, WIDTH, WIDTH, 1), rng)
    slow, fast = (
        Adam(net.parameters(), rate, (0.5, 0.9), fused=True)
        for net, rate in zip((generator, critic), RATES[name], strict=True)
    )
    gan = GANTrainer(
        generator, critic, LOSSES[name](),
        latent=_latent, optimizers=(slow, fast), n_critic=CRITIC_STEPS,
    )  # fmt: skip
    steps, modes = [], []
    for step in range(1, STEPS + 1):
        gan.step(draw(CENTRES, SPREAD, (BATCH, NETS), rng), generator=rng)
        if step % EVERY == 0:
            with torch.no_grad():
                points = generator(_latent(JUDGED, rng))
            steps.append(step)
            modes.append([covered(points[:, n], CENTRES, SPREAD) for n in range(NETS)])
            advance(step / STEPS)
    return Course(steps, modes, points)


def _latent(batch: int, rng: torch.Generator | None) -> Tensor:
    return torch.randn(batch, NETS, LATENT, generator=rng)


def _findings(exact: Modes, coulomb: Course, plain: Course) -> tuple[Finding, ...]:
    kl, other = coulomb.last("kl"), plain.last("kl")
    median, other_median = float(np.median(kl)), float(np.median(other))
    wins = int((kl < other).sum())
    counts = [float(np.median(c.last("count"))) for c in (coulomb, plain)]
    sharp = [float(np.median(c.last("sharp"))) for c in (coulomb, plain)]
    return (
        Finding("modes reached by points in the exact field", "all 25", exact.count,
                exact.count == 25),
        Finding("of these points, share within 3 sigma of a mode", "above 0.8", exact.sharp,
                exact.sharp > 0.8),
        Finding("KL from even modes, Coulomb GAN [nat], median of ten",
                f"below the non-saturating GAN's {other_median:.3f}", median,
                median < other_median),
        Finding("pairs of ten in which the Coulomb GAN is more even", "at least 8", wins,
                wins >= 8),
        Finding("modes of 25, Coulomb GAN, median", f"not fewer than the other's {counts[1]:g}",
                counts[0], counts[0] >= counts[1]),
        Finding("share within 3 sigma, median: Coulomb, non-saturating",
                "no claim (data 0.99, spread evenly 0.28)", f"{sharp[0]:.2f}, {sharp[1]:.2f}"),
    )  # fmt: skip


def _panels(cloud: Tensor, courses: dict[str, Course]) -> tuple[Panel, ...]:
    panels = [_scatter("Points in the exact field", cloud)]
    for name, course in courses.items():
        kl = course.last("kl")
        middle = int(np.argsort(kl)[NETS // 2])
        panels.append(_scatter(f"{name} GAN, a median one", course.points[:1000, middle]))
    for title, field in (("Evenness of modes", "kl"), ("Sharpness", "sharp")):
        lines = tuple(Series(c.steps, c.medians(field), name) for name, c in courses.items())
        label = "KL from even [nat]" if field == "kl" else "share within 3 sigma [-]"
        panels.append(Panel(f"{title}, median of ten", "generator step", label, lines))
    return tuple(panels)


def _scatter(title: str, points: Tensor) -> Panel:
    made = Series(points[:, 0].numpy(), points[:, 1].numpy(), "", "points")
    modes = Series(CENTRES[:, 0].numpy(), CENTRES[:, 1].numpy(), "modes", "points")
    return Panel(title, "", "", (made, modes))


def _note(seed: int) -> str:
    return (
        f"25 Gaussians 1 apart, sigma {SPREAD}. Ten GANs a kind, all networks of 3 x {WIDTH}, "
        f"latent {LATENT}, batch {BATCH}, {CRITIC_STEPS} critic steps a generator step, {STEPS} "
        f"generator steps, eps {EPS}. {POINTS} points in the field of {DATA}. Seed {seed}."
    )
