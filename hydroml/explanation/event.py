"""Which day to explain: the highest or the lowest flow that gauge and model agree on."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hydroml.errors import ConfigError, RunError, nearest

Floats = NDArray[np.float32]


def _peak(observed: Floats, simulated: Floats) -> int:
    return int(np.nanargmax(np.fmin(observed, simulated)))


def _low(observed: Floats, simulated: Floats) -> int:
    return int(np.nanargmin(np.fmax(observed, simulated)))


EVENTS: dict[str, tuple[Callable[[Floats, Floats], int], str]] = {
    "peak": (_peak, "the day on which the lesser of observed and simulated flow is greatest"),
    "low": (_low, "the first day on which the greater of observed and simulated flow is least"),
}
"""Events by name, and which day they are."""


def choose_event(kind: str, observed: Floats, simulated: Floats) -> int:
    """Find the day of an event that the gauge has seen and the model has, too.

    A flood the model missed, or made up, has no explanation worth reading: the flow compared is
    the lesser of the two for floods, the greater for low flows.

    Parameters
    ----------
    kind : str
        A key of `EVENTS`.
    observed, simulated : ndarray
        Daily flow [mm d-1], (T,), NaN where missing; such days are left out.

    Returns
    -------
    int
        Its place in the series.

    Raises
    ------
    ConfigError
        Unknown kind.
    RunError
        No day has both.

    Examples
    --------
    >>> observed = np.array([9.0, 5.0, np.nan, 1.0], dtype="f4")
    >>> choose_event("peak", observed, np.array([2.0, 6.0, 9.0, 1.0], dtype="f4"))
    1
    """
    if kind not in EVENTS:
        raise ConfigError(f"Unknown event {kind!r}.", nearest(kind, EVENTS))
    both = np.isfinite(observed) & (observed >= 0) & np.isfinite(simulated)
    if not both.any():
        raise RunError(
            "No day of the period has both observed and simulated flow.",
            "Name the day with --date, or other years with --period.",
        )
    choose, _ = EVENTS[kind]
    return choose(np.where(both, observed, np.nan), np.where(both, simulated, np.nan))
