"""The engine against the plain way: perturb the store, simulate, sum up."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from hydroml import api
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, StoreError
from hydroml.evaluation.rows import write_rows
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.sensitivity import parts, response
from hydroml.sensitivity.extremes import extreme_statistics, monthly_means, thresholds
from hydroml.sensitivity.gradients import GradientRequest, flow_gradients
from hydroml.sensitivity.layout import lay_out
from hydroml.sensitivity.members import open_members
from hydroml.sensitivity.parts import gradients_in_parts, respond_in_parts
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.response import require_study, respond, why_not_recomputed
from hydroml.sensitivity.scenario_files import load_scenarios, parse_scenarios
from hydroml.sensitivity.statistics import STATISTICS
from hydroml.sensitivity.study import Study
from hydroml.sensitivity.training_range import TrainingRange
from hydroml.training.rundir import RunDirectory
from tests.conftest import tiny_config
from tests.workers import killing_a_worker

CPU = torch.device("cpu")
DAYS = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))


@pytest.fixture
def dataset(tiny_store: Path) -> xr.Dataset:
    return open_store(tiny_store)


def study_of(dataset: xr.Dataset, *names: str, statics: str = "held") -> Study:
    basins = tuple(str(b) for b in dataset["basin"].values)
    return Study(load_scenarios(names), Physics(), basins, DAYS, statics)  # type: ignore[arg-type]


def test_statistics_equal_those_of_a_perturbed_store(dataset: xr.Dataset, tiny_run: Path) -> None:
    run = RunDirectory.open(tiny_run)
    study = study_of(dataset, "martel")
    found = respond(open_members([run], CPU), dataset, study.basins, study, None)
    request = Simulation(study.basins, DAYS)
    base = simulate_runs([run], dataset, request, CPU)["qsim"].values
    changed = {
        "baseline": dataset,
        "p-20%": dataset.assign(prcp=0.8 * dataset["prcp"]),
        "t+6": dataset.assign(tmax=dataset["tmax"] + 6, tmin=dataset["tmin"] + 6),
    }
    time = np.arange(DAYS[0], DAYS[1] + 1)
    for name, store in changed.items():
        q = simulate_runs([run], store, request, CPU)["qsim"].values
        s = [x.name for x in study.scenarios].index(name)
        expected = extreme_statistics(q, time, thresholds(base))
        np.testing.assert_allclose(found["value"][s, :, :, 0], expected, rtol=2e-3, atol=1e-3)
        np.testing.assert_allclose(
            found["regime"][s, :, :, 0], monthly_means(q, time), rtol=1e-3, atol=1e-4
        )
    rain = dataset["prcp"].sel(time=slice(*DAYS)).mean("time")
    np.testing.assert_allclose(found["precipitation"][1], 0.8 * rain, rtol=1e-5)


def test_small_batches_change_nothing(
    dataset: xr.Dataset, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = open_members([RunDirectory.open(tiny_run)], CPU)
    study = study_of(dataset, "martel", "storms")
    whole = respond(members, dataset, study.basins, study, None)
    monkeypatch.setattr(response, "ROWS_CPU", 1)
    torch_threads = torch.get_num_threads()
    few = respond(members, dataset, study.basins, study, None)
    xr.testing.assert_allclose(whole, few, rtol=1e-4)
    assert torch.get_num_threads() == torch_threads
    storms = [i for i, s in enumerate(study.scenarios) if s.storm]
    peak = list(STATISTICS).index("storm_peak")
    assert np.isfinite(whole["value"][storms, :, peak]).all()
    assert np.isnan(np.delete(whole["value"].values, storms, axis=0)[:, :, peak]).all()


def test_each_seed_of_each_run_is_a_member(
    dataset: xr.Dataset, tiny_store: Path, tiny_run: Path, tmp_path: Path
) -> None:
    config = tiny_config("seed=[1,2]", "epochs=1")
    pair = RunDirectory.open(api.train(tiny_store, config=config, name="pair", runs=tmp_path))
    runs = [pair, RunDirectory.open(tiny_run)]
    members = open_members(runs, CPU)
    assert [m.name for m in members] == ["pair_seed1", "pair_seed2", "tiny"]
    study = study_of(dataset, "martel")
    together = respond(members, dataset, study.basins, study, None)
    for m, member in enumerate(members):
        alone = respond([member], dataset, study.basins, study, None)
        np.testing.assert_array_equal(together["value"][..., m], alone["value"][..., 0])
    assert not np.allclose(together["value"][..., 0], together["value"][..., 1], equal_nan=True)
    request = GradientRequest(dataset["basin"].values.tolist()[:1], DAYS, days=2, lags=3)
    found = flow_gradients(runs, dataset, request, CPU)
    assert found["member"].values.tolist() == ["pair_seed1", "pair_seed2", "tiny"]
    assert found.attrs["run"] == "pair, tiny"


def test_layout_tells_changes_and_coordinates(dataset: xr.Dataset, tiny_run: Path) -> None:
    members = open_members([RunDirectory.open(tiny_run)], CPU)
    study = study_of(dataset, "martel")
    numbers = respond(members, dataset, study.basins, study, None)
    found = lay_out(
        numbers, study, dataset, members=["tiny"], inputs=["prcp", "tmax", "tmin"], attrs={}
    )
    wet = found.sel(scenario="p+20%", statistic="mean", member="tiny")
    base = found["value"].sel(scenario="baseline", statistic="mean", member="tiny")
    np.testing.assert_allclose(wet["change"], 100 * (wet["value"] - base) / base, rtol=1e-4)
    shift = found.sel(scenario="t+3", statistic="centre_timing", member="tiny")
    base = found["value"].sel(scenario="baseline", statistic="centre_timing", member="tiny")
    np.testing.assert_allclose(shift["change"], shift["value"] - base, atol=1e-3)
    assert found["temperature_change"].sel(scenario="t+3") == 3
    assert found["precipitation_factor"].sel(scenario="p-20%") == 0.8
    assert found["change_units"].sel(statistic="low7") == "%"
    np.testing.assert_array_equal(found["gauge_lat"], dataset["gauge_lat"])
    assert found["aridity"].isnull().all()  # the store has none
    assert (found["p_mean"] > 0).all()  # told by the forcing


def test_an_interrupted_study_goes_on_where_it_stopped(
    dataset: xr.Dataset,
    tiny_run: Path,
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = [RunDirectory.open(tiny_run)]
    study = study_of(dataset, "martel")
    monkeypatch.setattr(parts, "BASINS_PER_PART", 1)
    whole = respond_in_parts(runs, dataset, study, None, tmp_path / "a", CPU, store=tiny_store)
    done: list[str] = []

    def interrupted(members, dataset, basins, *rest, **more):  # type: ignore[no-untyped-def]
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(basins[0])
        return respond(members, dataset, basins, *rest, **more)

    monkeypatch.setattr(parts, "respond", interrupted)
    with pytest.raises(KeyboardInterrupt):
        respond_in_parts(runs, dataset, study, None, tmp_path / "b", CPU, store=tiny_store)
    assert len(list((tmp_path / "b").glob("*.nc"))) == 2
    seen: list[int] = []
    again: list[str] = []

    def counted(members, dataset, basins, *rest, **more):  # type: ignore[no-untyped-def]
        again.append(basins[0])
        return respond(members, dataset, basins, *rest, **more)

    monkeypatch.setattr(parts, "respond", counted)
    found = respond_in_parts(
        runs, dataset, study, None, tmp_path / "b", CPU, store=tiny_store, on_progress=seen.append
    )
    xr.testing.assert_identical(found, whole)
    assert done + again == list(study.basins)
    assert sum(seen) == len(study.scenarios) * len(study.basins)


def test_other_weights_basins_or_scenarios_are_another_study(
    dataset: xr.Dataset, tiny_run: Path
) -> None:
    run = RunDirectory.open(tiny_run)
    study = study_of(dataset, "martel")
    marks = {
        study.mark([run], dataset),
        study_of(dataset, "grid").mark([run], dataset),
        study_of(dataset, "martel", statics="recomputed").mark([run], dataset),
        Study(study.sets, Physics(vapour_pressure="held"), study.basins, DAYS).mark([run], dataset),
        Study(study.sets, Physics(), study.basins[:2], DAYS).mark([run], dataset),
        study.mark([run, run], dataset),
    }
    assert len(marks) == 6
    assert study.mark([run], dataset) in marks


def test_a_cluster_that_loses_a_worker_gives_the_same_numbers(
    dataset: xr.Dataset, tiny_run: Path, tiny_store: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, cluster: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(parts, "BASINS_PER_PART", 2)
    runs = [RunDirectory.open(tiny_run)]
    study = study_of(dataset, "martel")
    prcp = dataset[["prcp", "tmax", "tmin"]].to_dataarray().transpose("basin", "time", ...)
    seen = TrainingRange.fit(prcp.values.astype("f4"), study.basins, ["prcp", "tmax", "tmin"])
    here = respond_in_parts(runs, dataset, study, seen, tmp_path / "a", CPU, store=tiny_store)
    progress = killing_a_worker(cluster)
    there = respond_in_parts(
        runs, dataset, study, seen, tmp_path / "b", CPU, store=tiny_store,
        scheduler=cluster.scheduler_address, on_progress=progress,
    )  # fmt: skip
    xr.testing.assert_identical(there, here)
    assert sum(progress.told) == len(study.scenarios) * 4  # type: ignore[attr-defined]


def test_gradients_of_a_cluster_are_those_of_one_machine(
    dataset: xr.Dataset, tiny_run: Path, tiny_store: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, cluster: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(parts, "BASINS_PER_PART", 2)
    runs = [RunDirectory.open(tiny_run)]
    request = GradientRequest(dataset["basin"].values.tolist(), DAYS, days=4, lags=9)
    made: dict[str, xr.Dataset] = {}
    for name, scheduler in (("here", None), ("there", cluster.scheduler_address)):
        progress: list[int] = []
        found = gradients_in_parts(
            runs, dataset, request, tmp_path / name, CPU, store=tiny_store,
            scheduler=scheduler, on_progress=progress.append,
        )  # fmt: skip
        write_rows(found, tmp_path / f"{name}.nc")
        with xr.open_dataset(tmp_path / f"{name}.nc") as opened:
            made[name] = opened.load().drop_attrs(deep=False)
        assert sum(progress) == 4
    xr.testing.assert_identical(made["there"], made["here"])
    whole = flow_gradients(runs, dataset, request, CPU)
    xr.testing.assert_allclose(made["here"], whole, rtol=1e-4, atol=1e-7)
    assert made["here"].dq_dx.dims == whole.dq_dx.dims


def test_a_worker_with_another_store_is_refused(
    dataset: xr.Dataset, tiny_run: Path, tiny_store: Path, tmp_path: Path, cluster: Any
) -> None:
    other = dataset.assign_attrs(fingerprint="another")
    with pytest.raises(StoreError, match="A worker sees another store"):
        respond_in_parts(
            [RunDirectory.open(tiny_run)], other, study_of(dataset, "martel"), None,
            tmp_path, CPU, store=tiny_store, scheduler=cluster.scheduler_address,
        )  # fmt: skip


def test_what_a_study_cannot_do_is_refused_before_it_starts(
    dataset: xr.Dataset, tiny_run: Path
) -> None:
    members = open_members([RunDirectory.open(tiny_run)], CPU)
    tree = {
        "name": "x",
        "scenarios": [
            {"name": "windy", "changes": [{"kind": "add", "variable": "wind", "amount": 1}]}
        ],
    }
    windy = Study((parse_scenarios(tree, "x"),), Physics(), ("01000000",), DAYS)
    with pytest.raises(ConfigError, match="'windy'"):
        require_study(members, dataset, windy)
    recomputed = study_of(dataset, "martel", statics="recomputed")
    with pytest.raises(ConfigError, match="no climatic attributes"):
        require_study(members, dataset, recomputed)


def test_reasons_not_to_recompute(dataset: xr.Dataset) -> None:
    assert why_not_recomputed(["prcp", "tmax"], ["aridity"], dataset) == ""
    assert "temperature" in why_not_recomputed(["prcp"], ["aridity"], dataset)
    assert "gauge_lat" in why_not_recomputed(
        ["prcp", "tmax"], ["aridity"], dataset.drop_vars("gauge_lat")
    )
