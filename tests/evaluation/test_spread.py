"""Evaluations in parts: the same numbers whatever the parts, wherever they are computed."""

import shutil

import numpy as np
import pytest
import xarray as xr

from hydroml import api
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, RunError
from hydroml.evaluation import predict, simulate, spread
from hydroml.evaluation.parts import Parts
from hydroml.evaluation.simulate import Simulation
from hydroml.evaluation.spread import basins_at_once
from hydroml.report.figures import read_metrics
from hydroml.training.rundir import RunDirectory
from tests.conftest import tiny_config, tiny_dataset
from tests.workers import killing_a_worker

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of two basins, which are a batch."""
    monkeypatch.setattr(spread, "BASINS_PER_PART", 2)
    monkeypatch.setattr(spread, "VALUES_AT_ONCE", 1)


def same(one, other):
    """All that an evaluation writes, to the bit, but for the time it was made at."""
    made = []
    for folder in (one, other):
        with xr.open_dataset(folder / "simulations.nc") as opened:
            found = opened.load()
        del found.attrs["history"]
        made.append(found)
    xr.testing.assert_identical(*made)
    for name in ("metrics.csv", "summary.json"):
        assert (one / name).read_text() == (other / name).read_text()


@pytest.mark.parametrize("mode", ["continuous", "windowed"])
def test_parts_do_not_matter(mode, tiny_run, tmp_path, monkeypatch, small_parts):
    api.evaluate(tiny_run, mode=mode, out=tmp_path / "parts", device="cpu")
    monkeypatch.undo()
    monkeypatch.setattr(predict, "BATCH_ON_CPU", (2, 32))
    api.evaluate(tiny_run, mode=mode, out=tmp_path / "whole", device="cpu")
    same(tmp_path / "parts", tmp_path / "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["parts", "whole"]


def test_an_interrupted_evaluation_goes_on(tiny_run, tmp_path, monkeypatch, small_parts):
    api.evaluate(tiny_run, out=tmp_path / "a", device="cpu")
    compute, done = spread.simulate_some, []

    def interrupted(runs, dataset, request, *rest, **more):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(list(request.basins))
        return compute(runs, dataset, request, *rest, **more)

    monkeypatch.setattr(spread, "simulate_some", interrupted)
    with pytest.raises(KeyboardInterrupt):
        api.evaluate(tiny_run, out=tmp_path / "b", device="cpu")
    assert not (tmp_path / "b").exists()
    (kept,) = tmp_path.glob(".b-*.parts/*.nc")
    assert kept.name == "0000000-0000002.nc"
    done.clear()
    api.evaluate(tiny_run, out=tmp_path / "b", device="cpu")
    assert done == [["03000000", "04000000"]]
    same(tmp_path / "a", tmp_path / "b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_another_request_does_not_take_up_the_parts_of_the_first(
    tiny_run, tmp_path, monkeypatch, small_parts
):
    def fails(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("hydroml.evaluation.evaluate.score_simulations", fails)
        for mode in ("continuous", "windowed"):
            with pytest.raises(KeyboardInterrupt):
                api.evaluate(tiny_run, mode=mode, out=tmp_path / "a", device="cpu")
    assert len(list(tmp_path.glob(".a-*.parts"))) == 2
    api.evaluate(tiny_run, out=tmp_path / "a", device="cpu")
    assert not list(tmp_path.glob(".a-*.parts"))


def test_a_cluster_that_loses_a_worker_gives_the_same(
    tiny_run, tiny_store, tmp_path, small_parts, cluster
):
    api.evaluate(tiny_run, out=tmp_path / "here", device="cpu")
    run, dataset = RunDirectory.open(tiny_run), open_store(tiny_store)
    days = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))
    request = Simulation(dataset["basin"].values.tolist(), days)
    progress = killing_a_worker(cluster)
    options = {"store": tiny_store, "scheduler": cluster.scheduler_address}
    found = xr.concat(
        spread.simulate_in_parts(
            [run], dataset, request, "cpu", tmp_path / "parts", on_progress=progress, **options
        ),
        dim="basin",
    )
    assert sum(progress.told) == 4
    with xr.open_dataset(tmp_path / "here" / "simulations.nc") as here:
        np.testing.assert_array_equal(found["qsim"], here["qsim"])
    table = api.evaluate(tiny_run, out=tmp_path / "there", scheduler=cluster.scheduler_address)
    assert table.index.tolist() == request.basins
    same(tmp_path / "here", tmp_path / "there")


def test_a_scheduler_that_is_not_there_leaves_nothing(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr("hydroml.cluster.PATIENCE", 1)
    with pytest.raises(ConfigError, match="No Dask scheduler answers"):
        api.evaluate(tiny_run, out=tmp_path / "a", scheduler="tcp://127.0.0.1:9")
    assert not list(tmp_path.iterdir())


def test_a_part_without_a_day_is_none_and_a_period_without_one_is_refused(
    tiny_run, tmp_path, monkeypatch, small_parts
):
    dataset = tiny_dataset().assign_attrs(fingerprint="f")
    dataset["prcp"].loc[["01000000", "02000000"]] = np.nan
    days = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))
    run = [RunDirectory.open(tiny_run)]

    def simulated(basins, name):
        request = Simulation(basins, days)
        parts = spread.simulate_in_parts(
            run, dataset, request, predict.torch.device("cpu"), tmp_path / name, store=tmp_path
        )
        return xr.concat(parts, dim="basin")["qsim"].notnull().any("time").values.tolist()

    every = dataset["basin"].values.tolist()
    assert simulated(every, "a") == [False, False, True, True]
    with pytest.raises(RunError, match=r"No day of 2001-10-01\.\.2003-09-30 has complete inputs"):
        simulated(every[:2], "b")


def test_each_seed_of_each_run_is_a_member(tiny_store, tiny_run, tmp_path):
    config = tiny_config("seed=[1,2]", "epochs=1")
    pair = api.train(tiny_store, config=config, name="pair", runs=tmp_path)
    alone = shutil.copytree(tiny_run, tmp_path / "alone")
    table = api.evaluate(pair, out=tmp_path / "a", device="cpu")
    with xr.open_dataset(tmp_path / "a" / "simulations.nc") as found:
        assert found["qsim"].dims == ("basin", "time", "member")
        assert found["member"].values.tolist() == ["pair_seed1", "pair_seed2"]
        assert found.attrs["run"] == "pair"
        first, second = np.moveaxis(found["qsim"].values, 2, 0)
    assert not np.allclose(first, second)
    assert (tmp_path / "a" / "members.csv").is_file()
    assert read_metrics(tmp_path / "a" / "metrics.csv").index.tolist() == table.index.tolist()
    api.evaluate([pair, alone], out=tmp_path / "b", device="cpu")
    with xr.open_dataset(tmp_path / "b" / "simulations.nc") as found:
        assert found["member"].values.tolist() == ["pair_seed1", "pair_seed2", "alone"]
        np.testing.assert_array_equal(found["qsim"][..., 1], second)


def test_basins_in_memory_follow_from_days_and_members(tiny_run, monkeypatch):
    run = RunDirectory.open(tiny_run)
    days = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))
    request = Simulation([], days)
    # 730 days and a year before them, 3 inputs, two discharges and one simulation
    monkeypatch.setattr(spread, "VALUES_AT_ONCE", 3 * 128 * (730 + simulate.LEAD_DAYS) * 6)
    assert basins_at_once([run], request) == 3 * 128
    monkeypatch.setattr(spread, "VALUES_AT_ONCE", 3 * 128 * (730 + simulate.LEAD_DAYS) * 6 - 1)
    assert basins_at_once([run], request) == 2 * 128
    assert basins_at_once([run], Simulation([], days, "windowed")) == 128
    monkeypatch.setattr(spread, "VALUES_AT_ONCE", 1)
    assert basins_at_once([run], request) == 128


def test_parts_hold_every_basin_once(tmp_path):
    parts = Parts([f"{i}" for i in range(10)], tmp_path, 4)
    assert [len(some) for _, some in parts.all()] == [4, 4, 2]
    assert [basin for _, some in parts.all() for basin in some] == parts.basins
    parts.all()[1][0].touch()
    assert parts.count_missing() == 6
