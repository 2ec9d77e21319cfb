"""What a run will cost, from a few real batches."""

import copy
import time
from dataclasses import dataclass

import torch

from hydroml.training.assemble import Assembly
from hydroml.training.device import flushed_denormals
from hydroml.training.fit import new_state, take_step

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
        Samples in the first epoch.
    steps : int
        Optimizer steps in all.
    parameters : int
        Trainable numbers.
    resident_bytes : int
        Series on the device.
    batch_bytes : int
        One gathered batch with the hidden states and gates that backward needs, estimated.
    seconds : float
        Whole run, from `TIMED_BATCHES` real steps.
    """

    basins: int
    targets: int
    samples: int
    steps: int
    parameters: int
    resident_bytes: int
    batch_bytes: int
    seconds: float


def estimate_cost(assembly: Assembly) -> Estimate:
    """Time a few steps on a copy of the model and count the rest.

    Parameters
    ----------
    assembly : Assembly
        Left as it was: the model is copied, torch's random state restored.
    """
    config, samples = assembly.config, assembly.samples
    resident = samples.resident
    starts = samples.starts(config.seed, 0)
    size = config.optimizer.batch_size
    per_epoch = -(-len(starts) // size)
    tensors = (resident.x_d, resident.y, resident.x_s, resident.weight)
    floats = samples.length * (
        resident.x_d.shape[1] + resident.x_s.shape[1] + 6 * config.model.hidden
    )
    return Estimate(
        basins=len(assembly.scaler.basins),
        targets=int((~torch.isnan(resident.y)).sum()),
        samples=len(starts),
        steps=per_epoch * config.epochs,
        parameters=sum(p.numel() for p in assembly.model.parameters()),
        resident_bytes=sum(t.numel() * t.element_size() for t in tensors),
        batch_bytes=4 * min(size, len(starts)) * floats,
        seconds=_seconds_a_step(assembly, torch.from_numpy(starts)) * per_epoch * config.epochs,
    )


def _seconds_a_step(assembly: Assembly, starts: torch.Tensor) -> float:
    config, samples = assembly.config, assembly.samples
    device = samples.resident.x_d.device
    batches = starts.to(device).split(config.optimizer.batch_size)[: TIMED_BATCHES + 1]
    full = [chosen for chosen in batches if len(chosen) == len(batches[0])]
    with torch.random.fork_rng(), flushed_denormals():
        state = new_state(copy.deepcopy(assembly.model), config, device)
        times = []
        for chosen in full:
            began = time.perf_counter()
            batch = samples.resident.gather(chosen, samples.length, samples.targets)
            take_step(state, batch, config, rate=1e-4)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
    return min(times)  # the first pays for warming up; other programs only ever add
