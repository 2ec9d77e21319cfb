"""Water years as bags of weeks: forcing of each week and before it, and the year's flood.

A year is the 364 days from 1 October, 52 weeks of 7 days; the day or two left over do not count.
An instance is one week: its 7 days one by one, then means over ever longer stretches before it (7,
14, 28, ... days), which tell how wet and how snowy the catchment is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydroml.data.series import Series
from hydroml.errors import ConfigError, StoreError
from hydroml.explanation.snow import degree_day_snow

Floats = NDArray[np.float64]

WEEKS, DAYS = 52, 7


@dataclass(frozen=True)
class WeekBags:
    """N years of some basins.

    Parameters
    ----------
    basin : ndarray of str
        Gauge ids, (N,).
    start : ndarray of datetime64[D]
        1 October, (N,).
    x_d : ndarray
        Forcing of each week and before it, (N, 52, D), float32, in its own units.
    x_s : ndarray
        Static attributes, (N, S).
    flow, rain, liquid : ndarray
        Daily discharge, precipitation, and rain with melt water [mm d-1], (N, 364).
    snow_share : ndarray
        Share of the basin's precipitation that falls below 0 degC, (N,).
    """

    basin: NDArray[np.str_]
    start: NDArray[np.datetime64]
    x_d: NDArray[np.float32]
    x_s: NDArray[np.float32]
    flow: NDArray[np.float32]
    rain: NDArray[np.float32]
    liquid: NDArray[np.float32]
    snow_share: Floats

    def __len__(self) -> int:
        return len(self.basin)

    @property
    def water_year(self) -> NDArray[np.int64]:
        """Calendar year in which the water year ends, (N,)."""
        return self.start.astype("datetime64[Y]").astype(np.int64) + 1971

    @property
    def peak(self) -> NDArray[np.float32]:
        """Highest daily discharge of the year [mm d-1], (N,)."""
        highest: NDArray[np.float32] = self.flow.max(axis=1)
        return highest

    @property
    def peak_day(self) -> NDArray[np.int64]:
        """Day of the peak, 0 to 363 since 1 October, (N,); the first of equal ones."""
        return self.flow.argmax(axis=1)

    @property
    def peak_week(self) -> NDArray[np.int64]:
        """Week of the peak, 0 to 51, (N,)."""
        return self.peak_day // DAYS

    def first_day(self, week: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Give the first day of one week of each year, (N,)."""
        return self.start + DAYS * week


def lead_days(blocks: int) -> int:
    """Days before 1 October that the first week looks back, for a number of blocks.

    Examples
    --------
    >>> lead_days(0), lead_days(5)  # 5 blocks: 7 + 14 + 28 + 56 + 112
    (0, 217)
    """
    return DAYS * (2**blocks - 1)


