import numpy as np
import pytest

from hydroml.data.inputs import choose_dynamic, choose_static
from hydroml.data.scaling import fit_scaler, load_scaler, save_scaler
from hydroml.data.series import load_series
from hydroml.errors import RunError, StoreError
from tests.conftest import tiny_dataset

PERIOD = (np.datetime64("1999-10-01"), np.datetime64("2000-09-30"))
DYNAMIC = ("prcp", "tmax", "tmin")


def load(dataset=None, basins=None, static=("recession",), **options):
    dataset = tiny_dataset() if dataset is None else dataset
    basins = list(dataset.basin.values) if basins is None else basins
    return load_series(dataset, basins, DYNAMIC, static, PERIOD, **({"lead": 30} | options))


def test_values_stand_at_their_basin_and_day():
    dataset = tiny_dataset()
    series = load(dataset, ["03000000", "01000000"], lead=10, tail=5)
    assert series.x_d.shape == (2, 10 + 366 + 5, 3)
    expected = dataset.tmax.sel(basin="03000000", time="2000-02-29").item()
    day = np.flatnonzero(series.time == np.datetime64("2000-02-29"))[0]
    assert series.x_d[0, day, 1] == pytest.approx(expected, rel=1e-6)
    assert series.time[series.period][[0, -1]].tolist() == [d.item() for d in PERIOD]


def test_days_outside_the_store_are_missing():
    series = load(lead=400)  # the store begins 365 days before the period
    assert np.isnan(series.x_d[:, :35]).all()
    assert not np.isnan(series.x_d[:, 35:]).any()
    assert not series.valid_targets(400)[:, series.period].all()
    assert series.valid_targets(366)[:, series.period][1:].all()


def test_valid_targets_leave_out_missing_negative_and_outside():
    dataset = tiny_dataset()
    dataset.qobs.loc[{"basin": "02000000", "time": "2000-01-05"}] = np.nan
    dataset.qobs.loc[{"basin": "02000000", "time": "2000-01-06"}] = -1.0
    dataset.prcp.loc[{"basin": "02000000", "time": "2000-03-01"}] = np.nan
    series = load(dataset, ["02000000"])
    valid = series.valid_targets(10)[0]
    out = series.time[series.period][~valid[series.period]]
    missing_window = np.arange("2000-03-01", "2000-03-11", dtype="datetime64[D]")
    assert out.tolist() == [
        np.datetime64("2000-01-05").item(),
        np.datetime64("2000-01-06").item(),
        *missing_window.tolist(),
    ]
    assert not valid[: series.period.start].any()


def test_scaler_uses_the_training_period_only():
    dataset = tiny_dataset()
    dataset.prcp.loc[{"time": slice("2001-01-01", None)}] = 1e6  # must not be seen
    dataset.prcp.loc[{"basin": "01000000", "time": "2000-01-01"}] = np.nan  # must be ignored
    series = load(dataset)
    scaler = fit_scaler(series, series.valid_targets(1), DYNAMIC, ("recession",))
    inside = dataset.sel(time=slice(*PERIOD))
    assert scaler.dynamic_mean[0] == pytest.approx(float(inside.prcp.mean()), rel=1e-5)
    assert scaler.dynamic_std[2] == pytest.approx(float(inside.tmin.std()), rel=1e-5)
    assert scaler.static_std[0] == pytest.approx(float(dataset.recession.std(ddof=1)), rel=1e-6)
    observed = inside.qobs.where(inside.prcp.notnull())
    assert scaler.target_std == pytest.approx(float(observed.std()), rel=1e-5)
    np.testing.assert_allclose(scaler.basin_std, observed.std("time"), rtol=1e-5)


def test_scaler_round_trips(tmp_path):
    series = load()
    scaler = fit_scaler(series, series.valid_targets(1), DYNAMIC, ("recession",))
    save_scaler(scaler, tmp_path / "scaler.nc")
    again = load_scaler(tmp_path / "scaler.nc")
    assert (again.dynamic, again.static, again.basins) == (
        scaler.dynamic,
        scaler.static,
        scaler.basins,
    )
    np.testing.assert_array_equal(again.basin_std, scaler.basin_std)
    y = np.array([0.0, 1.5, np.nan], "float32")
    np.testing.assert_allclose(again.unscale_target(scaler.scale_target(y)), y, atol=1e-6)
    x = np.array([[[np.nan, scaler.dynamic_mean[1], 0.0]]], "float32")
    assert scaler.scale_dynamic(x)[0, 0, :2] == pytest.approx([0.0, 0.0], abs=1e-6)
    with pytest.raises(RunError, match="cannot be read"):
        load_scaler(tmp_path / "none.nc")


def test_no_attributes_at_all_is_fine(tmp_path):
    series = load(static=())
    scaler = fit_scaler(series, series.valid_targets(1), DYNAMIC, ())
    save_scaler(scaler, tmp_path / "scaler.nc")
    assert load_scaler(tmp_path / "scaler.nc").static == ()
    assert scaler.scale_static(series.x_s).shape == (4, 0)


def test_faults_are_named():
    dataset = tiny_dataset()
    with pytest.raises(StoreError, match="no variable 'tmaxx'") as caught:
        load_series(dataset, ["01000000"], ["tmaxx"], [], PERIOD, lead=0)
    assert "'tmax'" in caught.value.remedy
    with pytest.raises(StoreError, match="no attribute 'aridity'"):
        load(dataset, static=("aridity",))
    dataset["recession"][2] = np.nan
    with pytest.raises(StoreError, match="'recession' of basin 03000000 is missing"):
        load(dataset)
    dataset.prcp.loc[{"basin": "02000000", "time": "2000-01-05"}] = np.inf
    with pytest.raises(StoreError, match="prcp of basin 02000000 is infinite on 2000-01-05"):
        load(dataset, static=())


def test_constant_input_and_empty_period_are_refused():
    dataset = tiny_dataset()
    dataset["tmin"] = dataset.tmin * 0
    series = load(dataset)
    with pytest.raises(RunError, match="tmin does not vary"):
        fit_scaler(series, series.valid_targets(1), DYNAMIC, ("recession",))
    dataset["qobs"] = dataset.qobs * np.nan
    series = load(dataset)
    with pytest.raises(RunError, match="No day of the training period"):
        fit_scaler(series, series.valid_targets(1), DYNAMIC, ("recession",))


def test_auto_leaves_out_what_leaks_or_says_nothing():
    dataset = tiny_dataset().assign(
        swe=lambda d: d.prcp * 0,
        qtrue=lambda d: d.qobs,
        q_mean=("basin", np.arange(4.0)),
        truth_k=("basin", np.arange(4.0)),
        same=("basin", np.ones(4)),
    )
    assert choose_dynamic(dataset, "auto") == DYNAMIC
    assert choose_dynamic(dataset, ["swe"]) == ("swe",)
    assert choose_static(dataset, "auto", ("aridity",)) == ("recession", "area_gages2")
    assert choose_static(dataset, "auto", ("q_mean",)) == ("q_mean",)
