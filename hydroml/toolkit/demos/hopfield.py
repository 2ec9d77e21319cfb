"""Modern Hopfield layers in small: retrieval, energy, temperature, and two tasks.

Retrieval: 1000 random directions of norm sqrt(d - 1), each disturbed by a tenth of its norm, one
update at beta = 1. Temperature: 50 unit patterns of 16 features, run to their fixed points. Bags:
16 random words of 16 bits; a positive bag holds one of 8 signal words. Latch: the class of a
sequence is its first symbol, the others mislead. Both tasks are scored on fresh data, and against
the mean of all instances with a linear layer.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.attention.energy import hopfield_energy, hopfield_retrieve
from hydroml.toolkit.attention.hopfield import HopfieldPooling
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

WIDTHS = (4, 8, 12, 16, 20, 24, 28, 32)
BETAS = tuple(2.0**n for n in range(-4, 8))
BITS, BAG, SIGNALS = 16, 16, 8
SYMBOLS, LENGTH = 20, 32
BAG_EPOCHS, LATCH_EPOCHS = 40, 10
_RETRIEVED = 0.01  # of the norm


class Bags(NamedTuple):
    """Instances (B, S, E) and the class of each bag."""

    x: Tensor
    y: Tensor

    def split(self, first: int) -> "tuple[Bags, Bags]":
        """Part the first bags from the rest."""
        return Bags(self.x[:first], self.y[:first]), Bags(self.x[first:], self.y[first:])


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Run the reproduction.

    Parameters
    ----------
    seed : int
        Of the data and the weights.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Findings and panels.
    """
    random = torch.Generator().manual_seed(seed)
    errors, kept = retrieval_errors(random)
    energies = energy_paths(random)
    patterns_held = temperature_sweep(random)
    advance(0.05)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        bags = find_signals(random, lambda done: advance(0.05 + 0.75 * done))
        latch = find_first_symbol(random, lambda done: advance(0.8 + 0.2 * done))
    findings = (
        *_findings_of_retrieval(errors, kept, energies, patterns_held),
        *_findings_of_tasks(bags, latch),
    )
    return Demo(
        findings,
        _panels(errors, energies, patterns_held, bags, latch),
        f"Seed {seed}. Retrieval: 1000 patterns of norm sqrt(d - 1), disturbed by 10 %, one "
        f"update, beta 1. Bags: 2048 for training, 512 to score, {BAG} words of {BITS} bits, "
        f"{BAG_EPOCHS} epochs. Latch: 4096 sequences of {LENGTH} out of {SYMBOLS} symbols, 1024 "
        f"to score, {LATCH_EPOCHS} epochs.",
    )


def retrieval_errors(random: torch.Generator) -> tuple[list[float], list[float]]:
    """Median relative error after one update, and share of patterns retrieved, for each width."""
    errors, kept = [], []
    for d in WIDTHS:
        norm = math.sqrt(d - 1)
        X, away = (
            norm * F.normalize(torch.randn(1000, d, dtype=torch.float64, generator=random), dim=-1)
            for _ in range(2)
        )
        error = (hopfield_retrieve(X, X + 0.1 * away, 1.0) - X).norm(dim=-1) / norm
        errors.append(error.median().item())
        kept.append((error < _RETRIEVED).double().mean().item())
    return errors, kept


def energy_paths(random: torch.Generator, updates: int = 12) -> Tensor:
    """Energy of 200 states among 50 patterns before and after every update, (updates + 1, 200)."""
    X = torch.randn(50, 16, dtype=torch.float64, generator=random)
    xi = 2 * torch.randn(200, 16, dtype=torch.float64, generator=random)
    path = [hopfield_energy(X, xi, 0.5)]
    for _ in range(updates):
        xi = hopfield_retrieve(X, xi, 0.5)
        path.append(hopfield_energy(X, xi, 0.5))
    return torch.stack(path)


def temperature_sweep(random: torch.Generator, updates: int = 200) -> list[float]:
    """Patterns that carry 90 % of a fixed point, mean over states, for each beta."""
    X = F.normalize(torch.randn(50, 16, dtype=torch.float64, generator=random), dim=-1)
    held = []
    for beta in BETAS:
        xi = hopfield_retrieve(X, X, beta, steps=updates)
        shares = (beta * xi @ X.T).softmax(-1).sort(dim=-1, descending=True).values
        held.append((shares.cumsum(-1) < 0.9).sum(-1).add(1).double().mean().item())
    return held


def find_signals(random: torch.Generator, advance: Advance) -> dict[str, list[float]]:
    """Share of fresh bags told right after each epoch, with pooling by Hopfield and by the mean."""
    signals = torch.randint(2, (SIGNALS, BITS), generator=random)
    x = torch.randint(2, (2560, BAG, BITS), generator=random)
    y = torch.arange(2560) % 2
    place = torch.randint(BAG, (1280,), generator=random)
    x[y == 1, place] = signals[torch.randint(SIGNALS, (1280,), generator=random)]
    training, fresh = Bags(2.0 * x - 1, y).split(2048)
    pool = nn.Sequential(
        HopfieldPooling(
            BITS, hidden_size=8, num_heads=8, update_steps_max=3, scaling=0.25, dropout=0.5
        ),
        nn.Linear(BITS, 2),
    )
    mean = nn.Sequential(_Mean(), nn.Linear(BITS, 2))
    return {
        "Hopfield pooling": train(
            pool, training, fresh, BAG_EPOCHS, 1e-2, lambda done: advance(0.95 * done)
        ),
        "mean, linear": train(mean, training, fresh, BAG_EPOCHS, 1e-2, silent),
    }


