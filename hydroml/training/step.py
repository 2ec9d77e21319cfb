"""One optimizer step of all members: one pass forward and back, then a step each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hydroml.config import OptimizerConfig, TrainConfig
from hydroml.models.losses import weighted_squared_error
from hydroml.models.together import forward_together
from hydroml.training.device import autocast
from hydroml.training.processes import ALONE, Processes
from hydroml.training.samples import Batch
from hydroml.training.state import Member


@dataclass(frozen=True)
class Task:
    """What one member does in a step.

    Parameters
    ----------
    member : Member
        Which.
    batch : Batch
        This process's share of the member's batch.
    total : int
        Samples in the batch over all processes.
    rate : float
        Learning rate.
    """

    member: Member
    batch: Batch
    total: int
    rate: float


def take_step(
    tasks: Sequence[Task], config: TrainConfig, processes: Processes = ALONE
) -> list[float]:
    """Move each member by one step; the members' steps do not touch each other.

    Where any loss or gradient is not finite, no member is moved. fp16 skips a member's step
    whose gradient overflows by itself, and lowers its scale.

    Parameters
    ----------
    tasks : sequence of Task
        One for each member that has a batch.
    config : TrainConfig
        The run's configuration.
    processes : Processes
        Who else works on the same batches.

    Returns
    -------
    list of float
        Loss of each task before the step; NaN for a gradient that is not finite.
    """
    options = config.optimizer
    for task in tasks:
        task.member.model.train()
        task.member.optimizer.zero_grad(set_to_none=True)
    losses = _losses(tasks, config, processes)
    scaled = [t.member.grad_scaler.scale(loss) for t, loss in zip(tasks, losses, strict=True)]
    total = torch.stack(scaled).sum()
    if total.requires_grad:  # a process may have no row of a small batch
        total.backward()
    parameters = [p for t in tasks for p in t.member.model.parameters()]
    found = _add_up(losses, parameters, processes)
    for task in tasks:
        task.member.grad_scaler.unscale_(task.member.optimizer)
    norms = [
        nn.utils.clip_grad_norm_(t.member.model.parameters(), options.clip_norm) for t in tasks
    ]
    # one wait for the device for all members
    values, lengths = torch.stack([found, torch.stack(norms)]).tolist()
    for k, task in enumerate(tasks):
        if not task.member.grad_scaler.is_enabled() and not math.isfinite(lengths[k]):
            values[k] = math.nan
    if all(math.isfinite(value) for value in values):
        for task in tasks:
            _move(task, options)
    return [float(value) for value in values]


def _losses(tasks: Sequence[Task], config: TrainConfig, processes: Processes) -> list[Tensor]:
    """Give each task's part of its loss: the parts of all processes add up to the loss."""
    counts = torch.stack([_valid(task.batch) for task in tasks])
    shares = counts.clone().clamp_(min=1) / processes.add_up(counts).clamp_(min=1)
    y_hat = _simulate(tasks, config, processes)
    return [
        weighted_squared_error(y.float(), task.batch.y, task.batch.weight) * share
        for y, task, share in zip(y_hat, tasks, shares, strict=True)
    ]


def _valid(batch: Batch) -> Tensor:
    return (~torch.isnan(batch.y)).sum().to(batch.x_d.dtype)


def _simulate(tasks: Sequence[Task], config: TrainConfig, processes: Processes) -> list[Tensor]:
    noisy = [_draw(task, config, processes) for task in tasks]
    last = tasks[0].batch.y.shape[1]
    y_hat: list[Tensor] = []
    with autocast(tasks[0].batch.x_d.device, config.precision):
        if len(tasks) > 1 and {len(task.batch.y) for task in tasks} == {len(tasks[0].batch.y)} != {
            0
        }:
            together = forward_together(
                [task.member.model for task in tasks],
                torch.stack([task.batch.x_d for task in tasks]),
                torch.stack([x_s for x_s, _ in noisy]),
                last=last,
                masks=_stacked([mask for _, mask in noisy]),
            )
            return list(together.unbind(0))
        for task, (x_s, mask) in zip(tasks, noisy, strict=True):
            if not len(x_s):
                y_hat.append(task.batch.y)
                continue
            y, _ = task.member.model(task.batch.x_d, x_s, last=last, mask=mask)
            y_hat.append(y)
    return y_hat


def _stacked(masks: Sequence[Tensor | None]) -> Tensor | None:
    there = [mask for mask in masks if mask is not None]
    return torch.stack(there) if there else None


def _draw(task: Task, config: TrainConfig, processes: Processes) -> tuple[Tensor, Tensor | None]:
    """Draw noisy attributes (b, S) and dropout (b, last, H) of this process's rows.

    All processes draw for the whole batch from generators in the same state: what a sample
    gets does not depend on how many processes there are.
    """
    chance, batch, rows = task.member.chance, task.batch, processes.share(task.total)
    x_s, noise, dropout = batch.x_s, config.optimizer.static_noise, config.model.dropout
    if noise:
        size = (task.total, x_s.shape[1])
        x_s = x_s + noise * torch.randn(size, generator=chance, device=x_s.device)[rows]
    if not dropout:
        return x_s, None
    mask = batch.x_d.new_empty(task.total, batch.y.shape[1], config.model.hidden)
    mask.bernoulli_(1 - dropout, generator=chance)
    return x_s, mask[rows].div_(1 - dropout)


def _add_up(losses: Sequence[Tensor], parameters: Sequence[Tensor], processes: Processes) -> Tensor:
    """Add losses and gradients up over the processes; return the losses (K,)."""
    found = torch.stack([loss.detach() for loss in losses])
    if processes.count == 1:
        return found
    pieces = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = processes.add_up(torch.cat([found, *(piece.flatten() for piece in pieces)]))
    sums = flat[len(found) :].split([p.numel() for p in parameters])
    for parameter, total in zip(parameters, sums, strict=True):
        parameter.grad = total.view_as(parameter)
    return flat[: len(found)]


def _move(task: Task, options: OptimizerConfig) -> None:
    member = task.member
    for group in member.optimizer.param_groups:
        group["lr"] = task.rate
    member.grad_scaler.step(member.optimizer)
    member.grad_scaler.update()
    _move_average(member, options.weight_average)


@torch.no_grad()
def _move_average(member: Member, decay: float) -> None:
    moments = next(iter(member.optimizer.state.values()), {"step": 0})
    taken = float(moments["step"])
    if not member.average or not taken:  # fp16 may skip the first steps
        return
    # young averages forget faster, so that the initial weights do not linger
    share = 1 - min(decay, (1 + taken) / (10 + taken))
    # by name: a loaded average comes in the file's order, not the model's
    weights = member.model.state_dict()
    average: list[Tensor] = [member.average[name] for name in weights]
    torch._foreach_lerp_(average, list(weights.values()), share)
