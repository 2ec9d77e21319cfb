"""Daily weather of some basins, observed or generated: the one shape that this package works on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.inputs import require_variables
from hydroml.data.roles import Role, roles_of
from hydroml.data.series import Days
from hydroml.data.water_years import calendar_months
from hydroml.errors import ConfigError, StoreError

Floats = NDArray[np.float64]
Months = NDArray[np.int64]


@dataclass(frozen=True)
class Weather:
    """Inputs of B basins over T consecutive days, none missing.

    Parameters
    ----------
    basins : list of str
        Gauge ids.
    time : ndarray
        Days, (T,), datetime64[D].
    names : tuple of str
        Inputs; exactly one has the role of precipitation.
    roles : dict of str to str
        What each input is.
    values : ndarray
        (B, T, F), float32, in the inputs' units.

    Raises
    ------
    ConfigError
        No input is precipitation, or several are.
    """

    basins: list[str]
    time: NDArray[np.datetime64]
    names: tuple[str, ...]
    roles: dict[str, Role]
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        found = self.of_role("precipitation")
        if len(found) != 1:
            which = ", ".join(self.names[f] for f in found) or "none of " + ", ".join(self.names)
            raise ConfigError(
                f"A weather generator needs one input that is precipitation; there is {which}.",
                "Give a run of one forcing product, with precipitation among its inputs.",
            )

    def of_role(self, role: Role) -> list[int]:
        """Places of the inputs of a role."""
        return [f for f, name in enumerate(self.names) if self.roles[name] == role]

    @property
    def rain(self) -> int:
        """Place of precipitation."""
        return self.of_role("precipitation")[0]

    @property
    def others(self) -> list[int]:
        """Places of all inputs but precipitation."""
        return [f for f in range(len(self.names)) if f != self.rain]

    @property
    def precipitation(self) -> NDArray[np.float32]:
        """Precipitation [mm d-1], (B, T)."""
        return self.values[..., self.rain]

    @property
    def months(self) -> Months:
        """Calendar month of each day, 1 to 12, (T,)."""
        return calendar_months(self.time)

    def with_values(
        self, values: NDArray[np.float32], time: NDArray[np.datetime64] | None = None
    ) -> "Weather":
        """Return other values of the same basins and inputs, on the same days or others."""
        return replace(self, values=values, time=self.time if time is None else time)

    def during(self, period: Days) -> "Weather":
        """Cut out a period, both days included."""
        own = (self.time >= period[0]) & (self.time <= period[1])
        return self.with_values(self.values[:, own], self.time[own])


def days_of(period: Days, lead: int = 0) -> NDArray[np.datetime64]:
    """List the days of a period, and `lead` days before it.

    Examples
    --------
    >>> days_of((np.datetime64("2000-01-01"), np.datetime64("2000-01-02")), lead=1)
    array(['1999-12-31', '2000-01-01', '2000-01-02'], dtype='datetime64[D]')
    """
    first, last = (day.astype("datetime64[D]") for day in period)
    return np.arange(first - lead, last + 1, dtype="datetime64[D]")


def load_weather(
    dataset: xr.Dataset, basins: Sequence[str], names: Sequence[str], period: Days
) -> Weather:
    """Read the weather of a period.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    basins : sequence of str
        Gauge ids, all in the store.
    names : sequence of str
        Inputs.
    period : tuple of datetime64
        First and last day, within the store.

    Raises
    ------
    StoreError
        The store has no such input, or a value is missing: it says where, and in how many basins.
    ConfigError
        No input is precipitation, or several are.
    """
    require_variables(dataset, names, ("basin", "time"), "variable")
    days = days_of(period)
    chosen = dataset[list(names)].sel(basin=list(basins)).sel(time=slice(*period))
    arrays = [chosen[n].transpose("basin", "time").values.astype("float32") for n in names]
    weather = Weather(
        list(basins), days, tuple(names), roles_of(names, dataset), np.stack(arrays, axis=2)
    )
    missing = ~np.isfinite(weather.values)
    if missing.any():
        b, t, f = np.argwhere(missing)[0]
        raise StoreError(
            f"{names[f]} of basin {basins[b]} is missing on {days[t]} "
            f"({int(missing.any(axis=(1, 2)).sum())} of {len(basins)} basins have such days).",
            "Leave such basins out with --allow-missing, or choose other days.",
        )
    return weather


def complete_basins(
    dataset: xr.Dataset, basins: Sequence[str], names: Sequence[str], periods: Sequence[Days]
) -> list[str]:
    """List the basins that have every input on every day of some periods.

    Raises
    ------
    StoreError
        None has.
    """
    require_variables(dataset, names, ("basin", "time"), "variable")
    chosen = dataset[list(names)].sel(basin=list(basins))
    there = np.ones(len(basins), dtype=bool)
    for period in periods:
        for name in names:
            values = chosen[name].sel(time=slice(*period)).transpose("basin", "time").values
            there &= np.isfinite(values).all(axis=1)
    found = [b for b, whole in zip(basins, there, strict=True) if whole]
    if not found:
        raise StoreError(
            f"None of the {len(basins)} basins has {', '.join(names)} on every day.",
            "Choose other days; 'hydroml data info STORE' shows what there is.",
        )
    return found
