"""Training progress on standard error: epoch, loss, validation NSE, ETA of the whole run."""

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text


def as_clock(seconds: float) -> str:
    """Format a duration.

    Examples
    --------
    >>> as_clock(59), as_clock(3725)
    ('0:59', '1:02:05')
    """
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class TrainingDisplay:
    """A moving status line on a terminal, one line an epoch everywhere.

    Parameters
    ----------
    epochs : int
        Epochs in all.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._first: float | None = None  # epochs done before: known at the first step
        self._began = time.monotonic()
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(Text(""), console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "TrainingDisplay":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def step(self, done: float, where: str, loss: float) -> None:
        """Show a step: `done` counts epochs."""
        if self._first is None:
            self._first = done
        if not self._console.is_terminal:
            return
        width = 24
        filled = round(width * done / self._epochs)
        bar = "█" * filled + "░" * (width - filled)
        self._live.update(Text(f"{bar} {where}  loss {loss:.4f}  ETA {self._eta(done)}"))

    def epoch(self, rows: Sequence[dict[str, Any]]) -> None:
        """Print a finished epoch: the mean over the members, and the range of their scores."""
        epoch = rows[0]["epoch"]
        if self._first is None:  # resumed behind the last step of an epoch
            self._first = epoch
        loss = sum(row["loss"] for row in rows) / len(rows)
        self._console.print(
            f"epoch {epoch:>3}/{self._epochs}  loss {loss:.4f}  "
            f"rate {rows[0]['learning_rate']:.2e}{_scores(rows)}  "
            f"elapsed {as_clock(time.monotonic() - self._began)}  ETA {self._eta(epoch)}",
            soft_wrap=True,
        )

    def _eta(self, done: float) -> str:
        elapsed, share = time.monotonic() - self._began, done - (self._first or 0.0)
        return as_clock(elapsed / share * (self._epochs - done)) if share > 0 else "?"


class Silence:
    """What processes hear that do not report."""

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def step(self, done: float, where: str, loss: float) -> None:
        """Say nothing."""

    def epoch(self, rows: Sequence[dict[str, Any]]) -> None:
        """Say nothing."""


def _scores(rows: Sequence[dict[str, Any]]) -> str:
    scores = [row["validation_NSE"] for row in rows if "validation_NSE" in row]
    if not scores:
        return ""
    spread = f" ({min(scores):.3f} to {max(scores):.3f})" if len(scores) > 1 else ""
    return f"  validation NSE {sum(scores) / len(scores):.3f}{spread}"
