"""Donors of a basin without flow: which gauged basins stand in for it, and with what weight."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.splits import Period, select_basins
from hydroml.errors import ConfigError, nearest
from hydroml.regionalisation.attributes import AttributeTable
from hydroml.regionalisation.basins import Record, know, read_record, require_flow
from hydroml.regionalisation.methods import METHODS
from hydroml.regionalisation.retrieval import attribute_distance, great_circle
from hydroml.regionalisation.transfer import choose, nse, transferred

Floats = NDArray[np.float64]

FEWEST = 3
"""Candidates below which leave-one-out has nothing to choose from."""


@dataclass(frozen=True)
class Donors:
    """The donors of one basin.

    Parameters
    ----------
    basin : str
        The basin without flow.
    method : str
        Key of `hydroml.regionalisation.methods.METHODS`.
    choice : tuple of float
        What leave-one-out chose: an inverse temperature, or a number of neighbours.
    score : float
        Median NSE of the candidates in leave-one-out, each from the others.
    table : pandas.DataFrame
        Index ``gauge_id``, heaviest first: ``weight``, ``distance_km``,
        ``attribute_distance`` (Euclidean, standardised), ``gauge_name`` where known.
    attributes : AttributeTable
        Of the candidates, then of the basin.
    simulated : xarray.DataArray (time)
        Weighted discharge of the donors, scaled by the ratio of mean precipitation [mm d-1].
    observed : xarray.DataArray (time)
        The basin's own, all NaN where it has none; never used to find donors.
    """

    basin: str
    method: str
    choice: tuple[float, ...]
    score: float
    table: pd.DataFrame
    attributes: AttributeTable
    simulated: xr.DataArray
    observed: xr.DataArray

    @property
    def effective(self) -> float:
        """Effective number of donors: the exponential of the weights' entropy."""
        w = self.table["weight"].to_numpy()
        return float(np.exp(-(w[w > 0] * np.log(w[w > 0])).sum()))

    @property
    def nse(self) -> float:
        """NSE of `simulated` where the basin has flow after all; NaN without."""
        return float(nse(self.observed.values[None], self.simulated.values[None])[0])


def find_donors(
    dataset: xr.Dataset,
    basin: str,
    candidates: str | Sequence[str] = "all",
    *,
    method: str = "hopfield-both",
    attributes: str | Sequence[str] = "auto",
    period: Period | None = None,
) -> Donors:
    """Find the donors of a basin.

    What the method has to choose is chosen by leave-one-out among the candidates: by the median
    NSE of their discharge, each basin's made from the others.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    basin : str
        Gauge id; of its record only precipitation is used.
    candidates : str or sequence of str
        Gauged basins; ``all`` takes every other basin of the store that has a water year of
        flow without a gap. The basin itself is never among them.
    method : str
        Key of `hydroml.regionalisation.methods.METHODS`.
    attributes : str or sequence of str
        ``auto``, or names of numeric attributes.
    period : Period, optional
        Days of discharge that are read; all without.

    Raises
    ------
    ConfigError
        Unknown method, fewer than three candidates, candidates without flow, unfit attributes.
    StoreError
        A basin, an attribute or the precipitation is not in the store.
    """
    if method not in METHODS:
        raise ConfigError(f"There is no method {method!r}.", nearest(method, METHODS))
    (basin,) = select_basins([basin], dataset)
    if period is not None:
        period.require_inside(dataset)
    gauged, record, rain, own = _gauged(dataset, basin, candidates, period)
    known, table = know(dataset, gauged, [basin], record, attributes)
    offered = METHODS[method](known)
    chosen = choose(
        offered.offered,
        lambda c: transferred(offered.among(c), record.flow, record.mean_rain, record.mean_rain),
        record.flow,
    )
    weights = offered.onto(chosen.choice)
    simulated = transferred(weights, record.flow, record.mean_rain, rain)
    columns = {
        "weight": weights[0],
        "distance_km": great_circle(known.ungauged_places, known.places)[0],
        "attribute_distance": attribute_distance(known.ungauged, known.attributes)[0],
    }
    if "gauge_name" in dataset:
        columns["gauge_name"] = dataset["gauge_name"].sel(basin=gauged).values
    found = pd.DataFrame(columns, index=pd.Index(gauged, name="gauge_id"))
    return Donors(
        basin, method, chosen.choice, chosen.score,
        found.sort_values("weight", ascending=False, kind="stable"), table,
        _series(simulated[0], record), _series(own, record),
    )  # fmt: skip


def _gauged(
    dataset: xr.Dataset, basin: str, candidates: str | Sequence[str], period: Period | None
) -> tuple[list[str], Record, Floats, Floats]:
    """Candidates, their record, and the basin's mean precipitation and own discharge."""
    asked = [b for b in select_basins(candidates, dataset) if b != basin]
    record = read_record(dataset, [*asked, basin], None if period is None else period.slice)
    rain, own = record.mean_rain[-1:], record.flow[-1]
    if not np.isfinite(rain).all():
        raise ConfigError(
            f"The basin {basin} has no precipitation on the days that are read.",
            "Choose another --period: donors' discharge is scaled by the ratio of precipitation.",
        )
    record = record.of(np.arange(len(record.flow)) < len(asked))
    if candidates == "all":
        there = record.serves
        asked = [b for b, whole in zip(asked, there, strict=True) if whole]
        record = record.of(there)
    require_flow(record, asked)
    if len(asked) < FEWEST:
        raise ConfigError(
            f"{len(asked)} candidates with discharge are too few; {FEWEST} are needed.",
            "Name more of them with --candidates, or use a longer period.",
        )
    return asked, record, rain, own


def _series(values: Floats, record: Record) -> xr.DataArray:
    time = record.days.astype("datetime64[ns]")
    return xr.DataArray(values, {"time": time}, ["time"], attrs={"units": "mm d-1"})