def find_first_symbol(random: torch.Generator, advance: Advance) -> dict[str, list[float]]:
    """Share of fresh sequences told right after each epoch."""
    symbols = torch.randint(SYMBOLS, (5120, LENGTH), generator=random)
    places = F.one_hot(torch.arange(LENGTH)).expand(5120, -1, -1)
    x = torch.cat([F.one_hot(symbols, SYMBOLS), places], -1).float()
    training, fresh = Bags(x, symbols[:, 0]).split(4096)
    pool = nn.Sequential(
        HopfieldPooling(SYMBOLS + LENGTH, hidden_size=16, output_size=32),
        nn.Linear(32, SYMBOLS),
    )
    mean = nn.Sequential(_Mean(), nn.Linear(SYMBOLS + LENGTH, SYMBOLS))
    return {
        "Hopfield pooling": train(pool, training, fresh, LATCH_EPOCHS, 1e-2, advance),
        "mean, linear": train(mean, training, fresh, LATCH_EPOCHS, 1e-2, silent),
    }


def train(
    model: nn.Module, bags: Bags, fresh: Bags, epochs: int, rate: float, advance: Advance
) -> list[float]:
    """Train by AdamW in batches of 64 bags; share of fresh bags told right after each epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    scores = []
    for epoch in range(epochs):
        model.train()
        for batch in torch.randperm(len(bags.y)).split(64):
            loss = F.cross_entropy(model(bags.x[batch]), bags.y[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            scores.append((model(fresh.x).argmax(-1) == fresh.y).double().mean().item())
        advance((epoch + 1) / epochs)
    return scores


class _Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def _findings_of_retrieval(
    errors: list[float], kept: list[float], energies: Tensor, held: list[float]
) -> tuple[Finding, ...]:
    wide = WIDTHS.index(32)
    rise = (energies[1:] - energies[:-1]).max().item()
    slope = math.log10(errors[wide] / errors[WIDTHS.index(16)]) / 16
    return (
        Finding("retrieved of 1000 patterns, d = 32 [share]", "above 0.9", kept[wide],
                kept[wide] > 0.9),
        Finding("retrieved of 1000 patterns, d = 8 [share]", "below 0.1: too small",
                kept[WIDTHS.index(8)], kept[WIDTHS.index(8)] < 0.1),
        Finding("log10 of the error per feature, d = 16 to 32", "below -0.1: exponential", slope,
                slope < -0.1),
        Finding("largest rise of the energy in 12 updates", "at most 1e-10", rise, rise <= 1e-10),
        Finding("patterns in a fixed point, beta 1/16 (of 50)", "above 40: the mean", held[0],
                held[0] > 40),
        Finding("patterns in a fixed point, beta 128", "below 1.5: one pattern", held[-1],
                held[-1] < 1.5),
    )  # fmt: skip


def _findings_of_tasks(
    bags: dict[str, list[float]], latch: dict[str, list[float]]
) -> tuple[Finding, ...]:
    pool, mean = (scores[-1] for scores in bags.values())
    read, averaged = (scores[-1] for scores in latch.values())
    return (
        Finding("bags told right, Hopfield pooling", "above 0.9", pool, pool > 0.9),
        Finding("bags told right, mean and linear layer", "below 0.75", mean, mean < 0.75),
        Finding("first symbol told right, Hopfield pooling", "above 0.95", read, read > 0.95),
        Finding("first symbol told right, mean and linear layer", "below 0.3 (chance 0.05)",
                averaged, averaged < 0.3),
    )  # fmt: skip


def _panels(
    errors: list[float],
    energies: Tensor,
    held: list[float],
    bags: dict[str, list[float]],
    latch: dict[str, list[float]],
) -> tuple[Panel, ...]:
    lowest = torch.finfo(torch.float64).eps
    updates = list(range(len(energies)))
    levels = energies.quantile(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64), dim=1)
    return (
        Panel("Retrieval by one update", "features d of a pattern", "median error / norm",
              (Series(WIDTHS, [max(e, lowest) for e in errors]),
               Series(WIDTHS, [max(e, lowest) for e in errors], kind="points")), log_y=True),
        Panel("The energy never rises", "update", "energy of 200 states",
              tuple(Series(updates, level.numpy(), label) for level, label in
                    zip(levels, ("10 %", "median", "90 %"), strict=True))),
        Panel("From the mean to one pattern", "beta", "patterns that carry 90 %",
              (Series(BETAS, held), Series(BETAS, held, kind="points")), log_x=True),
        Panel("Bags with a signal word", "epoch", "fresh bags told right", _curves(bags)),
        Panel("First symbol of a sequence", "epoch", "fresh sequences told right", _curves(latch)),
    )  # fmt: skip


def _curves(scores: dict[str, list[float]]) -> tuple[Series, ...]:
    return tuple(Series(list(range(1, len(each) + 1)), each, name) for name, each in scores.items())
