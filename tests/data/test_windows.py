import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydroml.data.series import usable_inputs
from hydroml.data.windows import block_starts, window_starts


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_every_valid_day_is_in_exactly_one_block(basins, block, warmup, seed):
    rng = np.random.default_rng(seed)
    period, first = 30, warmup + block
    valid = np.zeros((basins, first + period + block), bool)
    valid[:, first : first + period] = rng.random((basins, period)) < 0.7
    offsets = rng.integers(0, block, basins)
    starts = block_starts(valid, warmup, block, first, offsets)
    covered = np.zeros(valid.size, int)
    for s in starts:
        assert s // valid.shape[1] == (s + warmup + block - 1) // valid.shape[1]  # one basin
        assert covered[s + warmup : s + warmup + block].sum() == 0
        assert valid.ravel()[s + warmup : s + warmup + block].any()
        covered[s + warmup : s + warmup + block] += 1
    assert (covered[valid.ravel()] == 1).all()


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_window_ends_are_the_valid_days(length, seed):
    rng = np.random.default_rng(seed)
    valid = rng.random((3, 25)) < 0.5
    valid[:, : length - 1] = False
    ends = window_starts(valid, length) + length - 1
    np.testing.assert_array_equal(ends, np.flatnonzero(valid.ravel()))


def test_windows_that_would_cross_basins_are_refused():
    with pytest.raises(ValueError, match="basin before"):
        window_starts(np.ones((2, 5), bool), 2)
    valid = np.ones((1, 10), bool)
    with pytest.raises(ValueError, match="tail"):
        block_starts(valid, 0, 4, 0, np.array([0]))


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_usable_inputs_equals_looking_at_each_window(memory, seed):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((2, 20, 3)) < 0.05, np.nan, 1.0).astype("float32")
    expected = np.zeros((2, 20), bool)
    for b in range(2):
        for t in range(memory - 1, 20):
            expected[b, t] = not np.isnan(x[b, t - memory + 1 : t + 1]).any()
    np.testing.assert_array_equal(usable_inputs(x, memory), expected)
