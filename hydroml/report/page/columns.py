"""What the map can show and the table can list: one number a basin, with title, unit and scale."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from hydroml.evaluation.metrics import COLUMNS as SCORES
from hydroml.report.page.codec import short
from hydroml.report.page.read import RunFiles
from hydroml.sensitivity.climates import climate_groups
from hydroml.sensitivity.elasticity import DISAGREE
from hydroml.sensitivity.statistics import STATISTICS

_ATTRIBUTES = {
    "aridity": ("1", "aridity: potential evaporation over precipitation"),
    "frac_snow": ("1", "share of precipitation that falls as snow"),
    "p_mean": ("mm d-1", "mean precipitation"),
}
_CENTRES = {"alpha": 1.0, "beta": 0.0, "FHV": 0.0, "FLV": 0.0, "FMS": 0.0}
_NOT_ATTRIBUTES = ("gauge_lat", "gauge_lon")
_CHECKS = {
    "wetter_means_more": "more precipitation means more flow",
    "below_precipitation": "flow stays below precipitation",
    "below_ceiling": "floods stay clear of the model's ceiling",
    "concave_storms": "peaks keep up with growing storms",
    "earlier_with_warming": "snow basins flow earlier when it is warmer",
}
_SHARES = {
    "failed_checks": ("1", "failed checks"),
    "outside_training": ("%", "days with an input outside its training range"),
    "unusual_days": ("%", "days unlike any training day, all basins"),
    "unusual_days_here": ("%", "days unlike any training day of the basin"),
    "runoff_ratio": ("1", "highest ratio of runoff to precipitation"),
    "ceiling_share": ("%", "highest flow as a share of the model's ceiling"),
}
_STEPS = {
    "precipitation": ("per_percent_precipitation", 10.0, "per 10 % more precipitation"),
    "temperature": ("per_degree", 1.0, "per °C of warming"),
}
Column = dict[str, Any]


def basin_columns(run: RunFiles, basins: Sequence[str]) -> list[Column]:
    """Collect the numbers of each basin.

    Parameters
    ----------
    run : RunFiles
        Files of a run.
    basins : sequence of str
        Gauge ids of the page; a basin that the run does not have gets None.

    Returns
    -------
    list of dict
        ``key``, ``group`` (Scores, Attributes, Elasticity, Plausibility), ``title``, ``units``,
        ``values``, and what the scale of colours needs: ``kind`` (sequence, diverging, check),
        ``center``, ``failed``; ``weak`` lists the basins whose members disagree.
    """
    columns = [*_scores(run.scores), *_attributes(run), *_slopes(run), *_plausibility(run)]
    return [_aligned(column, basins) for column in columns]


def climates(run: RunFiles, basins: Sequence[str]) -> list[str | None]:
    """Label basins by climate, see `hydroml.sensitivity.elasticity.climate_groups`."""
    response = run.sensitivity.get("response")
    if response is None:
        return [None] * len(basins)
    labels = climate_groups(response).values.tolist()
    known = dict(zip(response["basin"].values.astype(str), labels, strict=True))
    return [known.get(basin) for basin in basins]


def _column(key: str, group: str, title: str, units: str, values: pd.Series, **more: Any) -> Column:
    scale: Column = {"kind": "sequence"}
    return scale | {
        "key": key, "group": group, "title": title, "units": units, "values": values,
    } | more  # fmt: skip


def _aligned(column: Column, basins: Sequence[str]) -> Column:
    values = column["values"].reindex(basins)
    weak = column.pop("weak", None)
    if weak is not None:
        column["weak"] = np.flatnonzero(weak.reindex(basins).eq(True)).tolist()
    return column | {"values": short(values.astype("float64"))}


def _scores(table: pd.DataFrame) -> Iterator[Column]:
    for name, (units, title) in SCORES.items():
        if name not in table:
            continue
        more: Column = {}
        if name in _CENTRES:
            more = {"kind": "diverging", "center": _CENTRES[name], "palette": "error"}
        if name in ("NSE", "KGE", "r"):
            more = {"kind": "sequence", "low": 0, "high": 1}
        if name == "NSE":
            more["failed"] = 0
        yield _column(name, "Scores", title, units, table[name], **more)


def _attributes(run: RunFiles) -> Iterator[Column]:
    sources = (run.simulations, run.sensitivity.get("response"))
    found = {n: v for source in sources for n, v in _numbers_of_basins(source)}
    for name, values in found.items():
        units, title = _ATTRIBUTES.get(name, (values.attrs.get("units", ""), name))
        yield _column(name, "Attributes", title, units, values.to_series())


def _numbers_of_basins(source: xr.Dataset | None) -> Iterator[tuple[str, xr.DataArray]]:
    if source is None:
        return
    for name, values in source.coords.items():
        numeric = values.dims == ("basin",) and values.dtype.kind in "fiu"
        if numeric and name not in _NOT_ATTRIBUTES:
            yield str(name), values.reset_coords(drop=True)


def _slopes(run: RunFiles) -> Iterator[Column]:
    table = run.tables.get("elasticity")
    if table is None:
        return
    for driver, (name, factor, step) in _STEPS.items():
        for statistic, rows in table.groupby("statistic", sort=False):
            known = STATISTICS.get(str(statistic))
            rows = rows.set_index("gauge_id")
            yield _column(
                f"{statistic}_per_{driver}",
                "Elasticity",
                f"{known.title if known else str(statistic)}, {step}",
                str(rows["change_units"].iloc[0]),
                factor * rows[name],
                kind="diverging",
                center=0.0,
                palette=_palette(str(statistic)),
                weak=rows[f"agreement_{driver}"] < DISAGREE,
            )


def _palette(statistic: str) -> str:
    """Blue is more water; dates and shares of the year are neither wet nor dry."""
    if statistic.endswith("date") or statistic in ("centre_timing", "winter_share"):
        return "date"
    return "dry" if statistic in ("low_days", "low_spells", "low_deficit") else "water"


def _plausibility(run: RunFiles) -> Iterator[Column]:
    table = run.tables.get("plausibility")
    if table is None:
        return
    yield from evidence_of(table)
    for title, (name, values) in checks_of(table).items():
        yield _column(name, "Plausibility", f"check: {title}", "", values, kind="check")


def evidence_of(table: pd.DataFrame) -> Iterator[Column]:
    """Collect the numbers of ``plausibility.csv`` that the checks look at; shares in %."""
    rows = table.set_index("gauge_id")
    for name, (units, title) in _SHARES.items():
        if name in rows:
            values = pd.to_numeric(rows[name], errors="coerce") * (100 if units == "%" else 1)
            yield _column(name, "Plausibility", title, units, values)


def read_check(values: pd.Series) -> pd.Series:
    """Read a column of yes and no: 1 yes, 0 no, NaN where it does not apply.

    Examples
    --------
    >>> read_check(pd.Series(["True", False, None, "", 1.0])).tolist()
    [1.0, 0.0, nan, nan, 1.0]
    """
    words = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
    return values.map(lambda v: words.get(str(v).strip().lower(), np.nan)).astype("float64")


def checks_of(table: pd.DataFrame) -> dict[str, tuple[str, pd.Series]]:
    """Collect the checks of ``plausibility.csv``: by their wording, the column and its results.

    A result is 1 where the check is passed, 0 where it failed, NaN where it does not apply:
    storms are concave where the check fails, and only snow basins are asked for earlier flow.
    """
    rows = table.set_index("gauge_id")
    checks = {t: (name, read_check(rows[name])) for name, t in _CHECKS.items() if name in rows}
    for title, (name, results) in checks.items():
        if name == "concave_storms":
            checks[title] = ("storms_not_concave", 1 - results)
        if name == "earlier_with_warming" and "snow_basin" in rows:
            checks[title] = (name, results.where(read_check(rows["snow_basin"]).eq(1)))
    return checks


def palette_of(statistics: ArrayLike) -> list[str]:
    """Name the colours in which a change of each statistic is drawn."""
    return [_palette(str(name)) for name in np.asarray(statistics)]
