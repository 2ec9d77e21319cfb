"""Reading basins in parallel: one pure task a basin, dask over spawned processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import dask
import xarray as xr
from dask.callbacks import Callback

from hydroml.data.source import SkipBasin, Source
from hydroml.errors import ConfigError, HydromlError, SourceError
from hydroml.progress import Advance

FEW_BASINS = 8
"""Up to so many basins a worker are read faster than a further process starts."""


def read_basin(source: Source, gauge: str) -> xr.Dataset | SkipBasin | SourceError:
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
        The basin, the normal reason to leave it out, or what is wrong with its files.
    """
    try:
        return source.read(gauge)
    except (SkipBasin, SourceError) as reason:
        return reason.with_traceback(None)


def read_basins(
    source: Source, gauges: Sequence[str], pool: ProcessPoolExecutor | None, on_progress: Advance
) -> list[xr.Dataset | SkipBasin | SourceError]:
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
