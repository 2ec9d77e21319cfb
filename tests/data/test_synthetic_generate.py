"""The synthetic store: complete, deterministic, plausible, and the same as text."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from hydroml.data.camels_us import open_camels_us
from hydroml.data.quality import quality_report
from hydroml.data.store import open_store, static_attributes, write_store
from hydroml.data.synthetic import (
    STEPS,
    generate,
    simulate_truth,
    write_native,
    write_synthetic,
)
from hydroml.data.synthetic.fields import BASINS_AT_ONCE, Field, RowNoise
from hydroml.data.synthetic.places import draw_places
from hydroml.errors import ConfigError, StoreError
from hydroml.units import DYNAMIC_REFERENCE, STATIC_REFERENCE


@pytest.fixture(scope="module")
def drawn() -> xr.Dataset:
    return generate(basins=120, years=5, seed=1)


def test_store_holds_what_the_reference_experiment_needs(drawn: xr.Dataset, tmp_path: Path):
    store = open_store(write_store(drawn, tmp_path / "synth.zarr"))
    assert set(STATIC_REFERENCE) <= set(static_attributes(store))
    assert {*DYNAMIC_REFERENCE, "qobs", "qtrue", "dayl"} <= set(store)
    assert store.attrs["synthetic"]
    assert (store.attrs["source"], store.attrs["forcing"]) == ("hydroml synthetic", "synthetic")
    assert all("synthetic" in str(n).lower() for n in store.gauge_name.values)
    assert all(len(b) == 8 and b.startswith("99") for b in store.basin.values)
    assert not any(store[n].isnull().any() for n in (*DYNAMIC_REFERENCE, *STATIC_REFERENCE))
    np.testing.assert_array_equal(simulate_truth(store), drawn.qtrue)


def test_default_period_covers_the_reference_experiment_with_warm_up():
    time = generate(basins=1).time.values
    assert time[0] == np.datetime64("1989-01-01")
    assert time[-1] == np.datetime64("2008-12-31")


def test_same_seed_same_data_other_seed_other_data():
    one, same, other = (generate(basins=5, years=2, seed=s) for s in (7, 7, 8))
    xr.testing.assert_identical(one, same)
    assert not np.allclose(one.prcp, other.prcp)


@given(st.lists(st.integers(1, 150), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_noise_drawn_in_parts_is_that_drawn_at_once(parts: list[int], seed: int):
    rng, plain = np.random.default_rng(seed), np.random.default_rng(seed)
    noise = RowNoise(sum(parts), 3, rng)
    behind = rng.random()  # whoever draws next may draw first
    found = np.concatenate([noise.draw(n) for n in parts])
    np.testing.assert_array_equal(found, plain.normal(size=(sum(parts), 3)))
    assert behind == plain.random()


def test_a_field_drawn_in_parts_is_that_drawn_at_once_and_of_variance_one():
    places = draw_places(90, np.random.default_rng(3))
    whole, parts = (Field(places, 900, 500.0, 0.2, 0.4, np.random.default_rng(5)) for _ in "ab")
    found = whole.draw(90)
    # the sum over waves may round otherwise for another number of rows
    np.testing.assert_allclose(
        np.concatenate([parts.draw(n) for n in (1, 40, 49)]), found, rtol=0, atol=1e-12
    )
    assert found.var() == pytest.approx(1, abs=0.1)
    lagged = np.mean([np.corrcoef(row[1:], row[:-1])[0, 1] for row in found])
    assert lagged == pytest.approx(0.4, abs=0.05)


def test_a_store_written_in_blocks_is_byte_for_byte_the_one_written_at_once(tmp_path: Path):
    basins, done = BASINS_AT_ONCE + 30, []
    at_once = write_store(generate(basins, 2, 9), tmp_path / "once.zarr")
    in_blocks = write_synthetic(tmp_path / "blocks.zarr", basins, 2, 9, on_progress=done.append)
    assert done == [BASINS_AT_ONCE, 30]
    one, other = open_store(at_once), open_store(in_blocks)
    assert one.attrs["fingerprint"] == other.attrs["fingerprint"]
    xr.testing.assert_identical(one.drop_attrs(deep=False), other.drop_attrs(deep=False))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["blocks.zarr", "once.zarr"]


def test_a_foreign_folder_is_refused_before_anything_is_drawn(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(StoreError, match="left as it was"):
        write_synthetic(tmp_path / "mine", basins=10**9)


def test_climates_are_those_of_the_united_states(drawn: xr.Dataset):
    assert 2.0 < drawn.p_mean.median() < 4.0
    assert 0.4 < drawn.p_mean.min() < 1.6
    assert 4.5 < drawn.p_mean.max() < 12
    assert drawn.frac_snow.min() < 0.02
    assert 0.4 < drawn.frac_snow.max() < 0.95
    assert 1.5 < drawn.aridity.max() < 6
    ratio = drawn.qtrue.mean("time") / drawn.p_mean
    assert 0.25 < ratio.median() < 0.55
    assert ratio.max() < 1.0


def test_weather_and_soils_are_consistent(drawn: xr.Dataset):
    assert (drawn.tmax > drawn.tmin).all()
    assert (drawn.prcp >= 0).all()
    assert ((drawn.srad > 20) & (drawn.srad < 1000)).all()
    np.testing.assert_allclose(drawn.sand_frac + drawn.silt_frac + drawn.clay_frac, 100)
    wet = drawn.prcp > 1
    assert drawn.srad.where(wet).mean() < drawn.srad.where(~wet).mean()
    coast = drawn.gauge_lon < -121.5
    assert (drawn.p_seasonality.values[coast.values] < -0.3).all()


def test_progress_counts_all_steps():
    done: list[int] = []
    generate(basins=1, years=1, on_progress=done.append)
    assert sum(done) == STEPS


@pytest.mark.parametrize("bad", [{"basins": 0}, {"years": 0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused_by_name(bad: dict[str, int]):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        generate(**bad)


def test_text_files_read_back_to_the_printed_precision(tmp_path: Path):
    drawn = generate(basins=12, years=2, seed=5)
    drawn.qobs[0, 5:9] = np.nan
    source = open_camels_us(write_native(drawn, tmp_path))
    assert source.synthetic
    assert source.gauges() == drawn.basin.values.tolist()
    for gauge in source.gauges():
        read, meant = source.read(gauge), drawn.sel(basin=gauge)
        np.testing.assert_array_equal(read.time.values, meant.time.values)
        for name in (*DYNAMIC_REFERENCE, "dayl"):
            np.testing.assert_allclose(read[name], meant[name], atol=0.0051, rtol=1e-6)
        # 0.005 ft3 s-1 over the catchment
        atol = 0.0051 * 0.0283168 * 86400 / (float(meant.area_gages2) * 1e3)
        np.testing.assert_allclose(read.qobs, meant.qobs, atol=atol, rtol=1e-6)
    table = source.attributes()
    for name in (*STATIC_REFERENCE, "gauge_lat", "gauge_lon", "q_mean"):
        np.testing.assert_allclose(table[name].to_numpy(float), drawn[name], rtol=1e-12)
    assert table["huc_02"].tolist() == drawn.huc_02.values.tolist()
    assert table["gauge_name"].tolist() == drawn.gauge_name.values.tolist()


def test_text_files_have_the_published_layout(tmp_path: Path):
    drawn = generate(basins=1, years=1, seed=5)
    drawn.qobs[0, 1] = np.nan
    write_native(drawn, tmp_path)
    huc, gauge = str(drawn.huc_02.values[0]), "99000001"
    public = tmp_path / "basin_dataset_public_v1p2"
    forcing = public / "basin_mean_forcing" / "daymet" / huc / f"{gauge}_lump_cida_forcing_leap.txt"
    lines = forcing.read_text().splitlines()
    assert len(lines) == 4 + 366
    assert int(lines[2]) == round(float(drawn.area_gages2[0]) * 1e6)
    assert lines[3].split()[:5] == ["Year", "Mnth", "Day", "Hr", "dayl(s)"]
    assert lines[4].startswith("2008 01 01 12\t")
    flow = public / "usgs_streamflow" / huc / f"{gauge}_streamflow_qc.txt"
    assert flow.read_text().splitlines()[1] == f"{gauge} 2008 01 02  -999.00 M"
    tables = sorted(p.name for p in (tmp_path / "camels_attributes_v2.0").glob("camels_*.txt"))
    assert tables == [
        f"camels_{k}.txt" for k in ("clim", "geol", "hydro", "name", "soil", "topo", "vege")
    ]


def test_data_report_finds_nothing_but_gaps():
    report = quality_report(generate(basins=40, years=8, seed=2))
    assert set(report["findings"]) == {"qobs_gap_days"}
