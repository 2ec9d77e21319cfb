"""A sheet of a report: the question on top, run and period under it, the caption below."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hydroml.report.style import GREY, INK

Part = tuple[float, float, float, float]
"""Left, bottom, width and height."""

_TOP = 0.74  # inches for two lines of title, or a title and the line about the run
_LINE = 0.165  # inches a line of the caption
_EDGE = 0.16  # inches below the caption
_CHARACTERS = 14.8  # of the caption, to an inch
_LONGEST = 110  # characters of the line about the run
_SPELLED = {"degC": "°C", "K": "°C", "percent": "%", "1": "-"}  # changes: a kelvin is a degC


@dataclass(frozen=True)
class Sheet:
    """A figure with its texts, and the place they leave.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With title and caption.
    body : tuple of float
        What is left for axes: left, bottom, width, height in parts of the figure.
    """

    figure: Figure
    body: Part

    def add_legend(self, axes: Axes, *, columns: int, handles: list[Patch] | None = None) -> None:
        """Draw the legend of `axes`, or given handles, at the foot of the body."""
        drawn = handles or axes.get_legend_handles_labels()[0]
        self.figure.legend(
            handles=drawn, loc="lower center", bbox_to_anchor=(0.5, self.body[1]),
            borderaxespad=0, fontsize=9, frameon=False, ncols=columns, handlelength=3.2,
        )  # fmt: skip

    def add_axes(self, part: Part) -> Axes:
        """Add axes at a place given in parts of the body."""
        left, bottom, width, height = self.body
        return self.figure.add_axes(
            (left + part[0] * width, bottom + part[1] * height, part[2] * width, part[3] * height)
        )


def open_sheet(
    title: str,
    *,
    about: str = "",
    caption: str = "",
    body: tuple[float, float] = (9.6, 5.3),
    constrained: bool = False,
    foot: float = 0.0,
) -> Sheet:
    """Begin a figure with its texts.

    Parameters
    ----------
    title : str
        The question, at most 70 characters; one or two lines.
    about : str
        Run and period, smaller, under the title.
    caption : str
        What to read off the figure; wrapped at the figure's width.
    body : tuple of float
        Width and height of what lies between title and caption [inches].
    constrained : bool
        Let matplotlib lay out the subplots of the figure within the body.
    foot : float
        Height that subplots leave free for a legend at the lower end of the body [inches].

    Returns
    -------
    Sheet
        As high as its texts need.

    Examples
    --------
    >>> sheet = open_sheet("Where do floods grow?", caption="Blue: more.", body=(8.0, 4.0))
    >>> [round(float(side), 2) for side in sheet.figure.get_size_inches()]
    [8.0, 5.07]
    """
    width, height = body
    together = caption.replace(" %", "\u00a0%").replace(" °C", "\u00a0°C")
    lines = textwrap.wrap(together, int((width - 0.6) * _CHARACTERS))
    bottom = _EDGE + _LINE * max(len(lines), 1)
    full = _TOP + height + bottom
    figure = Figure(figsize=(width, full))
    left = 0.29 / width
    figure.suptitle(
        title, x=left, y=1 - 0.19 / full, ha="left", va="top", fontsize=13, color=INK
    ).set_in_layout(False)
    if about:
        figure.text(left, 1 - 0.46 / full, about, fontsize=9.5, color="#5a5a5a", va="top")
    figure.text(left, _EDGE / full, "\n".join(lines), fontsize=9, color=INK, va="bottom")
    part = (0.0, bottom / full, 1.0, height / full)
    if constrained:
        raised = (foot + 0.06) / full
        rect = (0.01, part[1] + raised, 0.98, part[3] - raised)
        figure.set_layout_engine("constrained", rect=rect)
    return Sheet(figure, part)


def about_run(attributes: Mapping[str, Any], *, members: int = 1) -> str:
    """Write run and period in one short line.

    Parameters
    ----------
    attributes : mapping
        Global attributes of a file: ``run``, ``period``, ``statics``.
    members : int
        Number of members, told where there are several.

    Returns
    -------
    str
        Long lists of runs are cut after the first.

    Examples
    --------
    >>> about_run({"run": "lstm", "period": "1989-10-01..1999-09-30"}, members=3)
    'lstm (3 members); 1989-10-01 to 1999-09-30'
    """
    run = str(attributes.get("run", ""))
    if len(run) > _LONGEST - 40:
        names = run.split(", ")
        rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
        run = textwrap.shorten(names[0], 60, placeholder="...") + rest
    if members > 1:
        run = f"{run} ({members} members)".strip()
    period = str(attributes.get("period", "")).replace("..", " to ")
    statics = "climatic attributes recomputed" if attributes.get("statics") == "recomputed" else ""
    return "; ".join(part for part in (run, period, statics) if part)


def spell_units(units: str) -> str:
    """Write UDUNITS as they are read in a figure.

    Examples
    --------
    >>> [spell_units(u) for u in ("mm d-1", "W m-2", "degC", "d", "yr-1", "%")]
    ['mm/d', 'W/m²', '°C', 'days', '1/yr', '%']
    """
    if units == "d":
        return "days"
    upper, lower = [], []
    for word in units.split():
        powered = re.fullmatch(r"([A-Za-z]+)-([12])", word)
        if powered:
            lower.append(powered[1] + ("²" if powered[2] == "2" else ""))
        else:
            upper.append(_SPELLED.get(word, word))
    over = " ".join(upper) or ("1" if lower else "-")
    return "/".join([over, *lower])


def say_missing(axes: Axes, text: str) -> None:
    """Write in the middle of empty axes why they are empty."""
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color=GREY
    )


def say_basins(count: int) -> str:
    """Write a number of basins.

    Examples
    --------
    >>> say_basins(1), say_basins(12)
    ('1 basin', '12 basins')
    """
    return f"{count} basin{'s' if count != 1 else ''}"
