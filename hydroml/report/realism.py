"""The picture of realism: distances of simulations beside those of real and impossible years."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.report.sheet import open_sheet
from hydroml.report.style import GREY, INK, SIMULATED, mark_synthetic, save, tidy

_REFERENCES = {
    "floor": "floor: random halves of observed years",
    "other_years": "observed years of other times",
    "reversed_time": "observed years read backwards",
}


def draw_realism(told: dict[str, Any], path: Path | str) -> Path:
    """Draw Frechet hydrograph distances to a file.

    Parameters
    ----------
    told : dict
        What ``realism.json`` holds.
    path : path-like
        The PNG to write.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    figure = realism_figure(told)
    return save(mark_synthetic(figure) if told["synthetic"] == "true" else figure, path)


def realism_figure(told: dict[str, Any]) -> Figure:
    """Draw a bar for each simulation, between real years and impossible ones.

    Parameters
    ----------
    told : dict
        What ``realism.json`` holds.

    Returns
    -------
    matplotlib.figure.Figure
        One panel, logarithmic.
    """
    rows = [
        *((_REFERENCES[key], told[key], GREY) for key in ("floor", "other_years")),
        *((name, value, SIMULATED) for name, value in told["distances"].items()),
        (_REFERENCES["reversed_time"], told["reversed_time"], GREY),
    ]
    sheet = open_sheet(
        "Do the simulated years look like real ones?",
        about=f"{told['run'][:70]}, {told['period']}",
        caption=f"Frechet hydrograph distance of {told['years']} simulated from as many observed "
        "water years of the same basins, by the states of a network that has learned to read "
        "observed flow of other years. It depends on the order of days (recessions, rises, "
        "noise), and not on whether a flood comes on the right date: read it beside NSE. The "
        "floor is what chance alone gives.",
        body=(9.6, 0.9 + 0.36 * len(rows)), constrained=True,
    )  # fmt: skip
    axes = sheet.figure.add_subplot()
    _draw(axes, rows)
    return sheet.figure


def _draw(axes: Axes, rows: list[tuple[str, float, str]]) -> None:
    tidy(axes)
    names, values, colours = zip(*rows, strict=True)
    least = min(v for v in values if v > 0)
    shown = [max(value, least / 2) for value in values]
    axes.barh(range(len(rows)), shown, color=colours, height=0.62)
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:.2g}", (shown[place], place), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8.5, color=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(least / 2, 2.5 * max(values))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Frechet hydrograph distance [-]", fontsize=9, color=INK)
