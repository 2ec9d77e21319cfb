import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import mahalanobis

from hydroml.errors import RunError
from hydroml.sensitivity import draw, training_range
from hydroml.sensitivity.training_range import LIMIT_QUANTILE, TrainingRange

NAMES = ("prcp", "srad", "tmax", "tmin")


def weather(basins=3, days=2000, seed=0):
    """Skewed rain, and radiation and temperatures that go together."""
    rng = np.random.default_rng(seed)
    rain = np.where(rng.random((basins, days)) < 0.4, rng.gamma(0.6, 12, (basins, days)), 0)
    season = np.sin(2 * np.pi * np.arange(days) / 365)
    srad = 250 + 100 * season + 40 * rng.normal(size=(basins, days))
    tmax = 12 + 12 * season + 4 * rng.normal(size=(basins, days))
    tmin = tmax - 8 + 2 * rng.normal(size=(basins, days))
    return np.stack([rain, srad, tmax, tmin], axis=2).astype("float32")


def gauges(x):
    return [f"{b:08d}" for b in range(len(x))]


def fitted(x, names=NAMES, **more):
    return TrainingRange.fit(x, gauges(x), names, **more)


def column(values):
    return np.array(values, "float32").reshape(1, -1, 1)


def plain_distances(days, train):
    """Squared distances of days (N, F) to the mean of train (M, F), one at a time."""
    mean = train.mean(axis=0)
    inverse = np.linalg.inv(np.cov(train.T, ddof=0))
    return np.array([mahalanobis(d, mean, inverse) ** 2 for d in days])


def test_outside_counts_days_beyond_smallest_and_largest():
    known = fitted(column(range(10)), ["tmax"])
    # -1 and 10 are outside, 0 and 9 are not, the gap does not count
    assert known.outside(column([-1, 0, 9, 10, np.nan])).tolist() == [[0.5]]
    assert np.isnan(known.outside(column([np.nan, np.nan]))).all()


def test_outside_takes_inputs_one_by_one():
    x = np.stack([column([0, 5, 1])[..., 0], column([7, 8, 9])[..., 0]], axis=2)
    known = fitted(x, ["a", "b"])
    assert known.low.tolist() == [0, 7]
    assert known.high.tolist() == [5, 9]
    assert known.outside(x + np.float32(3))[0] == pytest.approx([1 / 3, 1])


@given(arrays("float32", (2, 12, 2), elements=st.integers(-50, 50)))
@settings(deadline=None, max_examples=40)
def test_training_days_are_never_outside(x):  # equal, constant and collinear inputs among them
    known = fitted(x, ["a", "b"])
    assert (known.outside(x) == 0).all()
    for share in (known.unusual(x), known.outside(3 * x)):
        assert ((share >= 0) & (share <= 1)).all()


def test_distances_are_those_of_mahalanobis():
    x = weather()[..., 1:]  # nothing skewed
    known = fitted(x, NAMES[1:])
    train = x.reshape(-1, 3).astype(float)
    assert not known.skewed.any()
    distances = plain_distances(train, train)
    assert known.limit == pytest.approx(np.quantile(distances, LIMIT_QUANTILE), rel=1e-4)
    other = weather(basins=2, days=400, seed=9)[..., 1:] + np.float32([60, 3, 0])
    expected = [
        (plain_distances(basin.astype(float), train) > known.limit).mean() for basin in other
    ]
    assert min(expected) > 0.01
    assert known.unusual(other).tolist() == pytest.approx(expected, abs=1e-9)


def test_each_basin_has_its_own_distances():
    x = weather()[..., 1:]
    x[1] += np.float32([100, 10, 10])
    known = fitted(x, NAMES[1:])
    for b in range(3):
        train = x[b].astype(float)
        expected = np.quantile(plain_distances(train, train), LIMIT_QUANTILE)
        assert known.basin_limit[b] == pytest.approx(expected, rel=1e-3)


def test_one_training_day_in_a_thousand_is_unusual():
    x = weather(basins=4, days=5000)
    known = fitted(x)
    assert known.unusual(x).mean() == pytest.approx(0.001, abs=5e-5)  # 20 of 20 000
    assert known.unusual_here(x, gauges(x)).tolist() == pytest.approx([0.001] * 4)  # 5 of 5000


