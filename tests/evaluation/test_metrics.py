import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hydroml.errors import ConfigError, HydromlError
from hydroml.evaluation.metrics import (
    COLUMNS,
    FLAVOURS,
    kernel,
    metrics_table,
    score,
    summarise,
)
from tests.evaluation.plain_metrics import plain_scores

NAMES = list(COLUMNS)


def scores_of(obs, sim, flavour="kratzert2019"):
    return dict(zip(NAMES, kernel(obs, sim, flavour=FLAVOURS[flavour]), strict=True))


def discharge(basins=6, days=1500, seed=0, dtype=np.float64):
    """Skewed, autocorrelated, with dry spells, gaps and negative codes for missing."""
    rng = np.random.default_rng(seed)
    storms = np.where(rng.random((basins, days)) < 0.1, rng.gamma(1, 10, (basins, days)), 0)
    obs = np.zeros((basins, days))
    for t in range(1, days):
        obs[:, t] = 0.9 * obs[:, t - 1] + 0.1 * storms[:, t]
    sim = np.roll(obs, 1, axis=1) * rng.lognormal(0, 0.2, obs.shape)
    obs[0, 200:600], sim[0, 300:500] = 0.0, 0.0  # a river that falls dry
    obs[1, 50:60], obs[1, 70] = np.nan, -999.0
    sim[2, 5] = np.nan
    return obs.astype(dtype), sim.astype(dtype)


def labelled(obs, sim):
    basin = [f"0{i}" for i in range(len(obs))]
    coords = {"basin": basin, "time": pd.date_range("2000-10-01", periods=obs.shape[-1])}
    return (xr.DataArray(a, coords, dims=("basin", "time")) for a in (obs, sim))


def test_numbers_derived_by_hand():
    # obs 1 2 3 4, mean 2.5, deviations -1.5 -.5 .5 1.5, SST 5, var 1.25
    # sim 2 2 4 4, mean 3.0, deviations -1 -1 1 1,        SSE 2, var 1
    # covariance (1.5 + .5 + .5 + 1.5) / 4 = 1
    found = scores_of([1.0, 2, 3, 4], [2.0, 2, 4, 4])
    std_obs = np.sqrt(1.25)
    assert found["NSE"] == pytest.approx(1 - 2 / 5)
    assert found["alpha"] == pytest.approx(1 / std_obs)
    assert found["beta"] == pytest.approx(0.5 / std_obs)
    assert found["r"] == pytest.approx(1 / std_obs)
    assert found["rmse"] == pytest.approx(np.sqrt(2 / 4))
    assert found["KGE"] == pytest.approx(1 - np.sqrt(2 * (1 / std_obs - 1) ** 2 + 0.2**2))
    assert found["n_days"] == 4


def test_flow_duration_by_hand():
    # 100 days, obs 100 ... 1, sim = obs / 2. Highest two: (100 + 99) / 2 against 199: -50 %.
    # Halving shifts logarithms by a constant: the slope and the low volume stay (but for 1e-6).
    obs = np.arange(1.0, 101.0)
    found = scores_of(obs, obs / 2)
    assert found["FHV"] == pytest.approx(-50, abs=1e-4)
    assert found["FLV"] == pytest.approx(0, abs=1e-3)
    assert found["FMS"] == pytest.approx(0, abs=1e-3)
    # sim = obs^2: logarithms double, so slope + 100 %, low volume doubled: FLV -100 %
    found = scores_of(obs, obs**2)
    assert found["FMS"] == pytest.approx(100, abs=1e-3)
    assert found["FLV"] == pytest.approx(-100, abs=1e-3)


def test_peak_timing_by_hand():
    obs = np.zeros(1000)
    sim = np.zeros(1000)
    obs[[100, 400, 700]] = 10.0
    sim[[100, 402, 697]] = 8.0  # on time, two days late, three days early: 5 / 3
    assert scores_of(obs, sim)["peak_timing"] == pytest.approx(5 / 3)
    obs[401] = np.nan  # a gap beside the second peak: it no longer counts, 3 / 2
    assert scores_of(obs, sim)["peak_timing"] == pytest.approx(3 / 2)


