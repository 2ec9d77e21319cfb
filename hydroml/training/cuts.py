"""How samples are cut from the series of some basins: by window, or in blocks that tile."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.windows import block_starts, window_starts


@dataclass(frozen=True)
class Windows:
    """One target a sample (Kratzert et al. 2019)."""

    first_starts: NDArray[np.int64]

    def starts(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Shuffle all windows; flat indices of their first days."""
        return rng.permutation(self.first_starts)


@dataclass(frozen=True)
class Blocks:
    """Blocks that tile each basin's period, shifted anew each time, behind a warm-up."""

    valid: NDArray[np.bool_]
    warmup: int
    block: int
    first: int

    def starts(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw each basin's shift, tile, shuffle; flat indices of the samples' first days."""
        offsets = rng.integers(0, self.block, len(self.valid))
        starts = block_starts(self.valid, self.warmup, self.block, self.first, offsets)
        return rng.permutation(starts)


Cut = Windows | Blocks


def cut_samples(
    valid: NDArray[np.bool_], sampling: WindowedSampling | SequenceSampling, first: int
) -> Cut:
    """Prepare to cut samples where targets are valid.

    Parameters
    ----------
    valid : ndarray
        Valid targets, (B, T).
    sampling : WindowedSampling or SequenceSampling
        How to cut.
    first : int
        Index of the period's first day.
    """
    if isinstance(sampling, WindowedSampling):
        return Windows(window_starts(valid, sampling.length))
    return Blocks(valid, sampling.warmup, sampling.block, first)
