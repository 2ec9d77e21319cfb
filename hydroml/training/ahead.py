"""Work done in a thread, a little ahead of its use."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def ahead(calls: Iterable[Callable[[], T]], depth: int) -> Generator[T, None, None]:
    """Make the calls one after another in a thread, at most `depth` of them ahead.

    Parameters
    ----------
    calls : iterable of callable
        What to do; taken from the iterable in the caller's thread.
    depth : int
        Results that may wait, or be in the making, while one is in use; at least 1.

    Yields
    ------
    object
        The results, in order. An error of a call is raised where its result is asked for.
        However the iteration ends, the thread has ended when it is closed.

    Examples
    --------
    >>> list(ahead([lambda: 1, lambda: 2], depth=1))
    [1, 2]
    """
    todo = iter(calls)
    waiting: deque[Future[T]] = deque()
    thread = ThreadPoolExecutor(1, thread_name_prefix="hydroml-ahead")
    try:
        waiting.extend(thread.submit(call) for call in islice(todo, depth))
        while waiting:
            found = waiting.popleft().result()
            waiting.extend(thread.submit(call) for call in islice(todo, 1))
            yield found
            del found  # a pool is large: not kept while the next one is waited for
    finally:
        thread.shutdown(wait=True, cancel_futures=True)