def test_a_later_higher_day_does_not_hide_a_peak_on_time():
    obs = np.zeros(365)
    sim = np.zeros(365)
    obs[100] = 10.0
    sim[[100, 103]] = 5.0, 6.0  # local maximum on the day itself
    assert scores_of(obs, sim)["peak_timing"] == 0


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_plain_loop(flavour, dtype):
    obs, sim = discharge(dtype=dtype)
    found = kernel(obs, sim, flavour=FLAVOURS[flavour])
    for row in range(len(obs)):
        expected = plain_scores(obs[row].astype(float), sim[row].astype(float), flavour)
        np.testing.assert_allclose(found[row], [expected[n] for n in NAMES], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [2, 5, 26, 33, 75])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_rounding_of_ranks_on_short_records(n, flavour):
    rng = np.random.default_rng(n)
    obs, sim = rng.gamma(1, 2, n), rng.gamma(1, 2, n)
    found = scores_of(obs, sim, flavour)
    with np.errstate(invalid="ignore"):
        expected = plain_scores(obs, sim, flavour)
    names = ["FLV", "FMS"] + (["FHV"] if n >= 26 else [])
    assert [found[k] for k in names] == pytest.approx([expected[k] for k in names], rel=1e-9)
    if n < 26:  # 2 % of 25 days is no day
        assert np.isnan(found["FHV"])


def test_flavours_differ_where_they_should():
    obs, sim = discharge()
    paper, package = (scores_of(obs[0], sim[0], f) for f in ("kratzert2019", "neuralhydrology"))
    assert {k for k in NAMES if paper[k] != package[k]} == {"FHV", "FLV", "FMS"}
    # five days: the paper's low segment starts at rank round(3.5) = 4 and is one day, whose
    # distance to its minimum is 0; the package takes the last round(1.5) = 2 days
    obs, sim = np.array([5.0, 4, 3, 2, 1]), np.array([5.0, 4, 3, 2, 0.5])
    assert scores_of(obs, sim, "kratzert2019")["FLV"] == 0
    ratio = (np.log(2) - np.log(0.5)) / np.log(2)  # 2: twice the volume
    assert scores_of(obs, sim, "neuralhydrology")["FLV"] == pytest.approx(-100 * (ratio - 1), 1e-5)


def test_negative_simulation_has_no_logarithm_in_the_paper_and_one_in_the_package():
    obs = np.arange(1.0, 101.0)
    sim = obs - 5
    assert np.isnan(scores_of(obs, sim, "kratzert2019")["FLV"])
    assert np.isfinite(scores_of(obs, sim, "neuralhydrology")["FLV"])


def test_what_is_not_defined_is_nan_without_a_warning():
    q = np.linspace(0.1, 3.0, 100)
    constant = np.full(100, 0.1)  # its float variance is not exactly zero
    for obs, sim, gone in [
        (np.full(100, np.nan), q, set(NAMES) - {"n_days"}),
        (np.r_[1.0, [np.nan] * 99], q, set(NAMES) - {"n_days"}),
        (q, np.full(100, np.nan), set(NAMES) - {"n_days"}),
        (constant, q, {"NSE", "KGE", "alpha", "beta", "r", "peak_timing"}),
        (q, constant, {"KGE", "r", "peak_timing"}),
        (np.zeros(100), q, {"NSE", "KGE", "alpha", "beta", "r", "peak_timing"}),
    ]:
        found = scores_of(obs, sim)
        assert {k for k, v in found.items() if np.isnan(v)} == gone
        assert not np.isinf(list(found.values())).any()
    assert scores_of(q, constant)["alpha"] == 0
    assert scores_of(np.zeros(100), q, "neuralhydrology")["FHV"] is not np.inf


def test_no_days_and_no_basins():
    assert kernel(np.empty((2, 0)), np.empty((2, 0)))[:, -1].tolist() == [0, 0]
    assert kernel(np.empty((0, 5)), np.empty((0, 5))).shape == (0, 11)


positive = arrays(np.float64, 60, elements=st.floats(0.0625, 100, width=32))


@given(positive, positive)
@settings(max_examples=60, deadline=None)
def test_bounds_and_identity(obs, sim):
    found = scores_of(obs, sim)
    if np.std(obs) > 1e-3:
        assert found["NSE"] <= 1
    if np.std(obs) > 1e-3 and np.std(sim) > 1e-3:
        assert found["KGE"] <= 1
        a, b, r = found["alpha"], found["beta"], found["r"]
        assert found["NSE"] == pytest.approx(2 * a * r - a**2 - b**2, rel=1e-6, abs=1e-6)


