"""Where a model has all the inputs it needs."""

import numpy as np
from numpy.typing import NDArray

BASINS_AT_ONCE = 64
"""Basins a step works on: a chunk of the store, and little enough to stay in the cache."""


def usable_inputs(x_d: NDArray[np.float32], memory: int) -> NDArray[np.bool_]:
    """Tell where all inputs of the last `memory` days, today included, are there.

    Parameters
    ----------
    x_d : ndarray
        (B, T, F), NaN where missing. Days before the array count as missing.
    memory : int
        Days, at least 1.

    Returns
    -------
    ndarray
        (B, T), bool.

    Examples
    --------
    >>> x = np.array([1, 1, np.nan, 1, 1, 1], "float32").reshape(1, 6, 1)
    >>> usable_inputs(x, 2)
    array([[False,  True, False, False,  True,  True]])
    """
    usable = np.empty(x_d.shape[:2], bool)
    day = np.arange(x_d.shape[1], dtype="int32")
    for start in range(0, len(x_d), BASINS_AT_ONCE):
        part = slice(start, start + BASINS_AT_ONCE)
        missing = np.isnan(x_d[part, :, 0])
        for f in range(1, x_d.shape[2]):  # one input at a time: no (B, T, F) copy
            missing |= np.isnan(x_d[part, :, f])
        last_missing = np.maximum.accumulate(np.where(missing, day, np.int32(-1)), axis=1)
        np.greater_equal(day - last_missing, memory, out=usable[part])
    return usable
