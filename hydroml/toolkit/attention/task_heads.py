"""Several targets of one network side by side: binary, multi-class, regression.

The network gives one row of numbers a sample; each task owns some columns of it. The loss is the
weighted mean over the tasks of each task's mean over the samples whose target is known (a missing
target is NaN, of classes -1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BinaryTask", "MulticlassTask", "RegressionTask", "Task", "TaskHeads"]


class Task(Protocol):
    """One target: how many columns it takes, its loss, and its prediction."""

    @property
    def outputs(self) -> int:
        """Number of columns."""

    @property
    def weight(self) -> float:
        """Of its loss."""

    def loss(self, columns: Tensor, target: Tensor) -> Tensor:
        """Mean loss over known targets; columns (B, outputs), target (B,)."""

    def predict(self, columns: Tensor) -> Tensor:
        """Probability, class probabilities or value."""


@dataclass(frozen=True)
class BinaryTask:
    """A label of 0 or 1; the column is its logit.

    Parameters
    ----------
    weight : float
        Of its loss.
    positive_weight : float
        How much more a positive sample weighs.
    """

    weight: float = 1.0
    positive_weight: float = 1.0
    outputs: int = 1

    def loss(self, columns: Tensor, target: Tensor) -> Tensor:
        """Binary cross entropy [nat]."""
        known = ~torch.isnan(target)
        positive = columns.new_tensor(self.positive_weight)
        losses = F.binary_cross_entropy_with_logits(
            columns[:, 0], torch.where(known, target, 0).to(columns), pos_weight=positive,
            reduction="none",
        )  # fmt: skip
        return _known_mean(losses, known)

    def predict(self, columns: Tensor) -> Tensor:
        """Probability of 1, (B,)."""
        return columns[:, 0].sigmoid()


@dataclass(frozen=True)
class MulticlassTask:
    """A class of several; the columns are their logits.

    Parameters
    ----------
    outputs : int
        Number of classes.
    weight : float
        Of its loss.
    """

    outputs: int
    weight: float = 1.0

    def loss(self, columns: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nat]; a target of -1 is missing."""
        known = target >= 0
        losses = F.cross_entropy(columns, target.clamp(min=0).long(), reduction="none")
        return _known_mean(losses, known)

    def predict(self, columns: Tensor) -> Tensor:
        """Probabilities, (B, outputs)."""
        return columns.softmax(dim=1)


@dataclass(frozen=True)
class RegressionTask:
    """A number; the column is its standardised value.

    Parameters
    ----------
    mean, std : float
        Of the training targets.
    weight : float
        Of its loss.
    """

    mean: float = 0.0
    std: float = 1.0
    weight: float = 1.0
    outputs: int = 1

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(f"The standard deviation of a target is {self.std}; give one above 0.")

    def loss(self, columns: Tensor, target: Tensor) -> Tensor:
        """Mean squared error in standard deviations."""
        known = ~torch.isnan(target)
        wanted = (torch.where(known, target, self.mean) - self.mean) / self.std
        return _known_mean((columns[:, 0] - wanted) ** 2, known)

    def predict(self, columns: Tensor) -> Tensor:
        """Value in the target's units, (B,)."""
        return columns[:, 0] * self.std + self.mean


@dataclass(frozen=True)
class TaskHeads:
    """Tasks that share one network.

    Parameters
    ----------
    tasks : sequence of Task
        In the order of their columns.

    Examples
    --------
    >>> heads = TaskHeads((BinaryTask(), RegressionTask(mean=2.0, std=0.5)))
    >>> heads.outputs
    2
    >>> columns = torch.tensor([[0.0, 2.0]])
    >>> heads.predict(columns)
    [tensor([0.5000]), tensor([3.])]
    >>> nothing = torch.tensor([torch.nan])
    >>> heads.loss(columns, [nothing, torch.tensor([2.0])])  # (0 + 4) / 2
    tensor(2.)
    """

    tasks: Sequence[Task]

    @property
    def outputs(self) -> int:
        """Columns of all tasks together."""
        return sum(task.outputs for task in self.tasks)

    def split(self, columns: Tensor) -> tuple[Tensor, ...]:
        """Give each task its columns, (B, outputs of the task)."""
        if columns.ndim != 2 or columns.shape[1] != self.outputs:
            raise ValueError(
                f"The network's output has the shape {tuple(columns.shape)}; the tasks need "
                f"(B, {self.outputs})."
            )
        return columns.split([task.outputs for task in self.tasks], dim=1)

    def loss(self, columns: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Weighted mean of the tasks' losses; targets (B,) each."""
        if len(targets) != len(self.tasks):
            raise ValueError(f"{len(self.tasks)} tasks, but {len(targets)} targets.")
        parts = zip(self.tasks, self.split(columns), targets, strict=True)
        total = sum((t.weight * t.loss(own, y) for t, own, y in parts), columns.new_zeros(()))
        return total / sum(task.weight for task in self.tasks)

    def predict(self, columns: Tensor) -> list[Tensor]:
        """Predictions of each task."""
        parts = zip(self.tasks, self.split(columns), strict=True)
        return [task.predict(own) for task, own in parts]


def _known_mean(losses: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)
