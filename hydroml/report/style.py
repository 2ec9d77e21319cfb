"""How figures look and are saved: colours, tidy axes, the mark of synthetic data.

Figures are `matplotlib.figure.Figure` objects without pyplot: no global state, no display.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.atomic import atomic_path

DPI = 150
INK = "#222222"
GREY = "#8c8c8c"
OBSERVED = "#222222"
SIMULATED = "#d55e00"
FAILED = "#d55e00"
RAIN = "#6baed6"
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours that colour-blind readers tell apart (Okabe and Ito 2008, jfly.uni-koeln.de/color)."""
LINES = ("-", "--", "-.", ":")


def tidy(axes: Axes) -> None:
    """Remove the frame's upper and right side and lay a faint grid under the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color=GREY)


def mark_synthetic(figure: Figure) -> Figure:
    """Write SYNTHETIC DATA across a figure and into its corner.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure; changed in place.

    Returns
    -------
    matplotlib.figure.Figure
        The same figure.
    """
    for axes in figure.axes:
        axes.patch.set_alpha(0)  # what lies behind the axes shows, and tints no data
    figure.text(
        0.5, 0.5, "SYNTHETIC DATA", fontsize=44, color="#b00020", alpha=0.1,
        ha="center", va="center", rotation=25, weight="bold", zorder=-1,
    )  # fmt: skip
    figure.text(
        0.992, 0.992, "SYNTHETIC DATA", fontsize=9, color="white", ha="right", va="top",
        weight="bold", bbox={"facecolor": "#b00020", "edgecolor": "none", "pad": 3},
    )  # fmt: skip
    return figure


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure atomically, at 150 dots per inch.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    path : path-like
        Where; its suffix chooses the format (``.png``, ``.pdf``, ``.svg``).

    Returns
    -------
    pathlib.Path
        `path`.

    Examples
    --------
    >>> import tempfile
    >>> save(Figure(), tempfile.mkdtemp() + "/empty.png").name
    'empty.png'
    """
    target = Path(path)
    with atomic_path(target) as scratch:
        figure.savefig(scratch, dpi=DPI)
    return target