def test_a_hot_day_without_radiation_is_unusual_but_not_outside():
    rng = np.random.default_rng(1)
    season = rng.uniform(-1, 1, (2, 3000))
    noise = 0.05 * rng.normal(size=(2, 3000, 2))
    x = (np.stack([season, season], axis=2) + noise).astype("float32")
    known = fitted(x, ["srad", "tmax"])
    hot_and_dark = np.full((1, 10, 2), [-0.8, 0.8], "float32")
    hot_and_bright = np.full((1, 10, 2), [0.8, 0.8], "float32")
    assert (known.outside(hot_and_dark) == 0).all()
    assert known.unusual(hot_and_dark).tolist() == [1]
    assert known.unusual(hot_and_bright).tolist() == [0]


def test_weather_known_elsewhere_is_unusual_only_here():
    x = weather(basins=2)
    x[1, :, 2:] += 80  # one cold and one hot place
    known = fitted(x)
    swapped = x[::-1]
    assert known.unusual(swapped).max() < 0.01
    assert known.unusual_here(swapped, gauges(x)).min() > 0.9
    # the same rows under the ids they belong to, in any order
    assert known.unusual_here(swapped, gauges(x)[::-1]).max() < 0.01


def test_a_basin_without_training_has_no_range_of_its_own():
    x = weather(basins=3)
    x[2, 300:] = np.nan  # too few days for its own, but they count for the region
    known = fitted(x)
    found = known.unusual_here(weather(basins=4), ["new", *gauges(x)])
    assert np.isnan(found).tolist() == [True, False, False, True]
    assert np.isfinite(known.unusual(x)).all()


def test_equal_temperatures_do_not_blow_up():
    x = weather(basins=2)
    x[..., 3] = x[..., 2]  # tmin = tmax, as in CAMELS' copy of NLDAS
    known = fitted(x)
    assert np.isfinite(known.whitening).all()
    assert np.isfinite(known.basin_whitening).all()
    assert known.unusual(x).mean() == pytest.approx(0.001, abs=3e-4)
    both, one = x.copy(), x.copy()
    both[..., 2:] += np.float32(0.5)
    one[..., 3] -= np.float32(5)  # what training never saw: a difference between the two
    assert known.unusual(both).max() < 0.01
    assert known.unusual_here(both, gauges(x)).max() < 0.01
    assert known.unusual(one).tolist() == [1, 1]
    assert known.unusual_here(one, gauges(x)).tolist() == [1, 1]


@pytest.mark.parametrize("value", [0.0, 0.1, 101325.0])
def test_an_input_that_never_varies_does_not_blow_up(value):
    x = weather(basins=2)
    x[..., 1] = value
    known = fitted(x)
    assert known.unusual(x).mean() == pytest.approx(0.001, abs=3e-4)
    x[..., 1] += np.float32(10)
    assert known.unusual(x).tolist() == [1, 1]


def test_only_rain_is_compared_in_logarithms():
    assert fitted(weather()).skewed.tolist() == [True, False, False, False]
    cold = weather()
    cold[..., 0] -= 5  # skewed, but negative: no logarithm
    assert not fitted(cold).skewed.any()


def test_a_logarithm_keeps_storms_from_being_unusual_altogether():
    x = weather(basins=2, days=8000)
    known = fitted(x)
    storms = x[x[..., 0] > np.quantile(x[..., 0], 0.99)]
    plain = plain_distances(storms.astype(float), x.reshape(-1, 4).astype(float))
    chi_square = 18.47  # 99.9 % of four degrees of freedom
    assert (plain > chi_square).mean() > 0.8
    assert known.unusual(storms[None])[0] < 0.2


