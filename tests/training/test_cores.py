"""Tasks on all cores: in order, each on one thread of torch, errors raised, the rest left."""

import threading
import time

import pytest
import torch

from hydroml.training.cores import every_core

CPU = torch.device("cpu")


def in_main_thread(_: int) -> bool:
    return threading.current_thread() is threading.main_thread()


@pytest.fixture
def two_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_cores")
def test_results_keep_the_order_of_the_tasks():
    def slow_first(task: int) -> int:
        time.sleep(0.05 if task == 0 else 0)
        return task * task

    with every_core(CPU) as cores:
        assert cores.run(slow_first, range(5)) == [0, 1, 4, 9, 16]


@pytest.mark.usefixtures("two_cores")
def test_each_task_has_one_thread_of_torch_and_the_caller_keeps_his():
    with every_core(CPU) as cores:
        assert cores.run(lambda _: torch.get_num_threads(), range(4)) == [1] * 4
        assert cores.run(in_main_thread, [0]) == [False]
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_cores")
def test_an_error_is_raised_and_what_has_not_begun_is_left():
    begun = []

    def fail_at_once(task: int) -> None:
        begun.append(task)
        if task == 0:
            raise KeyError("first")
        time.sleep(0.05)

    with pytest.raises(KeyError, match="first"), every_core(CPU) as cores:
        cores.run(fail_at_once, range(100))
    assert len(begun) < 100


def test_one_core_needs_no_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with every_core(CPU) as cores:
        assert cores.run(in_main_thread, [0]) == [True]
