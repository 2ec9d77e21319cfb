"""Index arithmetic of training samples: where each window starts in the flat (B * T) series."""

import numpy as np
from numpy.typing import NDArray

from hydroml.data.validity import BASINS_AT_ONCE


def window_starts(valid: NDArray[np.bool_], length: int) -> NDArray[np.int64]:
    """Find the starts of the windows of `length` days whose last day is a valid target.

    Parameters
    ----------
    valid : ndarray
        Valid targets, (B, T).
    length : int
        Days in a window.

    Returns
    -------
    ndarray
        Flat indices into (B * T), in order of basin and day.

    Raises
    ------
    ValueError
        A valid target stands less than `length` days after its basin's first day.

    Examples
    --------
    >>> window_starts(np.array([[False, True, True], [False, False, True]]), 2)
    array([0, 1, 4])
    """
    if valid[:, : length - 1].any():
        raise ValueError("a window would begin in the basin before")
    return np.flatnonzero(valid) - (length - 1)


def block_starts(
    valid: NDArray[np.bool_], warmup: int, block: int, first: int, offsets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find the starts of samples whose blocks tile each basin's period, shifted.

    Block k of basin b covers the days ``first - offsets[b] + k * block`` onwards; its sample
    begins `warmup` days earlier. Every valid day lies in exactly one block. Blocks without a
    valid day are left out.

    Parameters
    ----------
    valid : ndarray
        Valid targets, (B, T), none before `first`.
    warmup, block : int
        Days.
    first : int
        Index of the period's first day, at least ``warmup + block - 1``.
    offsets : ndarray
        Shift of each basin's tiling, (B,), 0 to ``block - 1``.

    Returns
    -------
    ndarray
        Flat indices into (B * T).

    Examples
    --------
    >>> valid = np.zeros((1, 12), bool); valid[:, 5:10] = True
    >>> block_starts(valid, 2, 3, 5, np.array([0])), block_starts(valid, 2, 3, 5, np.array([1]))
    (array([3, 6]), array([2, 5]))
    """
    days = valid.shape[1]
    count = -(-(days - first + block - 1) // block)
    starts = first - offsets[:, None] + block * np.arange(count)  # (B, count)
    fits = starts + block <= days
    begin, end = np.minimum(starts, days), np.minimum(starts + block, days)
    holds = np.empty(starts.shape, bool)
    for top in range(0, len(valid), BASINS_AT_ONCE):  # no count of days for (B, T) at once
        part = slice(top, top + BASINS_AT_ONCE)
        running = np.zeros((len(valid[part]), days + 1), "int32")
        np.cumsum(valid[part], axis=1, out=running[:, 1:])
        holds[part] = np.take_along_axis(running, end[part], 1) > np.take_along_axis(
            running, begin[part], 1
        )
    if (holds & ~fits).any():
        raise ValueError("the series is too short behind the period: give it a tail of a block")
    rows = np.arange(len(valid))[:, None] * days
    return (rows + starts - warmup)[holds]
