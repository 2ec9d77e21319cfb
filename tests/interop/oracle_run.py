"""neuralhydrology itself, in a process of its own: python -m tests.interop.oracle_run.

``train FOLDER MODEL...`` trains tiny runs on the CAMELS-US files in FOLDER and evaluates their
test period; writes FOLDER/MODEL.nc (qsim by basin and date) and prints the runs' folders as JSON.
``score FILE`` prints the package's metrics of each basin of a NetCDF with qobs and qsim.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

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
    from neuralhydrology.utils.config import Config

    root = Path(folder)
    files = {f"{p}_basin_file": str(root / "basins.txt") for p in ("train", "validation", "test")}
    own = {"experiment_name": model, "model": model, "run_dir": root / "theirs"}
    config = Config(SETTINGS | files | own | {"data_dir": str(root / "data")})
    with contextlib.redirect_stdout(sys.stderr):
        start_training(config)
        tester = get_tester(config, config.run_dir, period="test", init_model=True)
        results = tester.evaluate(save_results=False)
    name = f"{SETTINGS['target_variables'][0]}_sim"
    series = [r["1D"]["xr"][name].isel(time_step=0, drop=True) for r in results.values()]
    found = xr.concat(series, xr.Variable("basin", list(results)))
    found.rename("qsim").to_netcdf(root / f"{model}.nc")
    return str(config.run_dir)


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
    {"train": train, "score": score}[sys.argv[1]](*sys.argv[2:])
