"""A task whose answer is known: an LSTM that adds two numbers of a sequence.

Each step has two channels. On two steps the first channel holds a number to be added and the second
is 0; on all others the second holds noise to be ignored and the first is 0. (Arras et al. 2019,
arXiv:1909.12114, section 11.3.)
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hydroml.toolkit.demo import Advance

STEPS = 12


@dataclass(frozen=True)
class Sums:
    """Sequences and what is hidden in them.

    Parameters
    ----------
    x : Tensor
        (B, T, 2).
    where : Tensor
        The two steps that count, (B, 2).
    numbers : Tensor
        What stands there, (B, 2), -1 to 1.
    """

    x: Tensor
    where: Tensor
    numbers: Tensor


class Adder(nn.Module):
    """One LSTM layer and a linear head on its last hidden state."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add up (B, T, 2): (B,)."""
        y: Tensor = self.head(self.lstm(x)[0][:, -1])[:, 0]
        return y


def draw_sums(count: int, generator: torch.Generator) -> Sums:
    """Draw sequences.

    Parameters
    ----------
    count : int
        B.
    generator : torch.Generator
        Of the numbers.
    """
    x = torch.zeros(count, STEPS, 2)
    x[..., 1] = 2 * torch.rand(count, STEPS, generator=generator) - 1
    where = torch.rand(count, STEPS, generator=generator).topk(2, dim=1).indices
    numbers = 2 * torch.rand(count, 2, generator=generator) - 1
    x[..., 0].scatter_(1, where, numbers)
    x[..., 1].scatter_(1, where, 0.0)
    return Sums(x, where, numbers)


def train_adder(
    generator: torch.Generator, seed: int, *, hidden: int, steps: int, advance: Advance
) -> Adder:
    """Train an adder until it adds.

    Parameters
    ----------
    generator : torch.Generator
        Of the sequences.
    seed : int
        Of the initial weights.
    hidden, steps : int
        Units; steps of the optimizer.
    advance : callable
        Told of the share done.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Adder(hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        batch = draw_sums(128, generator)
        loss = F.mse_loss(model(batch.x), batch.numbers.sum(1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        advance((step + 1) / steps)
    return model.eval()


def at_numbers(relevance: Tensor, sums: Sums) -> Tensor:
    """Pick the relevance (B, T) of the two steps that count, (B, 2)."""
    return relevance.gather(1, sums.where)


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's correlation over all entries."""
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
