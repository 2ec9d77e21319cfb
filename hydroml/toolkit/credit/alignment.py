"""Needleman-Wunsch: the best global alignment of two things by dynamic programming.

With ``s_ij`` for laying row i on column j and linear gap costs ``a_i``, ``b_j`` (zero or negative),

    D_ij = max( D_(i-1)(j-1) + s_ij,  D_(i-1)j + a_i,  D_i(j-1) + b_j )

Rows and columns may be symbols of two sequences, columns of two alignments, or symbols and the
columns of a profile: only their scores are needed. The inner maximum over j is one running maximum,
as ``D_ij - (b_1 + ... + b_j)`` only grows along a row of gaps.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hydroml.toolkit.credit.guide_tree import upgma

__all__ = ["multiple_alignment", "needleman_wunsch", "prefix_table"]

Floats = NDArray[np.float64]
_TIE = 1e-9  # scores that lie closer are equal


def needleman_wunsch(
    scores: Floats, row_gaps: Floats, column_gaps: Floats, free_end: bool = False
) -> tuple[float, list[tuple[int, int]]]:
    """Align rows with columns.

    Of equally good alignments, the one that matches, and matches early.

    Parameters
    ----------
    scores : ndarray
        Score of laying row i on column j, (n, m).
    row_gaps, column_gaps : ndarray
        Score of leaving a row, a column, alone, (n,) and (m,); zero or negative.
    free_end : bool
        Columns after the last row that is used cost nothing.

    Returns
    -------
    score : float
        The highest that an alignment has.
    pairs : list of tuple
        Rows and columns laid on one another, in order.

    References
    ----------
    Needleman and Wunsch (1970), doi:10.1016/0022-2836(70)90057-4.

    Examples
    --------
    >>> first, second = np.array([0, 1, 2]), np.array([0, 2])
    >>> scores = np.where(first[:, None] == second, 1.0, -1.0)
    >>> needleman_wunsch(scores, np.zeros(3), np.zeros(2))
    (2.0, [(0, 0), (2, 1)])
    """
    _check(scores, row_gaps, column_gaps)
    flipped = prefix_table(scores[::-1, ::-1], row_gaps[::-1], column_gaps[::-1], free_end)
    rest = flipped[::-1, ::-1]  # (n + 1, m + 1), best score of what lies from (i, j) on
    pairs, i, j = [], 0, 0
    while i < len(row_gaps) and j < len(column_gaps):
        if rest[i + 1, j + 1] + scores[i, j] >= rest[i, j] - _TIE:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif rest[i, j + 1] + column_gaps[j] >= rest[i, j] - _TIE:
            j += 1
        else:
            i += 1
    return float(rest[0, 0]), pairs


def prefix_table(
    scores: Floats, row_gaps: Floats, column_gaps: Floats, free_start: bool = False
) -> Floats:
    """Score the best alignment of every pair of beginnings: D of the recursion, (n + 1, m + 1).

    Parameters
    ----------
    scores, row_gaps, column_gaps : ndarray
        As for `needleman_wunsch`.
    free_start : bool
        Columns before the first row that is used cost nothing.
    """
    n, m = scores.shape
    gaps = np.concatenate([[0.0], np.cumsum(column_gaps)])
    table = np.zeros((n + 1, m + 1))
    table[0] = 0.0 if free_start else gaps
    for i in range(n):
        best = table[i] + row_gaps[i]
        best[1:] = np.maximum(best[1:], table[i, :-1] + scores[i])
        table[i + 1] = np.maximum.accumulate(best - gaps) + gaps
    return table


def multiple_alignment(
    sequences: Sequence[NDArray[np.int64]], substitution: Floats, gap: float = 0.0
) -> NDArray[np.int64]:
    """Align several sequences progressively, the most similar first.

    A pair's distance is ``1 - 2 matches / (n_1 + n_2)`` in its own alignment; UPGMA makes the guide
    tree. Two groups are aligned by the mean over their pairs of sequences of the score of a column
    (sum of pairs; two gaps on one another count nothing).

    Parameters
    ----------
    sequences : sequence of ndarray
        Symbols 0 to K - 1.
    substitution : ndarray
        Score of symbol on symbol, (K, K).
    gap : float
        Score of a symbol on a gap; zero or negative.

    Returns
    -------
    ndarray
        (number of sequences, columns), -1 at gaps, in the order given.

    References
    ----------
    Thompson et al. (1994), doi:10.1093/nar/22.22.4673, of which this is the bare frame: no sequence
    weights, no position-specific gap costs.

    Examples
    --------
    >>> multiple_alignment([np.array([0, 1, 2]), np.array([0, 2])], 2 * np.eye(3) - 1)
    array([[ 0,  1,  2],
           [ 0, -1,  2]])
    """
    alone = [np.asarray(s, dtype=np.int64)[None] for s in sequences]
    if len(alone) == 1:
        return alone[0]
    distance = np.zeros((len(alone), len(alone)))
    for i, first in enumerate(alone):
        for j, second in enumerate(alone[:i]):
            pairs = _align_groups(first, second, substitution, gap)
            equal = sum(first[0, a] == second[0, b] for a, b in pairs)
            distance[i, j] = distance[j, i] = 1 - 2 * equal / (first.size + second.size)
    groups = {i: (group, [i]) for i, group in enumerate(alone)}
    for new, (i, j) in enumerate(upgma(distance), len(alone)):
        (first, rows), (second, others) = groups.pop(i), groups.pop(j)
        pairs = _align_groups(first, second, substitution, gap)
        groups[new] = (_merge(first, second, pairs), rows + others)
    ((aligned, order),) = groups.values()
    return aligned[np.argsort(order)]


def _align_groups(
    first: NDArray[np.int64], second: NDArray[np.int64], substitution: Floats, gap: float
) -> list[tuple[int, int]]:
    (p, no_p), (q, no_q) = (_frequencies(g, len(substitution)) for g in (first, second))
    one_gap = np.outer(no_p, 1 - no_q) + np.outer(1 - no_p, no_q)
    scores = p @ substitution @ q.T + gap * one_gap
    return needleman_wunsch(scores, gap * (1 - no_p), gap * (1 - no_q))[1]


def _frequencies(group: NDArray[np.int64], symbols: int) -> tuple[Floats, Floats]:
    """Shares of symbols, (columns, K), and of gaps, (columns,)."""
    shares = (group[:, :, None] == np.arange(symbols)).mean(0)
    return shares, (group < 0).mean(0)


def _merge(
    first: NDArray[np.int64], second: NDArray[np.int64], pairs: list[tuple[int, int]]
) -> NDArray[np.int64]:
    """Lay two groups together; between matches, columns of the first come before the second's."""
    columns, i, j = [], 0, 0
    ends = (first.shape[1], second.shape[1])
    for a, b in [*pairs, ends]:
        columns += [(k, -1) for k in range(i, a)] + [(-1, k) for k in range(j, b)]
        if (a, b) != ends:
            columns.append((a, b))
        i, j = a + 1, b + 1
    left, right = np.array(columns).T
    empty = ((0, 0), (0, 1))  # index -1 reads the column of gaps that is put behind
    padded = [np.pad(g, empty, constant_values=-1) for g in (first, second)]
    return np.concatenate([padded[0][:, left], padded[1][:, right]])


def _check(scores: Floats, row_gaps: Floats, column_gaps: Floats) -> None:
    if scores.shape != (len(row_gaps), len(column_gaps)):
        raise ValueError(
            f"scores are {scores.shape}; {len(row_gaps)} row gaps and {len(column_gaps)} column "
            f"gaps need ({len(row_gaps)}, {len(column_gaps)})."
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores have NaN or infinity; give finite ones.")
    if max(row_gaps.max(initial=0.0), column_gaps.max(initial=0.0)) > 0:
        raise ValueError("A gap earns a score; give zero or negative gap scores.")
