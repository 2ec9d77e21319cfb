"""Checkpoints without pickle: weights, and all that is needed to go on bit for bit.

Every tensor has the members of the run as its first axis, also where there is only one.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hydroml.atomic import atomic_path
from hydroml.errors import RunError
from hydroml.training.state import Member, TrainingState

PROGRESS = ("epoch", "pool", "step", "seconds")
SUMS = ("loss_sum", "loss_count")
MEMBERS = "members"
"""Fact in the header of a weights file: how many members it holds."""


def save_weights(
    members: Sequence[Mapping[str, Tensor]], path: Path, facts: Mapping[str, str]
) -> None:
    """Write the weights of all members as safetensors, atomically.

    Parameters
    ----------
    members : sequence of mapping
        Weights by parameter name, one mapping a member; the names and shapes are the same.
    path : pathlib.Path
        ``*.safetensors``.
    facts : mapping of str
        Model name and sizes, kept in the file's header.
    """
    _write(_stacked(members), path, {**facts, MEMBERS: str(len(members))})


def load_weights(models: Sequence[nn.Module], path: Path) -> None:
    """Read weights into the models of all members.

    Raises
    ------
    RunError
        No such file, not safetensors, or weights of other models.
    """
    weights, facts = _read(path)
    if MEMBERS not in facts:  # of the time when a run was one model, without the axis
        weights = {name: p.unsqueeze(0) for name, p in weights.items()}
    own = {n: (len(models), *p.shape) for n, p in models[0].state_dict().items()}
    found = {name: tuple(p.shape) for name, p in weights.items()}
    if own != found:
        differing = sorted(set(own.items()) ^ set(found.items()))[0][0]
        raise RunError(
            f"The weights in {path} are of another model ({facts.get('model', 'unknown')}): "
            f"{differing} is {found.get(differing)} there and {own.get(differing)} here.",
            "Use the run's own config.yaml and checkpoints together.",
        )
    for k, model in enumerate(models):
        model.load_state_dict({name: p[k] for name, p in weights.items()})


def save_state(state: TrainingState, path: Path) -> None:
    """Write a training state into one safetensors file, atomically."""
    members = state.members
    tensors = _prefixed("model", [m.model.state_dict() for m in members])
    tensors |= _prefixed("average", [m.average for m in members])
    tensors |= _prefixed("optimizer", [_moments(m.optimizer) for m in members])
    kind = members[0].chance.device.type
    tensors |= _prefixed("chance", [{kind: m.chance.get_state()} for m in members])
    counters: dict[str, object] = {name: getattr(state, name) for name in PROGRESS}
    counters |= {name: [getattr(m, name) for m in members] for name in SUMS}
    scales = [m.grad_scaler.state_dict() for m in members]
    _write(tensors, path, {"counters": json.dumps(counters), "scale": json.dumps(scales)})


def load_state(state: TrainingState, path: Path) -> None:
    """Read a training state into a fresh one, the random generators included.

    A state saved on another kind of device has generators of another kind; those of `state`
    are then left as they are.

    Raises
    ------
    RunError
        No such file, or one that does not fit the models.
    """
    tensors, facts = _read(path)
    try:
        counters, scales = json.loads(facts["counters"]), json.loads(facts["scale"])
        for k, member in enumerate(state.members):
            _load_member(member, {name: t[k] for name, t in tensors.items()})
            for name in SUMS:
                setattr(member, name, counters[name][k])
            if member.grad_scaler.is_enabled():
                member.grad_scaler.load_state_dict(scales[k])
        if any(len(t) != len(state.members) for t in tensors.values()):
            raise ValueError(f"it holds {len(counters['loss_sum'])} members")
        for name in PROGRESS:
            setattr(state, name, counters[name])
    except (KeyError, IndexError, RuntimeError, ValueError, AttributeError) as error:
        raise RunError(
            f"The training state {path} does not fit this run: {error}",
            "Use the run's own config.yaml and checkpoints together, or train anew.",
        ) from error


def _load_member(member: Member, tensors: Mapping[str, Tensor]) -> None:
    member.model.load_state_dict(_part(tensors, "model/"))
    member.average = {
        name: t.to(member.model.get_parameter(name).device)
        for name, t in _part(tensors, "average/").items()
    }
    saved = member.optimizer.state_dict()
    saved["state"] = {}
    for key, tensor in _part(tensors, "optimizer/").items():
        index, name = key.split("/")
        saved["state"].setdefault(int(index), {})[name] = tensor
    member.optimizer.load_state_dict(saved)
    generator = _part(tensors, "chance/").get(member.chance.device.type)
    if generator is not None:
        member.chance.set_state(generator.clone())  # it takes a tensor with memory of its own


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments by ``<parameter>/<moment>``; as they begin where no step was taken yet."""
    moments = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        zeros = torch.zeros_like(parameter)
        fresh = {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros}
        for name, tensor in (optimizer.state.get(parameter) or fresh).items():
            moments[f"{index}/{name}"] = torch.as_tensor(tensor)
    return moments


def _prefixed(prefix: str, members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": t for name, t in _stacked(members).items()}


def _stacked(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    # a copy each: safetensors refuses tensors that share memory
    return {name: torch.stack([m[name].detach().cpu() for m in members]) for name in members[0]}


def _write(tensors: dict[str, Tensor], path: Path, facts: dict[str, str]) -> None:
    with atomic_path(path) as scratch:
        try:
            save_file(tensors, scratch, metadata=facts)
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


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
