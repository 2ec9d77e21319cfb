"""Spells: how long weather stays as it is."""

import numpy as np
from numpy.typing import NDArray

from hydroml.generate.weather import Floats


def spell_lengths(happens: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the runs of True in one series, in order; runs cut by an end count as they are.

    Parameters
    ----------
    happens : ndarray
        (T,).

    Examples
    --------
    >>> spell_lengths(np.array([True, True, False, True, False]))
    array([2, 1])
    """
    edges = np.diff(np.concatenate([[0], happens.astype(np.int8), [0]]))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def spell_statistics(happens: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean and 90th percentile of the spells of each basin [d]; 0 where there is none.

    Parameters
    ----------
    happens : ndarray
        (B, T).

    Examples
    --------
    >>> spell_statistics(np.array([[True, True, False, True], [False] * 4]))
    (array([1.5, 0. ]), array([1.9, 0. ]))
    """
    lengths = [spell_lengths(row) for row in happens]
    means = np.array([own.mean() if own.size else 0.0 for own in lengths])
    tails = np.array([np.quantile(own, 0.9) if own.size else 0.0 for own in lengths])
    return means, tails
