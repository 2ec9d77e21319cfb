"""The picture of a basin's donors: where they are, how they compare, what their flow is."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from hydroml.regionalisation.donors import Donors
from hydroml.report.ground import lay_ground
from hydroml.report.hydrographs import informative_year
from hydroml.report.maps import colour_scale, draw_colour_bar
from hydroml.report.sheet import open_sheet
from hydroml.report.style import CYCLE, GREY, INK, OBSERVED, SIMULATED, tidy

_SHOWN = 4  # donors whose attributes and hydrographs are drawn
_COLOURS = tuple(colour for colour in CYCLE if colour != SIMULATED)
_LARGEST, _SMALLEST = 160.0, 10.0  # areas of points [points^2]
_MAP = (0.03, 0.52, 0.46, 0.47)
_BAR = (0.09, 0.475, 0.34, 0.016)
_ATTRIBUTES = (0.66, 0.47, 0.31, 0.5)
_HYDROGRAPH = (0.07, 0.05, 0.9, 0.31)


def draw_donors(donors: Donors, dataset: xr.Dataset) -> Figure:
    """Draw the donors of a basin.

    Parameters
    ----------
    donors : Donors
        From `hydroml.regionalisation.donors.find_donors`.
    dataset : xarray.Dataset
        The store, with places and discharge of the donors.

    Returns
    -------
    matplotlib.figure.Figure
        A map of weights; standardised attributes of the basin and of its heaviest donors; a
        water year of their discharge and of their mix.
    """
    choice = ", ".join(f"{value:g}" for value in donors.choice)
    known = (
        "" if np.isnan(donors.nse) else f" Against its own flow the mix has NSE {donors.nse:.2f}."
    )
    sheet = open_sheet(
        f"Which gauged basins stand in for {donors.basin}?",
        about=f"{donors.method} (chosen {choice}), {len(donors.table)} candidates, "
        f"{donors.effective:.1f} in effect",
        caption=f"Median NSE of candidates in leave-one-out: {donors.score:.2f}.{known} Discharge "
        "of donors is scaled by the ratio of mean precipitation in the mix only.",
        body=(10.5, 8.2),
    )
    _draw_map(sheet.add_axes(_MAP), sheet.add_axes(_BAR), donors, dataset)
    _draw_attributes(sheet.add_axes(_ATTRIBUTES), donors)
    _draw_discharge(sheet.add_axes(_HYDROGRAPH), donors, dataset)
    return sheet.figure


def _draw_map(axes: Axes, bar: Axes, donors: Donors, dataset: xr.Dataset) -> None:
    ids = [*donors.table.index, donors.basin]
    lat, lon = (
        dataset[n].sel(basin=ids).values.astype(np.float64) for n in ("gauge_lat", "gauge_lon")
    )
    project = lay_ground(axes, lon, lat)
    x, y = project(lon, lat)
    weight = donors.table["weight"].to_numpy()
    scale = colour_scale(weight, "viridis_r", vmin=0.0)
    size = _SMALLEST + (_LARGEST - _SMALLEST) * weight / weight.max()
    order = np.argsort(weight)
    axes.scatter(
        x[:-1][order], y[:-1][order], s=size[order], c=scale.to_rgba(weight[order]),
        edgecolors="#333333", linewidths=0.35, zorder=3, gid="donors",
    )  # fmt: skip
    axes.scatter(
        x[-1:], y[-1:], marker="*", s=190, c=SIMULATED, edgecolors="black", linewidths=0.7,
        zorder=4, label=f"{donors.basin}, without flow", gid="basin",
    )  # fmt: skip
    axes.legend(loc="lower right", fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")
    draw_colour_bar(axes.figure, bar, scale, "weight [-]")  # type: ignore[arg-type]


def _draw_attributes(axes: Axes, donors: Donors) -> None:
    """Standardised attributes: the basin's as a line, its heaviest donors' as points."""
    table = donors.attributes
    gauged = [b for b in table.basins if b != donors.basin]
    values = pd.DataFrame(table.standardised(gauged), index=list(table.basins))
    rows = np.arange(len(table.names))
    for colour, gauge in zip(_COLOURS, donors.table.index[:_SHOWN], strict=False):
        share = donors.table["weight"].loc[gauge]
        axes.scatter(
            values.loc[gauge], rows, s=22, color=colour, alpha=0.85, linewidths=0,
            label=f"{gauge} ({share:.2f})",
        )  # fmt: skip
    axes.plot(values.loc[donors.basin], rows, color=INK, linewidth=1.2, label=donors.basin)
    axes.set_yticks(rows, table.names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    tidy(axes)
    axes.tick_params(axis="y", labelsize=7.5)
    axes.set_xlabel("standardised attribute [-]", fontsize=9)
    axes.legend(
        fontsize=7.5, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.3, 1.0),
        columnspacing=1.0, handletextpad=0.3,
    )  # fmt: skip


def _draw_discharge(axes: Axes, donors: Donors, dataset: xr.Dataset) -> None:
    judged = donors.observed if np.isfinite(donors.observed.values).any() else donors.simulated
    year = informative_year(judged)
    days = slice(f"{year - 1}-10-01", f"{year}-09-30")
    for colour, gauge in zip(_COLOURS, donors.table.index[:_SHOWN], strict=False):
        flow = dataset["qobs"].sel(basin=gauge, time=days)
        axes.plot(flow["time"], flow.values, color=colour, linewidth=0.8, alpha=0.7, label=gauge)
    mixed, own = donors.simulated.sel(time=days), donors.observed.sel(time=days)
    axes.plot(mixed["time"], mixed, color=SIMULATED, linewidth=1.7, label="mix of all donors")
    if np.isfinite(own.values).any():
        axes.plot(own["time"], own, color=OBSERVED, linewidth=1.5, label="its own, not used")
    axes.set_ylabel("discharge [mm/d]", fontsize=9, color=INK)
    axes.set_ylim(bottom=0)
    axes.set_title(f"Water year {year}", loc="left", fontsize=10, color=GREY)
    locator = AutoDateLocator(minticks=5, maxticks=13)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    tidy(axes)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper right")
