"""Moments of activations through depth, and deep nets on a small table."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.recurrent.selu import layer_map

KINDS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    "SELU": (nn.SELU, 1.0),
    "ELU": (nn.ELU, 1.0),
    "tanh": (nn.Tanh, 1.0),
    "ReLU (He)": (nn.ReLU, 2.0),
}
"""Activation, and variance of the initial weights times the fan-in."""
DEPTH, WIDTH, BATCH = 128, 256, 1024
LAYERS, UNITS = (8, 32), 32
FEATURES, ROWS, UNSEEN, NOISE = 8, 2000, 1000, 0.1
RATES, EPOCHS, ROWS_AT_ONCE = (0.01, 0.03), 40, 100


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Carry noise through 128 layers, then train nets of several depths with SGD.

    Parameters
    ----------
    seed : int
        Of data, weights and batches.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Mean and variance by layer; explained variance of unseen rows by depth.
    """
    through = {}
    for name, kind in KINDS.items():
        through[name] = _moments_by_layer(*kind, 0.0, 1.0, seed)
    disturbed = _moments_by_layer(*KINDS["SELU"], 0.1, 1.5, seed)
    work, done = len(KINDS) * len(RATES) * sum(LAYERS), 0
    learned: dict[str, dict[int, tuple[list[float], float]]] = {name: {} for name in KINDS}
    for layers in LAYERS:
        for name, kind in KINDS.items():
            tries = []
            for rate in RATES:
                tries.append(_train(*kind, layers, rate, seed))
                done += layers
                advance(done / work)
            learned[name][layers] = min(tries, key=lambda tried: tried[0][-1])
    return Demo(_findings(through, disturbed, learned), _panels(through, disturbed, learned), _NOTE)


_NOTE = (
    f"Moments: N(0, 1) through {DEPTH} random layers of {WIDTH} units, {BATCH} rows. Training: "
    f"{ROWS} rows of {FEATURES} features, {UNITS} units a layer, plain SGD, {EPOCHS} epochs, no "
    f"dropout, of learning rates {' and '.join(map(str, RATES))} the one with the lower training "
    f"error. Score on {UNSEEN} unseen rows, one seed."
)


def _findings(
    through: dict[str, np.ndarray],
    disturbed: np.ndarray,
    learned: dict[str, dict[int, tuple[list[float], float]]],
) -> tuple[Finding, ...]:
    last = {name: moments[-1] for name, moments in through.items()}
    deepest = LAYERS[-1]
    score = {name: by_depth[deepest][1] for name, by_depth in learned.items()}
    mean, variance = last["SELU"]
    back = disturbed[32]

    def after(what: str, name: str, layers: int = DEPTH) -> str:
        return f"{what} after {layers} layers, {name}"

    def explained(name: str) -> str:
        return f"explained variance of unseen rows, {deepest} layers, {name}"

    error = {name: float(np.mean(by_depth[deepest][0])) for name, by_depth in learned.items()}
    training = f"training error, {deepest} layers, mean over the epochs"
    others = min(error["tanh"], error["ReLU (He)"])
    return (
        Finding(after("mean", "SELU"), "-0.15 to 0.15", float(mean), bool(abs(mean) < 0.15)),
        Finding(after("variance", "SELU"), "0.7 to 1.4", float(variance),
                bool(0.7 < variance < 1.4)),
        Finding(after("mean", "SELU from (0.1, 1.5)", 32), "-0.15 to 0.15", float(back[0]),
                bool(abs(back[0]) < 0.15)),
        Finding(after("variance", "SELU from (0.1, 1.5)", 32), "0.7 to 1.4", float(back[1]),
                bool(0.7 < back[1] < 1.4)),
        Finding(after("variance", "tanh"), "below 0.02", float(last["tanh"][1]),
                bool(last["tanh"][1] < 0.02)),
        Finding(after("variance", "ELU"), "below 0.02", float(last["ELU"][1]),
                bool(last["ELU"][1] < 0.02)),
        Finding(after("mean", "ReLU (He)"), "for orientation", float(last["ReLU (He)"][0])),
        Finding(f"{training}, SELU over the better of tanh and ReLU", "below 1",
                error["SELU"] / others, error["SELU"] < others),
        Finding(f"{training}, ELU over the same", "for orientation", error["ELU"] / others),
        *(Finding(explained(name), "for orientation", score[name]) for name in KINDS),
    )  # fmt: skip


