"""What changes while a run trains: its members, and how far they have come."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from hydroml.config import TrainConfig


@dataclass
class Member:
    """One of the models that train side by side, one for each seed.

    Parameters
    ----------
    model : nn.Module
        On its device.
    optimizer : torch.optim.Optimizer
        Adam's moments.
    grad_scaler : torch.amp.GradScaler
        Loss scale of fp16; disabled in other precisions.
    chance : torch.Generator
        All that is random after the initial weights: dropout and noise.
    average : dict of Tensor
        Moving average of the weights, by name; empty where none is kept.
    loss_sum, loss_count : float
        Sums over the steps of the epoch at hand.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    grad_scaler: torch.amp.GradScaler
    chance: torch.Generator
    average: dict[str, Tensor] = field(default_factory=dict)
    loss_sum: float = 0.0
    loss_count: int = 0

    def best_weights(self) -> dict[str, Tensor]:
        """Weights to evaluate: the moving average where one is kept, else the model's."""
        return self.average or self.model.state_dict()


@dataclass
class TrainingState:
    """Members and progress.

    Parameters
    ----------
    members : list of Member
        One for each seed, in the configuration's order.
    epoch, pool, step : int
        Epochs finished; pools finished in the one at hand; steps done in the pool at hand.
    seconds : float
        Training time so far.
    """

    members: list[Member]
    epoch: int = 0
    pool: int = 0
    step: int = 0
    seconds: float = 0.0

    @property
    def models(self) -> list[nn.Module]:
        """The members' models."""
        return [member.model for member in self.members]

    def mean_loss(self) -> float:
        """Mean loss of the epoch so far, over steps and members."""
        return sum(m.loss_sum for m in self.members) / max(
            sum(m.loss_count for m in self.members), 1
        )


def new_state(
    models: Sequence[nn.Module], config: TrainConfig, device: torch.device
) -> TrainingState:
    """State before the first step.

    Parameters
    ----------
    models : sequence of nn.Module
        Initialised, one for each seed of `config`, on `device`.
    config : TrainConfig
        The run's configuration.
    device : torch.device
        Where to train.
    """
    options, members = config.optimizer, []
    for model, seed in zip(models, config.seed, strict=True):
        chance = torch.Generator(device)
        # not the seed itself: with it the first dropout would repeat the initial weights
        chance.manual_seed(int(np.random.SeedSequence([seed, 1]).generate_state(1, "uint64")[0]))
        average = {}
        if options.weight_average:
            average = {n: p.detach().clone() for n, p in model.state_dict().items()}
        members.append(
            Member(
                model,
                torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=options.weight_decay),
                torch.amp.GradScaler(device.type, enabled=config.precision == "fp16"),
                chance,
                average,
            )
        )
    return TrainingState(members)
