"""Where to compute, and in which precision."""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from hydroml.errors import ConfigError, DeviceError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """Resolve a device's name; ``auto`` takes CUDA, then MPS, then the CPU.

    Each process that ``torchrun`` starts on a machine gets a GPU of its own.

    Raises
    ------
    ConfigError
        No such name.
    DeviceError
        A device was asked for that is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, found in there.items() if found)
    if name not in there:
        raise ConfigError(f"Unknown device {name!r}.", "Use auto, cpu, cuda or mps.")
    if not there[name]:
        without = name == "cuda" and torch.version.cuda is None
        reason = "this torch was built without CUDA" if without else "none was found"
        raise DeviceError(
            f"There is no {name} device here ({reason}; torch {torch.__version__}).",
            "Use --device auto or --device cpu, or install a torch built for your GPU.",
        )
    return _own_gpu() if name == "cuda" else torch.device(name)


def _own_gpu() -> torch.device:
    local = os.environ.get("LOCAL_RANK")
    if local is None:
        return torch.device("cuda")
    there = torch.cuda.device_count()
    if int(local) >= there:
        raise DeviceError(
            f"This machine has {there} GPUs, and this is process {int(local) + 1} on it.",
            f"Start at most so many: torchrun --nproc-per-node {there} ...",
        )
    return torch.device("cuda", int(local))


_flushing = threading.local()


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take numbers below 1e-38 for zero within the block, as GPUs do; blocks may nest.

    Behind a warm-up the gradient dies away through days without a target; as denormal numbers
    its last traces make a training step on a CPU up to twice as slow. Threads that torch starts
    within the block do the same; those that it started before do not.
    """
    depth = getattr(_flushing, "depth", 0)  # torch does not tell whether it flushes
    _flushing.depth = depth + 1
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        _flushing.depth = depth
        if not depth:
            torch.set_flush_denormal(False)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Run matrix products in `precision` within the block; fp32 changes nothing.

    Raises
    ------
    DeviceError
        fp16 without a GPU.
    """
    if precision == "fp32":
        return nullcontext()
    if precision == "fp16" and device.type != "cuda":
        raise DeviceError("fp16 needs a CUDA device.", "Use --set precision=bf16 or fp32.")
    return torch.autocast(device.type, PRECISIONS[precision])