def _panels(
    through: dict[str, np.ndarray],
    disturbed: np.ndarray,
    learned: dict[str, dict[int, tuple[list[float], float]]],
) -> tuple[Panel, ...]:
    layers, epochs, deepest = range(DEPTH + 1), range(1, EPOCHS + 1), LAYERS[-1]
    computed = [(0.1, 1.5)]
    for _ in range(32):
        mean, variance = layer_map(*computed[-1])
        computed.append((float(mean), float(variance)))
    theory, steps = np.array(computed), range(33)
    return (
        Panel("Mean of activations", "layer", "mean",
              tuple(Series(layers, m[:, 0], name) for name, m in through.items())),
        Panel("Variance of activations", "layer", "variance",
              tuple(Series(layers, m[:, 1], name) for name, m in through.items()), log_y=True),
        Panel("SELU from mean 0.1, variance 1.5", "layer", "mean, variance",
              (Series(steps, theory[:, 1], "variance, moment map"),
               Series(steps, disturbed[:33, 1], "variance, random net", "points"),
               Series(steps, theory[:, 0], "mean, moment map"),
               Series(steps, disturbed[:33, 0], "mean, random net", "points"))),
        Panel(f"Training, {deepest} layers", "epoch", "mean squared error",
              tuple(Series(epochs, d[deepest][0], name) for name, d in learned.items())),
        Panel("Unseen rows", "hidden layers", "explained variance [-]",
              tuple(Series(LAYERS, [d[n][1] for n in LAYERS], name, "bars")
                    for name, d in learned.items())),
    )  # fmt: skip


def _moments_by_layer(
    activation: Callable[[], nn.Module], gain: float, mean: float, variance: float, seed: int
) -> np.ndarray:
    """Mean and variance of the inputs and behind each of `DEPTH` fresh layers, (layers + 1, 2)."""
    generator = torch.Generator().manual_seed(seed)
    act = activation()
    x = mean + variance**0.5 * torch.randn(BATCH, WIDTH, generator=generator)
    moments = [(x.mean().item(), x.var().item())]
    for _ in range(DEPTH):
        x = act(x @ torch.randn(WIDTH, WIDTH, generator=generator) * (gain / WIDTH) ** 0.5)
        moments.append((x.mean().item(), x.var().item()))
    return np.array(moments)


def _table(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw rows whose target is sin(2 x0) + x1 x2 + |x3| and noise, standardised."""
    x = torch.randn(ROWS + UNSEEN, FEATURES, generator=generator)
    y = torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + x[:, 3].abs()
    y = y + NOISE * torch.randn(len(y), generator=generator)
    return x, (y - y.mean()) / y.std()


def _train(
    activation: Callable[[], nn.Module], gain: float, layers: int, rate: float, seed: int
) -> tuple[list[float], float]:
    """Train one net; returns its training error by epoch and its score on unseen rows.

    A net that diverges has an infinite error, and a score of minus infinity.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = _table(generator)
    net = _net(activation, gain, layers, generator)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)
    errors = []
    for _ in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(ROWS, generator=generator).split(ROWS_AT_ONCE):
            optimizer.zero_grad()
            error = F.mse_loss(net(x[batch])[:, 0], y[batch])
            error.backward()
            optimizer.step()
            total += error.item() * len(batch)
        errors.append(total / ROWS)
    if not np.isfinite(errors[-1]):
        return [np.inf] * EPOCHS, -np.inf
    with torch.no_grad():
        unseen = y[ROWS:]
        missed = F.mse_loss(net(x[ROWS:])[:, 0], unseen) / unseen.var(correction=0)
    return errors, 1 - missed.item()


def _net(
    activation: Callable[[], nn.Module], gain: float, layers: int, generator: torch.Generator
) -> nn.Sequential:
    """Make hidden layers with weights of variance gain / fan-in, and a linear read-out."""
    parts: list[nn.Module] = []
    for n in range(layers + 1):
        inputs = UNITS if n else FEATURES
        linear = nn.Linear(inputs, UNITS if n < layers else 1)
        nn.init.zeros_(linear.bias)
        with torch.no_grad():
            linear.weight.normal_(0.0, (gain / inputs) ** 0.5, generator=generator)
        parts += [linear, activation()]
    return nn.Sequential(*parts[:-1])
