"""Distributions over basins by climate: sensitivities, and what recomputed attributes change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hydroml.report.sensitivity.changes import (
    SHORT,
    change_units,
    changes,
    member_mean,
    uniform_scenario,
)
from hydroml.report.sensitivity.climates import COLOURS, RULE, groups_present
from hydroml.report.sheet import open_sheet, say_missing
from hydroml.report.style import GREY, INK, tidy

Floats = NDArray[np.float64]

_BOX = (0.1, 0.25, 0.5, 0.75, 0.9)
_READ = "Boxes: the middle half of the basins; whiskers: 10 to 90 %; bar: median."


@dataclass(frozen=True)
class _Panel:
    """One distribution over basins: its values, its column and what stands at its axis."""

    values: Floats
    column: str
    label: str


def climate_figure(
    response: xr.Dataset, elasticity: pd.DataFrame, *, about: str = ""
) -> Figure | None:
    """Draw changes per degree and per 10 % of precipitation by climate.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``, with ``aridity`` and ``frac_snow`` for groups.
    elasticity : pandas.DataFrame
        Of `hydroml.sensitivity.elasticity.elasticities`.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        Two rows (per degree, per 10 %) of four statistics; None where the table is empty.
    """
    if elasticity.empty:
        return None
    basins = response["basin"].values.astype(str)
    rows = []
    for column, factor, per in (
        ("per_degree", 1.0, "°C"),
        ("per_percent_precipitation", 10.0, "10 % of P"),
    ):
        row = []
        for name in SHORT:
            table = elasticity[elasticity["statistic"] == name].set_index("gauge_id")
            slopes = factor * table[column].reindex(basins).to_numpy(float)
            row.append(_Panel(slopes, SHORT[name], f"change [{change_units(name)} per {per}]"))
        rows.append(row)
    caption = f"Change at the present climate. {_READ} {RULE} P: precipitation."
    return _draw(rows, response, "Which climates are most sensitive?", about=about, caption=caption)


def statics_difference(
    held: xr.Dataset, recomputed: xr.Dataset, *, about: str = ""
) -> Figure | None:
    """Draw what recomputing the climatic attributes adds to the change of flow, by climate.

    Parameters
    ----------
    held, recomputed : xarray.Dataset
        Layouts of ``response.nc`` with attributes held and recomputed; basins and scenarios
        that both hold are compared.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        Two rows (+3 degC, +20 % precipitation) of three statistics; None where neither
        scenario, or no basin, is in both.
    """
    both = np.isin(held["basin"].values.astype(str), recomputed["basin"].values.astype(str))
    first = held.isel(basin=np.flatnonzero(both))
    second = recomputed.sel(basin=first["basin"].values)
    rows = []
    for scenario, told in (({"warming": 3.0}, "+3 °C"), ({"factor": 1.2}, "P +20 %")):
        places = [uniform_scenario(response, **scenario) for response in (first, second)]
        if None in places or not both.any():
            continue
        row = []
        for name in ("mean", "annual_max", "low7"):
            one, other = (
                member_mean(changes(response, name, place))  # type: ignore[arg-type]
                for response, place in zip((first, second), places, strict=True)
            )
            row.append(_Panel(other - one, SHORT[name], f"difference at {told} [% points]"))
        rows.append(row)
    if not rows:
        return None
    caption = (
        "Change of flow with climatic attributes recomputed for the new climate, minus the change "
        f"with attributes held, in % points of the baseline's flow. {_READ} {RULE}"
    )
    title = "How much hangs on the climate attributes?"
    return _draw(rows, first, title, about=about, caption=caption)


def _draw(
    rows: Sequence[Sequence[_Panel]],
    response: xr.Dataset,
    title: str,
    *,
    about: str,
    caption: str,
) -> Figure:
    groups = groups_present(response)
    height = len(rows) * (0.42 * len(groups) + 1.0)
    sheet = open_sheet(title, about=about, caption=caption, body=(9.6, height), constrained=True)
    panels = sheet.figure.subplots(len(rows), len(rows[0]), squeeze=False, sharey=True)
    for row, drawn in zip(panels, rows, strict=True):
        for axes, panel in zip(row, drawn, strict=True):
            _draw_groups(axes, panel.values, groups)
            axes.set_xlabel(panel.label, fontsize=9, color=INK)
        names = [f"{climate} ({len(places)})" for climate, places in groups.items()]
        row[0].set_yticks(range(len(groups)), names)
    for axes, panel in zip(panels[0], rows[0], strict=True):
        axes.set_title(panel.column, loc="left", fontsize=10.5, color=INK)
    panels[0, 0].set_ylim(len(groups) - 0.4, -0.6)  # the first group on top
    return sheet.figure


def _draw_groups(axes: Axes, values: Floats, groups: Mapping[str, NDArray[np.intp]]) -> None:
    """Draw points, boxes and medians, one line a group."""
    tidy(axes)
    axes.grid(visible=False, axis="y")
    if not np.isfinite(values).any():
        say_missing(axes, "no value")
        return
    jitter = np.random.default_rng(0)
    for line, (climate, places) in enumerate(groups.items()):
        some = values[places][np.isfinite(values[places])]
        if not some.size:
            continue
        low, quarter, middle, three, high = np.quantile(some, _BOX)
        scatter = line + jitter.uniform(-0.3, 0.3, some.size)
        axes.plot(some, scatter, "o", color=GREY, markersize=2, alpha=0.4, markeredgewidth=0)
        axes.plot([low, high], [line, line], color=INK, linewidth=1.1)
        axes.barh(
            line, three - quarter, left=quarter, height=0.5, color=COLOURS[climate], alpha=0.75,
            edgecolor=INK, linewidth=0.8, zorder=3,
        )  # fmt: skip
        axes.plot([middle, middle], [line - 0.25, line + 0.25], color=INK, linewidth=2.2, zorder=4)
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    _limit(axes, values[np.isfinite(values)])


def _limit(axes: Axes, values: Floats) -> None:
    """Keep a few far basins from flattening the boxes; their number is told."""
    low, high = np.quantile(values, (0.01, 0.99))
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.06 * (high - low) if high - low > 1e-6 else 1.0
    axes.set_xlim(low - margin, high + margin)
    beyond = int(((values < low - margin) | (values > high + margin)).sum())
    if beyond:
        axes.text(
            0.99, 0.01, f"{beyond} beyond the axis", transform=axes.transAxes, ha="right",
            va="bottom", fontsize=7, color=GREY,
        )  # fmt: skip
