"""Work ahead of its use: in order, not too far ahead, errors where they belong, no thread left."""

import threading
import time
from functools import partial

import pytest
import torch

from hydroml.config import SequenceSampling
from hydroml.training.ahead import ahead
from hydroml.training.staged import StagedPool
from tests.training.test_samples import cut


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("hydroml")]


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_results_come_in_order_and_no_more_than_depth_ahead(depth):
    made: list[int] = []

    def call(number: int) -> int:
        made.append(number)
        return number

    results = ahead((partial(call, n) for n in range(9)), depth)
    for n in range(9):
        assert next(results) == n
        expected = min(n + 1 + depth, 9)  # this one, and those that wait
        wait_until(lambda e=expected: len(made) == e)
        time.sleep(0.002)
        assert made == list(range(expected))
    assert list(results) == []
    assert threads() == []


def test_an_error_is_raised_where_its_result_is_asked_for():
    def broken() -> int:
        raise ValueError("here")

    results = ahead([lambda: 1, broken, lambda: 3], depth=2)
    assert next(results) == 1
    with pytest.raises(ValueError, match="here"):
        next(results)
    assert threads() == []


def test_closing_cancels_what_has_not_begun():
    made: list[int] = []
    begun = threading.Event()

    def call(number: int) -> None:
        made.append(number)
        if number:
            begun.set()
            time.sleep(0.05)

    results = ahead((partial(call, n) for n in range(9)), depth=4)
    next(results)
    begun.wait()
    results.close()
    assert made == [0, 1]
    assert threads() == []


def test_a_staged_pool_sends_what_the_host_gathers():
    host, _ = cut(SequenceSampling(warmup=10, block=25))
    pool = StagedPool(host, torch.device("cpu"))
    batches = pool.batches(seed=2, epoch=1, size=3)
    assert all(torch.equal(a, b) for a, b in zip(batches, host.batches(2, 1, 3), strict=True))
    sent = list(pool.stream(batches))
    assert len(sent) == len(batches)
    for batch, indices in zip(sent, batches, strict=True):
        for there in (host.gather(indices), pool.gather(indices)):
            assert torch.equal(batch.x_d, there.x_d)
            assert torch.equal(batch.y.nan_to_num(-9), there.y.nan_to_num(-9))
            assert torch.equal(batch.x_s, there.x_s)
            assert torch.equal(batch.weight, there.weight)
    assert (pool.index, pool.where(5)) == (0, host.where(5))
    half = pool.stream(batches)
    next(half)
    half.close()
    assert threads() == []


@pytest.mark.gpu
def test_a_staged_pool_feeds_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    host, _ = cut(SequenceSampling(warmup=10, block=25))
    pool = StagedPool(host, torch.device("cuda"))
    batches = pool.batches(seed=2, epoch=1, size=3)
    for batch, indices in zip(pool.stream(batches), batches, strict=True):
        assert batch.x_d.is_cuda
        assert torch.equal(batch.x_d.cpu(), host.gather(indices).x_d)
