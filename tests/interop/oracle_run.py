"""neuralhydrology itself, in a process of its own: python -m tests.interop.oracle_run.

``train FOLDER MODEL...`` trains tiny runs on the CAMELS-US files in FOLDER and evaluates their
test period; writes FOLDER/MODEL.nc (qsim by basin and date) and prints the runs' folders as JSON.
``step FOLDER MODEL...`` prints, for the first batch of training in float64, by how much loss and
gradients differ from those of hydroml with the same weights.
``score FILE`` prints the package's metrics of each basin of a NetCDF with qobs and qsim.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from neuralhydrology.utils.config import Config

SETTINGS = {
    "train_start_date": "01/10/2003",
    "train_end_date": "30/09/2005",
    "test_start_date": "01/10/2006",
    "test_end_date": "30/09/2007",
    "device": "cpu",
    "head": "regression",
    "output_activation": "linear",
    "hidden_size": 8,
    "initial_forget_bias": 3,
    "output_dropout": 0.4,
    "optimizer": "Adam",
    "loss": "NSE",
    "learning_rate": {0: 1e-2, 2: 5e-3},
    "clip_gradient_norm": 1,
    "batch_size": 64,
    "epochs": 2,
    "seq_length": 30,
    "predict_last_n": 1,
    "log_tensorboard": False,
    "log_n_figures": 0,
    "save_weights_every": 1,
    "dataset": "camels_us",
    "forcings": ["daymet"],
    "dynamic_inputs": ["tmax(C)", "prcp(mm/day)", "srad(W/m2)", "vp(Pa)"],
    "target_variables": ["QObs(mm/d)"],
    "static_attributes": ["p_mean", "area_gages2", "elev_mean"],
    "seed": 1,
    "verbose": 0,
}


def train(folder: str, *models: str) -> None:
    """Train and evaluate; prints a JSON of model to the run's folder."""
    print(json.dumps({model: _train(folder, model) for model in models}))


def _train(folder: str, model: str) -> str:
    from neuralhydrology.evaluation import get_tester
    from neuralhydrology.training.train import start_training

    root, config = Path(folder), _config(folder, model)
    with contextlib.redirect_stdout(sys.stderr):
        start_training(config)
        tester = get_tester(config, config.run_dir, period="test", init_model=True)
        results = tester.evaluate(save_results=False)
    name = f"{SETTINGS['target_variables'][0]}_sim"
    series = [r["1D"]["xr"][name].isel(time_step=0, drop=True) for r in results.values()]
    found = xr.concat(series, xr.Variable("basin", list(results)))
    found.rename("qsim").to_netcdf(root / f"{model}.nc")
    return str(config.run_dir)


def _config(folder: str, model: str, **changes: object) -> "Config":
    from neuralhydrology.utils.config import Config

    root = Path(folder)
    files = {f"{p}_basin_file": str(root / "basins.txt") for p in ("train", "validation", "test")}
    own = {"experiment_name": f"{model}{len(changes)}", "model": model, "run_dir": root / "theirs"}
    return Config(SETTINGS | files | own | {"data_dir": str(root / "data")} | changes)


def step(folder: str, *models: str) -> None:
    """Print a JSON of model to the differences of loss and gradients."""
    print(json.dumps({model: _step(folder, model) for model in models}))


def _step(folder: str, model: str) -> dict[str, float]:
    import torch
    from neuralhydrology.training.basetrainer import BaseTrainer

    from hydroml.interop.neuralhydrology import read_neuralhydrology
    from hydroml.models import build_model
    from hydroml.models.losses import BASIN_WEIGHTS, weighted_squared_error

    config = _config(folder, model, output_dropout=0.0)
    with contextlib.redirect_stdout(sys.stderr):
        trainer = BaseTrainer(config)
        trainer.initialize_training()
    trainer.model.double()
    batch = next(iter(trainer.loader))
    batch["x_d"] = {name: x.double() for name, x in batch["x_d"].items()}
    batch |= {name: batch[name].double() for name in ("x_s", "y", "per_basin_target_stds")}
    loss, _ = trainer.loss_obj(trainer.model(batch), batch)
    loss.backward()
    gradients = {n: p.grad for n, p in trainer.model.named_parameters()}
    torch.save(trainer.model.state_dict(), config.run_dir / "model_epoch001.pt")
    torch.save(gradients, config.run_dir / "model_epoch002.pt")
    start = read_neuralhydrology(config.run_dir, epoch=1)
    theirs = read_neuralhydrology(config.run_dir, epoch=2).weights  # gates in hydroml's order
    if model == "cudalstm":
        theirs["bias"] = theirs["bias"] / 2  # of two biases whose gradients are the same

    x_d = torch.cat([batch["x_d"][name] for name in start.config.data.dynamic], dim=2)
    y = batch["y"][:, -1, :]
    weight = BASIN_WEIGHTS["nse_star"](batch["per_basin_target_stds"].numpy().ravel(), 1.0)
    sizes = len(start.config.data.dynamic), len(start.config.data.static)
    ours = build_model(start.config.model.name, *sizes, hidden=SETTINGS["hidden_size"], dropout=0.0)
    ours.double()
    ours.load_state_dict(start.weights)
    y_hat, _ = ours(x_d, batch["x_s"], last=1)
    own = weighted_squared_error(y_hat, y, torch.from_numpy(weight))
    own.backward()
    found = {"loss": abs(own.item() / loss.item() - 1)}
    for name, parameter in ours.named_parameters():
        difference = (parameter.grad - theirs[name]).abs().max()
        found[name] = float(difference / theirs[name].abs().max())
    return found


def score(file: str) -> None:
    """Print a JSON of basin to the package's metrics."""
    from neuralhydrology.evaluation import metrics

    with xr.open_dataset(file) as opened:
        data = opened.load().astype("float64")  # as hydroml scores: logarithms cost digits
    found = {}
    for basin in data["basin"].values:
        obs, sim = (
            data[n].sel(basin=basin, drop=True).rename(time="date") for n in ("qobs", "qsim")
        )
        if not (obs >= 0).any():
            continue
        values = metrics.calculate_all_metrics(obs.where(obs >= 0), sim)
        found[str(basin)] = {k: float(np.asarray(v)) for k, v in values.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the package's own affair
    {"train": train, "step": step, "score": score}[sys.argv[1]](*sys.argv[2:])
