"""Attributes and hydrographs in one space: a CLOOB pair trained on gauged basins.

One encoder reads the standardised attributes of a basin, the other the standardised signatures of
one of its water years. Pairs of one basin are drawn together, pairs of different basins apart. A
basin without flow is then compared, by its attributes alone, with the flow of the gauged ones.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.toolkit.transfer.cloob import CLOOBLoss, ContrastivePair, unit_rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairOptions:
    """How the pair is trained.

    Parameters
    ----------
    dim, hidden : int
        Width of the common space, and of the encoders' hidden layer.
    steps : int
        Batches.
    batch : int
        Most basins in a batch; one year of each is drawn.
    noise : float
        Standard deviation of the noise added to both standardised views.
    inv_tau, beta : float
        Inverse temperatures of the loss and of its retrieval.
    learning_rate, weight_decay : float
        Of AdamW.
    seed : int
        Of weights, batches and noise.
    """

    dim: int = 16
    hidden: int = 64
    steps: int = 100
    batch: int = 128
    noise: float = 0.5
    inv_tau: float = 30.0
    beta: float = 8.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    seed: int = 0


def train_pair(attributes: Floats, years: Floats, options: PairOptions) -> ContrastivePair:
    """Train encoders of attributes and signature-years on gauged basins.

    Parameters
    ----------
    attributes : ndarray (B, S)
        Standardised; B is at least 2.
    years : ndarray (B, Y, K)
        Standardised signatures of the water years; a year with NaN does not count. Each basin
        has at least one year.
    options : PairOptions
        How.
    """
    generator = torch.Generator().manual_seed(options.seed)
    x, y = _tensor(attributes), _tensor(np.nan_to_num(years))
    there = torch.from_numpy(np.isfinite(years).all(axis=-1)).float()  # (B, Y)
    pair = _untrained(x.shape[1], y.shape[2], options)
    loss = CLOOBLoss(options.inv_tau, options.beta)
    optimizer = torch.optim.AdamW(
        pair.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    for _ in range(options.steps):
        rows = torch.randperm(len(x), generator=generator)[: options.batch]
        drawn = torch.multinomial(there[rows], 1, generator=generator)[:, 0]
        views = [_noisy(view, options.noise, generator) for view in (x[rows], y[rows, drawn])]
        optimizer.zero_grad()
        loss(*pair(*views)).backward()
        optimizer.step()
        schedule.step()
    return pair.eval()


@torch.no_grad()
def flow_patterns(pair: ContrastivePair, years: Floats) -> Floats:
    """Pattern of each basin's flow: the mean direction of its embedded years, (B, dim)."""
    there = torch.from_numpy(np.isfinite(years).all(axis=-1))
    flat = pair.embed_b(_tensor(np.nan_to_num(years)).flatten(0, 1)).unflatten(0, there.shape)
    mean = torch.where(there[..., None], flat, 0).sum(dim=1)
    return np.asarray(unit_rows(mean).numpy(), np.float64)


@torch.no_grad()
def attribute_patterns(pair: ContrastivePair, attributes: Floats) -> Floats:
    """Pattern of each basin's attributes, (B, dim)."""
    return np.asarray(pair.embed_a(_tensor(attributes)).numpy(), np.float64)


def standardised_years(years: Floats, gauged: NDArray[np.bool_] | None = None) -> Floats:
    """Signatures less their mean over gauged basins and years, over their standard deviation.

    A signature that a year cannot tell (a slope of the duration curve of a river that falls dry)
    becomes 0, the mean; a year without a single signature stays NaN. Values beyond five standard
    deviations are drawn in to five.

    Parameters
    ----------
    years : ndarray (B, Y, K)
        From `hydroml.regionalisation.signatures.signature_years`.
    gauged : bool ndarray (B,), optional
        Basins whose mean and spread are taken; all without.
    """
    rows = years if gauged is None else years[gauged]
    known = rows.reshape(-1, years.shape[-1])
    known = known[np.isfinite(known).any(axis=1)]
    spread = np.nanstd(known, axis=0)
    scaled = (years - np.nanmean(known, axis=0)) / np.where(spread > 0, spread, 1)
    empty = ~np.isfinite(years).any(axis=-1, keepdims=True)
    return np.where(empty, np.nan, np.clip(np.nan_to_num(scaled), -5, 5))


def folds(count: int, parts: int, seed: int = 0) -> NDArray[np.int64]:
    """Assign basins to parts at random, (count,): each is left out once."""
    return np.random.default_rng(seed).permutation(count) % parts


def _untrained(inputs: int, outputs: int, options: PairOptions) -> ContrastivePair:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        encoders = [
            nn.Sequential(nn.Linear(n, options.hidden), nn.ReLU(),
                          nn.Linear(options.hidden, options.dim))
            for n in (inputs, outputs)
        ]  # fmt: skip
    return ContrastivePair(encoders[0], encoders[1], options.dim)


def _noisy(view: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    return view + noise * torch.randn(view.shape, generator=generator)


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
