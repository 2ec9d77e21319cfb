"""The statistics of flow that a change of climate is judged by: names, units, kinds of change."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["relative", "absolute", "date"]


@dataclass(frozen=True)
class Statistic:
    """One number a series of daily discharge is summed up in.

    Parameters
    ----------
    name : str
        Name in files.
    units : str
        UDUNITS spelling.
    title : str
        What it is, for figures and tables.
    kind : str
        How a change is told: ``relative`` in % of the baseline, ``absolute`` as a difference in
        `units`, ``date`` as the shorter way round the year, in days.
    """

    name: str
    units: str
    title: str
    kind: Kind

    @property
    def change_units(self) -> str:
        """Units of a change."""
        return {"relative": "%", "absolute": self.units, "date": "d"}[self.kind]


STATISTICS = {
    s.name: s
    for s in (
        Statistic("mean", "mm d-1", "mean flow", "relative"),
        Statistic("q01", "mm d-1", "1st percentile of flow", "relative"),
        Statistic("q05", "mm d-1", "5th percentile of flow", "relative"),
        Statistic("q95", "mm d-1", "95th percentile of flow", "relative"),
        Statistic("q99", "mm d-1", "99th percentile of flow", "relative"),
        Statistic("maximum", "mm d-1", "highest flow", "relative"),
        Statistic("annual_max", "mm d-1", "mean annual maximum", "relative"),
        Statistic(
            "annual_max_date", "d", "date of the annual maximum, days since 1 October", "date"
        ),
        Statistic("low7", "mm d-1", "mean annual 7-day minimum (7Q)", "relative"),
        Statistic("low7_date", "d", "date of the 7-day minimum, days since 1 October", "date"),
        Statistic("flood2", "mm d-1", "2-year flood", "relative"),
        Statistic("flood10", "mm d-1", "10-year flood", "relative"),
        Statistic("flood50", "mm d-1", "50-year flood", "relative"),
        Statistic("high_volume", "mm yr-1", "volume of the highest 2 % of days", "relative"),
        Statistic("low_volume", "mm yr-1", "volume of the lowest 30 % of days", "relative"),
        Statistic("high_days", "d yr-1", "days above the baseline's 99th percentile", "absolute"),
        Statistic("high_spells", "yr-1", "spells above the baseline's 99th percentile", "absolute"),
        Statistic("low_days", "d yr-1", "days below the baseline's 5th percentile", "absolute"),
        Statistic("low_spells", "yr-1", "spells below the baseline's 5th percentile", "absolute"),
        Statistic(
            "low_deficit", "mm yr-1", "deficit below the baseline's 5th percentile", "absolute"
        ),
        Statistic("centre_timing", "d", "centre of timing, days since 1 October", "absolute"),
        Statistic("winter_share", "%", "share of December to February in the flow", "absolute"),
        Statistic("storm_peak", "mm d-1", "peak after a design storm", "relative"),
        Statistic("storm_volume", "mm", "flow of 30 days that a design storm adds", "absolute"),
    )
}
"""Every statistic by name, in the order of the files. Dates count days since 1 October (0 to
365); `storm_peak` and `storm_volume` are missing (NaN) outside design storms."""
