"""What training asks of its data: pools of basins that are in memory, batches gathered from them.

Where the series lie (on the device, in pinned host memory, on disk) is hidden behind `Samples`.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hydroml.config import SequenceSampling, WindowedSampling


@dataclass(frozen=True)
class Batch:
    """A gathered batch of b samples: `length` days in, the last `targets` of them count.

    Parameters
    ----------
    x_d : Tensor
        (b, length, F), standardised.
    x_s : Tensor
        (b, S), standardised.
    y : Tensor
        (b, targets), standardised; NaN where there is no valid target.
    weight : Tensor
        Loss weight of each sample's basin, (b,).
    """

    x_d: Tensor
    x_s: Tensor
    y: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Inventory:
    """What there is to train on, and where it lies.

    Parameters
    ----------
    basins : int
        Training basins.
    idle : int
        Those without a valid target.
    targets : int
        Valid target days.
    size : int
        Bytes of the standardised series of all basins.
    place : str
        Where they lie, in words.
    """

    basins: int
    idle: int
    targets: int
    size: int
    place: str


class Pool(Protocol):
    """Basins that are in memory together; batches are cut from one pool at a time.

    Members of an ensemble draw from the same pool, each in its own order.
    """

    @property
    def index(self) -> int:
        """Place of the pool within its epoch, from 0."""

    def batches(self, seed: int, epoch: int, size: int) -> list[Tensor]:
        """Shuffle the pool's samples and cut them into batches of `size` sample indices.

        A function of the arguments and the pool's place in the epoch alone. Every sample is in
        exactly one batch; the last batch may be smaller.
        """

    def stream(self, batches: list[Tensor]) -> Iterator[Batch]:
        """Gather batches one after another, ahead of their use where that helps."""

    def gather(self, indices: Tensor) -> Batch:
        """Copy the samples of these indices to the device, (b,)."""

    def where(self, index: int) -> tuple[str, np.datetime64]:
        """Basin and first day of a sample."""


class Samples(Protocol):
    """The training samples of a run."""

    @property
    def length(self) -> int:
        """Days in a sample."""

    @property
    def targets(self) -> int:
        """Days of a sample that count, its last."""

    @property
    def device(self) -> torch.device:
        """Where batches are gathered."""

    @property
    def pools_an_epoch(self) -> int:
        """How many pools an epoch has."""

    @property
    def inventory(self) -> Inventory:
        """What there is, and where."""

    def pools(self, epoch: int, first: int = 0) -> Generator[Pool, None, None]:
        """Go through the pools of an epoch from `first` on; together they hold each basin once.

        Which basins make up a pool is a function of the epoch alone. The next pool is being
        read while one is in use; closing the iterator ends that.
        """


def days_around(sampling: WindowedSampling | SequenceSampling) -> tuple[int, int, int]:
    """Tell how many days a sampling needs before and behind the period, and its memory.

    Returns
    -------
    lead, tail, memory : int
        Days to load before and after the period; days of complete inputs a target needs.

    Examples
    --------
    >>> days_around(SequenceSampling(warmup=10, block=25))
    (34, 25, 10)
    """
    if isinstance(sampling, WindowedSampling):
        return sampling.length - 1, 0, sampling.length
    return sampling.warmup + sampling.block - 1, sampling.block, max(sampling.warmup, 1)


def days_in(sampling: WindowedSampling | SequenceSampling) -> int:
    """Days in a sample."""
    if isinstance(sampling, WindowedSampling):
        return sampling.length
    return sampling.warmup + sampling.block


def targets_in(sampling: WindowedSampling | SequenceSampling) -> int:
    """Days of a sample that count."""
    return 1 if isinstance(sampling, WindowedSampling) else sampling.block
