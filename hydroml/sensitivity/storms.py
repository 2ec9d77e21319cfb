"""Design storms: one a year, on the wettest or the driest ground.

A convolution of the rain with a fixed response would answer linearly to a storm's depth; real
catchments answer more than linearly, because wet ground sheds more. Baste et al. (2025, HESS 29,
5871) show that LSTMs answer less than linearly, up to a ceiling. `place_storms` and
`storm_response` make that visible for any run.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from hydroml.data.water_years import OCTOBER, whole_years
from hydroml.sensitivity.forcing import Array, Forcing
from hydroml.sensitivity.scenarios import Scenario, Storm
from hydroml.sensitivity.statistics import STATISTICS

KEPT_OF_WETNESS = 0.9
"""Share of the antecedent precipitation index that is left after a day."""
RAIN_FROM = 1.0
"""Daily mean temperature [degC] from which a storm is rain."""
MARGIN = 31
"""Days that a storm keeps from both ends of a water year: two never fall together."""
PEAK_DAYS = 8
"""The storm's day and the week after it, in which the peak is looked for."""
VOLUME_DAYS = 30
"""Days over which the flow a storm adds is summed up."""


def storm_days(forcing: Forcing, antecedent: str) -> NDArray[np.int64]:
    """Choose the days of design storms.

    The antecedent precipitation index is ``A(t) = 0.9 A(t - 1) + P(t - 1)``. Of each whole
    water year in the period it is the day of the highest (``wet``) or lowest (``dry``) index
    with a mean temperature of 1 degC or more, `MARGIN` days within the year.

    Parameters
    ----------
    forcing : Forcing
        Of the present climate.
    antecedent : str
        ``wet`` or ``dry``.

    Returns
    -------
    ndarray
        Places in time, (B, years); -1 where a year has no such day.
    """
    rain = forcing.precipitation()
    if rain is None:
        raise ValueError("no precipitation")  # require_applicable has refused it before
    index = lfilter([0, 1], [1, -KEPT_OF_WETNESS], np.nan_to_num(rain), axis=1)
    possible = ~np.isnan(rain)
    warmth = forcing.mean_temperature()
    if warmth is not None:
        possible &= warmth >= RAIN_FROM
    score = np.where(possible, index if antecedent == "wet" else -index, -np.inf)
    found = []
    lead = forcing.period.start
    for year in whole_years(forcing.time[forcing.period], OCTOBER):
        start = lead + year.start + MARGIN
        part = score[:, start : lead + year.stop - MARGIN]
        best = part.argmax(axis=1)
        there = np.isfinite(part[np.arange(len(part)), best])
        found.append(np.where(there, best + start, -1))
    return np.stack(found, axis=1) if found else np.empty((len(rain), 0), dtype=np.int64)


def place_storms(forcing: Forcing, storm: Storm) -> None:
    """Set the precipitation of the storms' days to their depth, in place."""
    days = storm_days(forcing, storm.antecedent)
    b, y = np.nonzero(days >= 0)
    for f in forcing.of_role("precipitation"):
        forcing.values[b, days[b, y], f] = np.float32(storm.depth)


def storm_response(
    q: Array, q_baseline: Array, days: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Peak and added volume after design storms, mean over the years.

    Parameters
    ----------
    q, q_baseline : ndarray
        Discharge with and without the storms [mm d-1], (B, T).
    days : ndarray
        `storm_days`, (B, years).

    Returns
    -------
    peak : ndarray
        Highest flow of the storm's day and the week after [mm d-1], (B,); NaN without storms.
    volume : ndarray
        Flow of 30 days that the storm added [mm], (B,).
    """
    basins = np.arange(len(q))[:, None, None]
    after = days[:, :, None] + np.arange(VOLUME_DAYS)  # within the record: see MARGIN
    with_storm, without = q[basins, after], q_baseline[basins, after]
    there = days >= 0
    peaks = with_storm[..., :PEAK_DAYS].max(axis=2)
    volumes = (with_storm.astype("float64") - without).sum(axis=2)
    return _row_mean(peaks, there), _row_mean(volumes, there)


def add_storm_statistics(
    statistics: NDArray[np.floating],
    q: Array,
    q_baseline: Array,
    forcing: Forcing,
    scenario: Scenario,
) -> None:
    """Fill ``storm_peak`` and ``storm_volume`` of (B, K) in place, where a scenario is a storm.

    Parameters
    ----------
    statistics : ndarray
        In the order of `STATISTICS`.
    q, q_baseline : ndarray
        Discharge of the period with and without the storms [mm d-1], (B, T).
    forcing : Forcing
        Of the present climate, with its lead.
    scenario : Scenario
        Any scenario.
    """
    if scenario.storm is None:
        return
    days = storm_days(forcing, scenario.storm.antecedent)
    in_period = np.where(days < 0, -1, days - forcing.period.start)
    peak, volume = storm_response(q, q_baseline, in_period)
    names = list(STATISTICS)
    statistics[:, names.index("storm_peak")] = peak
    statistics[:, names.index("storm_volume")] = volume


def _row_mean(values: NDArray[np.floating], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1, dtype="float64")
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
