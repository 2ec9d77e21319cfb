"""UPGMA: which two groups are closest, again and again, by the mean distance of their members."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["upgma"]


def upgma(distance: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Merge the closest groups until one is left.

    Parameters
    ----------
    distance : ndarray
        Symmetric, (n, n).

    Returns
    -------
    list of tuple
        n - 1 merges; members are 0 to n - 1, the group that merge k makes is n + k.

    References
    ----------
    Sokal and Michener (1958), unweighted pair group method with arithmetic mean.

    Examples
    --------
    >>> upgma(np.array([[0.0, 4.0, 1.0], [4.0, 0.0, 3.0], [1.0, 3.0, 0.0]]))
    [(0, 2), (1, 3)]
    """
    if distance.ndim != 2 or distance.shape[0] != distance.shape[1]:
        raise ValueError(f"distance is {distance.shape}; give a square matrix.")
    members = {i: [i] for i in range(len(distance))}
    merges: list[tuple[int, int]] = []
    while len(members) > 1:
        _, i, j = min(
            (float(distance[np.ix_(members[i], members[j])].mean()), i, j)
            for i in members
            for j in members
            if i < j
        )
        members[len(distance) + len(merges)] = members.pop(i) + members.pop(j)
        merges.append((i, j))
    return merges
