"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hydroml.config import TrainConfig
from hydroml.errors import TrainingError
from hydroml.training.checkpoint import load_state, save_state, save_weights
from hydroml.training.cores import Cores, every_core
from hydroml.training.device import flushed_denormals
from hydroml.training.diagnosis import explain_loss
from hydroml.training.interrupt import StopRequest, stop_on_signal
from hydroml.training.processes import ALONE, Processes
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import Batch, Pool, Samples
from hydroml.training.schedule import learning_rate
from hydroml.training.state import Member, TrainingState, new_state
from hydroml.training.step import Task, take_step

SECONDS_BETWEEN_CHECKPOINTS = 180.0

Validate = Callable[[nn.Module], float]
"""Median NSE of a model on the validation period."""


class Listener(Protocol):
    """Who hears how training goes."""

    def step(self, done: float, where: str, loss: float) -> None:
        """Hear of a finished step.

        `done` counts epochs with the fraction of the one at hand, `where` names the step, `loss`
        is the mean of the epoch so far.
        """

    def epoch(self, rows: Sequence[dict[str, Any]]) -> None:
        """Hear of a finished epoch: its rows of ``metrics.csv``, one a member."""


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Training was asked to stop; all is saved."""


def fit(
    models: Sequence[nn.Module],
    samples: Samples,
    config: TrainConfig,
    run: RunDirectory,
    listener: Listener,
    *,
    validate: Validate | None = None,
    processes: Processes = ALONE,
) -> TrainingState:
    """Train models side by side, or go on where their run directory says they stopped.

    Member k becomes what a run of its seed alone would become, up to rounding. The order of
    samples is a function of seed and epoch, everything else random comes from the members' own
    generators, whose states are saved: an interrupted and resumed run equals one that was not
    interrupted, bit for bit on a CPU.

    Parameters
    ----------
    models : sequence of nn.Module
        One for each seed of `config`, on the device of `samples`.
    samples : Samples
        What to learn from.
    config : TrainConfig
        The run's configuration.
    run : RunDirectory
        Where checkpoints and ``metrics.csv`` go.
    listener : Listener
        Is told of steps and epochs.
    validate : callable, optional
        Called with each model after each epoch.
    processes : Processes
        Who trains with this process; the first of them writes.

    Raises
    ------
    Interrupted
        Ctrl-C or SIGTERM; the state is saved.
    TrainingError
        A loss is not finite.
    """
    state = new_state(models, config, samples.device)
    if run.state_file.is_file():
        load_state(state, run.state_file)
    with flushed_denormals(), stop_on_signal() as stop, every_core(samples.device) as cores:
        loop = _Loop(state, samples, config, run, listener, validate, processes, cores)
        while state.epoch < config.epochs:
            loop.epoch(stop)
    return state


class _Loop:
    """The parts of `fit`, which share all that it was given."""

    def __init__(
        self,
        state: TrainingState,
        samples: Samples,
        config: TrainConfig,
        run: RunDirectory,
        listener: Listener,
        validate: Validate | None,
        processes: Processes,
        cores: Cores,
    ) -> None:
        self._state, self._samples, self._config = state, samples, config
        self._run, self._listener = run, listener
        self._validate, self._processes, self._cores = validate, processes, cores
        self._rows = [r for r in run.read_metrics() if int(r["epoch"]) <= state.epoch]
        self._saved = time.monotonic()
        self._rates = [math.nan] * len(state.members)

    def epoch(self, stop: StopRequest) -> None:
        state = self._state
        with closing(self._samples.pools(state.epoch, state.pool)) as pools:
            for pool in pools:
                self._pool(pool, stop)
                state.pool, state.step = state.pool + 1, 0
        self._finish()

    def _pool(self, pool: Pool, stop: StopRequest) -> None:
        state, size = self._state, self._config.optimizer.batch_size
        drawn = [pool.batches(seed, state.epoch, size) for seed in self._config.seed]
        steps = [len(batches) for batches in drawn]
        self._rates = [self._rate(n - 1, n) for n in steps]
        # the members' batches of a step; a member that drew fewer blocks idles at the end
        plan = list(zip_longest(*drawn))[state.step :]
        began = time.monotonic()
        for indices, batches in zip(plan, self._gathered(pool, plan), strict=True):
            chosen = [
                (k, i, b) for k, (i, b) in enumerate(zip(indices, batches, strict=True))
                if i is not None and b is not None
            ]  # fmt: skip
            tasks = [
                Task(state.members[k], batch, len(index), self._rate(state.step, steps[k]))
                for k, index, batch in chosen
            ]
            losses = take_step(tasks, self._config, self._processes, self._cores)
            for (k, index, _), loss in zip(chosen, losses, strict=True):
                if not math.isfinite(loss):
                    raise self._not_finite(k, pool, index, loss)
                state.members[k].loss_sum += loss
                state.members[k].loss_count += 1
            state.step += 1
            now = time.monotonic()
            state.seconds, began = state.seconds + now - began, now
            self._listener.step(
                self._done(state.step, max(steps)), self._where(max(steps)), state.mean_loss()
            )
            self._pause(stop)

    def _gathered(
        self, pool: Pool, plan: Sequence[tuple[Tensor | None, ...]]
    ) -> Iterator[list[Batch | None]]:
        """Gather this process's rows of all members' batches of a step at once."""
        share = self._processes.share
        rows = [[None if i is None else i[share(len(i))] for i in step] for step in plan]
        joined = [torch.cat([i for i in step if i is not None]) for step in rows]
        for step, batch in zip(rows, pool.stream(joined), strict=True):
            yield _split(batch, [None if i is None else len(i) for i in step])

    def _done(self, step: int, steps: int) -> float:
        """Epochs done at a step of the pool at hand."""
        share = step / steps if steps else 0.0
        return self._state.epoch + (self._state.pool + share) / self._samples.pools_an_epoch

    def _rate(self, step: int, steps: int) -> float:
        schedule = self._config.optimizer.schedule
        return learning_rate(schedule, self._done(step, steps), self._config.epochs)

    def _where(self, steps: int) -> str:
        state, pools = self._state, self._samples.pools_an_epoch
        part = f"  part {state.pool + 1}/{pools}" if pools > 1 else ""
        return f"epoch {state.epoch + 1}/{self._config.epochs}{part}  step {state.step}/{steps}"

    def _pause(self, stop: StopRequest) -> None:
        """Save where it is time to, or where somebody asked to stop."""
        asked = self._processes.any_true(stop.asked)  # all stop, or none
        if asked or time.monotonic() - self._saved > SECONDS_BETWEEN_CHECKPOINTS:
            self._save()
        if asked:
            raise Interrupted

    def _save(self) -> None:
        if self._processes.first:
            save_state(self._state, self._run.state_file)
        self._saved = time.monotonic()

    def _finish(self) -> None:
        state, config = self._state, self._config
        state.epoch, state.pool = state.epoch + 1, 0
        rows = [self._row(k, member) for k, member in enumerate(state.members)]
        for member in state.members:
            member.loss_sum, member.loss_count = 0.0, 0
        if self._processes.first:
            facts = {"model": config.model.name, "hidden": str(config.model.hidden)}
            weights = [member.best_weights() for member in state.members]
            save_weights(weights, self._run.weights_file(state.epoch), facts)
            for row, member in zip(rows, state.members, strict=True):
                if self._validate is not None:
                    row["validation_NSE"] = _score_average(member, self._validate)
            self._rows += rows
            self._run.write_metrics(self._rows)
        self._save()  # last: what it tells of is on disk
        self._listener.epoch(rows)

    def _row(self, k: int, member: Member) -> dict[str, Any]:
        return {
            "epoch": self._state.epoch,
            "seed": self._config.seed[k],
            "loss": member.loss_sum / max(member.loss_count, 1),
            "learning_rate": self._rates[k],
            "seconds": round(self._state.seconds, 2),
        }

    def _not_finite(self, k: int, pool: Pool, indices: Tensor, loss: float) -> TrainingError:
        state, run = self._state, self._run
        model = state.members[k].model
        sample = explain_loss(model, pool, indices, run.scaler(), run.config())
        kept = (
            f"The last good state is kept in {run.path}."
            if run.state_file.is_file()
            else f"It came before the first checkpoint; {run.path} holds no weights."
        )
        who = f" of seed {self._config.seed[k]}" if len(state.members) > 1 else ""
        return TrainingError(
            f"The loss{who} or its gradient is {loss} at epoch {state.epoch + 1}, "
            f"step {state.step + 1}: {sample}. {kept}",
            "Look at those values with 'hydroml data check', or lower the learning rate "
            "(--set optimizer.schedule...).",
        )


def _split(batch: Batch, sizes: Sequence[int | None]) -> list[Batch | None]:
    """Cut what was gathered at once into the members' batches; None where a member has none."""
    lengths = [size for size in sizes if size is not None]
    fields = (batch.x_d, batch.x_s, batch.y, batch.weight)
    pieces = zip(*(field.split(lengths) for field in fields), strict=True)
    return [None if size is None else Batch(*next(pieces)) for size in sizes]


def _score_average(member: Member, validate: Validate) -> float:
    own = {n: p.detach().clone() for n, p in member.model.state_dict().items()}
    member.model.load_state_dict(member.best_weights())
    score = validate(member.model.eval())
    member.model.load_state_dict(own)
    return score
