"""The Frechet distance of hydrographs that generated and observed weather give.

A network that has learned to read observed flow describes water years; see
`hydroml.evaluation.realism`. Both sets of years come through the same runs, so that what the runs
get wrong is in both.
"""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hydroml.data.splits import Period
from hydroml.errors import ConfigError
from hydroml.evaluation.hydrograph_years import cut_years
from hydroml.evaluation.realism import Reader, fit_reader
from hydroml.generate.criteria import Key
from hydroml.generate.flow import Flow
from hydroml.progress import Advance, silent
from hydroml.toolkit.distances.hydrograph import FrechetHydrographDistance, relative_flow

KEY: Key = ("hydrograph", "flow")


class HydrographJudge:
    """Distances from the years that observed weather gives.

    Parameters
    ----------
    reader : Reader
        Has not learned from the years judged.
    basins : sequence of str
        Rows of every flow that is given.
    time : ndarray
        Days of `flow`.
    flow : ndarray
        From observed weather [mm d-1], (B, T).
    seed : int
        Of the halves that make the floor.
    """

    def __init__(
        self,
        reader: Reader,
        basins: Sequence[str],
        time: NDArray[np.datetime64],
        flow: Flow,
        seed: int = 0,
    ) -> None:
        self.reader = reader
        self.rows = [list(basins).index(basin) for basin in reader.basins]
        self.distance = FrechetHydrographDistance(reader.encoder)
        self.seen = self._years(time, flow)
        generator = torch.Generator().manual_seed(seed)
        self.floor = float(self.distance.floor(self.seen, generator))

    def __call__(self, time: NDArray[np.datetime64], flow: Flow) -> float:
        """Measure the distance of other years, of the same basins."""
        return float(self.distance(self.seen, self._years(time, flow)))

    def _years(self, time: NDArray[np.datetime64], flow: Flow) -> Tensor:
        (years,) = cut_years(time, flow[self.rows])
        mean = self.reader.mean_flow[years.basin].astype("float32")
        return relative_flow(torch.from_numpy(years.flow), torch.from_numpy(mean))


def read_hydrographs(
    dataset: xr.Dataset,
    basins: Sequence[str],
    target: str,
    away_from: Period,
    *,
    seed: int = 0,
    on_progress: Advance = silent,
) -> Reader | None:
    """Teach a network to read hydrographs; None where there are too few years of observed flow.

    Parameters are those of `hydroml.evaluation.realism.fit_reader`.
    """
    if target not in dataset:
        return None
    try:
        return fit_reader(dataset, basins, target, away_from, seed=seed, on_progress=on_progress)
    except ConfigError:
        return None
