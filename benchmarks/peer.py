"""neuralhydrology as a peer: data exported to its generic layout, trained, evaluated, timed.

Imported by benchmarks/fidelity.py; needs the package (pip install neuralhydrology==1.13.0).
"""

import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the package's own affair
    from neuralhydrology.datasetzoo import get_dataset
    from neuralhydrology.evaluation import get_tester
    from neuralhydrology.training.basetrainer import BaseTrainer
    from neuralhydrology.utils.config import Config
    from torch.utils.data import DataLoader

from hydroml.config import TrainConfig

MODELS = {"lstm": "cudalstm", "ealstm": "ealstm"}
LOSSES = {"nse_star": "NSE", "mse": "MSE"}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars, logs and warnings of the package off the terminal."""
    logging.disable(logging.CRITICAL)
    hook, handlers = sys.excepthook, logging.getLogger().handlers[:]  # the package sets its own
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        sys.excepthook, logging.getLogger().handlers[:] = hook, handlers


def export(dataset: xr.Dataset, basins: Sequence[str], config: TrainConfig, folder: Path) -> None:
    """Write basins in the package's generic layout: a NetCDF file each, one table of attributes."""
    (folder / "time_series").mkdir(parents=True, exist_ok=True)
    (folder / "attributes").mkdir(exist_ok=True)
    names = [*config.data.dynamic, config.data.target]
    chosen = dataset[names].sel(basin=list(basins)).drop_attrs().load().rename(time="date")
    target = chosen[config.data.target]
    chosen[config.data.target] = target.where(target >= 0)
    for basin in basins:
        chosen.sel(basin=basin, drop=True).to_netcdf(folder / "time_series" / f"{basin}.nc")
    static = dataset[list(config.data.static)].sel(basin=list(basins)).load()
    table = static.to_dataframe()[list(config.data.static)].rename_axis("gauge_id")
    table.to_csv(folder / "attributes" / "attributes.csv")
    (folder / "basins.txt").write_text("\n".join(basins) + "\n")


def settings(config: TrainConfig, data: Path, runs: Path, **changes: Any) -> Config:
    """Say in the package's words what a configuration of hydroml says."""
    periods = {}
    for theirs, ours in (("train", "train"), ("validation", "test"), ("test", "test")):
        first, last = getattr(config.data, ours)
        periods[f"{theirs}_start_date"] = _spelled(first)
        periods[f"{theirs}_end_date"] = _spelled(last)
        periods[f"{theirs}_basin_file"] = data / "basins.txt"
    tree = periods | {
        "experiment_name": f"{config.model.name}_{config.seed[0]}",
        "run_dir": runs,
        "data_dir": data,
        "dataset": "generic",
        "device": "cpu",
        "model": MODELS[config.model.name],
        "head": "regression",
        "output_activation": "linear",
        "hidden_size": config.model.hidden,
        "initial_forget_bias": config.model.forget_bias,
        "output_dropout": config.model.dropout,
        "optimizer": "Adam",
        "loss": LOSSES[config.loss],
        "learning_rate": {e - 1: r for e, r in config.optimizer.schedule.rates.items()},
        "batch_size": config.optimizer.batch_size,
        "clip_gradient_norm": config.optimizer.clip_norm,
        "epochs": config.epochs,
        "seq_length": config.sampling.length,
        "predict_last_n": 1,
        "dynamic_inputs": list(config.data.dynamic),
        "static_attributes": list(config.data.static),
        "target_variables": [config.data.target],
        "seed": config.seed[0],
        "num_workers": 0,
        "log_tensorboard": False,
        "log_n_figures": 0,
        "save_weights_every": 1,
        "verbose": 0,
    }
    return Config({k: str(v) if isinstance(v, Path) else v for k, v in (tree | changes).items()})


def train(config: Config) -> tuple[Path, float, float]:
    """Train; the run's folder, CPU and wall seconds of the loop (data loaded before)."""
    with quiet():
        trainer = BaseTrainer(config)
        trainer.initialize_training()
        cpu, wall = time.process_time(), time.perf_counter()
        trainer.train_and_validate()
    return config.run_dir, time.process_time() - cpu, time.perf_counter() - wall


def simulate(config: Config, run: Path) -> tuple[xr.DataArray, float]:
    """Simulate the test period, one window a day; discharge (basin, time) and CPU seconds."""
    with quiet():
        tester = get_tester(config, run, period="test", init_model=True)
        cpu = time.process_time()
        results = tester.evaluate(save_results=False)
    seconds = time.process_time() - cpu
    name = f"{config.target_variables[0]}_sim"
    series = [r["1D"]["xr"][name].isel(time_step=0, drop=True) for r in results.values()]
    found = xr.concat(series, xr.Variable("basin", np.array(list(results), dtype=object)))
    return found.rename(date="time"), seconds


def load(config: Config) -> Any:
    """Read and scale the training data, as the package does before it trains."""
    with quiet():
        config.train_dir = config.run_dir / "train_data"
        return get_dataset(config, is_train=True, period="train")


def batches(dataset: Any, size: int) -> Iterator[Any]:
    """Draw shuffled batches as the package's training loop does, in this process."""
    loader = DataLoader(dataset, batch_size=size, shuffle=True, collate_fn=dataset.collate_fn)
    return iter(loader)


def _spelled(day: date) -> str:
    return f"{day:%d/%m/%Y}"
