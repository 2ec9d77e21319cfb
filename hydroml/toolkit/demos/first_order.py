"""First Order GAN in small: two point masses in closed form, and critics that point the way."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

from hydroml.toolkit.adversarial.first_order import PenalisedWasserstein, pwgan_critic_loss
from hydroml.toolkit.adversarial.losses import AdversarialLoss, WassersteinGP, gradient_norm
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

CASES = tuple((lip, distance) for lip in (0.5, 1.0) for distance in (1.0, 3.0))
STEPS, RATE = 1200, 5e-3  # of a critic of two point masses
LOSSES: dict[str, AdversarialLoss] = {"PWGAN": PenalisedWasserstein(), "WGAN-GP": WassersteinGP()}
RINGS, WIDTH, BATCH, SEEN = 5, 64, 64, 512  # critics a loss, units, points a step, points judged
JUDGED = (1, 3, 10, 30, 100, 300)
LINES, LINE_STEPS = 12, 200  # critics a loss on a line
ADAM = (1e-3, (0.5, 0.9))


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train critics of two point masses, of two rings, and of two heaps on a line.

    Parameters
    ----------
    seed : int
        Of weights and points.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Errors against the closed forms; cosines with the exact direction.
    """
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    found = []
    for i, case in enumerate(CASES):
        found.append(_two_points(*case))
        advance(0.5 * (i + 1) / len(CASES))
    cosines = {name: _of_rings(loss, rng) for name, loss in LOSSES.items()}
    advance(0.7)
    right = {name: _of_lines(loss, rng) for name, loss in LOSSES.items()}
    advance(1.0)
    expected = np.array([[d / (2 * lip), 1 / (2 * lip), d / (4 * lip)] for lip, d in CASES])
    errors = np.abs(np.array(found) / expected - 1)
    return Demo(_findings(errors, cosines, right), _panels(errors, cosines, right), _note(seed))


def _two_points(lip: float, distance: float) -> tuple[float, float, float]:
    """Train a critic of data at `distance` and generated points at 0."""
    real, made = torch.tensor([[distance]]), torch.zeros(1, 1)
    critic = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(),
                           nn.Linear(32, 1))  # fmt: skip
    adam = torch.optim.Adam(critic.parameters(), RATE)
    falling = LinearLR(adam, 1.0, 0.001, STEPS)
    for _ in range(STEPS):
        adam.zero_grad()
        pwgan_critic_loss(critic, real, made, lip).backward()
        adam.step()
        falling.step()
    slope = float(gradient_norm(critic, made).detach())
    with torch.no_grad():
        gap = float(critic(real) - critic(made))
    return gap, slope, gap - lip * gap**2 / distance


def _of_rings(loss: AdversarialLoss, rng: torch.Generator) -> np.ndarray:
    """Cosines (RINGS, JUDGED) with the way from a ring of radius 1 to one of radius 2."""
    cosines = np.empty((RINGS, len(JUDGED)))
    for i in range(RINGS):
        critic = _critic(2)
        judge = partial(_mean_cosine, critic, _ring(1.0, SEEN, rng))
        cosines[i] = _train(
            critic, loss, lambda: (_ring(2.0, BATCH, rng), _ring(1.0, BATCH, rng)), JUDGED, judge
        )
    return cosines


def _of_lines(loss: AdversarialLoss, rng: torch.Generator) -> float:
    """Share of critics that point from a heap at 0 to one at 2."""

    def heaps() -> tuple[Tensor, Tensor]:
        noise = 0.1 * torch.randn(2, BATCH, 1, generator=rng)
        return noise[0] + 2, noise[1]

    right = 0.0
    for _ in range(LINES):
        critic = _critic(1)
        judge = partial(_mean_sign, critic, heaps()[1])
        right += float(_train(critic, loss, heaps, (LINE_STEPS,), judge)[0] > 0)
    return right / LINES


def _train(
    critic: nn.Module,
    loss: AdversarialLoss,
    draw: Callable[[], tuple[Tensor, Tensor]],
    judged: tuple[int, ...],
    judge: Callable[[], float],
) -> list[float]:
    adam, found = torch.optim.Adam(critic.parameters(), *ADAM), []
    for step in range(1, judged[-1] + 1):
        adam.zero_grad()
        loss.critic_loss(critic, *draw()).backward()
        adam.step()
        if step in judged:
            found.append(judge())
    return found


def _critic(size: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(),
                         nn.Linear(WIDTH, 1))  # fmt: skip


def _ring(radius: float, count: int, rng: torch.Generator) -> Tensor:
    angle = 2 * torch.pi * torch.rand(count, generator=rng)
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def _way(critic: nn.Module, at: Tensor) -> Tensor:
    """Where the critic sends generated points: up its slope, (n, D)."""
    at = at.clone().requires_grad_()
    (slope,) = torch.autograd.grad(critic(at).sum(), at)
    return slope


def _mean_cosine(critic: nn.Module, at: Tensor) -> float:
    # by symmetry all mass goes straight outwards: the exact way at x' is x' / |x'|
    return float(nn.functional.cosine_similarity(_way(critic, at), at).mean())


def _mean_sign(critic: nn.Module, at: Tensor) -> float:
    return float(_way(critic, at).sign().mean())


def _findings(
    errors: np.ndarray, cosines: dict[str, np.ndarray], right: dict[str, float]
) -> tuple[Finding, ...]:
    worst = errors.max(0)
    what = ("difference D / (2 lip)", "slope 1 / (2 lip)", "divergence D / (4 lip)")
    ours, other = (float(np.median(c[:, -1])) for c in cosines.values())
    return (
        *(
            Finding(f"two points, {name}, worst relative error of four cases", "below 0.01",
                    float(error), bool(error < 0.01))
            for name, error in zip(what, worst, strict=True)
        ),
        Finding("rings: cosine with the exact way, PWGAN, median of five", "above 0.95", ours,
                ours > 0.95),
        Finding("rings: the same, WGAN-GP", "no claim (it needs more steps)", other),
        Finding("on a line: critics that point the right way, PWGAN", "at least 0.95",
                right["PWGAN"], right["PWGAN"] >= 0.95),
        Finding("on a line: the same, WGAN-GP", "fewer: the wrong sign is a minimum, too",
                right["WGAN-GP"], right["WGAN-GP"] < right["PWGAN"]),
    )  # fmt: skip


def _panels(
    errors: np.ndarray, cosines: dict[str, np.ndarray], right: dict[str, float]
) -> tuple[Panel, ...]:
    cases = [f"{lip:g}, {d:g}" for lip, d in CASES]
    bars = Series(cases, 100 * errors.max(1), kind="bars")
    lines = tuple(Series(JUDGED, np.median(c, 0), name) for name, c in cosines.items())
    shares = Series(list(right), list(right.values()), kind="bars")
    return (
        Panel("Two points: error against closed form", "lip, D", "worst of three [%]", (bars,)),
        Panel("Ring to ring: does the critic point outwards?", "critic step",
              "mean cosine with the exact way [-]", lines, log_x=True),
        Panel("On a line", "", "critics that point the right way [-]", (shares,)),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"Two points: tanh critics of 2 x 32, {STEPS} Adam steps, optimal slope. Rings of radius 1 "
        f"and 2: {RINGS} critics a loss, batch {BATCH}, {JUDGED[-1]} steps. Line: heaps at 0 and 2 "
        f"of spread 0.1, {LINES} critics a loss, {LINE_STEPS} steps. Seed {seed}."
    )
