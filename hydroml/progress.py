"""Progress with elapsed time and ETA, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]
"""Called with the number of units done since the last call."""


@contextmanager
def progress_bar(title: str, total: int, unit: str = "") -> Iterator[Advance]:
    """Show one progress bar; the block calls what it is given with the units done.

    On a terminal the bar moves; elsewhere (a log, CI) one closing line is printed.

    Parameters
    ----------
    title : str
        What is going on, for example ``Reading basins``.
    total : int
        Number of units.
    unit : str
        Name of a unit, for example ``basins``.

    Yields
    ------
    callable
        ``advance(n)``.

    Examples
    --------
    >>> with progress_bar("Counting", total=3) as advance:
    ...     for _ in range(3):
    ...         advance(1)
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(title, total=total)
        yield lambda n: display.update(task, advance=n)


def silent(n: int) -> None:
    """Advance nothing: the default where no progress was asked for."""
