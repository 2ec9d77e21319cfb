"""Two rates in small: a noisy saddle, and a ring of Gaussians learned by Wasserstein GANs."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.optim import Adam

from hydroml.toolkit.adversarial.losses import Condition, Critic
from hydroml.toolkit.adversarial.mixtures import draw, ring
from hydroml.toolkit.adversarial.ttur import GANTrainer
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.many_nets import ManyNets

RUNS, MOVES, LAST, NEAR, HELD = 200, 5000, 500, 0.1, 100
SADDLE = {  # rates of x, the slow player of the theorem, and of y
    "equal, 0.01": (1e-2, 1e-2),
    "equal, 0.001": (1e-3, 1e-3),
    "two: x 0.0001, y 0.01": (1e-4, 1e-2),
    "two, reversed": (1e-2, 1e-4),
    "equal, tuned 0.005": (5e-3, 5e-3),
}
EQUAL_FAST, EQUAL_SLOW, TWO, REVERSED, TUNED = SADDLE

NETS, WIDTH, LATENT, BATCH, STEPS, EVERY, JUDGED = 6, 48, 4, 64, 1500, 100, 400
CENTRES, SPREAD = ring(8, 2.0), 0.1
RATES = {"two": (1e-4, 1e-3), "equal, slow": (1e-4, 1e-4), "equal, fast": (1e-3, 1e-3)}


@dataclass(frozen=True)
class ManyWasserstein:
    """WGAN-GP of networks side by side: points (B, N, 2), a slope for each of them."""

    weight: float = 10.0

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Gap and penalty, mean over networks."""
        t = torch.rand(*real.shape[:2], 1, generator=generator)
        between = (t * real + (1 - t) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        norm = (slope.square().sum(2) + 1e-12).sqrt()
        gap = critic(fake).mean() - critic(real).mean()
        return gap + self.weight * (norm - 1).square().mean()

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Minus the mean value."""
        return -critic(fake).mean()


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Walk down a noisy saddle, and train six WGAN-GPs a pair of rates.

    Parameters
    ----------
    seed : int
        Of noise, data, weights and latents.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Steps and floor on the saddle; distance from the mixture.
    """
    rng = np.random.default_rng(seed)
    walks = {name: _saddle(rates, rng) for name, rates in SADDLE.items()}
    advance(0.1)
    courses = {}
    for i, (name, rates) in enumerate(RATES.items()):
        courses[name] = _train(rates, seed, partial(_part, advance, i))
    return Demo(_findings(walks, courses), _panels(walks, courses), _note(seed))


def _part(advance: Advance, i: int, done: float) -> None:
    advance(0.1 + 0.9 * (i + done) / len(RATES))


def _saddle(rates: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Distance from (0, 0) after each step, median over runs.

    ``f = (1 + x^2) (100 - y^2)``: x goes down, y up, gradients with noise N(0, 1).
    """
    x, y = np.full(RUNS, 0.5), np.full(RUNS, -0.4)
    away = np.empty(MOVES)
    for n in range(MOVES):
        noise = rng.standard_normal((2, RUNS))
        down, up = 2 * x * (100 - y**2), -2 * y * (1 + x**2)
        x, y = x - rates[0] * (down + noise[0]), y + rates[1] * (up + noise[1])
        away[n] = np.median(np.hypot(x, y))
    return away


def _arrival(away: np.ndarray) -> float:
    """First step from which the distance stays below `NEAR` for `HELD` steps; inf for none."""
    near = np.lib.stride_tricks.sliding_window_view(away < NEAR, HELD).all(1)
    return float(near.argmax() + 1) if near.any() else np.inf


def _train(rates: tuple[float, float], seed: int, advance: Advance) -> np.ndarray:
    """Distance from the mixture (checks, NETS)."""
    rng = torch.Generator().manual_seed(seed)
    generator = ManyNets(NETS, (LATENT, WIDTH, WIDTH, 2), rng)
    critic = ManyNets(NETS, (2, WIDTH, WIDTH, 1), rng)
    slow, fast = (
        Adam(net.parameters(), rate, (0.5, 0.9), fused=True)
        for net, rate in zip((generator, critic), rates, strict=True)
    )
    gan = GANTrainer(generator, critic, ManyWasserstein(), latent=_latent, optimizers=(slow, fast))
    found = []
    for step in range(1, STEPS + 1):
        gan.step(draw(CENTRES, SPREAD, (BATCH, NETS), rng), generator=rng)
        if step % EVERY == 0:
            with torch.no_grad():
                made = generator(_latent(JUDGED, rng)).numpy()
            data = draw(CENTRES, SPREAD, (JUDGED, NETS), rng).numpy()
            found.append([_wasserstein(made[:, n], data[:, n]) for n in range(NETS)])
            advance(step / STEPS)
    return np.array(found)


def _latent(batch: int, rng: torch.Generator | None) -> Tensor:
    return torch.randn(batch, NETS, LATENT, generator=rng)


def _wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance [-] of the best pairing: exact between samples."""
    apart = cdist(a, b)
    return float(apart[linear_sum_assignment(apart)].mean())


def _findings(walks: dict[str, np.ndarray], courses: dict[str, np.ndarray]) -> tuple[Finding, ...]:
    steps = {name: _arrival(away) for name, away in walks.items()}
    floor = {name: float(away[-LAST:].mean()) for name, away in walks.items()}
    late = {name: float(np.median(c[len(c) // 2 :])) for name, c in courses.items()}
    return (
        Finding("saddle, two rates: steps until within 0.1",
                f"at most a third of equal 0.001's {steps[EQUAL_SLOW]:g}", steps[TWO],
                steps[TWO] <= steps[EQUAL_SLOW] / 3),
        Finding("saddle, equal 0.01: distance at the end", "above 0.1: it does not settle",
                floor[EQUAL_FAST], floor[EQUAL_FAST] > NEAR),
        Finding("saddle, two rates: distance at the end", "below 0.1", floor[TWO],
                floor[TWO] < NEAR),
        Finding("saddle, rates reversed: distance at the end", "above twice the two rates'",
                floor[REVERSED], floor[REVERSED] > 2 * floor[TWO]),
        Finding("saddle, equal 0.001: distance at the end", "no claim: the lowest",
                floor[EQUAL_SLOW]),
        Finding("saddle, equal 0.005: steps, distance at the end", "no claim: a tuned single rate",
                f"{steps[TUNED]:g}, {floor[TUNED]:.3f}"),
        Finding("ring, two rates: distance from the mixture, later half",
                f"below equal rates' {late['equal, slow']:.2f} and {late['equal, fast']:.2f}",
                late["two"], late["two"] < min(late["equal, slow"], late["equal, fast"])),
    )  # fmt: skip


def _panels(walks: dict[str, np.ndarray], courses: dict[str, np.ndarray]) -> tuple[Panel, ...]:
    n = np.unique(np.geomspace(1, MOVES, 300).astype(int))
    lines = tuple(Series(n, away[n - 1], name) for name, away in walks.items())
    checks = np.arange(EVERY, STEPS + 1, EVERY)
    learned = tuple(Series(checks, np.median(c, 1), name) for name, c in courses.items())
    return (
        Panel("A noisy saddle", "step", "distance, median of runs [-]", lines,
              log_x=True, log_y=True),
        Panel("Ring of eight Gaussians, WGAN-GP", "generator step",
              "Wasserstein distance, median of nets [-]", learned, log_y=True),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"Saddle (1 + x^2)(100 - y^2) from (0.5, -0.4), {RUNS} runs a pair of rates. Ring: "
        f"{NETS} WGAN-GPs a pair of rates, networks of 2 x {WIDTH}, batch {BATCH}, one critic "
        f"step a generator step; rates of generator and critic: "
        + "; ".join(f"{name} {a:g}, {b:g}" for name, (a, b) in RATES.items())
        + f". Seed {seed}."
    )
