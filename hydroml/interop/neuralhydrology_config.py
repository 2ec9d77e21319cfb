"""The configuration of a neuralhydrology run: what hydroml has words for, and what not."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from hydroml.config import TrainConfig, parse_config
from hydroml.errors import ConfigError, RunError
from hydroml.interop.yaml_mapping import read_mapping

MODELS = ("cudalstm", "ealstm")
LOSSES = {"mse": "mse", "nse": "nse_star"}
INITIAL_WEIGHTS = {"cudalstm": "uniform", "ealstm": "kratzert2019"}
DAILY = ("1D", "D")
NO_CLIPPING = 1e9

REFUSED = {
    "additional_feature_files": "inputs from pickled files",
    "autoregressive_inputs": "discharge of earlier days as input",
    "duplicate_features": "copies of inputs",
    "dynamic_conceptual_inputs": "a conceptual model",
    "dynamics_embedding": "an embedding of the dynamic inputs",
    "embedding_hiddens": "an embedding of the inputs",
    "evolving_attributes": "attributes that change in time",
    "forecast_inputs": "forecasts as inputs",
    "hindcast_inputs": "separate inputs for hindcast and forecast",
    "lagged_features": "inputs of earlier days",
    "mass_inputs": "mass-conserving inputs",
    "mc_dropout": "dropout in evaluation",
    "nan_handling_method": "a special handling of missing inputs",
    "random_holdout_from_dynamic_features": "inputs with random gaps",
    "static_inputs": "attributes that change in time",
    "statics_embedding": "an embedding of the static attributes",
    "timestep_counter": "a counter of time steps as input",
    "use_basin_id_encoding": "the basin's id as input",
}
"""Settings that change what the model computes and that hydroml does not have."""


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.yml`` of a run and refuse what cannot be imported.

    Raises
    ------
    RunError
        There is no such file, or the run uses something hydroml does not have.
    """
    tree = read_mapping(folder / "config.yml")
    for key, what in REFUSED.items():
        if tree.get(key) and str(tree[key]).lower() != "none":
            raise _unsupported(key, tree[key], f"hydroml has no {what.removeprefix('a ')}")
    model = str(tree.get("model", "")).lower()
    if model not in MODELS:
        raise _unsupported("model", tree.get("model"), f"only {' and '.join(MODELS)} are read")
    if str(tree.get("head", "")).lower() != "regression":
        raise _unsupported("head", tree.get("head"), "only 'regression' is read")
    if str(tree.get("output_activation") or "linear").lower() != "linear":
        raise _unsupported("output_activation", tree["output_activation"], "only linear is read")
    if len(_targets(tree)) != 1:
        raise _unsupported("target_variables", _targets(tree), "one target is read")
    frequencies = _as_list(tree.get("use_frequencies"))
    if len(frequencies) > 1 or any(f not in DAILY for f in frequencies):
        raise _unsupported("use_frequencies", frequencies, "daily runs are read")
    return tree


