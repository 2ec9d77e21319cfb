"""What is streamed from the store is what lies in memory, pool by pool, every sample once."""

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from hydroml import api
from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.series import open_series
from hydroml.data.store import open_store, write_store
from hydroml.errors import RunError, StoreError
from hydroml.models.losses import BASIN_WEIGHTS
from hydroml.training import fit
from hydroml.training.samples import days_around
from hydroml.training.step import take_step
from hydroml.training.streamed import deal
from hydroml.training.tiers import make_samples
from tests.conftest import tiny_config, tiny_dataset

INPUTS, STATICS = ("prcp", "tmax"), ("recession",)
PERIOD = (np.datetime64("1999-02-01"), np.datetime64("1999-07-31"))
CPU = torch.device("cpu")
TINY = 1e-9  # GiB: nothing fits, so all is streamed
SAMPLINGS = [WindowedSampling(length=20), SequenceSampling(warmup=10, block=25)]
by_sampling = pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda s: s.kind)


def some_reader(dataset, sampling, basins=None):
    lead, tail, _ = days_around(sampling)
    chosen = dataset.basin.values.tolist() if basins is None else basins
    return open_series(dataset, chosen, INPUTS, STATICS, PERIOD, lead=lead, tail=tail)


def samples_of(reader, sampling, memory):
    return make_samples(reader, sampling, BASIN_WEIGHTS["nse_star"], memory, CPU)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("hydroml")]


@pytest.fixture(scope="module")
def dataset():
    """150 basins, three chunks of a store, some of them with gaps."""
    found = tiny_dataset(basins=150, years=2, seed=1)
    rng = np.random.default_rng(0)
    for basin in range(0, 150, 7):
        start = rng.integers(0, 400)
        found["qobs"][basin, start : start + 100] = np.nan
        found["prcp"][basin, start + 50] = np.nan
    found["qobs"][3] = np.nan
    return found


@pytest.fixture(scope="module")
def store(dataset, tmp_path_factory) -> Path:
    return write_store(dataset, tmp_path_factory.mktemp("streamed") / "s.zarr")


