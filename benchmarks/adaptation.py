"""Adaptation of regional runs to basins that they have not seen: every method, 1, 2 and 5 years.

    python benchmarks/adaptation.py --case RUN BASINS [--case RUN BASINS]... [--out adaptation.csv]

RUN was trained without the BASINS (ids with commas, or a file of ids). Each basin's first years of
flow within the run's training period are learned from; its test period is scored, before and
after. States of a run are computed once for all methods. Prints a table of medians over basins for
each run and writes a row for each run, method, number of years and basin.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from hydroml.api import named_period
from hydroml.data.splits import select_basins
from hydroml.data.store import open_store
from hydroml.evaluation.metrics import COLUMNS, kernel
from hydroml.regionalisation.adaptation import adapt, discharge, enough_flow, observe
from hydroml.regionalisation.depths import DEPTHS
from hydroml.regionalisation.readout_files import join_readouts
from hydroml.regionalisation.readouts import METHODS
from hydroml.training.assemble import as_days
from hydroml.training.rundir import RunDirectory

YEARS = (1.0, 2.0, 5.0)
SCORES = ("NSE", "KGE", "beta")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=2, action="append", required=True)
    parser.add_argument("--period", default="test")
    parser.add_argument("--out", type=Path, default=Path("adaptation.csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for run, basins in arguments.case:
        started = time.process_time()
        rows.append(compare(RunDirectory.open(run), basins, arguments.period))
        show(rows[-1], time.process_time() - started)
        pd.concat(rows).to_csv(arguments.out, index=False)


def compare(run: RunDirectory, spec: str, scored: str) -> pd.DataFrame:
    """Score every method with each number of years on the basins that have enough flow."""
    dataset = open_store(Path(run.facts().store))
    learn, test = (
        as_days((p.start, p.end))
        for p in (named_period(run.config(), w) for w in ("train", scored))
    )
    basins = with_flow(dataset, select_basins(spec, dataset), learn, run.config().data.target)
    models, fitted = run.load_models(torch.device("cpu")), {}
    for seen in observe(run, models, dataset, basins, learn, tuple(DEPTHS)):
        for name, method in METHODS.items():
            for years in YEARS:
                found = adapt(seen, models, method, years)
                fitted.setdefault((name, years), []).append(found)
    readouts = {case: join_readouts(parts) for case, parts in fitted.items()}
    rows = []
    for seen in observe(run, models, dataset, basins, test, tuple(DEPTHS)):
        rows += scores_of(seen.basins, "unadapted", 0.0, seen.q, discharge(seen, run, None))
        for (name, years), found in readouts.items():
            q = discharge(seen, run, found.of(seen.basins))
            rows += scores_of(seen.basins, name, years, seen.q, q)
    return pd.DataFrame(rows).assign(run=run.path.name)


def with_flow(dataset: xr.Dataset, basins: list[str], days: tuple, target: str) -> list[str]:
    q = dataset[target].sel(basin=basins, time=slice(*days)).transpose("basin", "time").values
    enough = enough_flow(q >= 0, max(YEARS))
    print(f"{int(enough.sum())} of {len(basins)} basins have {max(YEARS):g} years of flow")
    return [basin for basin, there in zip(basins, enough, strict=True) if there]


def scores_of(
    basins: list[str], method: str, years: float, obs: np.ndarray, sim: np.ndarray
) -> list[dict]:
    found = kernel(obs, sim)[:, [list(COLUMNS).index(name) for name in SCORES]]
    return [
        {"gauge_id": basin, "method": method, "years": years}
        | dict(zip(SCORES, values.tolist(), strict=True))
        for basin, values in zip(basins, found, strict=True)
    ]


def show(table: pd.DataFrame, seconds: float) -> None:
    scored = table.dropna(subset=["NSE"])
    before = scored[scored["method"] == "unadapted"].set_index("gauge_id")["NSE"]
    print(f"\n{table['run'].iloc[0]}: {len(before)} basins, {seconds:.0f} s of CPU time")
    lines = []
    for (method, years), rows in scored.groupby(["method", "years"], sort=False):
        gain = rows.set_index("gauge_id")["NSE"] - before
        lines.append(
            {"method": method, "years": years}
            | {f"median {name}": rows[name].median() for name in SCORES}
            | {"mean NSE": rows["NSE"].mean(), "median gain": gain.median(),
               "mean gain": gain.mean(), "better": int((gain > 0).sum())}
        )  # fmt: skip
    print(pd.DataFrame(lines).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
