"""A run of another package in hydroml's terms, before it meets a store."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hydroml.config import TrainConfig
from hydroml.data.scaling import Scaler
from hydroml.errors import RunError


@dataclass(frozen=True)
class ForeignRun:
    """What a run of another package is, with its own names of variables.

    Parameters
    ----------
    origin : str
        Package and version.
    config : TrainConfig
        The run's configuration as far as hydroml has words for it.
    scaler : Scaler
        Its standardisation, inputs in the order of its weights; `basin_std` may be empty.
    weights : dict of Tensor
        By hydroml's parameter names, gates in hydroml's order.
    epoch : int
        Epoch of the weights, from 1.
    forcing : str
        Forcing product it was trained on, empty where it does not say.
    basins : tuple of str
        Basins it was trained on; empty where it does not say.
    notes : tuple of str
        What of the run hydroml has no words for.
    """

    origin: str
    config: TrainConfig
    scaler: Scaler
    weights: dict[str, Tensor]
    epoch: int
    forcing: str
    basins: tuple[str, ...]
    notes: tuple[str, ...]


def weights_file(folder: Path, epoch: int | None) -> tuple[Path, int]:
    """Find ``model_epoch*.pt`` of an epoch, by default of the last one.

    Raises
    ------
    RunError
        There is none.
    """
    found = {_epoch(file): file for file in folder.glob("model_epoch*.pt")}
    found.pop(-1, None)
    if not found:
        raise RunError(
            f"{folder} holds no weights (model_epoch*.pt).", "Give the folder of a trained run."
        )
    chosen = max(found) if epoch is None else epoch
    if chosen not in found:
        there = ", ".join(str(e) for e in sorted(found))
        raise RunError(f"{folder} holds no weights of epoch {epoch}.", f"There are epochs {there}.")
    return found[chosen], chosen


def read_weights(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Read a state dict without running code from the file; check names and shapes.

    Raises
    ------
    RunError
        Not a plain dict of tensors, or not the weights that `shapes` describes.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        found = {str(name): tuple(tensor.shape) for name, tensor in state.items()}
    except Exception as error:  # whatever a damaged or hostile file makes torch raise
        raise RunError(
            f"{file} cannot be read as a plain dict of tensors ({type(error).__name__}).",
            "Save the model again with torch.save(model.state_dict(), FILE).",
        ) from error
    if found != dict(shapes):
        name = sorted(set(found.items()) ^ set(shapes.items()))[0][0]
        raise RunError(
            f"The weights in {file} do not fit the run's configuration: {name} is "
            f"{found.get(name)} there, {shapes.get(name)} by the configuration.",
            "Give the run's own, unchanged folder.",
        )
    return dict(state)


def _epoch(file: Path) -> int:
    number = file.stem.removeprefix("model_epoch")
    return int(number) if number.isdigit() else -1
