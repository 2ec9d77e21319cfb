from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage

from hydroml.toolkit.credit.alignment import multiple_alignment, needleman_wunsch, prefix_table
from hydroml.toolkit.credit.guide_tree import upgma

symbols = st.lists(st.integers(0, 2), min_size=1, max_size=4)


def scores_of(first, second, match=2.0, mismatch=-1.0):
    return np.where(np.array(first)[:, None] == np.array(second), match, mismatch)


def every_alignment(scores, row_gaps, column_gaps, free_end=False):
    """Score every way to choose as many rows as columns and lay them on one another in order."""
    n, m = scores.shape
    for k in range(min(n, m) + 1):
        for rows in combinations(range(n), k):
            for columns in combinations(range(m), k):
                reach = (max(columns, default=-1) + 1) if free_end else m
                yield (
                    sum(scores[i, j] for i, j in zip(rows, columns, strict=True))
                    + sum(row_gaps[i] for i in range(n) if i not in rows)
                    + sum(column_gaps[j] for j in range(reach) if j not in columns)
                )


@pytest.mark.parametrize("free_end", [False, True])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 4), m=st.integers(1, 4))
def test_the_best_of_all_alignments(free_end, seed, n, m):
    rng = np.random.default_rng(seed)
    scores, rows, columns = rng.normal(size=(n, m)), -rng.random(n), -rng.random(m)
    best = max(every_alignment(scores, rows, columns, free_end))
    score, pairs = needleman_wunsch(scores, rows, columns, free_end)
    assert score == pytest.approx(best, abs=1e-12)
    # the pairs that it tells have that score
    used, laid = {i for i, _ in pairs}, {j for _, j in pairs}
    reach = max(laid, default=-1) + 1 if free_end else m
    told = sum(scores[i, j] for i, j in pairs) + sum(rows[i] for i in set(range(n)) - used)
    told += sum(columns[j] for j in set(range(reach)) - laid)
    assert told == pytest.approx(best, abs=1e-12)
    assert pairs == sorted(pairs)
    assert len(used) == len(laid) == len(pairs)


def test_by_hand():
    # A C G T over A G T with gap -2: A, gap, G, T = 3 matches - 2
    scores = scores_of([0, 1, 2, 3], [0, 2, 3], match=1.0)
    assert needleman_wunsch(scores, np.full(4, -2.0), np.full(3, -2.0)) == (
        1.0,
        [(0, 0), (2, 1), (3, 2)],
    )


def test_prefix_table_is_the_recursion():
    rng = np.random.default_rng(1)
    scores, rows, columns = rng.normal(size=(5, 6)), -rng.random(5), -rng.random(6)
    d = np.zeros((6, 7))
    d[0, 1:] = np.cumsum(columns)
    for i in range(1, 6):
        d[i, 0] = d[i - 1, 0] + rows[i - 1]
        for j in range(1, 7):
            d[i, j] = max(
                d[i - 1, j - 1] + scores[i - 1, j - 1],
                d[i - 1, j] + rows[i - 1],
                d[i, j - 1] + columns[j - 1],
            )
    np.testing.assert_allclose(prefix_table(scores, rows, columns), d, atol=1e-12)


def test_ties_match_early():
    scores = scores_of([0, 0, 1], [0, 1])
    assert needleman_wunsch(scores, np.zeros(3), np.zeros(2))[1] == [(0, 0), (2, 1)]


@pytest.mark.parametrize(("match", "mismatch", "gap"), [(2, -1, 0), (1, -3, -2), (3, 0, -0.5)])
def test_equals_biopython(match, mismatch, gap):
    align = pytest.importorskip("Bio.Align")
    aligner = align.PairwiseAligner(mode="global", match_score=match, mismatch_score=mismatch)
    aligner.gap_score = gap
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = (rng.integers(0, 4, rng.integers(1, 30)) for _ in range(2))
        expected = aligner.score(*("".join("ACGT"[s] for s in x) for x in (first, second)))
        gaps = np.full(len(first), float(gap)), np.full(len(second), float(gap))
        found, _ = needleman_wunsch(scores_of(first, second, match, mismatch), *gaps)
        assert found == pytest.approx(expected)


def test_upgma_equals_scipy():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(9, 2))
    distance = np.linalg.norm(x[:, None] - x, axis=-1)
    expected = linkage(distance[np.triu_indices(9, 1)], "average")[:, :2].astype(int)
    assert [tuple(sorted(m)) for m in upgma(distance)] == [tuple(sorted(m)) for m in expected]


class TestSeveral:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(symbols, min_size=1, max_size=4), st.sampled_from([0.0, -0.3]))
    def test_rows_without_gaps_are_the_sequences(self, sequences, gap):
        found = multiple_alignment([np.array(s) for s in sequences], 3 * np.eye(3) - 1, gap)
        assert [row[row >= 0].tolist() for row in found] == sequences
        assert (found >= 0).any(0).all()  # no column of gaps alone

    @settings(max_examples=40, deadline=None)
    @given(symbols, symbols, st.sampled_from([0.0, -0.3]))
    def test_two_have_the_score_of_the_pair(self, first, second, gap):
        found = multiple_alignment([np.array(first), np.array(second)], 3 * np.eye(3) - 1, gap)
        columns = [tuple(c) for c in found.T]
        score = sum(gap if min(c) < 0 else (2.0 if c[0] == c[1] else -1.0) for c in columns)
        gaps = np.full(len(first), gap), np.full(len(second), gap)
        best, _ = needleman_wunsch(scores_of(first, second), *gaps)
        assert score == pytest.approx(best)

    def test_a_known_alignment_comes_back(self):
        full = [0, 1, 2, 3, 4]
        without = [np.array([s for s in full if s not in left_out]) for left_out in
                   ([], [1], [3], [0, 2], [4])]  # fmt: skip
        found = multiple_alignment(without, 3 * np.eye(5) - 1)
        for column, symbol in zip(found.T, full, strict=True):
            assert set(column.tolist()) <= {symbol, -1}


class TestBadInput:
    def test_shapes(self):
        with pytest.raises(ValueError, match=r"need \(2, 2\)"):
            needleman_wunsch(np.zeros((2, 3)), np.zeros(2), np.zeros(2))
        with pytest.raises(ValueError, match="square"):
            upgma(np.zeros((2, 3)))

    def test_scores(self):
        with pytest.raises(ValueError, match="NaN or infinity"):
            needleman_wunsch(np.full((1, 1), np.nan), np.zeros(1), np.zeros(1))
        with pytest.raises(ValueError, match="gap earns"):
            needleman_wunsch(np.zeros((1, 1)), np.ones(1), np.zeros(1))
