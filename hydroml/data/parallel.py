"""Reading basins in parallel: pure tasks, dask over spawned processes or over a cluster."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import dask
import xarray as xr
from dask.callbacks import Callback

from hydroml.cluster import over_workers
from hydroml.data.source import SkipBasin, Source
from hydroml.errors import ConfigError, HydromlError, SourceError
from hydroml.progress import Advance

FEW_BASINS = 8
"""Up to so many basins a worker are read faster than a further process starts."""
BASINS_A_TASK = 8
"""Basins that a worker of a cluster reads in one task."""

Read = xr.Dataset | SkipBasin | SourceError
"""What reading a basin gives: it, the normal reason to leave it out, or what is wrong with it."""
Reader = Callable[[Mapping[int, Sequence[str]], Advance], Iterator[tuple[int, list[Read]]]]


def read_basin(source: Source, gauge: str) -> Read:
    """Read one basin; what goes wrong is returned instead of raised.

    Parameters
    ----------
    source : Source
        Where from.
    gauge : str
        Which.

    Returns
    -------
    xarray.Dataset, SkipBasin or SourceError
        See `Read`.
    """
    try:
        return source.read(gauge)
    except (SkipBasin, SourceError) as reason:
        return reason.with_traceback(None)


def read_basins(
    source: Source, gauges: Sequence[str], pool: ProcessPoolExecutor | None, on_progress: Advance
) -> list[Read]:
    """Read several basins in parallel.

    Parameters
    ----------
    source : Source
        Where from.
    gauges : sequence of str
        Which; the result has their order.
    pool : ProcessPoolExecutor or None
        Made by `worker_pool`; None reads in this process.
    on_progress : callable
        Called with 1 after each basin.

    Returns
    -------
    list
        One result of `read_basin` a gauge.
    """
    prefix = "read_basin-"
    tasks = [
        dask.delayed(read_basin, pure=True)(
            source.narrowed(gauge), gauge, dask_key_name=f"{prefix}{gauge}"
        )
        for gauge in gauges
    ]

    def advance(key: object, *_: object) -> None:
        if str(key).startswith(prefix):
            on_progress(1)

    scheduler = {"scheduler": "processes", "pool": pool} if pool else {"scheduler": "synchronous"}
    with Callback(posttask=advance):
        return list(dask.compute(*tasks, optimize_graph=False, **scheduler))


def read_on_cluster(
    source: Source, groups: Mapping[int, Sequence[str]], scheduler: str, on_progress: Advance
) -> Iterator[tuple[int, list[Read]]]:
    """Read groups of basins on the workers of a Dask scheduler that see the source's files.

    Parameters
    ----------
    source : Source
        Where from.
    groups : mapping of int to sequence of str
        Gauge ids of each group, by its number.
    scheduler : str
        Address.
    on_progress : callable
        Called with the number of basins read.

    Yields
    ------
    number : int
        Of a group, as soon as all of it is read.
    results : list
        One result of `read_basin` a gauge, in the group's order.

    Raises
    ------
    HydromlError
        See `hydroml.cluster.over_workers`.
    """
    tasks = [
        (number, start)
        for number, gauges in groups.items()
        for start in range(0, len(gauges), BASINS_A_TASK)
    ]
    calls = (
        [[(source.narrowed(g), g) for g in groups[number][start : start + BASINS_A_TASK]]]
        for number, start in tasks
    )
    found: dict[int, dict[int, list[Read]]] = {}
    for place, results in over_workers(scheduler, _read_several, calls, files=[_a_file(source)]):
        number, start = tasks[place]
        so_far = found.setdefault(number, {})
        so_far[start] = results
        on_progress(len(results))
        if sum(map(len, so_far.values())) == len(groups[number]):
            yield number, [result for at in sorted(so_far) for result in so_far[at]]
            del found[number]


def _read_several(tasks: Sequence[tuple[Source, str]]) -> list[Read]:
    return [read_basin(source, gauge) for source, gauge in tasks]


def _a_file(source: Source) -> str:
    """One of the source's files, which stands for all of them."""
    files = source.identity()["files"]
    return str(next(iter(files))[0]) if isinstance(files, list) and files else source.location


@contextmanager
def reader(
    source: Source, workers: int | None, scheduler: str | None, basins: int
) -> Iterator[Reader]:
    """Give the way to read groups of basins: a cluster, processes, or this process.

    Parameters
    ----------
    source : Source
        Where from.
    workers : int, optional
        See `worker_pool`.
    scheduler : str, optional
        Address of a Dask scheduler; see `read_on_cluster`.
    basins : int
        How many basins there are to read.

    Yields
    ------
    callable
        ``read(groups, on_progress)``, which yields number and results of each group.

    Raises
    ------
    ConfigError
        Fewer than one worker, workers and a scheduler, or a scheduler without able workers.
    HydromlError
        A worker died.
    """
    if scheduler is not None and workers is not None:
        raise ConfigError(
            f"Both workers ({workers}) and a scheduler ({scheduler}) are given.",
            "Give one of them: a scheduler has workers of its own.",
        )
    if scheduler is not None:
        yield lambda groups, on_progress: read_on_cluster(source, groups, scheduler, on_progress)
        return
    with worker_pool(workers, basins) as pool:
        yield lambda groups, on_progress: (
            (number, read_basins(source, gauges, pool, on_progress))
            for number, gauges in groups.items()
        )


@contextmanager
def worker_pool(workers: int | None, basins: int) -> Iterator[ProcessPoolExecutor | None]:
    """Give processes to read with, spawned (never forked: threads may hold locks).

    Parameters
    ----------
    workers : int, optional
        How many; default as many as cores this process may use, fewer for few basins.
    basins : int
        How many basins there are to read.

    Yields
    ------
    ProcessPoolExecutor or None
        None where one process is enough: this one.

    Raises
    ------
    ConfigError
        Fewer than one worker.
    HydromlError
        A worker died.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers = {workers} is out of range.", "Give 1 or more.")
    useful = min(workers or available_cores(), -(-basins // FEW_BASINS))
    if useful < 2:
        yield None
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(useful, mp_context=spawn, initializer=_follow_parent)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise HydromlError(
            "A worker process died: killed for its memory, or it could not start because the "
            "calling script has no 'if __name__ == \"__main__\":' around its work.",
            "Call again with fewer workers (workers=1 reads in this process); basins that were "
            "read are kept.",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when the parent ends, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
