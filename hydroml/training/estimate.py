"""What a run will cost, from a few real batches."""

import copy
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from hydroml.training.assemble import Assembly
from hydroml.training.cores import every_core
from hydroml.training.device import flushed_denormals
from hydroml.training.samples import Pool
from hydroml.training.state import new_state
from hydroml.training.step import Task, take_step

TIMED_BATCHES = 3


@dataclass(frozen=True)
class Estimate:
    """Size and cost of a run.

    Parameters
    ----------
    basins : int
        Training basins.
    targets : int
        Valid target days.
    samples : int
        Samples in the first epoch, of each member.
    steps : int
        Optimizer steps in all, of each member.
    parameters : int
        Trainable numbers of all members.
    batch_bytes : int
        A gathered batch of each member with the hidden states and gates that backward needs,
        estimated.
    seconds : float
        Whole run, from `TIMED_BATCHES` real steps.
    """

    basins: int
    targets: int
    samples: int
    steps: int
    parameters: int
    batch_bytes: int
    seconds: float


def estimate_cost(assembly: Assembly) -> Estimate:
    """Time a few steps on copies of the models and count the rest.

    Parameters
    ----------
    assembly : Assembly
        Left as it was.
    """
    config, samples = assembly.config, assembly.samples
    pools = samples.pools_an_epoch
    with closing(samples.pools(0)) as first:
        pool = next(first)
        size = config.optimizer.batch_size
        drawn = [pool.batches(seed, 0, size) for seed in config.seed]
        seconds = _seconds_a_step(assembly, pool, drawn)
        inputs = pool.gather(drawn[0][0][:1])
    in_pool = sum(len(batch) for batch in drawn[0])
    steps = len(drawn[0]) * pools * config.epochs
    floats = inputs.x_d.numel() + samples.length * (inputs.x_s.numel() + 6 * config.model.hidden)
    return Estimate(
        basins=samples.inventory.basins,
        targets=samples.inventory.targets,
        samples=in_pool * pools,  # pools are of about one size
        steps=steps,
        parameters=sum(p.numel() for model in assembly.models for p in model.parameters()),
        batch_bytes=4 * min(size, in_pool) * floats * len(assembly.models),
        seconds=seconds * steps,
    )


def _seconds_a_step(assembly: Assembly, pool: Pool, drawn: Sequence[Sequence[Tensor]]) -> float:
    config, device = assembly.config, assembly.samples.device
    state = new_state(copy.deepcopy(assembly.models), config, device)
    full = [
        step
        for step in list(zip(*drawn, strict=False))[: TIMED_BATCHES + 1]
        if all(len(chosen) == len(drawn[0][0]) for chosen in step)
    ]
    times = []
    with flushed_denormals(), every_core(device) as cores:
        for step in full or [tuple(batches[0] for batches in drawn)]:
            began = time.perf_counter()
            tasks = [
                Task(member, pool.gather(chosen), len(chosen), 1e-4)
                for member, chosen in zip(state.members, step, strict=True)
            ]
            take_step(tasks, config, cores=cores)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
    return min(times)  # the first pays for warming up; other programs only ever add
