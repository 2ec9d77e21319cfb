"""Networks that pool a year's weeks and predict the year's flood: the toolkit's attention MIL.

A year has 52 instances, each a vector: plain attention pooling is enough, and DeepRC's reduction,
made for a hundred thousand instances, has nothing to leave out. The target is the logarithm of the
annual peak [mm d-1], standardised over the training years; static attributes stand beside the
forcing of every week.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.errors import ConfigError
from hydroml.explanation.week_bags import WeekBags
from hydroml.toolkit.attention.mil import AttentionMIL, Pooling

Floats = NDArray[np.float64]
POOLINGS: tuple[Pooling, ...] = ("attention", "max", "mean")


@dataclass(frozen=True)
class WeekSettings:
    """Sizes and training of the networks.

    Parameters
    ----------
    blocks : int
        Stretches of days before each week (`hydroml.explanation.week_bags`).
    hidden, dim, attn_dim : int
        Units of the encoder's first layer, of the embedding, of the attention.
    dropout : float
        Of the encoder.
    epochs : int
        The best by the validation years' error is kept.
    batch : int
        Years in an update.
    rate, decay : float
        AdamW's learning rate and weight decay.
    members : int
        Networks of each pooling, by seeds that follow each other; they are averaged.
    """

    blocks: int = 5
    hidden: int = 64
    dim: int = 32
    attn_dim: int = 32
    dropout: float = 0.2
    epochs: int = 20
    batch: int = 32
    rate: float = 1e-3
    decay: float = 1e-3
    members: int = 3

    def __post_init__(self) -> None:
        for name in ("hidden", "dim", "attn_dim", "epochs", "batch", "members"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}.", "Give at least 1.")
        if not 0 <= self.blocks <= 7:
            raise ConfigError(
                f"There cannot be {self.blocks} blocks before a week.", "Give 0 to 7."
            )


@dataclass(frozen=True)
class WeekScaler:
    """Means and standard deviations of the training years."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    target_mean: float
    target_std: float

    def inputs(self, bags: WeekBags) -> Tensor:
        """Standardised instances, (N, 52, D + S); one that never varies becomes 0."""
        return torch.from_numpy(((_instances(bags) - self.mean) / self.std).astype("float32"))

    def target(self, bags: WeekBags) -> Tensor:
        """Standardised logarithm of the peak, (N,)."""
        z = (np.log(bags.peak.astype(np.float64)) - self.target_mean) / self.target_std
        return torch.from_numpy(z.astype("float32"))


@dataclass(frozen=True)
class Pooled:
    """What the members of one pooling say of N years, averaged.

    Parameters
    ----------
    peak : ndarray
        Predicted annual peak [mm d-1], (N,).
    attention, contribution : ndarray
        Weight of each week, and its share of the prediction, (N, 52).
    """

    peak: Floats
    attention: Floats
    contribution: Floats


def fit_week_scaler(bags: WeekBags) -> WeekScaler:
    """Compute means and standard deviations of training years."""
    x = _instances(bags)
    std = x.std(axis=(0, 1))
    log_peak = np.log(bags.peak.astype(np.float64))
    return WeekScaler(
        mean=x.mean(axis=(0, 1)),
        std=np.where(std > 0, std, 1).astype("float32"),
        target_mean=float(log_peak.mean()),
        target_std=float(log_peak.std()) or 1.0,
    )


def train_week_model(
    x: tuple[Tensor, Tensor],
    y: tuple[Tensor, Tensor],
    pooling: Pooling,
    settings: WeekSettings,
    seed: int,
    advance: Callable[[int], None],
) -> AttentionMIL:
    """Train one network; keep the weights of its best epoch.

    Parameters
    ----------
    x, y : tuple of Tensor
        Inputs (N, 52, D + S) and targets (N,) of training and of validation years.
    pooling : str
        Of `AttentionMIL`.
    settings : WeekSettings
        Sizes and training.
    seed : int
        Of weights, order and dropout.
    advance : callable
        Told 1 at the end of each epoch.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[x[0].device] if x[0].is_cuda else []):
        torch.manual_seed(seed)
        model = _network(x[0].shape[-1], pooling, settings).to(x[0].device)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings.rate, weight_decay=settings.decay
        )
        best, kept = np.inf, copy.deepcopy(model.state_dict())
        for _ in range(settings.epochs):
            _epoch(model, optimizer, x[0], y[0], settings.batch, rng)
            error = _error(model, x[1], y[1])
            if error < best:
                best, kept = error, copy.deepcopy(model.state_dict())
            advance(1)
    model.load_state_dict(kept)
    return model.eval()


@torch.no_grad()
def pool_weeks(models: list[AttentionMIL], x: Tensor, scaler: WeekScaler) -> Pooled:
    """Average what the networks of one pooling say."""
    mask = _everyone(x)
    said = [model(x, mask) for model in models]
    z = torch.stack([own for own, _ in said]).mean(0)
    attention = torch.stack([own for _, own in said]).mean(0)
    contribution = torch.stack([m.contributions(x, mask) for m in models]).mean(0)
    peak = np.exp(z.double().cpu().numpy() * scaler.target_std + scaler.target_mean)
    return Pooled(peak, attention.double().cpu().numpy(), contribution.double().cpu().numpy())


def _network(inputs: int, pooling: Pooling, settings: WeekSettings) -> AttentionMIL:
    encoder = nn.Sequential(
        nn.Linear(inputs, settings.hidden), nn.ReLU(), nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden, settings.dim), nn.ReLU(),
    )  # fmt: skip
    return AttentionMIL(encoder, settings.dim, settings.attn_dim, pooling=pooling)


def _epoch(
    model: AttentionMIL,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    batch: int,
    rng: torch.Generator,
) -> None:
    model.train()
    for rows in torch.randperm(len(x), generator=rng).split(batch):
        own = rows.to(x.device)
        bags = x[own]
        loss = nn.functional.mse_loss(model(bags, _everyone(bags))[0], y[own])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def _error(model: AttentionMIL, x: Tensor, y: Tensor) -> float:
    model.eval()
    return float(nn.functional.mse_loss(model(x, _everyone(x))[0], y))


def _everyone(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)


def _instances(bags: WeekBags) -> NDArray[np.float32]:
    n, weeks, _ = bags.x_d.shape
    static = np.broadcast_to(bags.x_s[:, None], (n, weeks, bags.x_s.shape[1]))
    return np.concatenate([bags.x_d, static], axis=-1)
