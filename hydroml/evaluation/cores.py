"""Many small tasks of torch on all cores."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from hydroml.training.device import flushed_denormals

MapTasks = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""Like ``list(map(function, tasks))``."""


@contextmanager
def every_core(device: torch.device) -> Iterator[MapTasks]:
    """Give a function that maps over tasks: on a CPU in a thread a core, each with its own work.

    One thread of torch in each does more than many threads in one: a step of a small recurrent
    network is too short to be shared out. Elsewhere tasks are done one by one.

    Parameters
    ----------
    device : torch.device
        Where the tasks compute.

    Yields
    ------
    callable
        ``run(function, tasks)``: the results in the tasks' order; the first error is raised.

    Examples
    --------
    >>> with every_core(torch.device("cpu")) as run:
    ...     run(abs, [-1, 2])
    [1, 2]
    """
    cores = torch.get_num_threads()
    if device.type != "cpu":
        yield _one_by_one
        return
    if cores == 1:
        with flushed_denormals():  # as on several cores, to the same numbers
            yield _one_by_one
        return
    with ThreadPoolExecutor(cores, initializer=_one_thread) as pool:
        try:
            yield lambda function, tasks: list(pool.map(function, tasks))
        except BaseException:  # Ctrl-C, too: what has not begun is not waited for
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _one_by_one(function: Callable[[Any], Any], tasks: Iterable[Any]) -> list[Any]:
    return [function(task) for task in tasks]


def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
