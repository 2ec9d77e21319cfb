"""The true response: the true model under changed forcing, and nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hydroml.data.synthetic import generate, simulate_truth
from hydroml.errors import ConfigError
from hydroml.sensitivity import parts
from hydroml.sensitivity.parts import truth_in_parts
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.scenario_files import load_scenarios
from hydroml.sensitivity.statistics import STATISTICS
from hydroml.sensitivity.study import Study
from hydroml.sensitivity.truth import true_response

NAMES = list(STATISTICS)


@pytest.fixture(scope="module")
def store() -> xr.Dataset:
    return generate(basins=3, years=5, seed=3)


@pytest.fixture(scope="module")
def study(store: xr.Dataset) -> Study:
    first = store["time"].values[0].astype("datetime64[Y]").astype("datetime64[D]") + 365 + 273
    period = (first, first + 3 * 365)
    basins = tuple(str(b) for b in store["basin"].values)
    return Study(load_scenarios(["martel", "storms"]), Physics(), basins, period)


def test_truth_is_the_true_model_under_changed_forcing(store: xr.Dataset, study: Study) -> None:
    found = true_response(store, study)
    names = [s.name for s in study.scenarios]
    days = slice(*study.period)
    base = store["qtrue"].sel(time=days).mean("time")
    np.testing.assert_allclose(found["value"][0, :, 0, 0], base, rtol=1e-5)
    wet = simulate_truth(store.assign(prcp=1.2 * store["prcp"])).sel(time=days)
    np.testing.assert_allclose(
        found["value"][names.index("p+20%"), :, 0, 0], wet.mean("time"), rtol=1e-4
    )
    q99 = np.quantile(wet, 0.99, axis=1)
    np.testing.assert_allclose(
        found["value"][names.index("p+20%"), :, NAMES.index("q99"), 0], q99, rtol=1e-4
    )
    peaks = found["value"][:, :, NAMES.index("storm_peak"), 0]
    wet_peaks = [float(peaks[names.index(f"storm_{d}mm_wet")].mean()) for d in (25, 50, 100)]
    assert wet_peaks == sorted(wet_peaks)
    # a catchment sheds at least as much of a greater storm
    assert wet_peaks[2] - wet_peaks[1] > 2 * 0.99 * (wet_peaks[1] - wet_peaks[0])


def test_parts_do_not_matter(
    store: xr.Dataset, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "BASINS_AT_ONCE", 2)
    few = replace(study, sets=load_scenarios(["martel"]))
    told: list[int] = []
    found = truth_in_parts(store, few, tmp_path, store=tmp_path, on_progress=told.append)
    xr.testing.assert_identical(found, true_response(store, few))
    assert sum(told) == 3 * len(few.scenarios)
    assert len(list(tmp_path.glob("*.nc"))) == 2


def test_real_basins_have_no_known_truth(store: xr.Dataset, study: Study) -> None:
    with pytest.raises(ConfigError, match="known truth"):
        true_response(store.assign_attrs(synthetic=False), study)
