"""A pool of basins, un-windowed and on the device; batches gathered there by index."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.scaling import Scaler
from hydroml.data.series import Series
from hydroml.data.validity import BASINS_AT_ONCE
from hydroml.training.cuts import Cut, cut_samples
from hydroml.training.samples import Batch, days_in, targets_in


@dataclass(frozen=True)
class ResidentPool:
    """Standardised series of some basins, flat, on one device, and how samples are cut of them.

    Parameters
    ----------
    index : int
        Place within the epoch.
    x_d : Tensor
        (B * T, F).
    y : Tensor
        (B * T,), NaN where there is no valid target.
    x_s : Tensor
        (B, S).
    weight : Tensor
        (B,).
    days, length, targets : int
        T; days in a sample; those of them, the last, that count.
    cut : Windows or Blocks
        Where samples begin.
    basins : list of str
        Gauge ids.
    first_day : datetime64
        Day 0 of T.
    """

    index: int
    x_d: Tensor
    y: Tensor
    x_s: Tensor
    weight: Tensor
    days: int
    length: int
    targets: int
    cut: Cut
    basins: list[str]
    first_day: np.datetime64

    def batches(self, seed: int, epoch: int, size: int) -> list[Tensor]:
        """Shuffle the samples and cut them into batches of flat indices of their first days."""
        starts = self.cut.starts(np.random.default_rng([seed, epoch, self.index]))
        return list(torch.from_numpy(starts).to(self.x_d.device).split(size))

    def stream(self, batches: list[Tensor]) -> Iterator[Batch]:
        """Gather batches one after another."""
        return map(self.gather, batches)

    def gather(self, indices: Tensor) -> Batch:
        """Copy the samples that begin at flat `indices` (b,) out of the series."""
        features = self.x_d.shape[1]
        windows = self.x_d.as_strided(
            (len(self.x_d) - self.length + 1, self.length * features), (features, 1)
        )
        ends = self.y.as_strided((len(self.y) - self.targets + 1, self.targets), (1, 1))
        basin = torch.div(indices, self.days, rounding_mode="floor")
        return Batch(
            windows.index_select(0, indices).view(-1, self.length, features),
            self.x_s.index_select(0, basin),
            ends.index_select(0, indices + (self.length - self.targets)),
            self.weight.index_select(0, basin),
        )

    def where(self, index: int) -> tuple[str, np.datetime64]:
        """Basin and first day of the sample that begins at a flat index."""
        basin, day = divmod(index, self.days)
        return self.basins[basin], self.first_day + day


def make_pool(
    index: int,
    series: Series,
    valid: NDArray[np.bool_],
    scaler: Scaler,
    weight: NDArray[np.float64],
    sampling: WindowedSampling | SequenceSampling,
    device: torch.device,
) -> ResidentPool:
    """Standardise a series, put it on the device and prepare to cut samples from it.

    Parameters
    ----------
    index : int
        Place of the pool within its epoch.
    series : Series
        Raw series with `days_around` its period; standardised in place.
    valid : ndarray
        Valid targets, (B, T).
    scaler : Scaler
        Statistics of the training period.
    weight : ndarray
        Loss weight of each basin of `series`, (B,).
    sampling : WindowedSampling or SequenceSampling
        How to cut.
    device : torch.device
        Where the series shall lie.
    """
    basins, days, features = series.x_d.shape
    for start in range(0, basins, BASINS_AT_ONCE):  # what lies between fits the cache
        part = slice(start, start + BASINS_AT_ONCE)
        scaler.scale_dynamic(series.x_d[part])
        y = scaler.scale_target(series.y[part])
        series.y[part] = np.where(valid[part], y, np.float32(np.nan))
    return ResidentPool(
        index=index,
        x_d=torch.from_numpy(series.x_d).view(basins * days, features).to(device),
        y=torch.from_numpy(series.y).view(-1).to(device),
        x_s=torch.from_numpy(scaler.scale_static(series.x_s)).to(device),
        weight=torch.from_numpy(weight.astype("float32")).to(device),
        days=days,
        length=days_in(sampling),
        targets=targets_in(sampling),
        cut=cut_samples(valid, sampling, series.period.start),
        basins=series.basins,
        first_day=series.time[0],
    )
