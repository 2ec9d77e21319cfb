"""Series in host memory, batches sent to the device: gathered, copied and used side by side."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from torch import Tensor

from hydroml.training.ahead import ahead
from hydroml.training.resident import ResidentPool
from hydroml.training.samples import Batch

IN_FLIGHT = 2


@dataclass(frozen=True)
class StagedPool:
    """A pool of a host's memory that feeds a device.

    A thread gathers the next batches into pinned memory, and a stream of their own copies them
    while the device trains on the one before.

    Parameters
    ----------
    host : ResidentPool
        On the CPU.
    device : torch.device
        Where batches go.
    """

    host: ResidentPool
    device: torch.device

    @property
    def index(self) -> int:
        """Place within the epoch."""
        return self.host.index

    def batches(self, seed: int, epoch: int, size: int) -> list[Tensor]:
        """Shuffle the samples and cut them into batches of indices, which stay on the host."""
        return self.host.batches(seed, epoch, size)

    def stream(self, batches: list[Tensor]) -> Generator[Batch, None, None]:
        """Gather and copy `IN_FLIGHT` batches ahead."""
        cuda = self.device.type == "cuda"
        side = torch.cuda.Stream(self.device) if cuda else None
        calls = (partial(self._send, indices, side) for indices in batches)
        with closing(ahead(calls, IN_FLIGHT)) as sent:
            for batch, arrived in sent:
                yield _received(batch, arrived, self.device)

    def gather(self, indices: Tensor) -> Batch:
        """Copy samples to the device at once."""
        return _moved(self.host.gather(indices.cpu()), self.device)

    def where(self, index: int) -> tuple[str, np.datetime64]:
        """Basin and first day of a sample."""
        return self.host.where(index)

    def _send(
        self, indices: Tensor, side: torch.cuda.Stream | None
    ) -> tuple[Batch, torch.cuda.Event | None]:
        batch = self.host.gather(indices)
        if side is None:
            return _moved(batch, self.device), None
        # torch keeps freed pinned buffers, and gives one out again only when its copy is done
        pinned = Batch(*(getattr(batch, f.name).pin_memory() for f in fields(batch)))
        with torch.cuda.stream(side):
            return _moved(pinned, self.device), side.record_event()


def _moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(getattr(batch, f.name).to(device, non_blocking=True) for f in fields(batch)))


def _received(batch: Batch, arrived: torch.cuda.Event | None, device: torch.device) -> Batch:
    """Let the stream that trains wait for a batch, and keep its memory until it is used."""
    if arrived is not None:
        training = torch.cuda.current_stream(device)
        training.wait_event(arrived)
        for field in fields(batch):
            getattr(batch, field.name).record_stream(training)
    return batch