@given(positive, st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_scaling(obs, factor):
    if np.std(obs) < 1e-3:
        return
    perfect, scaled = scores_of(obs, obs), scores_of(obs, factor * obs)
    assert perfect["NSE"] == pytest.approx(1)
    assert perfect["KGE"] == pytest.approx(1)
    assert perfect["FHV"] == perfect["FLV"] == perfect["FMS"] == perfect["rmse"] == 0
    assert scaled["alpha"] == pytest.approx(factor)
    assert scaled["r"] == pytest.approx(1)
    assert scaled["beta"] == pytest.approx((factor - 1) * obs.mean() / obs.std(), abs=1e-9)
    # NSE, KGE and FHV do not depend on the unit of discharge
    both = scores_of(factor * obs, factor * obs[::-1])
    once = scores_of(obs, obs[::-1])
    assert both["NSE"] == pytest.approx(once["NSE"], rel=1e-6)


def test_dask_equals_numpy_in_any_chunks():
    obs, sim = labelled(*discharge())
    expected = score(obs, sim)
    lazy = score(obs.chunk(basin=2, time=100), sim.chunk(basin=4, time=333))
    assert lazy.NSE.chunks is not None
    xr.testing.assert_allclose(lazy.compute(), expected, rtol=1e-12)
    xr.testing.assert_allclose(score(obs.chunk(basin=2), sim).compute(), expected, rtol=1e-12)


def test_members_are_scored_apart():
    obs, sim = labelled(*discharge())
    members = xr.concat([sim, 2 * sim], "member").transpose("basin", "time", "member")
    found = score(obs, members)
    assert found.NSE.dims == ("basin", "member")
    xr.testing.assert_allclose(found.isel(member=1, drop=True), score(obs, 2 * sim))
    with pytest.raises(HydromlError, match="ensemble mean"):
        metrics_table(found)


def test_table_and_summary():
    obs, sim = labelled(*discharge())
    obs[3], sim[4] = np.nan, 50.0
    table = metrics_table(score(obs, sim))
    assert list(table.columns) == NAMES
    assert table.index.name == "gauge_id"
    assert table.index.tolist() == ["00", "01", "02", "03", "04", "05"]
    assert table["n_days"].dtype == int
    summary = summarise(table)
    assert (summary["basins"], summary["basins_without_score"]) == (6, 1)
    assert summary["basins_nse_le_0"] == 1
    assert summary["median"]["NSE"] == pytest.approx(np.nanmedian(table["NSE"]))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summarise(table.iloc[[3]])["median"]["NSE"] is None


def test_attributes_tell_units():
    obs, sim = labelled(*discharge(days=100))
    found = score(obs, sim, flavour="neuralhydrology")
    assert found.attrs["flavour"] == "neuralhydrology"
    assert found.rmse.attrs["units"] == "mm d-1"
    assert found.FHV.attrs["units"] == "%"


def test_bad_input_is_refused_by_name():
    obs, sim = labelled(*discharge(days=100))
    with pytest.raises(ConfigError, match="Did you mean 'kratzert2019'"):
        score(obs, sim, flavour="kratzert2018")
    with pytest.raises(HydromlError, match="differ in 'basin' \\(6 and 5 entries\\)"):
        score(obs, sim.isel(basin=slice(5)))
    with pytest.raises(HydromlError, match="without 'time'"):
        score(obs, sim.rename(time="date"))


def test_531_basins_and_ten_years_take_about_a_second():
    obs, sim = discharge(basins=531, days=3650)
    started = time.perf_counter()
    kernel(obs, sim)
    assert time.perf_counter() - started < 3  # 0.3 s on an idle core; the machine is shared


def test_import_is_light():
    code = (
        "import sys, hydroml.evaluation.metrics; print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.realdata
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_real_discharge_against_the_plain_loop(real_data, flavour):
    files = sorted((real_data / "caravan" / "timeseries").rglob("*.nc"))[::80][:5]
    series = []
    for file in files:
        with xr.open_dataset(file) as dataset:
            q = dataset["streamflow"].sel(date=slice("1989-10-01", "1999-09-30")).load()
        series.append(q)
    obs = xr.concat(series, "basin", join="outer", coords="minimal", compat="override")
    obs = obs.rename(date="time").assign_coords(basin=[f.stem for f in files])
    climatology = obs.groupby("time.dayofyear").mean()
    seasonal = climatology.sel(dayofyear=obs["time"].dt.dayofyear).drop_vars("dayofyear")
    for sim in (obs.shift(time=1), seasonal.transpose("basin", "time")):
        table = metrics_table(score(obs, sim, flavour=flavour))
        for basin in table.index:
            expected = plain_scores(
                obs.sel(basin=basin).values, sim.sel(basin=basin).values, flavour
            )
            wanted = [expected[name] for name in NAMES]
            np.testing.assert_allclose(
                table.loc[basin].to_numpy(float), wanted, rtol=1e-7, atol=1e-7
            )
    assert (table["NSE"] >= 0).all()  # its own climatology cannot be worse than the mean
