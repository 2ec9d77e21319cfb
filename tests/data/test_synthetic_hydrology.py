"""The true model: water is conserved, and it answers to climate as a catchment does."""

import numpy as np
import pytest
import xarray as xr

from hydroml.data.synthetic import generate, simulate_truth
from hydroml.data.synthetic.hydrology import route, simulate
from hydroml.data.synthetic.observation import Gauges
from hydroml.data.synthetic.parameters import PARAMETERS, true_parameters
from hydroml.errors import StoreError
from tests.conftest import tiny_dataset


@pytest.fixture(scope="module")
def store() -> xr.Dataset:
    return generate(basins=60, years=8, seed=3)


def _any_parameters(basins: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {n: rng.uniform(p.low, p.high, basins) for n, p in PARAMETERS.items()}


def _middling(basins: int = 1, **changes: float) -> dict[str, np.ndarray]:
    middle = {n: np.full(basins, (p.low + p.high) / 2) for n, p in PARAMETERS.items()}
    return middle | {n: np.full(basins, v) for n, v in changes.items()}


def test_water_balance_closes_for_any_parameters_and_weather():
    rng = np.random.default_rng(0)
    shape = (200, 900)
    prcp = rng.gamma(0.3, 12.0, shape)
    warmth = 4 + 14 * np.sin(np.arange(900) / 58) + rng.normal(0, 4, shape)
    found = simulate(prcp, warmth, rng.uniform(0, 6, shape), _any_parameters(200, rng))
    gone = found.discharge.sum(axis=1) + found.evaporation.sum(axis=1)
    kept = found.stored_last - found.stored_first
    np.testing.assert_allclose(gone + kept, prcp.sum(axis=1), rtol=1e-12)
    assert min(found.discharge.min(), found.evaporation.min(), found.snow.min()) >= 0


def test_groundwater_alone_recedes_exponentially():
    parameters = _middling(k2=0.05, maxbas=1.0)
    prcp = np.zeros((1, 400))
    prcp[0, :20] = 40.0
    q = simulate(prcp, np.full((1, 400), 10.0), np.zeros((1, 400)), parameters).discharge[0]
    np.testing.assert_allclose(q[301:] / q[300:-1], 0.95, rtol=1e-6)


def test_snow_stays_in_the_cold_and_melts_by_degree_day():
    parameters = _middling(tt=0.0, ddf=3.0, relief=0.0)
    prcp, warmth = np.full((1, 30), 5.0), np.full((1, 30), -5.0)
    prcp[0, 10:], warmth[0, 10:] = 0.0, 2.0
    snow = simulate(prcp, warmth, np.zeros((1, 30)), parameters).snow[0]
    np.testing.assert_allclose(snow[:10], 5.0 * np.arange(1, 11))
    # 6 mm melt a day; the pack holds a tenth of its ice as water: (50 - 6 n) * 1.1
    np.testing.assert_allclose(snow[11:15], 1.1 * (50 - 6 * np.arange(2, 6)))
    assert snow[-1] == 0


def test_relief_spreads_the_melt():
    warmth = np.concatenate([np.full(60, -8.0), np.linspace(-8, 15, 120)])[None, :].repeat(2, 0)
    prcp = np.where(np.arange(180) < 60, 5.0, 0.0)[None, :].repeat(2, 0)
    parameters = _middling(2) | {"relief": np.array([0.0, 700.0])}
    flat, steep = simulate(prcp, warmth, np.zeros((2, 180)), parameters).discharge
    assert steep.max() < 0.8 * flat.max()


def test_routing_delays_and_loses_nothing():
    runoff = np.random.default_rng(0).gamma(1.0, 2.0, (50, 40))
    discharge, on_its_way = route(runoff, np.linspace(1, 7, 50))
    np.testing.assert_allclose(discharge.sum(axis=1) + on_its_way, runoff.sum(axis=1))
    np.testing.assert_allclose(discharge[0], runoff[0])  # a base of one day delays nothing
    pulse = route(np.eye(1, 9), np.array([4.0]))[0][0]
    np.testing.assert_allclose(pulse[:5], [1 / 8, 3 / 8, 3 / 8, 1 / 8, 0])


def test_parameters_stay_in_range_and_follow_the_attributes(store: xr.Dataset):
    for name, rule in PARAMETERS.items():
        values = store[f"truth_{name}"].values
        assert ((values > rule.low) & (values < rule.high)).all()
        rule_alone = true_parameters({str(n): v.values for n, v in store.items() if v.ndim == 1})
        assert np.corrcoef(values, rule_alone[name])[0, 1] > 0.7


def test_rerun_under_the_same_climate_is_the_truth_to_the_last_bit(store: xr.Dataset):
    np.testing.assert_array_equal(simulate_truth(store), store.qtrue)
    chunked = store.chunk(basin=7).transpose("time", "basin")
    np.testing.assert_array_equal(simulate_truth(chunked), store.qtrue)


def test_more_rain_gives_more_mean_and_high_flow_everywhere(store: xr.Dataset):
    flows = [simulate_truth(store.assign(prcp=f * store.prcp)) for f in (0.8, 1.0, 1.2)]
    for statistic in (lambda q: q.mean("time"), lambda q: q.quantile(0.99, "time")):
        dry, now, wet = (statistic(q) for q in flows)
        assert ((dry < now) & (now < wet)).all()


def test_warming_moves_flow_forward_in_snow_basins_and_evaporates_more(store: xr.Dataset):
    warm = simulate_truth(store.assign(tmax=store.tmax + 3, tmin=store.tmin + 3))
    day = (store.time.dt.dayofyear - 274) % 365
    centre, centre_warm = ((q * day).sum("time") / q.sum("time") for q in (store.qtrue, warm))
    snowy = store.frac_snow > 0.3
    assert snowy.sum() >= 5
    assert (centre_warm < centre - 3).values[snowy.values].all()
    assert (warm.mean("time") < store.qtrue.mean("time")).mean() > 0.95


def test_discharge_is_observed_with_small_errors_and_gaps():
    truth = np.random.default_rng(1).gamma(0.5, 3.0, (80, 3000))
    seen = Gauges(*truth.shape, np.random.default_rng(0)).observe(truth)
    ratio = seen / truth
    assert np.nanmean(ratio) == pytest.approx(1, abs=0.01)
    assert 0.02 < np.nanstd(np.log(ratio)) < 0.12
    with_gaps = np.isnan(seen).any(axis=1)
    assert 0.1 < with_gaps.mean() < 0.4
    assert not (seen < 0).any()


def test_truth_of_a_store_without_one_is_refused_by_name():
    with pytest.raises(StoreError, match="srad"):
        simulate_truth(tiny_dataset())


def test_forcing_with_gaps_is_refused_by_name(store: xr.Dataset):
    holes = store.assign(tmax=store.tmax.where(store.time.dt.day > 1))
    with pytest.raises(StoreError, match="tmax"):
        simulate_truth(holes)
