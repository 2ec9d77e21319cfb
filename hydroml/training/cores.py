"""Small tasks of torch on all cores of a machine without a GPU."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from hydroml.models.recurrence import join_crowd
from hydroml.training.device import flushed_denormals

MapTasks = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""Like ``list(map(function, tasks))``."""


@dataclass(frozen=True)
class Cores:
    """Cores to compute on, and how to.

    Parameters
    ----------
    count : int
        How many tasks are done at a time.
    run : callable
        ``run(function, tasks)``: the results in the tasks' order; the first error is raised.
    """

    count: int
    run: MapTasks


ONE_CORE = Cores(1, lambda function, tasks: [function(task) for task in tasks])
"""Tasks are done one by one, in this thread."""


@contextmanager
def every_core(device: torch.device) -> Iterator[Cores]:
    """Give a thread a core, on a CPU, each with its own work.

    One thread of torch in each does more than many threads in one: a step of a small recurrent
    network is too short to be shared out. Elsewhere tasks are done one by one.

    Parameters
    ----------
    device : torch.device
        Where the tasks compute.

    Yields
    ------
    Cores
        As many as torch may use threads.

    Examples
    --------
    >>> with every_core(torch.device("cpu")) as cores:
    ...     cores.run(abs, [-1, 2])
    [1, 2]
    """
    count = torch.get_num_threads()
    if device.type != "cpu":
        yield ONE_CORE
        return
    if count == 1:
        with flushed_denormals():  # as on several cores, to the same numbers
            yield ONE_CORE
        return
    with ThreadPoolExecutor(count, initializer=_one_thread) as pool:
        try:
            yield Cores(count, lambda function, tasks: list(pool.map(function, tasks)))
        except BaseException:  # Ctrl-C, too: what has not begun is not waited for
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _one_thread() -> None:
    join_crowd()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
