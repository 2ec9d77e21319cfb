"""Compare the changes a trained model gives under scenarios with those of the true catchments.

python benchmarks/truth.py [--basins 531] [--epochs 12] [--model ealstm] [--model lstm]
                           [--seed 111]... [--scenarios martel]... [--runs runs/truth]

Synthetic basins; their own hydrological model is rerun under each scenario. Prints, for each model,
statics held and recomputed, scenario and statistic: rank correlation over basins, share of basins
with the right sign, median true and simulated change. Runs that are there already are used again.
"""

import argparse
from pathlib import Path

import pandas as pd
import xarray as xr

import hydroml
from hydroml import api
from hydroml.sensitivity.truth_comparison import compare_with_truth

SHOWN = ("mean", "q05", "q95", "annual_max", "flood10", "low7", "centre_timing", "winter_share")


def trained(args: argparse.Namespace, store: Path, model: str, seed: int) -> Path:
    path = Path(args.runs) / f"{model}_{args.basins}_{seed}"
    if path.exists():
        return path
    overrides = {"model.name": model, "seed": seed, "epochs": args.epochs}
    config = hydroml.load_config("quick", settings=args.set, overrides=overrides)
    return hydroml.train(store, config=config, name=path.name, runs=args.runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--basins", type=int, default=531)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--model", action="append")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--scenarios", action="append")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--runs", default="runs/truth")
    args = parser.parse_args()
    store = Path(args.runs) / f"synthetic_{args.basins}.zarr"
    if not store.exists():
        api.synthesise(store, basins=args.basins)
    tables = {}
    for model in args.model or ["ealstm", "lstm"]:
        runs = [trained(args, store, model, seed) for seed in args.seed or [111]]
        folder = api.analyse_sensitivity_into(
            runs, args.scenarios or ["martel"], statics="both", truth="all"
        )
        with xr.open_dataset(folder / "truth.nc") as truth:
            for name in ("response", "response_recomputed"):
                with xr.open_dataset(folder / f"{name}.nc") as response:
                    table = compare_with_truth(response, truth)
                    tables[model, response.attrs["statics"]] = table[table["statistic"].isin(SHOWN)]
    found = pd.concat(tables, names=["model", "statics"]).reset_index(["model", "statics"])
    with pd.option_context("display.width", 200, "display.max_rows", None):
        print(found.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
