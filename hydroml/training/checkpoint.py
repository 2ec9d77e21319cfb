"""Checkpoints without pickle: weights, and all that is needed to go on bit for bit."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hydroml.atomic import atomic_path
from hydroml.errors import RunError


@dataclass
class TrainingState:
    """Everything that changes while training.

    Parameters
    ----------
    model : nn.Module
        The model.
    optimizer : torch.optim.Optimizer
        Adam's moments.
    average : dict of Tensor
        Moving average of the weights, by name; empty where none is kept.
    grad_scaler : torch.amp.GradScaler
        Loss scale of fp16; disabled in other precisions.
    epoch, step : int
        Epochs finished, steps done in the one at hand.
    loss_sum, loss_count : float
        Sums over the steps of the epoch at hand.
    seconds : float
        Training time so far.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    grad_scaler: torch.amp.GradScaler
    average: dict[str, Tensor] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0

    def best_weights(self) -> dict[str, Tensor]:
        """Weights to evaluate: the moving average where one is kept, else the model's."""
        return self.average or self.model.state_dict()


COUNTERS = ("epoch", "step", "loss_sum", "loss_count", "seconds")


def save_weights(weights: dict[str, Tensor], path: Path, facts: dict[str, str]) -> None:
    """Write weights as safetensors, atomically.

    Parameters
    ----------
    weights : dict of Tensor
        By parameter name.
    path : pathlib.Path
        ``*.safetensors``.
    facts : dict of str
        Model name and sizes, kept in the file's header.
    """
    _write(weights, path, facts)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read weights into a model.

    Raises
    ------
    RunError
        No such file, not safetensors, or weights of another model.
    """
    weights, facts = _read(path)
    own = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    found = {name: tuple(p.shape) for name, p in weights.items()}
    if own != found:
        differing = sorted(set(own.items()) ^ set(found.items()))[0][0]
        raise RunError(
            f"The weights in {path} are of another model ({facts.get('model', 'unknown')}): "
            f"{differing} is {found.get(differing)} there and {own.get(differing)} here.",
            "Use the run's own config.yaml and checkpoints together.",
        )
    model.load_state_dict(weights)


def save_state(state: TrainingState, path: Path) -> None:
    """Write a training state into one safetensors file, atomically."""
    tensors: dict[str, Tensor] = {f"model/{n}": t for n, t in state.model.state_dict().items()}
    tensors |= {f"average/{n}": t for n, t in state.average.items()}
    saved = state.optimizer.state_dict()
    for index, moments in saved["state"].items():
        tensors |= {f"optimizer/{index}/{n}": torch.as_tensor(t) for n, t in moments.items()}
    tensors["rng/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["rng/cuda"] = torch.cuda.get_rng_state()
    counters = {name: getattr(state, name) for name in COUNTERS}
    facts = {"counters": json.dumps(counters), "scale": json.dumps(state.grad_scaler.state_dict())}
    _write(tensors, path, facts)


def load_state(state: TrainingState, path: Path) -> None:
    """Read a training state into a fresh one, the random generators included.

    Raises
    ------
    RunError
        No such file, or one that does not fit the model.
    """
    tensors, facts = _read(path)
    try:
        state.model.load_state_dict(_part(tensors, "model/"))
        state.average = {
            n: t.to(state.model.get_parameter(n).device)
            for n, t in _part(tensors, "average/").items()
        }
        saved = state.optimizer.state_dict()
        saved["state"] = {}
        for key, tensor in _part(tensors, "optimizer/").items():
            index, name = key.split("/")
            saved["state"].setdefault(int(index), {})[name] = tensor
        state.optimizer.load_state_dict(saved)
        for name, value in json.loads(facts["counters"]).items():
            setattr(state, name, value)
        if state.grad_scaler.is_enabled():
            state.grad_scaler.load_state_dict(json.loads(facts["scale"]))
        torch.set_rng_state(tensors["rng/cpu"])
        if "rng/cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["rng/cuda"])
    except (KeyError, RuntimeError, ValueError, AttributeError) as error:
        raise RunError(
            f"The training state {path} does not fit this run: {error}",
            "Use the run's own config.yaml and checkpoints together, or train anew.",
        ) from error


def _write(tensors: dict[str, Tensor], path: Path, facts: dict[str, str]) -> None:
    with atomic_path(path) as scratch:
        try:
            save_file(_contiguous(tensors), scratch, metadata=facts)
        except SafetensorError as error:  # it is no OSError, not even on a full disk
            raise OSError(f"{path} cannot be written: {error}") from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise RunError(
            f"There are no weights at {path}.",
            "The run has not finished its first epoch: resume it with "
            f"'hydroml train --resume {path.parent.parent}', or train anew.",
        )
    try:
        with safe_open(path, framework="pt") as file:
            return {n: file.get_tensor(n) for n in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read: {error}.", "Copy the run again.") from error


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # a copy each: safetensors refuses tensors that share memory
    return {n: t.detach().cpu().clone().contiguous() for n, t in tensors.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
