"""Two worker processes behind a Dask scheduler, and a way to lose one of them."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def dask_cluster(workers: int) -> Iterator[Any]:
    """A LocalCluster; what it leaves in the environment of this process is taken back."""
    distributed = pytest.importorskip("distributed")
    before = dict(os.environ)  # it leaves OMP_NUM_THREADS=1 and more, for every process after it
    try:
        with distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster:
            yield cluster
    finally:
        os.environ.clear()
        os.environ.update(before)


def killing_a_worker(cluster: Any) -> Callable[[int], None]:
    """An `on_progress` that kills a worker at the first progress; `told` is what it was told."""
    told: list[int] = []

    def advance(n: int) -> None:
        if n and not any(told):
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        told.append(n)

    advance.told = told  # type: ignore[attr-defined]
    return advance