def as_config(tree: Mapping[str, Any], folder: Path) -> TrainConfig:
    """Translate a configuration; names of variables stay the package's.

    Windows keep the package's length: a windowed evaluation then is its evaluation. A
    sequence-to-sequence run is no exception, because what it simulates for a day is the last
    step of the window that ends there.

    Parameters
    ----------
    tree : mapping
        From `read_config`.
    folder : pathlib.Path
        For error messages.

    Raises
    ------
    RunError
        A setting is missing or cannot be read.
    """
    try:
        model, static = str(tree["model"]).lower(), _static(tree)
        data = {
            "dynamic": _dynamic(tree),
            "static": static,
            "target": _targets(tree)[0],
            "train": _period(tree, "train"),
            "test": _period(tree, "test"),
        }
        if tree.get("validation_start_date") and tree.get("validation_end_date"):
            data["validation"] = _period(tree, "validation")
        with_statics = "ealstm" if model == "ealstm" else "lstm"
        return parse_config(
            {
                "preset": "neuralhydrology",
                "data": data,
                "model": {
                    "name": with_statics if static else "lstm-nostatic",
                    "hidden": _one(tree["hidden_size"]),
                    "dropout": float(tree.get("output_dropout") or 0.0),
                    "forget_bias": float(tree.get("initial_forget_bias") or 0.0),
                    "initial_weights": INITIAL_WEIGHTS[model],
                },
                "sampling": {"kind": "windowed", "length": _one(tree["seq_length"])},
                "loss": LOSSES.get(str(tree.get("loss")).lower(), "mse"),
                "optimizer": {
                    "schedule": {"kind": "steps", "rates": _rates(tree)},
                    "batch_size": int(tree["batch_size"]),
                    "clip_norm": float(tree.get("clip_gradient_norm") or NO_CLIPPING),
                },
                "epochs": int(tree["epochs"]),
                "seed": int(tree.get("seed") or 0),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ConfigError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise RunError(
            f"{folder / 'config.yml'} cannot be imported: {what}.",
            "Give the config.yml that the package wrote into the run.",
        ) from error


def forcing(tree: Mapping[str, Any]) -> str:
    """Name the forcing product, where the run has exactly one."""
    products = _as_list(tree.get("forcings"))
    return str(products[0]) if len(products) == 1 else ""


def training_basins(tree: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """Read the basins the run was trained on, where their file can still be found.

    Parameters
    ----------
    tree : mapping
        From `read_config`.
    folder : pathlib.Path
        The run; a copy of the file in it counts, too.

    Returns
    -------
    tuple of str
        Ids; empty where there is no such file.
    """
    named = Path(str(tree.get("train_basin_file")))
    for file in (folder / named.name, named):
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            return tuple(sorted(line.strip() for line in lines if line.strip()))
    return ()


def inexpressible(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what was done in training that the imported configuration cannot tell."""
    notes = []
    if str(tree.get("loss")).lower() not in LOSSES:
        notes.append(f"it was trained with the loss {tree.get('loss')}; config.yaml says mse")
    if str(tree.get("optimizer")).lower() != "adam":
        notes.append(f"it was trained with the optimizer {tree.get('optimizer')}")
    if _one(tree.get("predict_last_n", 1)) > 1:
        last = _one(tree["predict_last_n"])
        notes.append(f"the last {last} days of each window counted in training")
    if isinstance(tree.get("train_start_date"), list):
        notes.append("it was trained on several periods; config.yaml says the first to the last")
    others = ("regularization", "target_noise_std", "finetune_modules", "dynamic_learning_rate")
    notes += [f"it was trained with {key} = {tree[key]}" for key in others if tree.get(key)]
    return tuple(notes)


def _unsupported(key: str, value: object, why: str) -> RunError:
    return RunError(
        f"The run cannot be imported: its {key} is {value!r}, and {why}.",
        "Import a run without it, or evaluate this one with neuralhydrology.",
    )


def _targets(tree: Mapping[str, Any]) -> list[str]:
    return _as_list(tree.get("target_variables", tree.get("target_variable")))


def _dynamic(tree: Mapping[str, Any]) -> tuple[str, ...]:
    inputs = tree["dynamic_inputs"]
    groups = next(iter(inputs.values())) if isinstance(inputs, dict) else inputs
    return tuple(name for group in groups for name in _as_list(group))


def _static(tree: Mapping[str, Any]) -> tuple[str, ...]:
    names = _as_list(tree.get("static_attributes", tree.get("camels_attributes")))
    return tuple(sorted([*names, *_as_list(tree.get("hydroatlas_attributes"))]))


def _rates(tree: Mapping[str, Any]) -> dict[int, float]:
    rates = tree["learning_rate"]
    if not isinstance(rates, dict):
        return {1: float(rates)}
    return {max(int(epoch), 1): float(rates[epoch]) for epoch in sorted(rates)}


def _period(tree: Mapping[str, Any], name: str) -> tuple[date, date]:
    starts, ends = (_as_list(tree[f"{name}_{edge}_date"]) for edge in ("start", "end"))
    return min(map(_day, starts)), max(map(_day, ends))


def _day(value: object) -> date:
    return datetime.strptime(str(value), "%d/%m/%Y").date()


def _one(value: Any) -> int:
    """Return a number, or the only one of a mapping by frequency."""
    return int(next(iter(value.values())) if isinstance(value, dict) else value)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
