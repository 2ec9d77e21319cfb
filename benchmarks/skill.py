"""Skill and cost of a preset on a store: each model, each seed, and the ensemble.

python benchmarks/skill.py STORE [--preset quick] [--model ealstm] [--model lstm] [--seed 0]...
                                 [--set key=value]... [--runs runs/skill] [--curve]
                                 [--validation 1981-10-01..1989-09-30]

Prints one row a run: wall and CPU seconds of loading and training, median test scores. Every seed
asked for is reported. Runs that are there already are scored again, not trained again.

With --curve the weights of every epoch are scored too: median NSE of the validation and the test
period against CPU minutes, in RUNS/<store>_<preset>_curve.csv. Scoring is no part of the minutes.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import hydroml
from hydroml import api
from hydroml.api.training import create_run
from hydroml.data.series import load_series, usable_inputs
from hydroml.data.splits import Period
from hydroml.data.store import open_store
from hydroml.evaluation.metrics import COLUMNS, kernel
from hydroml.evaluation.simulate import LEAD_DAYS, validation_score
from hydroml.training.assemble import as_days
from hydroml.training.checkpoint import load_weights
from hydroml.training.fit import fit
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around

CLOCK = "benchmark_seconds.csv"
"""In the run directory: wall and CPU seconds after each epoch, from before the store is opened."""


def main() -> None:
    args = _arguments()
    stem = f"{Path(args.store).name.removesuffix('.zarr')}_{args.preset}"
    rows, curves = [], []
    for model in args.model or ["ealstm", "lstm"]:
        paths = []
        for seed in args.seed or [0]:
            path = Path(args.runs) / f"{stem}_{model}_{seed}"
            train_once(args, path, model, seed)
            rows.append(row(path.name, api.evaluate(path, allow_missing=True), seconds(path)))
            paths.append(path)
            if args.curve:
                curves.append(curve(RunDirectory.open(path), args.store, args.validation))
        if len(paths) > 1:
            scores = api.evaluate(paths, allow_missing=True)
            rows.append(row(f"{stem}_{model} x{len(paths)}", scores, None))
    if args.curve:
        file = Path(args.runs) / f"{stem}_curve.csv"
        pd.concat(curves).to_csv(file, index=False)
        print(f"{file}: skill against CPU minutes")
    print(pd.DataFrame(rows).to_string(index=False))


def train_once(args: argparse.Namespace, path: Path, model: str, seed: int) -> None:
    """Train a run, unless it is there, and keep its times."""
    if path.exists() and RunDirectory.open(path).read_metrics():
        return
    overrides = {"model.name": model, "seed": seed}
    config = hydroml.load_config(args.preset, settings=args.set, overrides=overrides)
    clock = Clock()
    prepared = create_run(
        args.store, config=config, name=path.name, runs=path.parent, allow_missing=True
    )
    made = prepared.assembly
    fit(made.models, made.samples, made.config, prepared.run, clock)
    pd.DataFrame(clock.rows).to_csv(path / CLOCK, index=False)


class Clock:
    """A listener of training that takes the time of each epoch."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self.rows: list[dict[str, float]] = []

    def step(self, done: float, where: str, loss: float) -> None:
        """Nothing to tell."""

    def epoch(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take the time."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        self.rows.append({"epoch": rows[0]["epoch"], "wall_s": wall, "cpu_s": cpu})


def seconds(path: Path) -> pd.DataFrame | None:
    """Read the times of a run that this script trained, an epoch a row."""
    return pd.read_csv(path / CLOCK) if (path / CLOCK).is_file() else None


def row(name: str, scores: pd.DataFrame, spent: pd.DataFrame | None) -> dict[str, object]:
    """Sum a run up."""
    median = scores.median()
    return {
        "run": name,
        "basins": len(scores),
        **{m: round(float(median[m]), 3) for m in ("NSE", "KGE", "alpha", "beta", "FHV", "FLV")},
        "mean_NSE": round(float(scores["NSE"].mean()), 3),
        "NSE<=0": int((scores["NSE"] <= 0).sum()),
        "wall_s": "-" if spent is None else round(spent["wall_s"].iloc[-1]),
        "cpu_s": "-" if spent is None else round(spent["cpu_s"].iloc[-1]),
    }


def curve(run: RunDirectory, store: str, validation: str) -> pd.DataFrame:
    """Score the weights of every epoch on the validation and the test period."""
    config, spent = run.config(), seconds(run.path)
    (model,) = run.load_models(torch.device("cpu"))
    periods = {
        "validation": Period.parse(*validation.split("..")),
        "test": Period(*config.data.test),
    }
    scorers = {name: scorer(run, store, period) for name, period in periods.items()}
    rows = []
    for epoch in range(1, run.finished_epochs() + 1):
        load_weights([model], run.weights_file(epoch))
        rows.append(
            {
                "run": run.path.name,
                "model": config.model.name,
                "seed": config.seed[0],
                "epoch": epoch,
                "cpu_minutes": np.nan if spent is None else spent["cpu_s"][epoch - 1] / 60,
                **{f"{name}_NSE": score(model) for name, score in scorers.items()},
            }
        )
    return pd.DataFrame(rows).round(4)


def scorer(run: RunDirectory, store: str, period: Period) -> Callable[[torch.nn.Module], float]:
    """Make a function that gives a model's median NSE on a period, in one continuous pass."""
    dataset, config, scaler = open_store(store), run.config(), run.scaler()
    period.require_inside(dataset)
    _, _, memory = days_around(config.sampling)
    series = load_series(
        dataset,
        scaler.basins,
        scaler.dynamic,
        scaler.static,
        as_days((period.start, period.end)),
        lead=max(LEAD_DAYS, memory),
        target=config.data.target,
    )
    usable = usable_inputs(series.x_d, memory)
    return validation_score(scaler, series, usable, torch.device("cpu"), median_nse)


def median_nse(observed: NDArray[np.float32], simulated: NDArray[np.float32]) -> float:
    """Median over the basins (B, T)."""
    return float(np.nanmedian(kernel(observed, simulated)[:, list(COLUMNS).index("NSE")]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--model", action="append")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--runs", default="runs/skill")
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--validation", default="1981-10-01..1989-09-30")
    return parser.parse_args()


if __name__ == "__main__":
    main()
