"""One optimizer step of all members: one pass forward and back, then a step each.

The rows of a batch are shared out twice, over processes and over the cores of this one: the
parts of a loss, and of its gradient, add up to those of the whole batch.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hydroml.config import OptimizerConfig, TrainConfig
from hydroml.models.losses import weighted_squared_error
from hydroml.models.together import forward_together
from hydroml.training.cores import ONE_CORE, Cores
from hydroml.training.device import autocast
from hydroml.training.dropout import draw_mask
from hydroml.training.processes import ALONE, Processes
from hydroml.training.samples import Batch
from hydroml.training.state import Member

ROWS_AT_LEAST = 8
"""Rows of a batch below which another core is not worth its while."""


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


@dataclass(frozen=True)
class _Rows:
    """Rows of one task's batch, with what was drawn for them."""

    task: int
    model: nn.Module
    batch: Batch
    mask: Tensor | None
    count: Tensor


def take_step(
    tasks: Sequence[Task],
    config: TrainConfig,
    processes: Processes = ALONE,
    cores: Cores = ONE_CORE,
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
    cores : Cores
        Where to compute.

    Returns
    -------
    list of float
        Loss of each task before the step; NaN for a gradient that is not finite.
    """
    for task in tasks:
        task.member.model.train()
    counts = torch.stack([(~torch.isnan(task.batch.y)).sum() for task in tasks])
    totals = processes.add_up(counts).clamp_(min=1)
    whole = [_draw(k, task, totals[k], config, processes) for k, task in enumerate(tasks)]
    losses = _set_gradients(tasks, _share_out(whole, cores.count), config.precision, cores)
    losses = _add_up(losses, [t.member.model for t in tasks], processes)
    norms = []
    for task in tasks:
        task.member.grad_scaler.unscale_(task.member.optimizer)
        parameters = task.member.model.parameters()
        norms.append(nn.utils.clip_grad_norm_(parameters, config.optimizer.clip_norm))
    # one wait for the device for all members
    values, lengths = torch.stack([losses, torch.stack(norms)]).tolist()
    for k, task in enumerate(tasks):
        if not task.member.grad_scaler.is_enabled() and not math.isfinite(lengths[k]):
            values[k] = math.nan
    if all(math.isfinite(value) for value in values):
        for task in tasks:
            _move(task, config.optimizer)
    return [float(value) for value in values]


def _draw(k: int, task: Task, count: Tensor, config: TrainConfig, processes: Processes) -> _Rows:
    """Draw noise on the attributes (b, S) and dropout (b, last, H).

    All processes draw for the whole batch from generators in the same state: what a sample
    gets does not depend on how many processes there are.
    """
    chance, batch, own = task.member.chance, task.batch, processes.share(task.total)
    noise, dropout, mask = config.optimizer.static_noise, config.model.dropout, None
    if noise:
        size = (task.total, batch.x_s.shape[1])
        drawn = torch.randn(size, generator=chance, device=batch.x_s.device)[own]
        batch = replace(batch, x_s=batch.x_s + noise * drawn)
    if dropout:
        mask = draw_mask((task.total, batch.y.shape[1], config.model.hidden), dropout, chance)[own]
    return _Rows(k, task.member.model, batch, mask, count)


def _share_out(whole: Sequence[_Rows], cores: int) -> list[list[_Rows]]:
    """Cut batches so that each core gets the same; one core takes all members in one pass."""
    whole = [rows for rows in whole if len(rows.batch.y)]  # a process may have none of a batch
    if cores == 1:
        same = len({len(rows.batch.y) for rows in whole}) == 1
        return [list(whole)] if same else [[rows] for rows in whole]
    pieces = cores // math.gcd(cores, len(whole)) if whole else 1
    return [[part] for rows in whole for part in _cut(rows, pieces)]


def _cut(rows: _Rows, pieces: int) -> Iterator[_Rows]:
    total, batch = len(rows.batch.y), rows.batch
    pieces = max(1, min(pieces, total // ROWS_AT_LEAST))
    for n in range(pieces):
        own = slice(total * n // pieces, total * (n + 1) // pieces)
        part = Batch(batch.x_d[own], batch.x_s[own], batch.y[own], batch.weight[own])
        yield replace(rows, batch=part, mask=None if rows.mask is None else rows.mask[own])


def _set_gradients(
    tasks: Sequence[Task], work: Sequence[Sequence[_Rows]], precision: str, cores: Cores
) -> Tensor:
    """Set the gradients of all models; return this process's parts of the losses, (K,)."""

    def differentiate(members: Sequence[_Rows]) -> tuple[list[Tensor], list[Tensor]]:
        losses = _losses(members, precision)
        scaled = [
            tasks[m.task].member.grad_scaler.scale(x) for m, x in zip(members, losses, strict=True)
        ]
        parameters = [p for m in members for p in m.model.parameters()]
        return losses, list(torch.autograd.grad(torch.stack(scaled).sum(), parameters))

    losses = [task.batch.y.new_zeros(()) for task in tasks]
    for task in tasks:
        for parameter in task.member.model.parameters():
            parameter.grad = None
    # summed up in the order of the work, whichever core is ready first
    for members, (parts, gradients) in zip(work, cores.run(differentiate, work), strict=True):
        for member, part in zip(members, parts, strict=True):
            losses[member.task] = losses[member.task] + part.detach()
        parameters = [p for member in members for p in member.model.parameters()]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
    return torch.stack(losses)


def _losses(members: Sequence[_Rows], precision: str) -> list[Tensor]:
    last = members[0].batch.y.shape[1]
    with autocast(members[0].batch.x_d.device, precision):
        if len(members) == 1:
            rows = members[0]
            y, _ = rows.model(rows.batch.x_d, rows.batch.x_s, last=last, mask=rows.mask)
            y_hat = [y]
        else:
            masks = [m.mask for m in members if m.mask is not None]
            together = forward_together(
                [m.model for m in members],
                torch.stack([m.batch.x_d for m in members]),
                torch.stack([m.batch.x_s for m in members]),
                last=last,
                masks=torch.stack(masks) if masks else None,
            )
            y_hat = list(together.unbind(0))
    return [
        weighted_squared_error(y.float(), m.batch.y, m.batch.weight, m.count)
        for y, m in zip(y_hat, members, strict=True)
    ]


def _add_up(losses: Tensor, models: Sequence[nn.Module], processes: Processes) -> Tensor:
    """Add losses and gradients up over the processes, in one exchange; return the losses."""
    if processes.count == 1:
        return losses
    parameters = [p for model in models for p in model.parameters()]
    pieces = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = processes.add_up(torch.cat([losses, *(piece.flatten() for piece in pieces)]))
    sums = flat[len(losses) :].split([p.numel() for p in parameters])
    for parameter, total in zip(parameters, sums, strict=True):
        parameter.grad = total.view_as(parameter)
    return flat[: len(losses)]


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
