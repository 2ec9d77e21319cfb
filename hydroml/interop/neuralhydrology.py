"""Runs of the neuralhydrology package: weights, scaler and configuration by name."""

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from torch import Tensor

from hydroml.data.scaling import Scaler
from hydroml.errors import RunError
from hydroml.interop.foreign import ForeignRun, read_weights, weights_file
from hydroml.interop.gates import as_ealstm, as_lstm
from hydroml.interop.neuralhydrology_config import (
    as_config,
    forcing,
    inexpressible,
    read_config,
    training_basins,
)
from hydroml.interop.yaml_mapping import read_mapping

HEAD = ("head.net.0.weight", "head.net.0.bias")


def read_neuralhydrology(folder: Path | str, epoch: int | None = None) -> ForeignRun:
    """Read a run of neuralhydrology: one ``cudalstm`` or ``ealstm`` with a regression head.

    Nothing in the folder is executed: weights are loaded with ``weights_only``, and pickled
    scalers of old versions are refused.

    Parameters
    ----------
    folder : path-like
        What neuralhydrology made below its ``runs``: ``config.yml``, ``model_epoch*.pt`` and
        ``train_data/train_data_scaler.yml``.
    epoch : int, optional
        By default the last one whose weights are there.

    Raises
    ------
    RunError
        No such run, or one with something hydroml does not have, by name.

    Notes
    -----
    Inputs stand in the order of the configuration, static attributes behind them in
    alphabetical order whatever the configuration's order. The package's EA-LSTM has gates f,
    o, g along the columns of its weights, its LSTM is torch's with two biases, whose sum
    counts. Written for and tested against version 1.13.0.

    References
    ----------
    Kratzert et al. (2022), doi 10.21105/joss.04050.
    """
    path = Path(folder)
    tree = read_config(path)
    config = as_config(tree, path)
    file, number = weights_file(path, epoch)
    config = config.model_copy(update={"epochs": max(config.epochs, number)})
    dynamic, static = tuple(config.data.dynamic), tuple(config.data.static)
    convert = _ealstm if config.model.name == "ealstm" else _lstm
    return ForeignRun(
        origin=f"neuralhydrology {tree.get('package_version', '(unknown version)')}",
        config=config,
        scaler=_scaler(path, dynamic, static, config.data.target),
        weights=convert(file, config.model.hidden, len(dynamic), len(static)),
        epoch=number,
        forcing=forcing(tree),
        basins=training_basins(tree, path),
        notes=inexpressible(tree),
    )


def _lstm(file: Path, hidden: int, dynamic: int, static: int) -> dict[str, Tensor]:
    shapes = {
        "lstm.weight_ih_l0": (4 * hidden, dynamic + static),
        "lstm.weight_hh_l0": (4 * hidden, hidden),
        "lstm.bias_ih_l0": (4 * hidden,),
        "lstm.bias_hh_l0": (4 * hidden,),
    }
    found = read_weights(file, shapes | _head_shapes(hidden))
    bias = found["lstm.bias_ih_l0"] + found["lstm.bias_hh_l0"]
    w_ih, w_hh = found["lstm.weight_ih_l0"], found["lstm.weight_hh_l0"]
    return as_lstm(w_ih, w_hh, bias, (found[HEAD[0]], found[HEAD[1]]), have="ifgo")


def _ealstm(file: Path, hidden: int, dynamic: int, static: int) -> dict[str, Tensor]:
    shapes = {
        "input_gate.weight": (hidden, static),
        "input_gate.bias": (hidden,),
        "dynamic_gates.weight_ih": (dynamic, 3 * hidden),
        "dynamic_gates.weight_hh": (hidden, 3 * hidden),
        "dynamic_gates.bias": (3 * hidden,),
    }
    found = read_weights(file, shapes | _head_shapes(hidden))
    return as_ealstm(
        found["dynamic_gates.weight_ih"].T,
        found["dynamic_gates.weight_hh"].T,
        found["dynamic_gates.bias"],
        (found["input_gate.weight"], found["input_gate.bias"]),
        (found[HEAD[0]], found[HEAD[1]]),
        have="fog",
    )


def _head_shapes(hidden: int) -> dict[str, tuple[int, ...]]:
    return {HEAD[0]: (1, hidden), HEAD[1]: (1,)}


def _scaler(folder: Path, dynamic: tuple[str, ...], static: tuple[str, ...], target: str) -> Scaler:
    file = folder / "train_data" / "train_data_scaler.yml"
    if not file.is_file():
        _refuse_pickle(file)
    tree = read_mapping(file)
    old = "camels_attr" if "camels_attr_means" in tree else "attribute"
    try:
        centre = {n: _float32(v["data"]) for n, v in _variables(tree, "xarray_feature_center")}
        scale = {n: _float32(v["data"]) for n, v in _variables(tree, "xarray_feature_scale")}
        means, stds = (tree[f"{old}_{what}"] if static else {} for what in ("means", "stds"))
        return Scaler(
            dynamic=dynamic,
            static=static,
            dynamic_mean=np.array([centre[n] for n in dynamic]),
            dynamic_std=np.array([scale[n] for n in dynamic]),
            static_mean=np.array([float(means[n]) for n in static]),
            static_std=np.array([float(stds[n]) for n in static]),
            target_mean=centre[target],
            target_std=scale[target],
            basins=(),
            basin_std=np.array([]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{file} does not hold the scaler of this run ({error!r}).",
            "Give the run's own, unchanged folder.",
        ) from error


def _variables(tree: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    return list(tree[name]["data_vars"].items())


def _float32(value: object) -> float:
    # the package computes with constants of single precision; so does hydroml with these
    return float(np.float32(str(value)))


def _refuse_pickle(file: Path) -> NoReturn:
    pickled = file.with_suffix(".p")
    if pickled.is_file():
        raise RunError(
            f"The scaler {pickled} is a pickle, which may run any code when it is read.",
            "Where you trust it, write it anew with neuralhydrology: load it with "
            "neuralhydrology.datautils.utils.load_scaler, and dump each entry's to_dict() to "
            f"{file.name} beside it.",
        )
    raise RunError(f"There is no scaler {file}.", "Give the whole folder of the run.")