def cut_weeks(
    series: Series, *, blocks: int, precipitation: int, temperature: list[int], what: str
) -> WeekBags:
    """Cut series into years and weeks.

    A year counts where no day of it lacks discharge, no day of it or of the `lead_days` before
    lacks an input, and the river flows at all.

    Parameters
    ----------
    series : Series
        With `lead_days` before the period.
    blocks : int
        Stretches before each week.
    precipitation : int
        Place of precipitation among the inputs.
    temperature : list of int
        Places of air temperatures, whose mean tells snow from rain; may be empty: no snow.
    what : str
        Name of the period, for errors.

    Raises
    ------
    ConfigError
        The period holds no whole water year.
    StoreError
        No year counts.
    """
    firsts = _octobers(series)
    if not len(firsts):
        raise ConfigError(
            f"The {what} period ({series.time[series.period][0]} to "
            f"{series.time[series.period][-1]}) holds no whole water year.",
            "Give one from 1 October to a 30 September.",
        )
    rain = series.x_d[..., precipitation]
    mean = series.x_d[..., temperature].mean(-1) if temperature else np.full_like(rain, 10.0)
    liquid = liquid_water(rain, mean)
    lead = lead_days(blocks)
    lacking = _running(np.logical_not(np.isfinite(series.x_d).all(axis=-1)))
    silent = _running(np.logical_not(series.y >= 0))  # NaN >= 0 is False
    year = firsts[:, None] + np.arange(WEEKS * DAYS)
    whole = (lacking[:, firsts + WEEKS * DAYS] == lacking[:, firsts - lead]) & (
        silent[:, firsts + WEEKS * DAYS] == silent[:, firsts]
    )
    b, y = np.nonzero(whole & (np.nan_to_num(series.y)[:, year].max(-1) > 0))
    if not len(b):
        raise StoreError(
            f"No year of the {what} period is complete in any of the {len(series.basins)} basins.",
            "Choose a period with discharge and forcing, or fewer blocks before a week.",
        )
    return WeekBags(
        basin=np.array(series.basins)[b],
        start=series.time[firsts[y]],
        x_d=_look_back(series.x_d, firsts, blocks)[b, y],
        x_s=series.x_s[b],
        flow=series.y[b[:, None], year[y]],
        rain=rain[b[:, None], year[y]],
        liquid=liquid[b[:, None], year[y]].astype("float32"),
        snow_share=snow_share(rain, mean)[b],
    )


def liquid_water(rain: NDArray[np.float32], temperature: NDArray[np.float32]) -> Floats:
    """Rain and melt water of each day: what falls less what the pack of snow gains.

    The pack is that of `hydroml.explanation.snow.degree_day_snow`.

    Parameters
    ----------
    rain : ndarray
        Precipitation [mm d-1], (B, T).
    temperature : ndarray
        Daily mean [degC], (B, T).

    Returns
    -------
    ndarray
        [mm d-1], (B, T).

    Examples
    --------
    >>> liquid_water(np.array([[8.0, 0.0, 1.0]]), np.array([[-5.0, 1.0, 4.0]]))
    array([[0., 3., 6.]])
    """
    pack = degree_day_snow(rain, temperature).astype(np.float64)
    return np.nan_to_num(rain) - np.diff(pack, axis=1, prepend=0.0)


def snow_share(rain: NDArray[np.float32], temperature: NDArray[np.float32]) -> Floats:
    """Share of precipitation that falls below 0 degC, (B,)."""
    falls = np.nan_to_num(rain).astype(np.float64)
    total = falls.sum(axis=1)
    return (falls * (temperature < 0)).sum(axis=1) / np.where(total > 0, total, 1)


def _octobers(series: Series) -> NDArray[np.int64]:
    days = series.time[series.period]
    first = (days.astype("datetime64[M]").astype(np.int64) % 12 == 9) & (
        days == days.astype("datetime64[M]").astype("datetime64[D]")
    )
    places = np.flatnonzero(first)
    return places[places + WEEKS * DAYS <= len(days)] + series.period.start


def _running(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count before each day, (B, T + 1)."""
    return np.pad(np.cumsum(flags, axis=1, dtype=np.int64), ((0, 0), (1, 0)))


def _look_back(
    x: NDArray[np.float32], firsts: NDArray[np.int64], blocks: int
) -> NDArray[np.float32]:
    """Days of each week, then means before it; (B, Y, 52, (7 + blocks) F)."""
    begin = firsts[:, None] + DAYS * np.arange(WEEKS)  # (Y, 52)
    parts = [x[:, begin + day] for day in range(DAYS)]
    filled = np.nan_to_num(x).astype(np.float64)
    sums = np.pad(np.cumsum(filled, axis=1), ((0, 0), (1, 0), (0, 0)))
    for n in range(blocks):
        length, end = DAYS * 2**n, begin - lead_days(n)
        parts.append(((sums[:, end] - sums[:, end - length]) / length).astype("float32"))
    return np.concatenate(parts, axis=-1)
