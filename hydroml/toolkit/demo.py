"""What a component's small reproduction hands back: findings beside claims, and panels to draw."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

Advance = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""


def silent(done: float) -> None:
    """Tell nobody: the default where no progress was asked for."""


@dataclass(frozen=True)
class Finding:
    """One figure of a reproduction beside what is claimed.

    Parameters
    ----------
    what : str
        The quantity, with units.
    claim : str
        What it should be, for example ``above 0.95``.
    measured : float or str
        What was seen.
    holds : bool or None
        Whether the claim holds; None where the figure is for orientation only.
    """

    what: str
    claim: str
    measured: float | str
    holds: bool | None = None


@dataclass(frozen=True)
class Series:
    """Numbers against numbers in a panel.

    Parameters
    ----------
    x, y : array_like
        One-dimensional, of one length.
    label : str
        For the legend; empty for none.
    kind : str
        ``line``, ``points`` or ``bars``; bars may have names in x.
    """

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    kind: str = "line"


@dataclass(frozen=True)
class Panel:
    """One picture of a figure: series, or an image.

    Parameters
    ----------
    title, x_label, y_label : str
        With units.
    series : tuple of Series
        Drawn over one another.
    image : array_like or None
        (rows, columns), or (rows, columns, 3) with values 0 to 1; drawn under the series.
    log_x, log_y : bool
        Logarithmic axes.
    """

    title: str
    x_label: str = ""
    y_label: str = ""
    series: tuple[Series, ...] = ()
    image: Any = None
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Demo:
    """A reproduction that has run.

    Parameters
    ----------
    findings : tuple of Finding
        In the order in which they are to be read.
    panels : tuple of Panel
        What the picture shows, one to six.
    note : str
        One or two sentences on what was done (sizes, seeds), for the foot of the picture.
    """

    findings: tuple[Finding, ...]
    panels: tuple[Panel, ...]
    note: str

    @property
    def holds(self) -> bool:
        """Whether every claim that was put to the test holds."""
        return all(f.holds is not False for f in self.findings)
