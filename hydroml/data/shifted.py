"""A source whose forcing is dated some days earlier or later than its discharge says."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.data.source import Source
from hydroml.errors import ConfigError
from hydroml.units import TARGET

LONGEST = 10
"""Days of shift beyond which a mistake is more likely than a product's habit."""


@dataclass(frozen=True)
class ShiftedSource:
    """Another source with its forcing moved along the calendar; discharge stays.

    Products differ in when their day begins. Much of Daymet's precipitation is read in the
    morning and belongs to the day before; moved by -1 day it lies where ERA5-Land has it
    (docs/traps.md).

    Parameters
    ----------
    source : Source
        What is read.
    days : int
        Added to the dates of every variable but discharge; -1 dates them a day earlier.

    Raises
    ------
    ConfigError
        More than `LONGEST` days.
    """

    source: Source
    days: int

    def __post_init__(self) -> None:
        if abs(self.days) > LONGEST:
            raise ConfigError(
                f"A shift of {self.days} days is more than any product needs.",
                f"Give a few days, at most {LONGEST}; -1 dates the forcing a day earlier.",
            )

    @property
    def title(self) -> str:
        """Name of the dataset."""
        return self.source.title

    @property
    def location(self) -> str:
        """Where it lies on this machine."""
        return self.source.location

    @property
    def forcing(self) -> str:
        """The forcing product, and by how many days it was moved."""
        return f"{self.source.forcing} ({self.days:+d} d)"

    @property
    def synthetic(self) -> bool:
        """Whether the data come from a model instead of the world."""
        return self.source.synthetic

    def gauges(self) -> list[str]:
        """Ids of all basins, sorted."""
        return self.source.gauges()

    def read(self, gauge: str) -> xr.Dataset:
        """Read one basin; days without forcing, or without discharge, at the ends are NaN."""
        found = self.source.read(gauge)
        moved = [n for n, v in found.data_vars.items() if v.ndim and n != TARGET]
        forcing = found[moved]
        forcing = forcing.assign_coords(time=forcing["time"] + np.timedelta64(self.days, "D"))
        for variable in forcing.data_vars.values():
            variable.attrs["dates_shifted_by_days"] = self.days
        both = xr.merge([found.drop_vars(moved), forcing], join="outer", combine_attrs="override")
        return both[list(found.data_vars)].assign_attrs(found.attrs)

    def attributes(self) -> pd.DataFrame:
        """Return the static attributes, one row a basin, index ``gauge_id``."""
        return self.source.attributes()

    def narrowed(self, gauge: str) -> Self:
        """Return the same source with one basin only."""
        return type(self)(self.source.narrowed(gauge), self.days)

    def identity(self) -> dict[str, object]:
        """Describe options and files of the source, and the shift."""
        return {**self.source.identity(), "forcing_shifted_by_days": self.days}
