"""Accuracy of networks of a zoo, told from statistics of their weights, or from the weights."""

import torch
from torch import Tensor

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.transfer.weight_predictor import (
    WeightAccuracyPredictor,
    kendall_tau,
    r_squared,
    stacked_statistics,
)
from hydroml.toolkit.transfer.zoo import Zoo, build_zoo, draw_recipes

NETWORKS, KNOWN = 1600, 1200
CLASSES, INPUTS, SAMPLES = 6, 12, 1500
STEPS = 250


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train a zoo on one task and a second zoo on another; predict accuracy from weights.

    Parameters
    ----------
    seed : int
        Of data, recipes and predictors.
    advance : callable
        Told the share of the work done.

    Returns
    -------
    Demo
        R2 and Kendall's tau of statistics, raw weights and hyper-parameters.
    """
    generator = torch.Generator().manual_seed(seed)
    zoo = _zoo(generator, lambda done: advance(0.4 * done))
    other = _zoo(generator, lambda done: advance(0.4 + 0.4 * done))
    features = {
        "statistics": stacked_statistics(zoo.weights),
        "raw weights": torch.cat([w.flatten(1) for w in zoo.weights], dim=1),
        "hyper-parameters": zoo.recipes.matrix(),
    }
    scores: dict[tuple[str, str], tuple[float, float]] = {}
    shown: Tensor = zoo.accuracy[KNOWN:]
    transfer = 0.0
    for name, X in features.items():
        for kind in ("linear", "dnn"):
            predictor = WeightAccuracyPredictor(kind, seed=seed)
            predictor.fit(X[:KNOWN], zoo.accuracy[:KNOWN])
            told = predictor.predict(X[KNOWN:])
            truth = zoo.accuracy[KNOWN:]
            scores[name, kind] = r_squared(truth, told), kendall_tau(truth, told)
            if (name, kind) == ("statistics", "dnn"):
                shown = told
                moved = predictor.predict(stacked_statistics(other.weights))
                transfer = kendall_tau(other.accuracy, moved)
        advance(0.8 + 0.06 * (1 + list(features).index(name)))
    return Demo(_findings(scores, transfer), _panels(zoo, shown, scores), _note(seed))


def _zoo(generator: torch.Generator, on_step: Advance) -> Zoo:
    """Classes are noisy clusters, several of them to a class; each zoo has its own."""
    centres = 1.5 * torch.randn(3 * CLASSES, INPUTS, generator=generator)

    def draw() -> tuple[Tensor, Tensor]:
        which = torch.randint(len(centres), (SAMPLES,), generator=generator)
        noise = torch.randn(SAMPLES, INPUTS, generator=generator)
        return centres[which] + noise, which % CLASSES

    recipes = draw_recipes(NETWORKS, STEPS, generator)
    return build_zoo(recipes, draw(), draw(), hidden=16, on_step=on_step)


def _findings(
    scores: dict[tuple[str, str], tuple[float, float]], transfer: float
) -> tuple[Finding, ...]:
    found = []
    claims = {"linear": 0.3, "dnn": 0.6}
    for kind, least in claims.items():
        statistics, raw = scores["statistics", kind][0], scores["raw weights", kind][0]
        found += [
            Finding(f"R2, statistics, {kind}", f"above {least}", statistics, statistics > least),
            Finding(
                f"R2, raw weights, {kind}", "0.1 below that of statistics", raw,
                raw < statistics - 0.1,
            ),
            Finding(f"R2, hyper-parameters, {kind}", "", scores["hyper-parameters", kind][0]),
        ]  # fmt: skip
    tau = scores["statistics", "dnn"][1]
    found.append(Finding("Kendall tau, statistics, dnn", "above 0.5", tau, tau > 0.5))
    text = "above 0.3: ranks, not levels, transfer"
    found.append(Finding("Kendall tau on another task", text, transfer, transfer > 0.3))
    return tuple(found)


def _panels(
    zoo: Zoo, told: Tensor, scores: dict[tuple[str, str], tuple[float, float]]
) -> tuple[Panel, ...]:
    truth, line = zoo.accuracy[KNOWN:].numpy(), [0.1, 1.0]
    names = ["statistics", "raw weights", "hyper-parameters"]
    bars = tuple(
        Series(names, [max(scores[name, kind][0], -0.5) for name in names], kind, "bars")
        for kind in ("linear", "dnn")
    )
    return (
        Panel(
            "Networks not learned from", "test accuracy [-]", "predicted from statistics [-]",
            (Series(truth, told.numpy(), "", "points"), Series(line, line, "equal")),
        ),
        Panel("What predicts accuracy", "", "R2 [-], at least -0.5 drawn", bars),
        Panel(
            "The zoo", "learning rate", "test accuracy [-]",
            (Series(zoo.recipes.lr.numpy(), zoo.accuracy.numpy(), "", "points"),), log_x=True,
        ),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"{NETWORKS} networks {INPUTS}-16-16-{CLASSES} with random learning rate, initial spread, "
        f"weight decay, steps (up to {STEPS}) and share of data; {KNOWN} to learn from, the rest "
        f"to be told. The other task has other classes. Seed {seed}."
    )