def test_units_do_not_matter():
    x = weather()
    factor, offset = np.float32([1 / 86400, 11.574, 1.8, 1]), np.float32([0, 0, 32, 273.15])
    other = x * factor + offset
    known, converted = fitted(x), fitted(other)
    assert converted.limit == pytest.approx(known.limit, rel=1e-3)
    wetter, warmer = np.float32([1.3, 1, 1, 1]), np.float32([0, 0, 6, 6])
    change = x * wetter + warmer
    expected = known.unusual(change)
    assert expected.max() > 0.005
    assert converted.unusual(change * factor + offset) == pytest.approx(expected, abs=1e-3)


def test_rain_below_nothing_counts_as_none():
    x = weather(basins=1)
    known = fitted(x)
    below, dry = x.copy(), x.copy()
    below[..., 0], dry[..., 0] = -0.5, 0
    assert known.unusual(below).tolist() == known.unusual(dry).tolist()
    assert known.outside(below)[0, 0] == 1


def test_days_that_miss_an_input_do_not_count_jointly():
    x = weather(basins=2)
    known = fitted(x)
    changed = x.copy()
    changed[:, :1000, 1] = np.nan
    changed[:, 1000:, 2:] += 500
    changed[1] = np.nan
    assert known.unusual(changed).tolist() == pytest.approx([1, np.nan], nan_ok=True)
    found = known.unusual_here(changed, gauges(x))
    assert found.tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert known.outside(changed)[0].tolist() == pytest.approx([0, 0, 0.5, 0.5])


def test_gaps_in_training_change_nothing_else():
    x = weather()
    gappy = np.concatenate([x, x], axis=1)
    gappy[:, 2000:, 1] = np.nan  # the second copy is incomplete throughout
    known, same = fitted(x), fitted(gappy)
    assert same.limit == pytest.approx(known.limit)
    assert same.basin_limit == pytest.approx(known.basin_limit, rel=1e-4)
    assert np.allclose(same.mean, known.mean)


def test_training_without_a_complete_day_is_refused_by_name():
    x = weather(basins=1)
    x[..., 0] = np.nan
    with pytest.raises(RunError, match="No day of the training period has all inputs"):
        fitted(x)


def test_more_days_than_needed_are_drawn_from(monkeypatch):
    x = weather(basins=4, days=5000)
    whole = fitted(x)
    monkeypatch.setattr(draw, "MOST_DAYS", 10_000)
    drawn, again, other = fitted(x), fitted(x), fitted(x, seed=1)
    assert drawn.limit == again.limit != other.limit
    assert drawn.limit == pytest.approx(whole.limit, rel=0.1)
    assert (drawn.high == whole.high).all()  # ranges are of all days


@pytest.mark.parametrize("most", [10_000, 700])  # all days, and a draw of them
def test_parts_of_basins_do_not_matter(monkeypatch, most):
    monkeypatch.setattr(draw, "MOST_DAYS", most)
    x, told = weather(basins=5), []
    x[2, 100:] = np.nan
    whole = fitted(x)
    monkeypatch.setattr(training_range, "BASINS_AT_ONCE", 2)
    place = {name: b for b, name in enumerate(gauges(x))}
    parts = TrainingRange.fit_in_parts(
        lambda some: x[[place[b] for b in some]], gauges(x), NAMES, on_progress=told.append
    )
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(parts, name), value, err_msg=name)
    assert told == [2, 2, 1] * 2
    few = whole.of([gauges(x)[3], "elsewhere"])
    other = weather(basins=2, seed=3) * np.float32(1.2)
    here = [gauges(x)[3], gauges(x)[0]]
    expected = whole.unusual_here(other, here)
    assert few.unusual_here(other, here).tolist() == [
        expected[0],
        pytest.approx(np.nan, nan_ok=True),
    ]
    assert few.unusual(other).tolist() == whole.unusual(other).tolist()


def test_a_draw_takes_each_day_once_and_in_order(monkeypatch):
    monkeypatch.setattr(draw, "MOST_DAYS", 50)
    taken = draw.Draw(seed=1)
    for start in range(0, 300, 30):
        taken.add(np.arange(start, start + 30, dtype="float32").reshape(1, 30, 1))
    days = taken.days()[:, 0]
    assert len(days) == 50
    assert (np.diff(days) > 0).all()
    assert 50 < days.mean() < 250  # of all basins, not of the first or last
