"""The training loop."""

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hydroml.config import TrainConfig
from hydroml.errors import TrainingError
from hydroml.models.losses import weighted_squared_error
from hydroml.training.checkpoint import TrainingState, load_state, save_state, save_weights
from hydroml.training.device import autocast, flushed_denormals
from hydroml.training.diagnosis import explain_loss
from hydroml.training.interrupt import stop_on_signal
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import Batch, Samples
from hydroml.training.schedule import learning_rate

SECONDS_BETWEEN_CHECKPOINTS = 180.0


class Listener(Protocol):
    """Who hears how training goes."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Hear of a finished step; `loss` is the mean of the epoch so far."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Hear of a finished epoch, a row of ``metrics.csv``."""


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Training was asked to stop; all is saved."""


def new_state(model: nn.Module, config: TrainConfig, device: torch.device) -> TrainingState:
    """State before the first step."""
    options = config.optimizer
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=options.weight_decay)
    average = {}
    if options.weight_average:
        average = {n: p.detach().clone() for n, p in model.state_dict().items()}
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
    return TrainingState(model, optimizer, scaler, average)


def fit(
    model: nn.Module,
    samples: Samples,
    config: TrainConfig,
    run: RunDirectory,
    listener: Listener,
    *,
    validate: Callable[[nn.Module], float] | None = None,
) -> TrainingState:
    """Train a model, or go on where its run directory says it stopped.

    The order of samples is a function of seed and epoch, everything else random comes from
    torch's generator, whose state is saved: an interrupted and resumed run equals one that
    was not interrupted, bit for bit on a CPU.

    Parameters
    ----------
    model : nn.Module
        On its device.
    samples : Samples
        On the same device.
    config : TrainConfig
        The run's configuration.
    run : RunDirectory
        Where checkpoints and ``metrics.csv`` go.
    listener : Listener
        Is told of steps and epochs.
    validate : callable, optional
        Median NSE of a model on the validation period, called after each epoch.

    Raises
    ------
    Interrupted
        Ctrl-C or SIGTERM; the state is saved.
    TrainingError
        The loss is not finite.
    """
    device = samples.resident.x_d.device
    state = new_state(model, config, device)
    rows: list[dict[str, Any]] = []
    if run.state_file.is_file():
        load_state(state, run.state_file)
        rows = [r for r in run.read_metrics() if int(r["epoch"]) <= state.epoch]
    saved = time.monotonic()
    with flushed_denormals(), stop_on_signal() as stop:
        while state.epoch < config.epochs:
            starts = torch.from_numpy(samples.starts(config.seed, state.epoch)).to(device)
            batches = starts.split(config.optimizer.batch_size)
            while state.step < len(batches):
                began = time.monotonic()
                batch = samples.resident.gather(
                    batches[state.step], samples.length, samples.targets
                )
                progress = state.epoch + state.step / len(batches)
                rate = learning_rate(config.optimizer.schedule, progress, config.epochs)
                loss = take_step(state, batch, config, rate)
                if not math.isfinite(loss):
                    raise _not_finite(state, batch, batches[state.step], samples, run, loss)
                state.step += 1
                state.loss_sum += loss
                state.loss_count += 1
                state.seconds += time.monotonic() - began
                listener.step(
                    state.epoch, state.step, len(batches), state.loss_sum / state.loss_count
                )
                if stop.asked or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    save_state(state, run.state_file)
                    saved = time.monotonic()
                if stop.asked:
                    raise Interrupted
            rows.append(_finish_epoch(state, config, run, len(batches), validate))
            run.write_metrics(rows)
            save_state(state, run.state_file)  # last: what it tells of is on disk
            saved = time.monotonic()
            listener.epoch(rows[-1])
    return state


def take_step(state: TrainingState, batch: Batch, config: TrainConfig, rate: float) -> float:
    """One optimizer step; returns the loss before it.

    A loss that is not finite, or has a gradient that is not, moves nothing; NaN is returned for
    such a gradient. fp16 skips such steps by itself, and lowers its scale.
    """
    options, model = config.optimizer, state.model
    model.train()
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    x_s = batch.x_s
    if options.static_noise:
        x_s = x_s + options.static_noise * torch.randn_like(x_s)
    with autocast(batch.x_d.device, config.precision):
        y_hat, _ = model(batch.x_d, x_s, last=batch.y.shape[1])
    loss = weighted_squared_error(y_hat.float(), batch.y, batch.weight)
    value = loss.item()
    if not math.isfinite(value):
        return value
    state.optimizer.zero_grad(set_to_none=True)
    state.grad_scaler.scale(loss).backward()
    state.grad_scaler.unscale_(state.optimizer)
    norm = nn.utils.clip_grad_norm_(model.parameters(), options.clip_norm)
    if not state.grad_scaler.is_enabled() and not math.isfinite(norm.item()):
        return math.nan
    state.grad_scaler.step(state.optimizer)
    state.grad_scaler.update()
    _move_average(state, options.weight_average)
    return value


@torch.no_grad()
def _move_average(state: TrainingState, decay: float) -> None:
    if not state.average or not state.optimizer.state:  # fp16 may skip the first steps
        return
    # young averages forget faster, so that the initial weights do not linger
    taken = next(iter(state.optimizer.state.values()))["step"].item()
    share = 1 - min(decay, (1 + taken) / (10 + taken))
    # by name: a loaded average comes in the file's order, not the model's
    weights = state.model.state_dict()
    average: list[Tensor] = [state.average[name] for name in weights]
    torch._foreach_lerp_(average, list(weights.values()), share)


def _finish_epoch(
    state: TrainingState,
    config: TrainConfig,
    run: RunDirectory,
    steps: int,
    validate: Callable[[nn.Module], float] | None,
) -> dict[str, Any]:
    # not the loop's own rate: a run stopped after an epoch's last step resumes behind the loop
    progress = state.epoch + (steps - 1) / steps
    rate = learning_rate(config.optimizer.schedule, progress, config.epochs)
    state.epoch += 1
    row: dict[str, Any] = {
        "epoch": state.epoch,
        "loss": state.loss_sum / max(state.loss_count, 1),
        "learning_rate": rate,
        "seconds": round(state.seconds, 2),
    }
    facts = {"model": config.model.name, "hidden": str(config.model.hidden)}
    save_weights(state.best_weights(), run.weights_file(state.epoch), facts)
    if validate is not None:
        row["validation_NSE"] = _validate_average(state, validate)
    state.step, state.loss_sum, state.loss_count = 0, 0.0, 0
    return row


def _validate_average(state: TrainingState, validate: Callable[[nn.Module], float]) -> float:
    own = {n: p.detach().clone() for n, p in state.model.state_dict().items()}
    state.model.load_state_dict(state.best_weights())
    score = validate(state.model.eval())
    state.model.load_state_dict(own)
    return score


def _not_finite(
    state: TrainingState,
    batch: Batch,
    starts: Tensor,
    samples: Samples,
    run: RunDirectory,
    loss: float,
) -> TrainingError:
    sample = explain_loss(state.model, batch, starts, samples, run.scaler(), run.config())
    kept = (
        f"The last good state is kept in {run.path}."
        if run.state_file.is_file()
        else f"It came before the first checkpoint; {run.path} holds no weights."
    )
    return TrainingError(
        f"The loss or its gradient is {loss} at epoch {state.epoch + 1}, step {state.step + 1}: "
        f"{sample}. {kept}",
        "Look at those values with 'hydroml data check', or lower the learning rate "
        "(--set optimizer.schedule...).",
    )
