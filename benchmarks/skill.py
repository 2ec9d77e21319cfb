"""Skill and cost of a preset on a store: each model, each seed, and the ensemble.

python benchmarks/skill.py STORE [--preset quick] [--model ealstm] [--model lstm] [--seed 0]...
                                 [--set key=value]... [--runs runs/skill]

Prints one row a run: wall and CPU seconds of training, median test scores. Every seed asked for is
reported. Runs that are there already are scored again, not trained again.
"""

import argparse
import time
from pathlib import Path

import pandas as pd

import hydroml
from hydroml import api
from hydroml.training.rundir import RunDirectory


def row(name: str, scores: pd.DataFrame, wall: float, cpu: float) -> dict[str, object]:
    median = scores.median()
    return {
        "run": name,
        "basins": len(scores),
        **{m: round(float(median[m]), 3) for m in ("NSE", "KGE", "alpha", "beta", "FHV", "FLV")},
        "mean_NSE": round(float(scores["NSE"].mean()), 3),
        "NSE<=0": int((scores["NSE"] <= 0).sum()),
        "wall_s": round(wall),
        "cpu_s": round(cpu),
    }


def train_once(
    store: str, name: str, args: argparse.Namespace, model: str, seed: int
) -> tuple[Path, float, float]:
    path = Path(args.runs) / name
    if path.exists() and len(RunDirectory.open(path).read_metrics()):
        return path, float("nan"), float("nan")
    overrides = {"model.name": model, "seed": seed}
    config = hydroml.load_config(args.preset, settings=args.set, overrides=overrides)
    wall, cpu = time.perf_counter(), time.process_time()
    hydroml.train(store, config=config, name=name, runs=args.runs, allow_missing=True)
    return path, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--model", action="append")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--runs", default="runs/skill")
    args = parser.parse_args()
    rows = []
    stem = Path(args.store).name.removesuffix(".zarr")
    for model in args.model or ["ealstm", "lstm"]:
        paths = []
        for seed in args.seed or [0]:
            name = f"{stem}_{args.preset}_{model}_{seed}"
            path, wall, cpu = train_once(args.store, name, args, model, seed)
            rows.append(row(name, api.evaluate(path, allow_missing=True), wall, cpu))
            paths.append(path)
        if len(paths) > 1:
            scores = api.evaluate(paths, allow_missing=True)
            rows.append(row(f"{stem}_{args.preset}_{model} x{len(paths)}", scores, 0, 0))
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
