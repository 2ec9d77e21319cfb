"""Train a network of SMILES on patchy targets: the loop that the demos of molecules share."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hydroml.toolkit.demo import Advance, silent
from hydroml.toolkit.domains.smiles_lstm import masked_bce
from hydroml.toolkit.smiles import SmilesTokenizer


@dataclass(frozen=True)
class Plan:
    """Epochs of Adam, batch, rate, and the largest slope that is not clipped."""

    epochs: int = 20
    batch: int = 64
    rate: float = 5e-3
    clip: float = 0.1


def train(
    model: nn.Module,
    rows: Tensor,
    targets: Tensor,
    plan: Plan,
    generator: torch.Generator,
    advance: Advance = silent,
) -> None:
    """Fit logits (B, S) of `model` to targets (n, S), 0.5 for unknown; rows (n, T, 35).

    Raises
    ------
    ValueError
        The loss is no number; says at which step.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.rate)
    model.train()
    step = 0
    for epoch in range(plan.epochs):
        for chosen in torch.randperm(len(rows), generator=generator).split(plan.batch):
            loss = masked_bce(model(rows[chosen]), targets[chosen])
            if not math.isfinite(loss.item()):
                raise ValueError(f"The loss is {loss.item()} at step {step}: lower the rate.")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), plan.clip)
            optimizer.step()
            step += 1
        advance((epoch + 1) / plan.epochs)
    model.eval()


@torch.no_grad()
def predict(model: nn.Module, numbers: Tensor, tokenizer: SmilesTokenizer) -> Tensor:
    """Logits (n, S) of numbered molecules (n, T), in evaluation mode."""
    model.eval()
    return torch.cat([model(tokenizer.rows(part)) for part in numbers.split(500)])
