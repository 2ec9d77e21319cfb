"""Whether the week that a method points at is the week of the flood, or the one before it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hydroml.explanation.week_bags import DAYS, WEEKS, WeekBags
from hydroml.explanation.week_models import Pooled

Weeks = NDArray[np.int64]

GROUPS = {"all": "all basins", "rain": "rain basins", "snow": "snow basins"}
METHODS = {
    "attention": "attention: most attended",
    "attention_share": "attention: largest share",
    "max_share": "maximum pooling: largest share",
    "mean_share": "mean pooling: largest share",
    "wettest": "wettest week",
    "wettest_melt": "wettest week, melt water included",
    "usual": "week of most floods in training years",
}
"""Ways to choose a week, in the order of tables and figures."""


def choose_weeks(
    pooled: Mapping[str, Pooled], bags: WeekBags, training: WeekBags
) -> dict[str, Weeks]:
    """Let every method choose a week of each year.

    Parameters
    ----------
    pooled : mapping of str to Pooled
        By pooling: ``attention``, ``max``, ``mean``.
    bags, training : WeekBags
        The years asked about, and those learned from.

    Returns
    -------
    dict of str to ndarray
        By method, 0 to 51, (N,).
    """
    return {
        "attention": pooled["attention"].attention.argmax(axis=1),
        "attention_share": pooled["attention"].contribution.argmax(axis=1),
        "max_share": pooled["max"].contribution.argmax(axis=1),
        "mean_share": pooled["mean"].contribution.argmax(axis=1),
        "wettest": _weekly(bags.rain).argmax(axis=1),
        "wettest_melt": _weekly(bags.liquid).argmax(axis=1),
        "usual": _usual_weeks(bags, training),
    }


def hits(chosen: Weeks, peak_week: Weeks) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell whether the chosen week contains the peak, and whether it does or is the one before.

    Examples
    --------
    >>> contains, near = hits(np.array([4, 3, 5]), np.array([4, 4, 4]))
    >>> contains, near
    (array([ True, False, False]), array([ True,  True, False]))
    """
    lag = chosen - peak_week
    return lag == 0, (lag == 0) | (lag == -1)


def chance(peak_week: Weeks) -> tuple[float, float]:
    """Give the `hits` expected of a week drawn by lot: 1/52, and 2/52 but in the first week."""
    return 1 / WEEKS, float(np.mean((1.0 + (peak_week > 0)) / WEEKS))


def week_table(
    chosen: Mapping[str, Weeks], pooled: Mapping[str, Pooled], bags: WeekBags, snow: float
) -> pd.DataFrame:
    """List every year: its flood, and the week of each method with its lag.

    Parameters
    ----------
    chosen, pooled : mapping
        As of `choose_weeks`.
    bags : WeekBags
        The years.
    snow : float
        Share of snow from which a basin is a snow basin.

    Returns
    -------
    pandas.DataFrame
        A row a year: ``gauge_id``, ``water_year``, ``group``, ``snow_share``, ``peak``,
        ``predicted`` [mm d-1], ``peak_date``, ``weight`` (of the most attended week), and for
        each method the first day of its week and ``<method>_lag`` [weeks], 0 where it has the
        peak, negative where it comes before.
    """
    table = pd.DataFrame(
        {
            "gauge_id": bags.basin,
            "water_year": bags.water_year,
            "group": np.where(bags.snow_share >= snow, "snow", "rain"),
            "snow_share": bags.snow_share,
            "peak": bags.peak,
            "predicted": pooled["attention"].peak,
            "peak_date": bags.start + bags.peak_day,
            "weight": pooled["attention"].attention.max(axis=1),
        }
    )
    for method, weeks in chosen.items():
        table[method] = bags.first_day(weeks)
        table[f"{method}_lag"] = weeks - bags.peak_week
    return table


def hit_table(table: pd.DataFrame) -> pd.DataFrame:
    """Sum up how often each method is right.

    Parameters
    ----------
    table : pandas.DataFrame
        From `week_table`.

    Returns
    -------
    pandas.DataFrame
        A row for each group and method, chance first: ``group``, ``method``, ``years``,
        ``contains`` and ``near`` (the week of the peak or the one before), shares of years.
    """
    rows = []
    peak_week = _peak_week(table)
    for group in GROUPS:
        there = (
            np.ones(len(table), bool) if group == "all" else (table["group"] == group).to_numpy()
        )
        if not there.any():
            continue
        rows.append((group, "chance", int(there.sum()), *chance(peak_week[there])))
        for method in METHODS:
            contains, near = hits(table[f"{method}_lag"].to_numpy()[there], np.zeros(1, np.int64))
            rows.append((group, method, int(there.sum()), contains.mean(), near.mean()))
    return pd.DataFrame(rows, columns=["group", "method", "years", "contains", "near"])


def peak_skill(pooled: Mapping[str, Pooled], bags: WeekBags) -> dict[str, dict[str, float]]:
    """Score predicted peaks, in logarithms: over all years, and within basins.

    Returns
    -------
    dict
        By pooling: ``r2``, the share of variance explained; ``r_within``, the correlation of
        deviations from each basin's mean (how well good and bad years are told apart), NaN where
        nothing varies.
    """
    seen = np.log(bags.peak.astype(np.float64))
    found = {}
    for pooling, said in pooled.items():
        guess = np.log(said.peak)
        within = pd.DataFrame({"seen": seen, "guess": guess})
        within -= within.groupby(bags.basin).transform("mean")
        spread = ((seen - seen.mean()) ** 2).sum()
        varies = bool((within.std(ddof=0) > 0).all())
        found[pooling] = {
            "r2": float(1 - ((seen - guess) ** 2).sum() / spread) if spread > 0 else np.nan,
            "r_within": float(np.corrcoef(within.to_numpy().T)[0, 1]) if varies else np.nan,
        }
    return found


def _weekly(daily: NDArray[np.float32]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = daily.astype(np.float64).reshape(len(daily), WEEKS, DAYS).sum(2)
    return sums


def _usual_weeks(bags: WeekBags, training: WeekBags) -> Weeks:
    """Choose the week that was right in most training years of the basin, ties by all basins."""
    week = training.peak_week
    right = np.zeros((len(training), WEEKS))
    right[np.arange(len(week)), week] = 1
    right[np.arange(len(week)), np.maximum(week - 1, 0)] = 1
    everywhere = right.mean(axis=0)
    own = pd.DataFrame(right).groupby(training.basin).sum()
    counts = own.reindex(bags.basin, fill_value=0.0).to_numpy() + 0.5 * everywhere
    return counts.argmax(axis=1)


def _peak_week(table: pd.DataFrame) -> Weeks:
    october = pd.to_datetime(table["water_year"].astype(str)) - pd.DateOffset(months=3)
    return np.asarray((table["peak_date"] - october).dt.days, np.int64) // DAYS
