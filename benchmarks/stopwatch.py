"""Times of interleaved pieces of work, and what the machine's matrix product could do at best."""

import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Times:
    """Medians over rounds: CPU and wall seconds."""

    cpu: float
    wall: float

    def on(self, device: torch.device) -> float:
        """Seconds that count: on a shared CPU those of the process, else those of the clock."""
        return self.cpu if device.type == "cpu" else self.wall


def interleaved(
    work: Mapping[str, Callable[[], object]], rounds: int, device: torch.device
) -> dict[str, Times]:
    """Run every piece once unmeasured, then `rounds` times in turn."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for piece in work.values():
        piece()
    for _ in range(rounds):
        for name, piece in work.items():
            _wait(device)
            wall, cpu = time.perf_counter(), time.process_time()
            piece()
            _wait(device)
            seen[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: Times(*(statistics.median(column) for column in zip(*pairs, strict=True)))
        for name, pairs in seen.items()
    }


def matrix_product(size: int, device: torch.device) -> tuple[Callable[[], object], float]:
    """Make a large square product, and say how many operations it has."""
    a = torch.randn(size, size, device=device)
    return lambda: torch.mm(a, a), 2.0 * size**3


@contextmanager
def tf32(enabled: bool) -> Iterator[None]:
    """Let CUDA round the factors of 32-bit products to 19 bits within the block, or not."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if enabled else "highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=enabled):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def machine(device: torch.device) -> str:
    """Name the processor or GPU, and torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return f"{name or platform.machine()}, torch {torch.__version__}"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
