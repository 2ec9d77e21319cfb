"""Monthly regimes under the standard scenarios, for chosen basins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.report.sensitivity.changes import member_mean, uniform_scenario
from hydroml.report.sensitivity.climates import RULE, Chosen, representatives
from hydroml.report.sheet import open_sheet, say_missing
from hydroml.report.style import CYCLE, INK, tidy

_MONTHS = (10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9)  # a water year
_INITIALS = "ONDJFMAMJJAS"


@dataclass(frozen=True)
class _Line:
    label: str
    warming: float
    factor: float
    colour: str
    dashes: str


_LINES = (
    _Line("baseline", 0, 1.0, INK, "-"),
    _Line("+3 °C", 3, 1.0, CYCLE[1], "--"),
    _Line("precipitation +20 %", 0, 1.2, CYCLE[0], "-."),
    _Line("precipitation −20 %", 0, 0.8, CYCLE[4], ":"),
    _Line("+3 °C and precipitation +20 %", 3, 1.2, CYCLE[2], (0, (5, 1, 1, 1, 1, 1))),  # type: ignore[arg-type]
)


def seasonal_changes(
    response: xr.Dataset,
    chosen: Sequence[Chosen] | None = None,
    *,
    about: str = "",
) -> Figure | None:
    """Draw mean flow by month, of the baseline and of the scenarios +3 degC and +-20 %.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``, with ``regime`` (scenario, basin, month, member).
    chosen : sequence of Chosen, optional
        A panel each; by default `hydroml.report.sensitivity.climates.representatives`.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        Lines are the mean of the members, bands reach from the lowest to the highest; None
        where none of the scenarios was run.
    """
    basins = list(representatives(response) if chosen is None else chosen)
    lines = {
        line: scenario
        for line in _LINES
        if (scenario := uniform_scenario(response, warming=line.warming, factor=line.factor))
        is not None
    }
    if len(lines) < 2 or not basins:
        return None
    columns = min(len(basins), 2)
    rows = -(-len(basins) // columns)
    members = response.sizes["member"]
    sheet = open_sheet(
        "Which months change?", about=about, caption=_caption(members, chosen),
        body=(4.8 * columns if columns > 1 else 8.4, 2.75 * rows + 0.5), constrained=True, foot=0.5,
    )  # fmt: skip
    panels = sheet.figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    regime = response["regime"].transpose("scenario", "basin", "month", "member")
    regime = regime.sel(month=list(_MONTHS))
    for axes, basin in zip(panels, basins, strict=False):
        for line, scenario in lines.items():
            _draw_line(axes, line, regime.values[scenario, basin.place].astype("f8"))
        _finish(axes, basin, empty=not np.isfinite(regime.values[0, basin.place]).any())
    for axes in panels[len(basins) :]:
        axes.set_axis_off()
    sheet.add_legend(panels[0], columns=3)
    return sheet.figure


def _draw_line(axes: Axes, line: _Line, flow: np.ndarray) -> None:
    month = np.arange(len(_MONTHS))
    if flow.shape[1] > 1:
        axes.fill_between(
            month, np.fmin.reduce(flow, axis=1), np.fmax.reduce(flow, axis=1), color=line.colour,
            alpha=0.14, linewidth=0,
        )  # fmt: skip
    axes.plot(
        month, member_mean(flow), color=line.colour, linestyle=line.dashes, label=line.label,
        linewidth=2.2 if line.label == "baseline" else 1.7,
    )  # fmt: skip


def _finish(axes: Axes, basin: Chosen, *, empty: bool) -> None:
    tidy(axes)
    axes.set_title(
        f"{basin.group}\n{basin.gauge} {basin.name}", loc="left", fontsize=9.5, color=INK
    )
    axes.set_xticks(range(len(_MONTHS)), list(_INITIALS))
    axes.tick_params(labelbottom=True)
    axes.set_xlim(-0.2, len(_MONTHS) - 0.8)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("flow [mm/d]", fontsize=9, color=INK)
    if empty:
        say_missing(axes, "no value")


def _caption(members: int, chosen: Sequence[Chosen] | None) -> str:
    lines = "Mean flow of each month, October to September. "
    if members > 1:
        lines += f"Lines: mean of {members} members; bands: from the lowest to the highest. "
    else:
        lines += "One member: no spread can be told. "
    if chosen is None:
        lines += f"Each panel is the basin nearest to the median of its climate. {RULE}"
    return lines.strip()
