"""Days of high, low and all simulated flow, drawn evenly over a period."""

import numpy as np
from numpy.typing import NDArray

KINDS = ("high", "low", "all")


def choose_days(
    q: NDArray[np.float32],
    candidate: NDArray[np.bool_],
    *,
    low: float,
    high: float,
    most: int | None,
    seed: tuple[int, str],
) -> list[NDArray[np.int64]]:
    """Draw days of each of `KINDS` from one basin's simulated flow.

    Where there are more than `most`, the days of a kind are parted into as many stretches, in
    order, and one day of each is drawn: even over the period, without a fixed step, which could
    keep falling on the same seasons.

    Parameters
    ----------
    q : ndarray
        Simulated flow, (T,), NaN where there is none.
    candidate : ndarray
        Days that may be drawn, (T,), none of them NaN.
    low, high : float
        Quantiles of `q`. Days count as high where flow reaches the one, as low where it does
        not exceed the other; where flow is often 0, all these days are low.
    most : int or None
        Most days of each kind; None takes them all.
    seed : tuple of int and str
        A number and the gauge id: a basin's draw does not depend on the basins beside it.

    Returns
    -------
    list of ndarray
        Positions in `q`, ascending, one array for each kind.

    Examples
    --------
    >>> q, every = np.arange(100.0), np.ones(100, dtype=bool)
    >>> high, low, some = choose_days(q, every, low=0.05, high=0.95, most=5, seed=(0, "01"))
    >>> high, low
    (array([95, 96, 97, 98, 99]), array([0, 1, 2, 3, 4]))
    >>> some // 20
    array([0, 1, 2, 3, 4])
    """
    if not candidate.any():
        return [np.zeros(0, dtype="int64") for _ in KINDS]
    lowest, highest = np.nanquantile(q, [low, high])
    chosen = []
    for number, kind in enumerate((q >= highest, q <= lowest, candidate)):
        days = np.flatnonzero(kind & candidate)
        if most is not None and len(days) > most:
            rng = np.random.default_rng([seed[0], number, *seed[1].encode()])
            edges = np.arange(most + 1) * len(days) // most
            days = days[rng.integers(edges[:-1], edges[1:])]
        chosen.append(days)
    return chosen
