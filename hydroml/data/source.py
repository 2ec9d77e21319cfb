"""What a source of basins offers, whatever its format: the protocol of the readers."""

from typing import Protocol, Self

import pandas as pd
import xarray as xr


class SkipBasin(Exception):  # noqa: N818 - not an error: a normal case that is reported
    """A basin that cannot become part of a store, for a normal reason (no forcing, say).

    Parameters
    ----------
    reason : str
        Why, in a few words; shown in the data report.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Source(Protocol):
    """Basins in some format. Frozen and picklable: it travels to the worker processes."""

    @property
    def title(self) -> str:
        """Name of the dataset, for example ``CAMELS-US``."""

    @property
    def location(self) -> str:
        """Where it lies on this machine."""

    @property
    def forcing(self) -> str:
        """The forcing product, several joined by ``+``."""

    @property
    def synthetic(self) -> bool:
        """Whether the data come from a model instead of the world."""

    def gauges(self) -> list[str]:
        """Ids of all basins, sorted."""

    def read(self, gauge: str) -> xr.Dataset:
        """Read one basin.

        Returns
        -------
        xarray.Dataset
            Daily variables (time) in float32, among them ``qobs`` [mm d-1]; scalars become
            attributes of the basin.

        Raises
        ------
        SkipBasin
            The basin has nothing to offer, for a normal reason.
        SourceError
            A file is not what it should be.
        """

    def attributes(self) -> pd.DataFrame:
        """Return the static attributes, one row a basin, index ``gauge_id``."""

    def narrowed(self, gauge: str) -> Self:
        """Return the same source with one basin only: small enough to send with every task."""

    def identity(self) -> dict[str, object]:
        """Describe options and files (path, time, size), JSON-able: changes when the data do."""
