"""The figure of cell states as classifiers: how well, in which basins, and one cell beside snow."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from numpy.typing import NDArray

from hydroml.errors import RunError
from hydroml.report.figures import is_synthetic
from hydroml.report.sheet import open_sheet, say_missing
from hydroml.report.style import CYCLE, GREY, INK, RAIN, mark_synthetic, save, tidy

_SOURCES = {
    "trained": ("best cell, trained", CYCLE[0]),
    "untrained": ("best cell, untrained", CYCLE[4]),
    "input": ("best raw input", GREY),
}
_TITLES = {
    "snow": "snow on\nthe ground", "deep": "much snow,\ndays of snow", "wet": "wet",
    "high": "high flow", "low": "low flow",
}  # fmt: skip
_SHOWN_DAYS = 1096


def draw_states(folder: Path | str) -> Path:
    """Draw ``states.png`` from the ``states.nc`` in a folder.

    Parameters
    ----------
    folder : path-like
        What `hydroml.api.classify_states` writes.

    Returns
    -------
    pathlib.Path
        The picture; synthetic data says so in it.

    Raises
    ------
    RunError
        There is no ``states.nc``.
    """
    place = Path(folder) / "states.nc"
    if not place.is_file():
        raise RunError(f"There is no {place}.", "Run 'hydroml states RUN' first.")
    with xr.open_dataset(place) as found:
        attributes = found.attrs
        sheet = open_sheet(
            "Do cells of the network know what they were never taught?",
            about=f"{attributes['run']}, {attributes['period']}",
            caption=_caption(found),
            body=(9.6, 7.0), constrained=True, foot=0.35,
        )  # fmt: skip
        panels = sheet.figure.subplot_mosaic([["auc"], ["series"]], height_ratios=[1.25, 1])
        _draw_distribution(panels["auc"], found)
        _draw_snow(panels["series"], found)
        sheet.add_legend(panels["auc"], columns=4)
        synthetic = is_synthetic(attributes)
    figure = mark_synthetic(sheet.figure) if synthetic else sheet.figure
    return save(figure, place.with_suffix(".png"))


def _caption(found: xr.Dataset) -> str:
    members = found.sizes["member"]
    basins = found.sizes["basin"]
    return (
        f"Above: area under the ROC curve of one cell in each of {basins} basins. The cell is "
        f"chosen in {found.attrs['chosen_in']} for all basins together; {members} "
        f"{'member' if members == 1 else 'members'} and as many untrained networks side by side. "
        "Boxes: quartiles and median; whiskers: 10 to 90 %. Crosses: the same cell against the "
        "labels of the same days a year later, all basins together: what the season alone gives. "
        f"Below: the snow cells in basin {found.attrs['shown_basin']}. Snow: "
        f"{found.attrs['snow_source']}."
    )


def _draw_distribution(axes: Axes, found: xr.Dataset) -> None:
    """Draw boxes of all networks, grouped by label, with the control of another year."""
    tidy(axes)
    labels = [str(label) for label in found["label"].values]
    networks = [(str(n), str(s)) for n, s in zip(
        found["network"].values, found["source"].values, strict=True)]  # fmt: skip
    width = 0.8 / len(networks)
    axes.axhline(0.5, color=INK, linewidth=0.9, linestyle=":")
    named = set()
    for place, (network, source) in enumerate(networks):
        title, colour = _SOURCES[source]
        at = np.arange(len(labels)) + (place - (len(networks) - 1) / 2) * width
        values = [_finite(found["auc"].sel(network=network, label=label)) for label in labels]
        drawn = axes.boxplot(
            values, positions=at, widths=0.8 * width, whis=(10, 90), showfliers=False,
            patch_artist=True, manage_ticks=False, medianprops={"color": INK},
            boxprops={"facecolor": colour, "alpha": 0.75, "edgecolor": colour},
            whiskerprops={"color": colour}, capprops={"color": colour},
        )  # fmt: skip
        if source not in named:
            drawn["boxes"][0].set_label(title)
            named.add(source)
        if source == "trained":
            other = found["auc_other_year"].sel(network=network).values
            label = "" if place else "trained, labels of the next year"
            axes.plot(at, other, "x", color=CYCLE[1], markersize=7, mew=1.8, label=label)
    axes.set_xticks(np.arange(len(labels)), [_TITLES.get(label, label) for label in labels])
    axes.set_ylabel("AUC [-]", fontsize=9, color=INK)
    axes.set_ylim(top=1.005)
    axes.set_xlim(-0.5, len(labels) - 0.5)


def _draw_snow(axes: Axes, found: xr.Dataset) -> None:
    """Draw snow and each member's snow cell, turned so that high means snow."""
    tidy(axes)
    days = slice(0, _SHOWN_DAYS)
    snow = found["shown_snow"].isel(time=days)
    time = snow["time"].values
    if not (snow > 0).any():
        say_missing(axes, "no snow")
        return
    axes.fill_between(time, snow.values, color=RAIN, alpha=0.6, linewidth=0)
    axes.set_ylabel("snow [mm]", fontsize=9, color=INK)
    axes.set_ylim(bottom=0)
    axes.set_xlim(time[0], time[-1])
    cells = axes.twinx()
    chosen = found["unit"].sel(label="snow")
    for place, member in enumerate(found["member"].values):
        cell = found["shown_cell"].sel(member=member).values[days]
        unit = str(chosen.sel(network=member).values)
        turned = int(found["direction"].sel(network=member, label="snow")) < 0
        cells.plot(
            time, (cell - cell.mean()) / (cell.std() or 1), color=CYCLE[place % len(CYCLE)],
            linewidth=1.1, label=f"{unit}{' (turned)' if turned else ''}",
        )  # fmt: skip
    cells.set_ylabel("cell state [standard deviations]", fontsize=9, color=INK)
    cells.spines[["top"]].set_visible(False)
    cells.tick_params(labelsize=9, color=GREY)
    cells.legend(loc="upper right", fontsize=8, frameon=False, ncols=3)
    locator = AutoDateLocator(minticks=5, maxticks=13)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_title(
        f"snow and the members' snow cells, basin {found.attrs['shown_basin']}",
        loc="left", fontsize=10, color=INK,
    )  # fmt: skip


def _finite(values: xr.DataArray) -> NDArray[np.float64]:
    kept = values.values.astype("f8")
    return kept[np.isfinite(kept)]