@given(
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([*SAMPLINGS, SequenceSampling(warmup=0, block=7)]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
def test_an_epoch_counts_every_valid_target_once(basins, in_chunk, pools, sampling, seed):
    data = tiny_dataset(basins=9, years=1).isel(basin=slice(basins))
    rng = np.random.default_rng(seed)
    data["qobs"] = data.qobs.where(rng.random(data.qobs.shape) < 0.8)
    data["tmax"] = data.tmax.where(rng.random(data.tmax.shape) < 0.995)
    # another order than the store's
    reader = some_reader(data, sampling, rng.permutation(data.basin.values).tolist())
    _, streamed = samples_of(reader, sampling, TINY)
    chunks = reader.chunks(in_chunk)
    streamed = replace(streamed, chunks=chunks, pools_an_epoch=min(pools, len(chunks)))
    _, _, memory = days_around(sampling)
    valid = reader.read().valid_targets(memory)
    for epoch in range(2):
        times = np.zeros(valid.shape, int)
        met: list[str] = []
        for number, pool in enumerate(streamed.pools(epoch)):
            assert pool.index == number
            met += pool.basins
            batches = pool.batches(seed, epoch, size=5)
            assert all(len(b) == 5 for b in batches[:-1])
            for start in torch.cat(batches).tolist() if batches else []:
                basin, first = pool.where(start)
                day = int((first - reader.time[0]).astype(int)) + streamed.length
                times[reader.basins.index(basin), day - streamed.targets : day] += 1
        assert sorted(met) == sorted(reader.basins)
        np.testing.assert_array_equal(times[valid], 1)


@by_sampling
def test_streamed_batches_are_bit_equal_to_those_in_memory(store, sampling):
    reader = some_reader(open_store(store), sampling)
    scaler, resident = samples_of(reader, sampling, "all")
    streamed_scaler, streamed = samples_of(reader, sampling, TINY)
    for name in ("dynamic_mean", "dynamic_std", "basin_std", "target_mean", "target_std"):
        np.testing.assert_array_equal(getattr(scaler, name), getattr(streamed_scaler, name))
    assert replace(resident.inventory, place="") == replace(streamed.inventory, place="")
    assert streamed.inventory.idle == 1
    assert (resident.length, resident.targets) == (streamed.length, streamed.targets)
    (whole,) = resident.pools(epoch=0)
    assert streamed.pools_an_epoch == 3
    for pool in streamed.pools(epoch=1):
        indices = torch.cat(pool.batches(0, 1, size=64))[::13]
        there = [pool.where(int(i)) for i in indices]
        same = [
            reader.basins.index(basin) * whole.days + int((day - reader.time[0]).astype(int))
            for basin, day in there
        ]
        ours, theirs = pool.gather(indices), whole.gather(torch.tensor(same))
        for name in ("x_d", "x_s", "y", "weight"):
            a, b = getattr(ours, name), getattr(theirs, name)
            assert torch.equal(a.nan_to_num(-99.0), b.nan_to_num(-99.0)), name
        (batch,) = pool.stream([indices])
        assert torch.equal(batch.x_d, ours.x_d)


def test_the_scaler_does_not_depend_on_how_the_basins_are_read(store):
    # float64 sums of each basin: to the last bit for any parts, and to 1e-12 of plain numpy
    sampling = SAMPLINGS[1]
    reader = some_reader(open_store(store), sampling)
    scaler, _ = samples_of(reader, sampling, TINY)
    series = reader.read()
    valid = series.valid_targets(10)
    inside = series.x_d[:, series.period].astype("float64")
    np.testing.assert_allclose(scaler.dynamic_mean, np.nanmean(inside, (0, 1)), rtol=1e-12)
    np.testing.assert_allclose(scaler.dynamic_std, np.nanstd(inside, (0, 1)), rtol=1e-12)
    y = np.where(valid, series.y.astype("float64"), np.nan)
    assert scaler.target_std == pytest.approx(np.nanstd(y), rel=1e-12)
    rows = valid.any(axis=1)
    np.testing.assert_allclose(scaler.basin_std[rows], np.nanstd(y[rows], axis=1), rtol=1e-12)
    assert scaler.basin_std[3] == 0


def test_pools_depend_on_the_epoch_alone_and_may_begin_later(store):
    sampling = SAMPLINGS[0]
    _, streamed = samples_of(some_reader(open_store(store), sampling), sampling, TINY)
    epochs = [[p.basins for p in streamed.pools(epoch)] for epoch in range(4)]
    assert [p.basins for p in streamed.pools(2)] == epochs[2]
    assert any(other != epochs[0] for other in epochs[1:])
    (last,) = streamed.pools(2, first=2)
    assert (last.index, last.basins) == (2, epochs[2][2])
    order = torch.cat(last.batches(seed=5, epoch=2, size=8))
    assert torch.equal(order, torch.cat(last.batches(seed=5, epoch=2, size=8)))
    assert not torch.equal(order, torch.cat(last.batches(seed=6, epoch=2, size=8)))


@pytest.mark.parametrize("damage", ["gone", "cut short", "empty"])
def test_a_store_that_breaks_while_training_is_named(dataset, tmp_path, damage):
    path = write_store(dataset, tmp_path / "s.zarr")
    sampling = SAMPLINGS[0]
    _, streamed = samples_of(some_reader(open_store(path), sampling), sampling, TINY)
    pools = streamed.pools(0)
    next(pools)
    for file in (path / "qobs" / "c").rglob("0"):
        if file.is_file() and damage == "gone":
            file.unlink()
        elif file.is_file():
            file.write_bytes(file.read_bytes()[:100] if damage == "cut short" else b"")
    with pytest.raises(StoreError, match="store") as caught:
        list(pools)
    assert "--resume" in caught.value.remedy
    assert threads() == []


def test_faults_are_the_same_streamed_and_in_memory(dataset):
    sampling = SAMPLINGS[0]
    broken = dataset.copy(deep=True)
    broken["tmax"][140, 200] = np.inf
    dry = dataset.assign(qobs=dataset.qobs * np.nan)
    for data, error, words in (
        (broken, StoreError, "tmax of basin"),
        (dry, RunError, "No day of the training period"),
        (dataset.assign(tmax=dataset.tmax * 0 + 0.1), RunError, "tmax does not vary"),
    ):
        said = []
        for memory in ("all", TINY):
            with pytest.raises(error, match=words) as caught:
                samples_of(some_reader(data, sampling), sampling, memory)
            said.append(str(caught.value))
        assert said[0].split("(standard")[0] == said[1].split("(standard")[0]


def test_closing_ends_the_thread_in_the_middle_of_a_pool(store, monkeypatch):
    sampling = SAMPLINGS[0]
    _, streamed = samples_of(some_reader(open_store(store), sampling), sampling, TINY)
    read = []

    def counted(self, variable, *rest):
        read.append(variable)
        return plain(self, variable, *rest)

    plain = type(streamed.reader)._values
    pools = streamed.pools(0)
    next(pools)
    monkeypatch.setattr(type(streamed.reader), "_values", counted)
    pools.close()
    assert threads() == []
    assert len(read) <= len(streamed.reader.names)  # the next pool, at most, no further one


def test_reading_stops_when_asked(store):
    reader = some_reader(open_store(store), SAMPLINGS[0])
    answers = iter([False, True])
    with pytest.raises(InterruptedError):
        reader.read(stop=lambda: next(answers))


def test_deal_by_hand():
    # chunks of 64 basins of 10 bytes: 640 bytes; half of 3000 holds 2 of them, so 5 make 3 pools
    chunks = [np.arange(64)] * 4 + [np.arange(10)]
    assert deal(chunks, basin_size=10, budget=3000) == 3
    assert deal(chunks, basin_size=10, budget=100) == 5
    assert deal(chunks, basin_size=10, budget=10**9) == 1


def test_a_streamed_run_equals_one_in_memory_where_all_is_one_pool(tiny_store, tmp_path):
    # four basins are one chunk, one chunk is one pool: the same batches, read by a thread
    weights = []
    for name, memory in (("whole", "all"), ("streamed", "0.000001")):
        config = tiny_config("epochs=2", f"data.memory={memory}", "device=cpu")
        run = api.train(tiny_store, config=config, name=name, runs=tmp_path)
        log = (run / "log.txt").read_text()
        assert ("streamed from the store in 1 pool" in log) == (name == "streamed")
        weights.append(last_weights(run))
    assert weights[0]
    assert all(torch.equal(p, weights[1][name]) for name, p in weights[0].items())


@pytest.mark.parametrize("step", [9, 26])
def test_interrupted_in_any_pool_and_resumed_equals_uninterrupted(
    store, tmp_path, monkeypatch, step
):
    config = tiny_config(
        "data.train=1999-02-01..1999-07-31", "optimizer.batch_size=32", f"data.memory={TINY}"
    )
    whole = api.train(store, config=config, name="whole", runs=tmp_path)
    taken = iter(range(1, 1000))

    def until(*arguments, **options):
        if next(taken) == step:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(*arguments, **options)

    monkeypatch.setattr(fit, "take_step", until)
    with pytest.raises(fit.Interrupted):
        api.train(store, config=config, name="resumed", runs=tmp_path)
    assert threads() == []
    resumed = api.resume(tmp_path / "resumed")
    assert next(taken) > step + 1  # there was something left to do
    for name, p in last_weights(whole).items():
        assert torch.equal(p, last_weights(resumed)[name])


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(max((run / "checkpoints").glob("epoch*.safetensors")))
