"""What a store tells of gauged basins and of those without flow, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.roles import role_of
from hydroml.data.store import dynamic_variables
from hydroml.data.water_years import OCTOBER, whole_years
from hydroml.errors import ConfigError, StoreError
from hydroml.regionalisation.attributes import AttributeTable, attribute_table
from hydroml.regionalisation.embedding import standardised_years
from hydroml.regionalisation.methods import Basins
from hydroml.regionalisation.signatures import signature_years

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Record:
    """Discharge and precipitation of some basins over some days.

    Parameters
    ----------
    days : ndarray (T,)
        datetime64[D].
    flow : ndarray (B, T)
        Discharge [mm d-1]; NaN where missing or negative.
    rain : ndarray (B, T)
        Precipitation [mm d-1].
    """

    days: NDArray[np.datetime64]
    flow: Floats
    rain: Floats

    @property
    def mean_rain(self) -> Floats:
        """Mean precipitation of each basin [mm d-1], at least 0.01; NaN without any."""
        there = np.isfinite(self.rain)
        days = np.where(there.any(axis=1), there.sum(axis=1), np.nan)
        return np.maximum(np.where(there, self.rain, 0).sum(axis=1) / days, 0.01)

    @property
    def serves(self) -> NDArray[np.bool_]:
        """Whether a basin has precipitation and a water year of discharge without a gap, (B,)."""
        whole = np.zeros(len(self.flow), dtype=bool)
        for year in whole_years(self.days, OCTOBER):
            whole |= np.isfinite(self.flow[:, year]).all(axis=1)
        return whole & np.isfinite(self.mean_rain)

    def of(self, chosen: NDArray[np.bool_]) -> "Record":
        """Take some of the basins."""
        return Record(self.days, self.flow[chosen], self.rain[chosen])


def read_record(dataset: xr.Dataset, basins: Sequence[str], days: slice | None = None) -> Record:
    """Read discharge and precipitation.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    basins : sequence of str
        Gauge ids of the store.
    days : slice, optional
        Of datetime64; all days of the store without.

    Raises
    ------
    StoreError
        The store has no discharge or no precipitation.
    """
    rains = [n for n in dynamic_variables(dataset) if role_of(n, dataset) == "precipitation"]
    if not rains or "qobs" not in dataset:
        raise StoreError(
            f"Donors need discharge 'qobs' and precipitation; the store has "
            f"{', '.join(dynamic_variables(dataset))}.",
            "Prepare it from a source with both.",
        )
    chosen = dataset[["qobs", rains[0]]].sel(basin=list(basins))
    chosen = (chosen if days is None else chosen.sel(time=days)).transpose("basin", "time")
    read = chosen.compute()
    flow = read["qobs"].values.astype(np.float64)
    return Record(
        read["time"].values.astype("datetime64[D]"),
        np.where(flow >= 0, flow, np.nan),
        read[rains[0]].values.astype(np.float64),
    )


def require_flow(record: Record, basins: Sequence[str]) -> None:
    """Refuse donors without precipitation or a whole water year of discharge.

    Raises
    ------
    ConfigError
        Naming the first of them.
    """
    whole = record.serves
    if not whole.all():
        dry = [b for b, there in zip(basins, whole, strict=True) if not there]
        raise ConfigError(
            f"{len(dry)} of {len(basins)} candidates have no water year (October to September) "
            f"of discharge without a gap, or no precipitation, first {dry[0]}.",
            "Leave them out of the candidates, or choose a period in which they were gauged.",
        )


def know(
    dataset: xr.Dataset,
    gauged: Sequence[str],
    ungauged: Sequence[str],
    record: Record,
    attributes: str | Sequence[str] = "auto",
) -> tuple[Basins, AttributeTable]:
    """Gather what the methods know; of the basins without flow, no flow is read.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    gauged, ungauged : sequence of str
        Gauge ids; none is both.
    record : Record
        Of the gauged basins.
    attributes : str or sequence of str
        See `hydroml.regionalisation.attributes.attribute_table`.
    """
    every = [*gauged, *ungauged]
    table = attribute_table(dataset, every, attributes)
    values, places = table.standardised(gauged), _places(dataset, every)
    years = standardised_years(signature_years(record.flow, record.rain, record.days))
    n = len(gauged)
    return Basins(values[:n], values[n:], places[:n], places[n:], years), table


def _places(dataset: xr.Dataset, basins: Sequence[str]) -> Floats:
    if not {"gauge_lat", "gauge_lon"} <= set(dataset.data_vars):
        raise StoreError(
            "The store does not say where its gauges are.",
            "Prepare it with the attributes gauge_lat and gauge_lon.",
        )
    chosen = dataset[["gauge_lat", "gauge_lon"]].sel(basin=list(basins))
    return np.stack([chosen[n].values.astype(np.float64) for n in chosen.data_vars], axis=1)
