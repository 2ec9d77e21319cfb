"""Work over a Dask cluster: every task once, whatever happens to workers; lacks are named."""

import asyncio
import gc
import os
import signal
from operator import mul
from pathlib import Path
from typing import Any

import pytest

from hydroml import cluster as module
from hydroml.cluster import over_workers
from hydroml.errors import ConfigError, HydromlError
from tests.workers import dask_cluster

pytest.importorskip("distributed")


def halve(number: int) -> float:
    if number % 2:
        raise HydromlError(f"{number} is odd.", "Give an even number.")
    return number / 2


def test_every_task_gives_its_result_once(cluster: Any) -> None:
    tasks = [(i, i) for i in range(30)]
    found = dict(over_workers(cluster.scheduler_address, mul, tasks))
    assert found == {i: i * i for i in range(30)}
    assert list(over_workers(cluster.scheduler_address, mul, [])) == []


def test_few_tasks_are_under_way_at_a_time(cluster: Any) -> None:
    begun = 0

    def tasks():  # type: ignore[no-untyped-def]
        nonlocal begun
        for i in range(100):
            begun += 1
            yield i, i

    ended = 0
    for _ in over_workers(cluster.scheduler_address, mul, tasks()):
        ended += 1
        assert begun - ended < 2 * module.TASKS_A_THREAD
    assert begun == ended == 100


def test_what_a_task_raises_is_raised_here_with_its_remedy(cluster: Any) -> None:
    with pytest.raises(HydromlError, match="3 is odd") as caught:
        list(over_workers(cluster.scheduler_address, halve, [(2,), (3,)]))
    assert caught.value.remedy == "Give an even number."


def test_a_killed_worker_costs_no_result(cluster: Any) -> None:
    found = {}
    for place, result in over_workers(
        cluster.scheduler_address, halve, [(2 * i,) for i in range(40)]
    ):
        if not found:
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        found[place] = result
    assert found == {i: i for i in range(40)}


def test_a_task_that_kills_every_worker_is_named(cluster: Any) -> None:
    with pytest.raises(HydromlError, match="lost with each worker") as caught:
        list(over_workers(cluster.scheduler_address, os._exit, [(1,)]))
    assert "more memory" in caught.value.remedy


def test_files_that_workers_do_not_see_are_named(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    files = [tmp_path / "here", tmp_path / "not_here"]
    with pytest.raises(ConfigError, match=r"worker tcp://.* does not see .*not_here") as caught:
        list(over_workers(cluster.scheduler_address, mul, [(1, 2)], files=files))
    assert "shared file system" in caught.value.remedy
    assert list(over_workers(cluster.scheduler_address, mul, [(1, 2)], files=files[:1])) == [(0, 2)]


def test_workers_of_another_version_are_refused(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "__version__", "0.0.1")
    with pytest.raises(ConfigError, match=r"has hydroml .*, here it is 0\.0\.1"):
        list(over_workers(cluster.scheduler_address, mul, [(1, 2)]))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "foo://127.0.0.1:9"])
def test_no_scheduler_at_the_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    with pytest.raises(ConfigError, match=f"No Dask scheduler answers at {address}") as caught:
        list(over_workers(address, mul, [(1, 2)]))
    assert "dask scheduler" in caught.value.remedy


def test_many_vain_attempts_leave_nothing_that_hinders_the_next(cluster: Any) -> None:
    """Clients that could not be made used to wait for one another for ever (a lock, twice)."""
    before = gc.get_threshold()
    gc.set_threshold(10)  # at every turn, as it may befall at any
    try:
        for _ in range(5):
            with pytest.raises(ConfigError):
                list(over_workers("nonsense", mul, [(1, 2)]))
        assert list(over_workers(cluster.scheduler_address, mul, [(1, 2)])) == [(0, 2)]
    finally:
        gc.set_threshold(*before)


def test_works_where_an_event_loop_runs_as_in_a_notebook(cluster: Any) -> None:
    async def cell() -> list[tuple[int, int]]:
        return list(over_workers(cluster.scheduler_address, mul, [(1, 2)]))

    assert asyncio.run(cell()) == [(0, 2)]


def test_a_scheduler_without_workers_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_FOR_WORKERS", 1)
    with dask_cluster(0) as idle:
        with pytest.raises(ConfigError, match="has had no workers for 1 seconds") as caught:
            list(over_workers(idle.scheduler_address, mul, [(1, 2)]))
        assert f"dask worker {idle.scheduler_address}" in caught.value.remedy
