"""Training samples: the un-windowed series on the device, batches gathered there by index."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.scaling import Scaler
from hydroml.data.series import Series
from hydroml.data.windows import block_starts, window_starts


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
class Resident:
    """Standardised series of all training basins, flat and un-windowed, on one device.

    Parameters
    ----------
    x_d : Tensor
        (B * T, F).
    y : Tensor
        (B * T,), NaN where there is no valid target.
    x_s : Tensor
        (B, S).
    weight : Tensor
        (B,).
    days : int
        T.
    """

    x_d: Tensor
    y: Tensor
    x_s: Tensor
    weight: Tensor
    days: int

    def gather(self, starts: Tensor, length: int, targets: int) -> Batch:
        """Copy the samples that begin at flat indices `starts` (b,) out of the series."""
        features = self.x_d.shape[1]
        windows = self.x_d.as_strided(
            (len(self.x_d) - length + 1, length * features), (features, 1)
        )
        ends = self.y.as_strided((len(self.y) - targets + 1, targets), (1, 1))
        basin = torch.div(starts, self.days, rounding_mode="floor")
        return Batch(
            windows.index_select(0, starts).view(-1, length, features),
            self.x_s.index_select(0, basin),
            ends.index_select(0, starts + (length - targets)),
            self.weight.index_select(0, basin),
        )


@dataclass(frozen=True)
class Windows:
    """One target a sample (Kratzert et al. 2019)."""

    resident: Resident
    first_starts: NDArray[np.int64]
    length: int
    targets: int = 1

    def starts(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Shuffle all windows."""
        return np.random.default_rng([seed, epoch]).permutation(self.first_starts)


@dataclass(frozen=True)
class Blocks:
    """Blocks that tile each basin's period, shifted anew each epoch, behind a warm-up."""

    resident: Resident
    valid: NDArray[np.bool_]
    warmup: int
    targets: int
    first: int

    @property
    def length(self) -> int:
        """Days in a sample."""
        return self.warmup + self.targets

    def starts(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Draw each basin's shift, tile, shuffle."""
        rng = np.random.default_rng([seed, epoch])
        offsets = rng.integers(0, self.targets, len(self.valid))
        starts = block_starts(self.valid, self.warmup, self.targets, self.first, offsets)
        return rng.permutation(starts)


Samples = Windows | Blocks
"""Two ways to cut samples; both have `resident`, `length`, `targets` and `starts`."""


def days_around(sampling: WindowedSampling | SequenceSampling) -> tuple[int, int, int]:
    """Tell how many days a sampling needs before and behind the period, and its memory.

    Returns
    -------
    lead, tail, memory : int
        Days to load before and after the period; days of complete inputs a target needs.
    """
    if isinstance(sampling, WindowedSampling):
        return sampling.length - 1, 0, sampling.length
    return sampling.warmup + sampling.block - 1, sampling.block, max(sampling.warmup, 1)


def make_samples(
    series: Series,
    valid: NDArray[np.bool_],
    scaler: Scaler,
    weight: NDArray[np.float64],
    sampling: WindowedSampling | SequenceSampling,
    device: torch.device,
) -> Samples:
    """Standardise a training series, put it on the device and cut samples from it.

    Parameters
    ----------
    series : Series
        Raw series with `days_around` its period; its inputs are standardised in place.
    valid : ndarray
        Valid targets, (B, T).
    scaler : Scaler
        Statistics of the training period.
    weight : ndarray
        Loss weight of each basin, (B,).
    sampling : WindowedSampling or SequenceSampling
        How to cut.
    device : torch.device
        Where the series shall lie.
    """
    basins, days, features = series.x_d.shape
    y = np.where(valid, scaler.scale_target(series.y), np.float32(np.nan))
    resident = Resident(
        torch.from_numpy(scaler.scale_dynamic(series.x_d)).view(basins * days, features).to(device),
        torch.from_numpy(y).view(-1).to(device),
        torch.from_numpy(scaler.scale_static(series.x_s)).to(device),
        torch.from_numpy(weight.astype("float32")).to(device),
        days,
    )
    if isinstance(sampling, WindowedSampling):
        return Windows(resident, window_starts(valid, sampling.length), sampling.length)
    first = series.period.start
    return Blocks(resident, valid, sampling.warmup, sampling.block, first)
