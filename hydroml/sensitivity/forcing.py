"""Raw forcing of some basins, as scenarios change it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.roles import Role, roles_of
from hydroml.data.series import Series
from hydroml.data.water_years import calendar_months

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Forcing:
    """Raw inputs of B basins over T days, lead and period.

    Parameters
    ----------
    basins : list of str
        Gauge ids.
    time : ndarray
        (T,), datetime64[D].
    period : slice
        The days that count; those before are lead.
    names : tuple of str
        Inputs.
    roles : dict
        What each input is.
    values : ndarray
        (B, T, F), float32, in the inputs' units; NaN where missing.
    """

    basins: list[str]
    time: NDArray[np.datetime64]
    period: slice
    names: tuple[str, ...]
    roles: dict[str, Role]
    values: Array

    @classmethod
    def of(cls, series: Series, names: Sequence[str], dataset: xr.Dataset) -> "Forcing":
        """Take the inputs of a loaded series; nothing is copied."""
        roles = roles_of(names, dataset)
        return cls(series.basins, series.time, series.period, tuple(names), roles, series.x_d)

    def with_values(self, values: Array) -> "Forcing":
        """Return the same days with other values."""
        return replace(self, values=values)

    def of_role(self, role: Role) -> list[int]:
        """Places of the inputs of a role."""
        return [f for f, name in enumerate(self.names) if self.roles[name] == role]

    @property
    def months(self) -> NDArray[np.int64]:
        """Calendar month of each day, 1 to 12, (T,)."""
        return calendar_months(self.time)

    def precipitation(self) -> Array | None:
        """First input that is precipitation [mm d-1], (B, T); None without one."""
        found = self.of_role("precipitation")
        return self.values[..., found[0]] if found else None

    def mean_temperature(self) -> Array | None:
        """Daily mean temperature [degC], (B, T): an input's, else the middle of tmin and tmax.

        With several products side by side it is that of all of them together.
        """
        found = self.of_role("temperature")
        means = [f for f in found if "mean" in self.names[f]] or found
        return self.values[..., means].mean(axis=2) if means else None
