"""Where the training series lie."""

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.scaling import Scaler
from hydroml.data.series import Series
from hydroml.training.resident import ResidentSamples, make_pool
from hydroml.training.samples import Inventory, Samples


def make_samples(
    series: Series,
    valid: NDArray[np.bool_],
    scaler: Scaler,
    weight: NDArray[np.float64],
    sampling: WindowedSampling | SequenceSampling,
    device: torch.device,
) -> Samples:
    """Make the samples."""
    pool = make_pool(0, series, valid, scaler, weight, sampling, device)
    size = sum(t.numel() * t.element_size() for t in (pool.x_d, pool.y, pool.x_s, pool.weight))
    inventory = Inventory(
        basins=len(valid),
        idle=int((~valid.any(axis=1)).sum()),
        targets=int(valid.sum()),
        size=size,
        place=str(device),
    )
    return ResidentSamples(pool, inventory)
