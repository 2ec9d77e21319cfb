"""Work spread over a Dask cluster: the workers of a running scheduler, which see the same files."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any

from hydroml.errors import ConfigError, HydromlError
from hydroml.version import __version__

PATIENCE = 20
"""Seconds to wait for a scheduler."""
PATIENCE_FOR_WORKERS = 120
"""Seconds to wait for a worker: a first one, or another where the last has gone."""
TASKS_A_THREAD = 3
"""Tasks under way for each thread of the workers: one at work, the others at hand."""
GOES_ON = "The same command goes on where it stopped."
_A_MOMENT = 1.0  # seconds after which it is looked whether there still are workers
_START = "Start one with 'dask scheduler', and workers with 'dask worker ADDRESS'."


def over_workers(
    scheduler: str,
    function: Callable[..., Any],
    tasks: Iterable[Sequence[Any]],
    *,
    files: Sequence[str | os.PathLike[str]] = (),
) -> Iterator[tuple[int, Any]]:
    """Call a function for each task on the workers of a Dask scheduler.

    Few tasks are under way at a time (`TASKS_A_THREAD`), so that neither the scheduler nor the
    workers hold more than a few results, whatever the number of tasks. Workers may come and go;
    what a worker had not handed back when it died is done again by another.

    Parameters
    ----------
    scheduler : str
        Address, for example ``tcp://10.0.0.1:8786``.
    function : callable
        Of a module that workers can import.
    tasks : iterable of sequence
        Arguments of each call, small enough to travel.
    files : sequence of path-like
        What each worker has to see, under the same absolute path.

    Yields
    ------
    place : int
        Of the task, from 0.
    result
        What the call returned; in the order in which the calls end.

    Raises
    ------
    ConfigError
        No scheduler, no worker, or a worker that cannot do the work.
    HydromlError
        Workers die again and again, or the scheduler does. What a call raises is raised here.
    """
    with _client(scheduler) as client:
        _require_able(client, scheduler, [os.path.abspath(f) for f in files])  # noqa: PTH100
        waiting = iter(enumerate(tasks))
        running: dict[Any, int] = {}
        while True:
            # one at least: where all workers have just died, others will come
            room = max(TASKS_A_THREAD * _threads(client, scheduler), 1) - len(running)
            for place, task in islice(waiting, max(room, 0)):
                running[client.submit(function, *task, pure=False)] = place
            if not running:
                return
            for future in _some_done(client, running, scheduler):
                place = running.pop(future)
                yield place, _result_of(future, scheduler)


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--scheduler needs the package 'distributed'.", "pip install distributed"
        ) from None
    _require_scheduler(scheduler)
    # not the default client: dask's own work here, on lazy arrays, stays here
    with Client(scheduler, timeout=PATIENCE, set_as_default=False) as client:
        yield client


def _require_scheduler(scheduler: str) -> None:
    """Find out whether a scheduler answers, before there is a client.

    A client that could not be made closes itself when it is collected as garbage, and where that
    happens inside the making of the next one, both wait for one lock for ever.
    """
    from distributed import Security
    from distributed.comm import connect

    async def call() -> None:
        arguments = Security().get_connection_args("client")
        await (await connect(scheduler, timeout=PATIENCE, **arguments)).close()

    try:
        # in a thread of its own: in a notebook this one already has a running loop
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, call()).result()
    except (OSError, ValueError) as error:
        raise ConfigError(f"No Dask scheduler answers at {scheduler} ({error}).", _START) from None


def _require_able(client: Any, scheduler: str, files: Sequence[str]) -> None:
    """Refuse, before any work is done, workers that could not do it."""
    give_up = time.monotonic() + PATIENCE_FOR_WORKERS
    while not _threads(client, scheduler):
        if time.monotonic() > give_up:
            raise _without_workers(scheduler)
        time.sleep(_A_MOMENT / 10)
    remedy = f"Install the same hydroml on every machine: pip install hydroml=={__version__}"
    for worker, found in client.run(_look, list(files), on_error="return").items():
        if isinstance(found, ImportError):
            raise ConfigError(f"The worker {worker} cannot load hydroml ({found}).", remedy)
        if isinstance(found, BaseException):
            continue  # it has gone in the meantime; others do its work
        version, missing = found
        if version != __version__:
            raise ConfigError(
                f"The worker {worker} has hydroml {version}, here it is {__version__}.", remedy
            )
        if missing:
            raise ConfigError(
                f"The worker {worker} does not see {missing[0]}.",
                "Start workers on machines that have these files under the same path (a shared "
                "file system), or leave --scheduler out.",
            )


def _look(files: Sequence[str]) -> tuple[str, list[str]]:
    """Tell, on a worker, its version of hydroml and which files it does not see."""
    return __version__, [file for file in files if not os.path.exists(file)]  # noqa: PTH110


def _threads(client: Any, scheduler: str) -> int:
    try:
        return sum(client.nthreads().values())
    except OSError:
        raise _without_scheduler(scheduler) from None


def _some_done(client: Any, running: dict[Any, int], scheduler: str) -> list[Any]:
    from distributed import wait

    alone_since = time.monotonic()
    while True:
        try:
            with client.as_current():
                return list(wait(list(running), _A_MOMENT, "FIRST_COMPLETED").done)
        except TimeoutError:
            if _threads(client, scheduler):
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE_FOR_WORKERS:
                raise _without_workers(scheduler) from None
        except CancelledError:  # of every task at once, where the scheduler has gone
            raise _without_scheduler(scheduler) from None


def _result_of(future: Any, scheduler: str) -> Any:
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        raise HydromlError(
            "A task was lost with each worker that took it up: killed for its memory?",
            f"Give workers more memory, or fewer threads (dask worker --nthreads 1). {GOES_ON}",
        ) from None
    except CancelledError:
        raise _without_scheduler(scheduler) from None


def _without_workers(scheduler: str) -> ConfigError:
    return ConfigError(
        f"The Dask scheduler at {scheduler} has had no workers for {PATIENCE_FOR_WORKERS} seconds.",
        f"Start some: dask worker {scheduler}. {GOES_ON}",
    )


def _without_scheduler(scheduler: str) -> HydromlError:
    return HydromlError(f"The Dask scheduler at {scheduler} has gone.", f"{_START} {GOES_ON}")
