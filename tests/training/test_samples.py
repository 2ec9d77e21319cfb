"""Samples gathered by index equal slices cut one by one, and cover every target once."""

import numpy as np
import pytest
import torch

from hydroml.config import SequenceSampling, WindowedSampling
from hydroml.data.scaling import fit_scaler
from hydroml.data.series import open_series
from hydroml.training.samples import days_around
from hydroml.training.tiers import make_samples
from tests.conftest import tiny_dataset

INPUTS, STATICS = ("prcp", "tmax"), ("recession", "area_gages2")
PERIOD = (np.datetime64("1999-10-01"), np.datetime64("2000-03-31"))
SAMPLINGS = [WindowedSampling(length=20), SequenceSampling(warmup=10, block=25)]
by_sampling = pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda s: s.kind)


def cut(sampling):
    """The pool of the tiny basins with gaps, and the arrays it is cut from, as plain numpy."""
    dataset = tiny_dataset()
    dataset["prcp"][1, 400:403] = np.nan
    dataset["qobs"][2, 420:460] = np.nan
    lead, tail, memory = days_around(sampling)
    basins = dataset.basin.values.tolist()
    reader = open_series(dataset, basins, INPUTS, STATICS, PERIOD, lead=lead, tail=tail)
    series = reader.read()
    valid = series.valid_targets(memory)
    scaler = fit_scaler(series, valid, INPUTS, STATICS)
    plain = {
        "x_d": np.nan_to_num((series.x_d - scaler.dynamic_mean) / scaler.dynamic_std),
        "x_s": (series.x_s - scaler.static_mean) / scaler.static_std,
        "y": np.where(valid, (series.y - scaler.target_mean) / scaler.target_std, np.nan),
        "valid": valid,
    }
    found, samples = make_samples(reader, sampling, one_to_four, "all", torch.device("cpu"))
    assert (found.target_mean, found.target_std) == (scaler.target_mean, scaler.target_std)
    (pool,) = samples.pools(epoch=0)
    return pool, plain


def one_to_four(basin_std, target_std):
    return np.array([1.0, 2.0, 3.0, 4.0])


def starts_of(pool, seed, epoch):
    """Flat indices in the order of an epoch."""
    return torch.cat(pool.batches(seed, epoch, size=7)).numpy()


@by_sampling
def test_gather_equals_slicing_one_by_one(sampling):
    pool, plain = cut(sampling)
    days = plain["y"].shape[1]
    starts = starts_of(pool, 3, 0)
    batch = pool.gather(torch.from_numpy(starts))
    for k, start in enumerate(starts):
        basin, day = divmod(int(start), days)
        window = slice(day, day + pool.length)
        counted = slice(day + pool.length - pool.targets, day + pool.length)
        np.testing.assert_allclose(batch.x_d[k], plain["x_d"][basin, window], atol=1e-5)
        np.testing.assert_allclose(batch.x_s[k], plain["x_s"][basin], atol=1e-6)
        np.testing.assert_allclose(batch.y[k], plain["y"][basin, counted], atol=1e-5)
        assert batch.weight[k] == basin + 1


@by_sampling
def test_no_sample_reaches_into_the_next_basin(sampling):
    pool, plain = cut(sampling)
    days = plain["y"].shape[1]
    for epoch in range(5):
        starts = starts_of(pool, 0, epoch)
        np.testing.assert_array_equal(starts // days, (starts + pool.length - 1) // days)


@by_sampling
@pytest.mark.parametrize("epoch", range(3))
def test_every_valid_target_counts_exactly_once_an_epoch(sampling, epoch):
    pool, plain = cut(sampling)
    ends = starts_of(pool, 1, epoch) + pool.length
    counted = np.concatenate([np.arange(end - pool.targets, end) for end in ends])
    times = np.bincount(counted, minlength=plain["valid"].size)
    valid = plain["valid"].ravel()
    np.testing.assert_array_equal(times[valid], 1)
    gathered = pool.gather(torch.from_numpy(ends - pool.length))
    # days that do not count may lie in a block, but bring no target
    assert int((~torch.isnan(gathered.y)).sum()) == valid.sum()


def test_what_is_missing_takes_its_days_out_of_the_targets():
    # 183 days; basin 1 lacks rain on 3 days: they and the 19 after them have no whole window;
    # basin 2 lacks discharge on 40 days. Day 366 of the series is 1999-10-02, so all lie inside
    _, plain = cut(SAMPLINGS[0])
    assert plain["valid"].sum(axis=1).tolist() == [183, 183 - 22, 183 - 40, 183]


@by_sampling
def test_the_order_is_a_function_of_seed_and_epoch(sampling):
    pool, _ = cut(sampling)
    order = starts_of(pool, 7, 2)
    np.testing.assert_array_equal(order, starts_of(pool, 7, 2))
    for other in (starts_of(pool, 7, 3), starts_of(pool, 8, 2)):
        assert len(other) != len(order) or (other != order).any()
    assert (np.diff(order) < 0).any()  # shuffled at all


def test_days_around_by_hand():
    # a window of 20 needs 19 days before; a block of 25 may be shifted back by 24 more than
    # its warm-up, and reach 25 days beyond the period
    assert days_around(WindowedSampling(length=20)) == (19, 0, 20)
    assert days_around(SequenceSampling(warmup=10, block=25)) == (34, 25, 10)
    assert days_around(SequenceSampling(warmup=0, block=25)) == (24, 25, 1)
