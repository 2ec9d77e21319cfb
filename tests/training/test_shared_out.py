"""A batch shared out over cores: every row once, and the step of one core."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hydroml.models import build_model
from hydroml.training import step
from hydroml.training.cores import ONE_CORE, Cores
from hydroml.training.samples import Batch
from hydroml.training.state import new_state
from hydroml.training.step import Task, take_step
from tests.conftest import tiny_config

CPU = torch.device("cpu")


def in_turn(count: int) -> Cores:
    """Share work out as for `count` cores, and do it one after another."""
    return Cores(count, ONE_CORE.run)


def batch_of(rows: int, seed: int) -> Batch:
    data = torch.Generator().manual_seed(seed)
    y = torch.randn(rows, 4, generator=data, dtype=torch.float64)
    y[0] = math.nan
    return Batch(
        torch.randn(rows, 9, 3, generator=data, dtype=torch.float64),
        torch.randn(rows, 2, generator=data, dtype=torch.float64),
        y,
        torch.rand(rows, generator=data, dtype=torch.float64),
    )


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5), st.integers(1, 9))
def test_every_row_is_somebodys_once(sizes, cores):
    one = torch.ones(())
    model = torch.nn.Linear(1, 1)
    whole = [
        step._Rows(k, model, Batch(*(torch.arange(n) + 100 * k for _ in range(4))), None, one)
        for k, n in enumerate(sizes)
    ]
    work = step._share_out(whole, cores)
    found = torch.cat([rows.batch.y for piece in work for rows in piece]) if work else []
    assert sorted(int(row) for row in found) == [
        100 * k + row for k, n in enumerate(sizes) for row in range(n)
    ]
    small = [r for piece in work for r in piece if len(r.batch.y) < step.ROWS_AT_LEAST]
    assert all(len(r.batch.y) == sizes[r.task] for r in small)  # such a batch is not cut


@pytest.mark.parametrize("name", ["ealstm", "lstm"])
@pytest.mark.parametrize("seeds", ["3", "[3, 4, 5]"])
@pytest.mark.parametrize("cores", [2, 3])
def test_the_step_is_that_of_one_core(name, seeds, cores):
    config = tiny_config(f"seed={seeds}", "model.hidden=4", f"model.name={name}")
    losses, weights = [], []
    for given_cores in (ONE_CORE, in_turn(cores)):
        torch.manual_seed(0)
        models = [build_model(name, 3, 2, hidden=4, dropout=0.4).double() for _ in config.seed]
        members = new_state(models, config, CPU).members
        # the last member has fewer rows than the others, as at the end of an epoch
        batches = [batch_of(40 - 7 * (k == 2), k) for k in range(len(members))]
        for _ in range(3):
            tasks = [Task(m, b, len(b.y), 0.01) for m, b in zip(members, batches, strict=True)]
            losses.append(take_step(tasks, config, cores=given_cores))
        weights.append([p for model in models for p in model.parameters()])
    for one, other in zip(losses[:3], losses[3:], strict=True):
        assert other == pytest.approx(one, rel=1e-10)
    for own, other in zip(*weights, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-8, atol=1e-10)
