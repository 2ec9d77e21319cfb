"""Do simulated years look like real ones? The Frechet hydrograph distance of a simulation.

NSE compares day with day: a simulation that is too smooth may beat one that looks real. The Frechet
hydrograph distance (`hydroml.toolkit.distances.hydrograph`) compares two sets of years and knows
nothing of dates. A network that has learned to read observed flow, one for all basins, describes
each year; the distance is that of the descriptions of simulated and of observed years. It depends
on the order of days: recessions, rises, noise.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hydroml.data.splits import Period
from hydroml.errors import ConfigError
from hydroml.evaluation.hydrograph_years import Floats, cut_years
from hydroml.progress import Advance, silent
from hydroml.toolkit.distances.hydrograph import (
    FrechetHydrographDistance,
    HydrographEncoder,
    fit_encoder,
    relative_flow,
)
from hydroml.training.threads import one_thread

STEPS = 600
"""Steps in which a reader learns; about 12 s on a core, whatever the number of basins."""
FEWEST_YEARS = 40
"""Years below which neither a reader nor a distance says anything; features have 18 numbers."""


@dataclass(frozen=True)
class Reader:
    """A network that describes years of flow.

    Parameters
    ----------
    encoder : HydrographEncoder
        Trained on observed years.
    basins : tuple of str
        Gauge ids.
    mean_flow : ndarray
        Mean observed flow of each [mm d-1], (B,): years are read relative to it.
    years : Tensor
        Observed years that it learned from, as it reads them, (N, 365).
    """

    encoder: HydrographEncoder
    basins: tuple[str, ...]
    mean_flow: NDArray[np.float64]
    years: Tensor


@dataclass(frozen=True)
class Realism:
    """Distances of simulated years from the observed years of the same basins and dates.

    Parameters
    ----------
    distances : dict of str to float
        Of each simulation.
    other_years : float
        Of observed years of other times: other weather, but real.
    floor : float
        Of random halves of the observed years: nothing smaller means anything.
    reversed_time : float
        Of the observed years read backwards: the right flows in an impossible order.
    years : int
        Years compared.
    """

    distances: dict[str, float]
    other_years: float
    floor: float
    reversed_time: float
    years: int


def fit_reader(
    dataset: xr.Dataset,
    basins: Sequence[str],
    target: str,
    away_from: Period,
    *,
    seed: int = 0,
    on_progress: Advance = silent,
) -> Reader:
    """Teach a network to read the observed flow of some basins.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    basins : sequence of str
        Gauge ids; those without flow are left out.
    target : str
        Name of discharge [mm d-1].
    away_from : Period
        Days that are to be judged: years that touch them are not learned from.
    seed : int
        Of weights and windows. The same store, basins, period and seed give the same reader, so
        that distances of several models can be compared.
    on_progress : callable
        Told of the steps done, `STEPS` in all.

    Returns
    -------
    Reader
        Of the basins with a mean flow above 0.

    Raises
    ------
    ConfigError
        Fewer than 40 observed years outside the days to be judged, or within them.
    """
    flow = dataset[target].sel(basin=list(basins)).transpose("basin", "time").values
    time = dataset["time"].values.astype("datetime64[D]")
    observed = np.where(flow >= 0, flow, np.nan)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mean of empty slice")
        mean = np.nanmean(observed, axis=1, dtype="float64")
    kept = np.flatnonzero(mean > 0)
    inside = (time >= np.datetime64(away_from.start)) & (time <= np.datetime64(away_from.end))
    (judged,) = cut_years(time, np.where(inside, observed[kept], np.nan))
    _require_years(len(judged.flow), len(kept), f"in {away_from}")
    (years,) = cut_years(time, np.where(inside, np.nan, observed[kept]))
    _require_years(len(years.flow), len(kept), f"to learn from outside {away_from}")
    read = _read(years.flow, mean[kept][years.basin])
    steps_done = 0

    def advance(done: float) -> None:
        nonlocal steps_done
        steps = round(done * STEPS)
        on_progress(steps - steps_done)
        steps_done = steps

    generator = torch.Generator().manual_seed(seed)
    with one_thread():
        encoder = fit_encoder(read, generator=generator, steps=STEPS, advance=advance)
    return Reader(encoder, tuple(basins[int(i)] for i in kept), mean[kept], read)


def hydrograph_distance(
    reader: Reader,
    time: NDArray[np.datetime64],
    observed: Floats,
    simulated: Mapping[str, Floats],
    *,
    seed: int = 0,
) -> Realism:
    """Measure how far simulations are from looking real.

    Parameters
    ----------
    reader : Reader
        Has not learned from these days.
    time : ndarray
        Consecutive days, (T,).
    observed : ndarray
        Flow of the reader's basins, in its order [mm d-1], (B, T). Real flow, or what is to stand
        for it (flow simulated from observed weather).
    simulated : mapping of str to ndarray
        Simulations by name, each (B, T); below 0 is taken for 0.
    seed : int
        Of the random halves.

    Returns
    -------
    Realism
        On the years that neither the observation nor any simulation has a gap in.

    Raises
    ------
    ConfigError
        Fewer than 40 such years.
    """
    real = np.where(observed >= 0, observed, np.nan)
    made = [np.where(np.isnan(q), np.nan, np.maximum(q, 0)) for q in simulated.values()]
    cut = cut_years(time, real, *made)
    count = len(cut[0].flow)
    _require_years(count, len(reader.basins), "both observed and simulated")
    mean = reader.mean_flow[cut[0].basin]
    seen, *simulations = (_read(years.flow, mean) for years in cut)
    distance = FrechetHydrographDistance(reader.encoder)
    generator = torch.Generator().manual_seed(seed)
    return Realism(
        distances={
            name: float(distance(seen, years))
            for name, years in zip(simulated, simulations, strict=True)
        },
        other_years=float(distance(seen, reader.years)),
        floor=float(distance.floor(seen, generator)),
        reversed_time=float(distance(seen, seen.flip(1))),
        years=count,
    )


def _require_years(count: int, basins: int, where: str) -> None:
    if count < FEWEST_YEARS:
        raise ConfigError(
            f"The Frechet hydrograph distance needs {FEWEST_YEARS} water years without a gap; "
            f"{basins} basins have {count} {where}.",
            "Give more basins or another --period, or leave --realism out.",
        )


def _read(flow: NDArray[np.float32], mean: NDArray[np.float64]) -> Tensor:
    """Give years as the network reads them, (N, 365)."""
    return relative_flow(torch.from_numpy(flow), torch.from_numpy(mean.astype("float32")))
