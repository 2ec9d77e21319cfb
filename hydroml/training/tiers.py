"""Where the training series lie: on the device, in the host's memory, or on disk."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.scaling import Scaler, scaler_of_moments, series_moments
from hydroml.data.series import SeriesReader
from hydroml.errors import ConfigError
from hydroml.models.losses import BasinWeights
from hydroml.training.memory import GIB, free_device_memory, free_host_memory
from hydroml.training.resident import make_pool
from hydroml.training.samples import Inventory, Pool, Samples, days_around
from hydroml.training.staged import StagedPool
from hydroml.training.streamed import StreamedSamples, deal

POOLS_TAKE = 1.5
"""Most GiB that two pools take by themselves: enough to shuffle well, little to wait for."""

Sampling = WindowedSampling | SequenceSampling
Memory = Literal["all"] | float
"""``all`` for series that lie in memory as a whole, else the GiB they may take."""


@dataclass(frozen=True)
class OnePool:
    """All basins in one pool, the same in every epoch."""

    pool: Pool
    length: int
    targets: int
    device: torch.device
    inventory: Inventory
    pools_an_epoch: int = 1

    def pools(self, epoch: int, first: int = 0) -> Generator[Pool, None, None]:
        """Give the one pool."""
        yield from [self.pool][first:]


def resolve_memory(
    memory: Literal["auto"] | Memory, reader: SeriesReader, sampling: Sampling
) -> Memory:
    """Replace ``auto`` by what suits the free memory of this machine.

    Which basins share a pool depends on the answer: a run keeps it.

    Parameters
    ----------
    memory : "auto", "all" or float
        ``auto`` takes all series into memory where they fill no more than half of what is free,
        else an eighth of what is free, at most `POOLS_TAKE` GiB.
    reader : SeriesReader
        Of the training basins.
    sampling : WindowedSampling or SequenceSampling
        How samples are cut.

    Raises
    ------
    ConfigError
        ``all``, and there is not that much memory.
    """
    need, free = len(reader.basins) * basin_size(reader, sampling), free_host_memory()
    if memory == "auto":
        return "all" if need <= free / 2 else max(round(min(free / 8 / GIB, POOLS_TAKE), 2), 0.05)
    if memory == "all" and need > free:
        raise ConfigError(
            f"The training series take {need / GIB:.1f} GiB, and {free / GIB:.1f} GiB are free.",
            "Stream them from the store with --set data.memory=auto.",
        )
    return memory


def basin_size(reader: SeriesReader, sampling: Sampling) -> int:
    """Bytes of a basin in a pool: series, validity, and the starts of windows, twice."""
    days = len(reader.time)
    starts = 16 * days if isinstance(sampling, WindowedSampling) else 0
    return days * (4 * (reader.features + 1) + 1) + starts


def make_samples(
    reader: SeriesReader,
    sampling: Sampling,
    weigh: BasinWeights,
    memory: Memory,
    device: torch.device,
) -> tuple[Scaler, Samples]:
    """Find the statistics of a training period and make its samples.

    Parameters
    ----------
    reader : SeriesReader
        Of the training basins and period, with `days_around` it.
    sampling : WindowedSampling or SequenceSampling
        How to cut.
    weigh : callable
        Gives each basin's loss weight; see `hydroml.models.losses.BASIN_WEIGHTS`.
    memory : "all" or float
        From `resolve_memory`.
    device : torch.device
        Where to train.

    Raises
    ------
    StoreError, RunError
        A value is infinite, an input does not vary, no target is valid.
    """
    need = len(reader.basins) * basin_size(reader, sampling)
    if memory == "all" or need <= memory * GIB:
        return _in_memory(reader, sampling, weigh, device)
    return _streamed(reader, sampling, weigh, memory, device)


def _in_memory(
    reader: SeriesReader, sampling: Sampling, weigh: BasinWeights, device: torch.device
) -> tuple[Scaler, Samples]:
    series = reader.read()
    _, _, memory = days_around(sampling)
    valid = series.valid_targets(memory)
    moments = series_moments(series, valid)
    scaler = _scaler(reader, moments)
    weight = weigh(scaler.basin_std, scaler.target_std)
    size = _series_size(reader)
    staged = device.type == "cuda" and size > 0.6 * free_device_memory(device)
    home = torch.device("cpu") if staged else device
    resident = make_pool(0, series, valid, scaler, weight, sampling, home)
    pool: Pool = StagedPool(resident, device) if staged else resident
    where = "in host memory" if staged or device.type == "cpu" else "on the device"
    inventory = _inventory(moments, size, f"{device}, {in_words(size)} of series {where}")
    return scaler, OnePool(pool, resident.length, resident.targets, device, inventory)


def _streamed(
    reader: SeriesReader,
    sampling: Sampling,
    weigh: BasinWeights,
    memory: float,
    device: torch.device,
) -> tuple[Scaler, StreamedSamples]:
    chunks = reader.chunks()
    moments = _moments_by_chunk(reader, chunks, sampling)
    scaler = _scaler(reader, moments)
    pools = deal(chunks, basin_size(reader, sampling), int(memory * GIB))
    size = _series_size(reader)
    place = (
        f"{device}, {in_words(size)} of series streamed from the store in {pools} "
        f"pool{'s' if pools > 1 else ''} of about {in_words(size / pools)}"
    )
    return scaler, StreamedSamples(
        reader=reader,
        chunks=chunks,
        pools_an_epoch=pools,
        scaler=scaler,
        weight=weigh(scaler.basin_std, scaler.target_std),
        targets_of=moments[:, -1, 0].astype("int64"),
        sampling=sampling,
        device=device,
        inventory=_inventory(moments, size, place),
    )


def _moments_by_chunk(
    reader: SeriesReader, chunks: list[NDArray[np.int64]], sampling: Sampling
) -> NDArray[np.float64]:
    _, _, memory = days_around(sampling)
    moments = np.empty((len(reader.basins), reader.features + 1, 3))
    for chunk in chunks:
        series = reader.read(chunk)
        moments[chunk] = series_moments(series, series.valid_targets(memory))
    return moments


def _scaler(reader: SeriesReader, moments: NDArray[np.float64]) -> Scaler:
    dynamic = reader.names[:-1]
    return scaler_of_moments(moments, reader.x_s, reader.basins, dynamic, reader.static)


def _series_size(reader: SeriesReader) -> int:
    return 4 * len(reader.basins) * len(reader.time) * (reader.features + 1)


def _inventory(moments: NDArray[np.float64], size: int, place: str) -> Inventory:
    targets = moments[:, -1, 0]
    return Inventory(len(targets), int((targets == 0).sum()), int(targets.sum()), size, place)


def in_words(size: float) -> str:
    """Bytes as people say them.

    Examples
    --------
    >>> in_words(250_000), in_words(41_250_000), in_words(9_311_000_000)
    ('0.2 MB', '41 MB', '9.3 GB')
    """
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e6:.1f} MB"
