"""Training progress on standard error: epoch, loss, validation NSE, ETA of the whole run."""

import time
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

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Show a step."""
        if self._first is None:
            self._first = epoch + (step - 1) / steps
        if not self._console.is_terminal:
            return
        eta = self._eta(epoch + step / steps)
        width = 24
        filled = round(width * (epoch + step / steps) / self._epochs)
        bar = "█" * filled + "░" * (width - filled)
        where = f"epoch {epoch + 1}/{self._epochs}  step {step}/{steps}"
        self._live.update(Text(f"{bar} {where}  loss {loss:.4f}  ETA {eta}"))

    def epoch(self, row: dict[str, Any]) -> None:
        """Print a finished epoch."""
        if self._first is None:  # resumed behind the last step of an epoch
            self._first = row["epoch"]
        score = row.get("validation_NSE")
        tail = f"  validation NSE {score:.3f}" if isinstance(score, float) else ""
        self._console.print(
            f"epoch {row['epoch']:>3}/{self._epochs}  loss {row['loss']:.4f}  "
            f"rate {row['learning_rate']:.2e}{tail}  "
            f"elapsed {as_clock(time.monotonic() - self._began)}  ETA {self._eta(row['epoch'])}",
            soft_wrap=True,
        )

    def _eta(self, done: float) -> str:
        elapsed, share = time.monotonic() - self._began, done - (self._first or 0.0)
        return as_clock(elapsed / share * (self._epochs - done)) if share > 0 else "?"
