"""Response surfaces: change of flow over warming and precipitation, for chosen basins."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from hydroml.report.maps import symmetric_limits
from hydroml.report.sensitivity.changes import SHORT, change_units
from hydroml.report.sensitivity.climates import RULE, Chosen, representatives
from hydroml.report.sheet import open_sheet, say_missing
from hydroml.report.style import INK
from hydroml.sensitivity.elasticity import response_surface

SHOWN = ("mean", "annual_max", "low7")
_FILLED = 0.8  # share of the combinations of warming and factor that a surface needs
_STEPS = 20  # of the colour scale, an even number: zero is the edge between two


def response_surfaces(
    response: xr.Dataset,
    chosen: Sequence[Chosen] | None = None,
    *,
    about: str = "",
) -> Figure | None:
    """Draw the change of mean flow, floods and low flows over the grid of scenarios.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``.
    chosen : sequence of Chosen, optional
        A column each; by default `hydroml.report.sensitivity.climates.representatives`.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        A row a statistic, each with one symmetric scale; None where the scenarios are no grid
        of at least two warmings and two factors, with most combinations run.
    """
    basins = list(representatives(response) if chosen is None else chosen)
    surfaces = _surfaces(response, basins)
    if not surfaces:
        return None
    columns = len(basins)
    width = max(2.05 * columns + 1.4, 8.4)
    sheet = open_sheet(
        "How do warming and precipitation act together?", about=about,
        caption="Black line: no change; dots: scenarios that were run. " + _say_chosen(chosen),
        body=(width, 6.9), constrained=True,
    )  # fmt: skip
    panels = sheet.figure.subplots(3, columns, squeeze=False, sharex=True, sharey=True)
    for row, statistic in zip(panels, SHOWN, strict=True):
        values = np.concatenate([s.values.ravel() for s in surfaces[statistic]])
        scale = _scale(symmetric_limits(values, share=0.95)[1])
        for axes, surface in zip(row, surfaces[statistic], strict=True):
            _draw_surface(axes, surface, scale)
        limit = scale.norm.boundaries[-1]  # type: ignore[attr-defined]
        bar = sheet.figure.colorbar(
            scale, ax=list(row), extend="both", aspect=16, pad=0.02,
            ticks=np.linspace(-limit, limit, 5),
        )  # fmt: skip
        label = f"change of {SHORT[statistic]} [{change_units(statistic)}]"
        bar.set_label(label, fontsize=9, color=INK)
        bar.minorticks_off()
        bar.ax.tick_params(labelsize=8)
        row[0].set_ylabel("warming [°C]", fontsize=9, color=INK)
    for axes, basin in zip(panels[0], basins, strict=True):
        axes.set_title(f"{basin.group}\n{basin.gauge}", fontsize=8.5, color=INK)
    for axes in panels[-1]:
        axes.set_xlabel("change of precipitation [%]", fontsize=9, color=INK)
    return sheet.figure


def _surfaces(response: xr.Dataset, basins: Sequence[Chosen]) -> dict[str, list[xr.DataArray]]:
    if not basins or not _is_grid(response):
        return {}
    ids = [str(response["basin"].values[b.place]) for b in basins]
    return {s: [response_surface(response, basin, s) for basin in ids] for s in SHOWN}


def _is_grid(response: xr.Dataset) -> bool:
    """Tell whether most combinations were run: between a few points a surface is a guess."""
    places = np.stack(
        [response[c].values.astype(float) for c in ("temperature_change", "precipitation_factor")]
    )
    places = np.unique(places[:, np.isfinite(places).all(axis=0)].round(6), axis=1)
    warmings, factors = (len(np.unique(side)) for side in places)
    enough = places.shape[1] >= _FILLED * warmings * factors
    return min(warmings, factors) >= 2 and enough


def _scale(limit: float) -> matplotlib.cm.ScalarMappable:
    colours = matplotlib.colormaps["RdBu"]
    edges = np.linspace(-limit, limit, _STEPS + 1)
    return matplotlib.cm.ScalarMappable(BoundaryNorm(edges, colours.N, extend="both"), colours)


def _draw_surface(axes: Axes, surface: xr.DataArray, scale: matplotlib.cm.ScalarMappable) -> None:
    warming = surface["temperature_change"].values
    precipitation = 100 * (surface["precipitation_factor"].values - 1)
    values = np.ma.masked_invalid(surface.values)
    axes.tick_params(labelsize=8)
    if values.count() == 0:
        say_missing(axes, "no value")
        return
    axes.contourf(
        precipitation, warming, values, levels=scale.norm.boundaries,  # type: ignore[attr-defined]
        cmap=scale.cmap, norm=scale.norm, extend="both",
    )  # fmt: skip
    if values.min() < 0 < values.max():
        axes.contour(precipitation, warming, values, levels=[0], colors="black", linewidths=1.3)
    rows, columns = np.nonzero(~np.ma.getmaskarray(values))
    axes.plot(
        precipitation[columns], warming[rows], ".", color=INK, markersize=2.2, alpha=0.7,
        clip_on=False,
    )  # fmt: skip


def _say_chosen(chosen: Sequence[Chosen] | None) -> str:
    if chosen is not None:
        return ""
    return f"Each column is the basin nearest to the median of its climate. {RULE}"
