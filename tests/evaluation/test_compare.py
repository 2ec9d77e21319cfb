import numpy as np
import pandas as pd
import pytest

from hydroml.errors import HydromlError
from hydroml.evaluation.compare import cohen_d, compare


def table(scores, ids=None):
    ids = ids or [f"{i:08d}" for i in range(len(scores))]
    return pd.DataFrame({"NSE": scores}, index=pd.Index(ids, name="gauge_id"))


def test_by_hand():
    # all five differences positive: exact two-sided p = 2 / 2^5
    # means .6 and .5, both variances (.04 + .01 + 0 + .01 + .04) / 4 = .025: d = .1 / sqrt(.025)
    x = [0.4, 0.5, 0.6, 0.7, 0.8]
    y = [0.3, 0.4, 0.5, 0.6, 0.7]
    found = compare(table(x), table(y))
    assert found.p_value == pytest.approx(2 / 2**5)
    assert found.cohen_d == pytest.approx(0.1 / np.sqrt(0.025))
    assert (found.basins, found.median_first, found.median_second) == (5, 0.6, 0.5)


def test_swapping_turns_the_sign_and_keeps_the_p_value():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.7, 0.1, 50), rng.normal(0.6, 0.1, 50)
    one, other = compare(table(x), table(y)), compare(table(y), table(x))
    assert one.cohen_d == pytest.approx(-other.cohen_d)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.p_value < 1e-3


def test_pairs_by_gauge_id_not_by_position():
    first = table([0.1, 0.5, 0.9, np.nan], ["01", "02", "03", "04"])
    second = table([0.9, 0.5, 0.1, 0.3], ["03", "02", "01", "04"])
    found = compare(first, second)
    assert (found.basins, found.p_value, found.cohen_d) == (3, 1.0, 0.0)


def test_constant_samples():
    assert cohen_d(np.ones(3), np.ones(3)) == 0
    assert np.isnan(cohen_d(np.ones(3), np.zeros(3)))


def test_refusals():
    with pytest.raises(HydromlError, match="share 1 basins"):
        compare(table([0.1, 0.2]), table([0.1], ["00000001"]))
    with pytest.raises(HydromlError, match="no column 'KGE'"):
        compare(table([0.1, 0.2]), table([0.1, 0.2]), metric="KGE")
