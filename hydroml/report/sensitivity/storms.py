"""Answer to design storms of growing size, on wet and on dry ground."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hydroml.report.sensitivity.changes import member_mean, tenths
from hydroml.report.sheet import open_sheet, say_basins
from hydroml.report.style import CYCLE, GREY, INK, tidy

_ANTECEDENTS = (("wet", CYCLE[0], "-", "o"), ("dry", CYCLE[1], "--", "s"))


def storms(response: xr.Dataset, *, about: str = "") -> Figure | None:
    """Draw peak and volume of flow against the depth of a design storm.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``; design storms have a ``storm_depth`` [mm].
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        Two panels: the median of basins with a band from 10 to 90 %, a line for wet and one
        for dry antecedents; None where no storm has a peak.
    """
    depth = response["storm_depth"].values.astype(float)
    if not np.isfinite(depth).any() or not np.isfinite(_values(response, "storm_peak")).any():
        return None
    basins = int(np.isfinite(_values(response, "storm_peak")).any(axis=0).sum())
    caption = (
        f"{say_basins(basins)}. Lines: median of basins; bands: 10 to 90 %. "
        "On real ground, each further mm of rain adds at least as much flow as the one before: a "
        "line that flattens is a model that underrates the largest floods."
    )
    sheet = open_sheet(
        "Do floods keep growing with the storm?", about=about, caption=caption, body=(9.6, 4.4),
        constrained=True, foot=0.3,
    )  # fmt: skip
    left, right = sheet.figure.subplots(1, 2)
    _draw(left, response, "storm_peak", "peak after the storm [mm/d]")
    _draw(right, response, "storm_volume", "flow added within 30 days [mm]")
    reach = float(np.nanmax(depth))
    right.plot([0, reach], [0, reach], color=GREY, linewidth=1, linestyle=":")
    right.set_ylim(top=max(right.get_ylim()[1], 0.6 * reach))
    top = right.get_ylim()[1]
    place = 0.8 * min(reach, top)
    right.text(
        place, place, "all rain runs off ", fontsize=8, color="#5a5a5a", ha="right", va="bottom"
    )
    _draw_ceiling(left, response)
    sheet.add_legend(left, columns=3)
    return sheet.figure


def _values(response: xr.Dataset, statistic: str) -> NDArray[np.float64]:
    """Members' mean of a statistic, (scenario, basin)."""
    value = response["value"].sel(statistic=statistic).transpose("scenario", "basin", "member")
    return member_mean(value.values.astype("f8"))


def _draw(axes: Axes, response: xr.Dataset, statistic: str, label: str) -> None:
    depth = response["storm_depth"].values.astype(float)
    antecedent = response["storm_antecedent"].values.astype(str)
    values = _values(response, statistic)
    tidy(axes)
    for name, colour, dashes, marker in _ANTECEDENTS:
        storms = np.flatnonzero((antecedent == name) & np.isfinite(depth))
        if not storms.size:
            continue
        storms = storms[np.argsort(depth[storms])]
        low, middle, high = tenths(values[storms])
        axes.fill_between(depth[storms], low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            depth[storms], middle, color=colour, linestyle=dashes, marker=marker, linewidth=1.8,
            label=f"{name} ground",
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("depth of the storm [mm]", fontsize=9, color=INK)
    axes.set_ylabel(label, fontsize=9, color=INK)


def _draw_ceiling(axes: Axes, response: xr.Dataset) -> None:
    """Draw the highest flow the model can express, where it is near."""
    if "ceiling" not in response:
        return
    ceiling = member_mean(response["ceiling"].transpose("basin", "member").values.astype("f8"))
    if not np.isfinite(ceiling).any():
        return
    middle = float(np.nanmedian(ceiling))
    if middle < 1.5 * axes.get_ylim()[1]:
        axes.axhline(
            middle, color=GREY, linestyle="-.", label="highest flow the model can give (median)"
        )
        axes.set_ylim(top=max(axes.get_ylim()[1], 1.05 * middle))
