"""Series that outgrow memory: pools of whole chunks of the store, drawn anew each epoch."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.scaling import Scaler
from hydroml.data.series import SeriesReader
from hydroml.errors import StoreError
from hydroml.training.ahead import ahead
from hydroml.training.resident import ResidentPool, make_pool
from hydroml.training.samples import Inventory, days_around, days_in, targets_in


@dataclass(frozen=True)
class StreamedSamples:
    """Training samples of which one pool is in use while the next one is being read.

    An epoch shuffles the store's chunks, deals them into pools of about one size, and shuffles
    the samples within each pool.

    Parameters
    ----------
    reader : SeriesReader
        Of all training basins.
    chunks : sequence of ndarray
        The basins, by index, of each chunk of the store.
    pools_an_epoch : int
        Pools the chunks are dealt into.
    scaler : Scaler
        Statistics of the training period.
    weight : ndarray
        Loss weight of each basin, (B,).
    targets_of : ndarray
        Valid targets of each basin, (B,), as counted for the scaler.
    sampling : WindowedSampling or SequenceSampling
        How to cut.
    device : torch.device
        Where pools lie.
    inventory : Inventory
        What there is.
    """

    reader: SeriesReader
    chunks: Sequence[NDArray[np.int64]]
    pools_an_epoch: int
    scaler: Scaler
    weight: NDArray[np.float64]
    targets_of: NDArray[np.int64]
    sampling: WindowedSampling | SequenceSampling
    device: torch.device
    inventory: Inventory

    @property
    def length(self) -> int:
        """Days in a sample."""
        return days_in(self.sampling)

    @property
    def targets(self) -> int:
        """Days of a sample that count."""
        return targets_in(self.sampling)

    def pools(self, epoch: int, first: int = 0) -> Generator[ResidentPool, None, None]:
        """Read the pools of an epoch one after another, one ahead of its use."""
        order = np.random.default_rng(epoch).permutation(len(self.chunks))
        dealt = np.array_split(order, self.pools_an_epoch)
        stop = Event()
        calls = (
            partial(self._read, index, np.concatenate([self.chunks[c] for c in chosen]), stop)
            for index, chosen in enumerate(dealt)
            if index >= first
        )
        with closing(ahead(calls, depth=1)) as found:
            try:
                yield from found
            finally:
                stop.set()  # a pool that nobody waits for is not read to its end

    def _read(self, index: int, basins: NDArray[np.int64], stop: Event) -> ResidentPool:
        _, _, memory = days_around(self.sampling)
        try:
            series = self.reader.read(basins, stop.is_set)
        except (OSError, ValueError, RuntimeError) as error:
            raise StoreError(
                f"The store cannot be read any more: {error}",
                "See that its disk is there and the store whole ('hydroml data info STORE'), "
                "then go on with 'hydroml train --resume RUN'.",
            ) from error
        valid = series.valid_targets(memory)
        changed = np.flatnonzero(valid.sum(axis=1) != self.targets_of[basins])
        if changed.size:  # a file that is gone reads as missing values
            raise StoreError(
                f"The store has changed since training began: basin {series.basins[changed[0]]} "
                f"has {valid[changed[0]].sum()} valid target days and had "
                f"{self.targets_of[basins[changed[0]]]}.",
                "Bring the store back as it was, then go on with 'hydroml train --resume RUN'.",
            )
        cpu = torch.device("cpu")
        pool = make_pool(index, series, valid, self.scaler, self.weight[basins], self.sampling, cpu)
        return _sent(pool, self.device)


def _sent(pool: ResidentPool, device: torch.device) -> ResidentPool:
    """Copy a pool to a device without holding up what it computes."""
    if device.type == "cpu":
        return pool
    names = ("x_d", "y", "x_s", "weight")
    if device.type != "cuda":
        return replace(pool, **{n: getattr(pool, n).to(device) for n in names})
    training, side = torch.cuda.default_stream(device), torch.cuda.Stream(device)
    with torch.cuda.stream(side):
        tensors = {n: getattr(pool, n).to(device) for n in names}
    side.synchronize()
    for tensor in tensors.values():
        tensor.record_stream(training)  # its memory is free only when training is done with it
    return replace(pool, **tensors)


def deal(chunks: Sequence[NDArray[np.int64]], basin_size: int, budget: int) -> int:
    """Tell into how many pools to deal the chunks, so that two of them fit a budget.

    Parameters
    ----------
    chunks : sequence of ndarray
        Basins of each chunk.
    basin_size : int
        Bytes a basin takes.
    budget : int
        Bytes; a pool is at least one chunk, whatever it takes.
    """
    largest = max(len(chunk) for chunk in chunks) * basin_size
    return -(-len(chunks) // max(budget // 2 // largest, 1))
