"""Runs of the code published with Kratzert et al. (2019): the reference experiment."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from hydroml.config import TrainConfig, load_config
from hydroml.data.scaling import Scaler
from hydroml.data.splits import camels_set
from hydroml.errors import ConfigError, RunError
from hydroml.interop.foreign import ForeignRun, read_weights, weights_file
from hydroml.interop.gates import as_ealstm, as_lstm
from hydroml.units import DYNAMIC_REFERENCE, STATIC_REFERENCE

# written into the published code: Maurer forcing, 531 basins, 1999-10-01 to 2008-09-30
DYNAMIC_MEAN = (3.17563234, 372.01003929, 17.31934062, 3.97393362, 924.98004197)
DYNAMIC_STD = (6.94344737, 131.63560881, 10.86689718, 10.3940032, 629.44576432)
TARGET_MEAN, TARGET_STD = 1.49996196, 3.62443672
HEAD = ("fc.weight", "fc.bias")


def read_kratzert2019(folder: Path | str, epoch: int | None = None) -> ForeignRun:
    """Read a run of the published code, or one of its published sets of weights.

    Parameters
    ----------
    folder : path-like
        ``cfg.json``, ``model_epoch*.pt`` and, for models with static attributes,
        ``attributes.db``.
    epoch : int, optional
        By default the last one whose weights are there.

    Raises
    ------
    RunError
        No such run, or files that do not fit together.

    Notes
    -----
    The static inputs stand in the order of the columns of ``attributes.db``, which is the
    order in which the file system listed the attribute files when the run was made: it
    differs between runs and is matched by name. They are standardised by mean and standard
    deviation (ddof 1) over those of the 531 basins that are in the table; inputs and discharge
    by constants in the published code. Gates stand along the columns of the weights: f, o, g
    in the EA-LSTM and f, i, o, g in the LSTM.

    The layout is that of the code; none of the published weights was at hand, so that the
    reading was tested on files made after the code only.

    References
    ----------
    Kratzert et al. (2019), doi 10.5194/hess-23-5089-2019; code:
    https://github.com/kratzert/ealstm_regional_modeling.
    """
    path = Path(folder)
    settings = _settings(path / "cfg.json")
    file, number = weights_file(path, epoch)
    has_static = not settings.get("no_static", False)
    attributes = _attributes(path / "attributes.db") if has_static else pd.DataFrame()
    config = _config(settings, tuple(attributes.columns), number, path)
    convert = _ealstm if config.model.name == "ealstm" else _lstm
    return ForeignRun(
        origin="the code of Kratzert et al. (2019)",
        config=config,
        scaler=Scaler(
            dynamic=DYNAMIC_REFERENCE,
            static=tuple(attributes.columns),
            dynamic_mean=np.array(DYNAMIC_MEAN),
            dynamic_std=np.array(DYNAMIC_STD),
            static_mean=attributes.mean().to_numpy(dtype=float),
            static_std=attributes.std(ddof=1).to_numpy(dtype=float),
            target_mean=TARGET_MEAN,
            target_std=TARGET_STD,
            basins=(),
            basin_std=np.array([]),
        ),
        weights=convert(file, config.model.hidden, attributes.shape[1]),
        epoch=number,
        forcing="maurer_extended",
        basins=tuple(camels_set(531)),
        notes=(),
    )


def _settings(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise RunError(f"There is no {file}.", "Give the whole folder of the run.")
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunError(f"{file} cannot be read ({error}).", "Copy the run again.") from error


def _config(
    settings: dict[str, Any], static: tuple[str, ...], epoch: int, folder: Path
) -> TrainConfig:
    name = "lstm" if settings.get("concat_static", False) else "ealstm"
    try:
        return load_config(
            "kratzert2019",
            overrides={
                "data.static": static,
                "data.train": _period(settings, "train"),
                "data.test": _period(settings, "val"),
                "model.name": name if static else "lstm-nostatic",
                "model.hidden": settings["hidden_size"],
                "model.dropout": settings["dropout"],
                "model.forget_bias": settings["initial_forget_gate_bias"],
                "sampling.length": settings["seq_length"],
                "loss": "mse" if settings.get("use_mse", False) else "nse_star",
                "optimizer.batch_size": settings["batch_size"],
                "optimizer.clip_norm": settings["clip_value"],
                "epochs": max(settings["epochs"], epoch),
                "seed": settings["seed"],
            },
        )
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise RunError(
            f"{folder / 'cfg.json'} cannot be imported: {what}.",
            "Give the cfg.json that the published code wrote into the run.",
        ) from error


def _period(settings: dict[str, Any], name: str) -> tuple[str, str]:
    days = (datetime.strptime(settings[f"{name}_{edge}"], "%d%m%Y") for edge in ("start", "end"))
    first, last = (f"{day:%Y-%m-%d}" for day in days)
    return first, last


def _attributes(file: Path) -> pd.DataFrame:
    """Read the static inputs of the 531 basins, in the order of the weights."""
    if not file.is_file():
        raise RunError(
            f"There is no {file}: it tells the order of the static inputs.",
            "Give the whole folder of the run.",
        )
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            table = pd.read_sql_query("SELECT * FROM basin_attributes", database)
        table = table.set_index(table["gauge_id"].astype(str))
        table = table.loc[table.index.isin(camels_set(531))]
        found = table[[c for c in table.columns if c in STATIC_REFERENCE]].astype(float)
    except (sqlite3.Error, pd.errors.DatabaseError, KeyError, ValueError) as error:
        raise RunError(f"{file} cannot be read ({error}).", "Copy the run again.") from error
    missing = [name for name in STATIC_REFERENCE if name not in found]
    if missing or len(found) < 2:
        what = f"the attribute {missing[0]!r}" if missing else "the 531 basins"
        raise RunError(f"{file} lacks {what}.", "Give the run's own, unchanged folder.")
    return found


def _lstm(file: Path, hidden: int, static: int) -> dict[str, Tensor]:
    inputs = len(DYNAMIC_REFERENCE) + static
    shapes = {
        "lstm.weight_ih": (inputs, 4 * hidden),
        "lstm.weight_hh": (hidden, 4 * hidden),
        "lstm.bias": (4 * hidden,),
    }
    found = read_weights(file, shapes | {HEAD[0]: (1, hidden), HEAD[1]: (1,)})
    w_ih, w_hh = found["lstm.weight_ih"].T, found["lstm.weight_hh"].T
    head = (found[HEAD[0]], found[HEAD[1]])
    return as_lstm(w_ih, w_hh, found["lstm.bias"], head, have="fiog")


def _ealstm(file: Path, hidden: int, static: int) -> dict[str, Tensor]:
    shapes = {
        "lstm.weight_ih": (len(DYNAMIC_REFERENCE), 3 * hidden),
        "lstm.weight_hh": (hidden, 3 * hidden),
        "lstm.weight_sh": (static, hidden),
        "lstm.bias": (3 * hidden,),
        "lstm.bias_s": (hidden,),
    }
    found = read_weights(file, shapes | {HEAD[0]: (1, hidden), HEAD[1]: (1,)})
    return as_ealstm(
        found["lstm.weight_ih"].T,
        found["lstm.weight_hh"].T,
        found["lstm.bias"],
        (found["lstm.weight_sh"].T, found["lstm.bias_s"]),
        (found[HEAD[0]], found[HEAD[1]]),
        have="fog",
    )
