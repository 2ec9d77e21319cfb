"""Years cut from records, and the Frechet hydrograph distance of simulations."""

import numpy as np
import pytest
import xarray as xr

from hydroml.data.splits import Period
from hydroml.errors import ConfigError
from hydroml.evaluation import realism
from hydroml.evaluation.hydrograph_years import cut_years
from hydroml.evaluation.realism import fit_reader, hydrograph_distance

JUDGED = Period.parse("1995-10-01", "2000-09-30")


def reservoirs(basins: int = 12, seed: int = 3) -> xr.Dataset:
    """Ten years of rain in linear reservoirs, each with a constant of its own."""
    rng = np.random.default_rng(seed)
    time = np.arange("1990-10-01", "2000-10-01", dtype="datetime64[D]")
    rain = np.where(rng.random((basins, len(time))) < 0.3, rng.gamma(1, 9, (basins, len(time))), 0)
    k = np.linspace(0.05, 0.4, basins)
    storage, flow = 3 / k, np.zeros(rain.shape)
    for t in range(len(time)):
        storage = storage + rain[:, t]
        flow[:, t] = k * storage
        storage = storage - flow[:, t]
    names = [f"{i:08d}" for i in range(basins)]
    return xr.Dataset(
        {"qobs": (("basin", "time"), flow.astype("float32"))},
        {"basin": names, "time": time.astype("datetime64[ns]")},
    )


@pytest.fixture(scope="module")
def judged():
    dataset = reservoirs()
    basins = [str(b) for b in dataset["basin"].values]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realism, "STEPS", 80)
        told: list[float] = []
        reader = fit_reader(dataset, basins, "qobs", JUDGED, on_progress=told.append)
    assert sum(told) == 80
    inside = dataset["qobs"].sel(time=JUDGED.slice)
    return dataset, reader, inside["time"].values.astype("datetime64[D]"), inside.values


def test_years_are_water_years_in_which_nothing_is_missing():
    time = np.arange("1999-01-01", "2003-01-01", dtype="datetime64[D]")
    a = np.arange(2 * len(time), dtype="float32").reshape(2, -1)
    b = a.copy()
    a[0, list(time).index(np.datetime64("2000-12-24"))] = np.nan
    b[1, list(time).index(np.datetime64("2001-09-30"))] = np.nan
    b[1, list(time).index(np.datetime64("1999-05-01"))] = np.nan  # in no whole year
    first, second = cut_years(time, a, b)
    starts = [str(time[s]) for s in first.start]
    assert list(zip(first.basin.tolist(), starts, strict=True)) == [
        (0, "1999-10-01"), (0, "2001-10-01"), (1, "1999-10-01"), (1, "2001-10-01"),
    ]  # fmt: skip
    assert first.flow.shape == (4, 365)
    np.testing.assert_array_equal(first.flow, second.flow)
    assert first.flow[0, 0] == 273  # 1 October of 1999 is day 273


def test_a_record_without_a_whole_year_has_none():
    time = np.arange("1999-01-01", "2000-09-01", dtype="datetime64[D]")
    (found,) = cut_years(time, np.ones((3, len(time))))
    assert found.flow.shape == (0, 365)


def test_the_reader_learns_from_no_day_that_it_judges(judged):
    dataset, reader, _, _ = judged
    assert len(reader.years) == 12 * 5
    before = dataset["qobs"].sel(time=slice("1990-10-01", "1991-09-30"), basin="00000003")
    mean = float(dataset["qobs"].sel(basin="00000003").mean())
    expected = np.log(0.05 + before.values[:365] / mean)
    np.testing.assert_allclose(reader.years[3 * 5].numpy(), expected, atol=1e-5)


def test_real_years_are_near_and_wrong_order_is_far(judged):
    _, reader, time, observed = judged
    rng = np.random.default_rng(0)
    months = np.arange(observed.shape[1]) // 30
    order = np.lexsort((rng.random(len(months)), months))  # days shuffled within 30
    found = hydrograph_distance(
        reader, time, observed,
        {"same": observed, "shuffled": observed[:, order], "half": 0.5 * observed},
    )  # fmt: skip
    assert found.years == 60
    assert found.distances["same"] == pytest.approx(0, abs=1e-9)
    # the same basins in other years: what weather alone makes of a distance
    assert found.distances["shuffled"] > 20 * found.other_years
    assert found.distances["half"] > 20 * found.other_years
    assert found.reversed_time > 20 * found.other_years
    assert found.other_years < found.floor  # halves of few years hold other basins


def test_gaps_of_any_simulation_leave_years_out_and_negative_flow_is_none(judged):
    _, reader, time, observed = judged
    gap = observed.copy()
    gap[4, 400] = np.nan
    low = np.where(observed < np.median(observed), -1.0, observed)
    dry = np.where(low < 0, 0.0, observed)
    found = hydrograph_distance(reader, time, observed, {"gap": gap, "low": low, "dry": dry})
    assert found.years == 59
    assert found.distances["low"] == found.distances["dry"] > 0


def test_a_reader_can_be_had_again(judged, monkeypatch):
    dataset, _, _, _ = judged
    monkeypatch.setattr(realism, "STEPS", 3)
    basins = [str(b) for b in dataset["basin"].values]
    twice = [fit_reader(dataset, basins, "qobs", JUDGED, seed=5).encoder for _ in range(2)]
    for a, b in zip(*(e.parameters() for e in twice), strict=True):
        assert (a == b).all()


def test_dry_basins_are_left_out_and_too_few_years_refused(judged):
    dataset = judged[0].copy(deep=True)
    dataset["qobs"][2] = 0.0
    basins = [str(b) for b in dataset["basin"].values]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realism, "STEPS", 1)
        reader = fit_reader(dataset, basins, "qobs", JUDGED)
    assert basins[2] not in reader.basins
    assert len(reader.basins) == 11
    with pytest.raises(ConfigError, match="12 basins have 12 in 1999-10-01"):
        fit_reader(judged[0], basins, "qobs", Period.parse("1999-10-01", "2000-09-30"))
    with pytest.raises(ConfigError, match="12 basins have 0 to learn from"):
        fit_reader(judged[0], basins, "qobs", Period.parse("1990-10-01", "2000-09-30"))
