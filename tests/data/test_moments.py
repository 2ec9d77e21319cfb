"""Moments of rows, joined, are those of all values, however far from zero they lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydroml.data.moments import joint_mean_std, row_moments


@given(
    st.integers(1, 6),
    st.integers(1, 40),
    st.sampled_from([0.0, 1.0, 1e4]),
    st.integers(0, 2**32 - 1),
)
def test_joint_moments_are_those_of_all_values(rows, days, shift, seed):
    rng = np.random.default_rng(seed)
    values = (shift + rng.normal(size=(rows, days))).astype("float32")
    there = rng.random(values.shape) < 0.7
    values[~there] = np.nan
    mean, std = joint_mean_std(row_moments(values, there))
    counted = values[there].astype("float64")
    if not counted.size:
        assert np.isnan(mean)
        assert np.isnan(std)
        return
    assert mean == pytest.approx(counted.mean(), rel=1e-12, abs=1e-12)
    assert std == pytest.approx(counted.std(), rel=1e-9, abs=1e-11)


def test_small_changes_far_from_zero_are_not_lost():
    # 1e6 and 1e6 + 1: the mean of squares less the square of the mean has no digit left in
    # float32; the standard deviation is 1/2
    values = np.array([[1e6, 1e6 + 1]] * 3, "float32")
    assert joint_mean_std(row_moments(values, values > 0)) == (1e6 + 0.5, 0.5)


def test_a_row_without_values_counts_for_nothing():
    values = np.array([[1.0, 2.0], [np.nan, np.nan]], "float32")
    found = row_moments(values, ~np.isnan(values))
    np.testing.assert_array_equal(found, [[2, 1.5, 0.5], [0, 0, 0]])
    assert joint_mean_std(found) == (1.5, 0.5)
