"""Training spread over processes, as ``torchrun`` starts them; a process alone is the usual case.

Each process holds the same models and takes its share of every batch. Sums over the batch are
added up over the processes, so that all of them take the step that one process would take.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: one of them validates and writes alone."""


@dataclass(frozen=True)
class Processes:
    """The processes that train together.

    Parameters
    ----------
    rank : int
        Which of them this is, from 0. The first one writes.
    count : int
        How many there are.
    device : torch.device
        Where this process trains.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """Rows of a batch of `total` that are this process's own; they may be none.

        Examples
        --------
        >>> cpu = torch.device("cpu")
        >>> [Processes(rank, 3, cpu).share(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(total * self.rank // self.count, total * (self.rank + 1) // self.count)

    def add_up(self, values: Tensor) -> Tensor:
        """Replace `values`, in place, by their sum over the processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any_true(self, own: bool) -> bool:
        """Whether it is true in any of the processes."""
        if self.count == 1:
            return own
        return bool(self.add_up(torch.tensor(float(own), device=self.device)))

    def tell(self, text: str) -> str:
        """Give every process the first one's text."""
        if self.count == 1:
            return text
        own = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        size = torch.tensor(len(own), device=self.device)
        dist.broadcast(size, src=0)
        told = own if self.first else own.new_empty(int(size))
        dist.broadcast(told, src=0)
        return bytes(told.tolist()).decode()


ALONE = Processes(0, 1, torch.device("cpu"))


@contextmanager
def joined_processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started, or be alone.

    Parameters
    ----------
    device : torch.device
        Where this process trains; decides how the processes talk (NCCL or Gloo).

    Yields
    ------
    Processes
        `ALONE` where the environment names no others.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
