"""RUDDER's redistribution of flood volumes by two runs: where volume comes from, and do they agree.

python benchmarks/event_volume.py RUN RUN [--basins 30] [--days 180]

The largest flood of the test period in each basin (both observed and simulated by the first run),
its days fixed by the first run. Prints medians over basins: what was expected before the window,
what came of weather before and during the event, and the agreement of the two runs on days beside
that with another basin's flood.
"""

import argparse
import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hydroml.api import named_period
from hydroml.data.splits import Period
from hydroml.data.store import open_store
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.explanation.event import choose_event
from hydroml.explanation.event_volume import event_around, share_out_volume
from hydroml.explanation.window import Question
from hydroml.training.rundir import RunDirectory

CPU = torch.device("cpu")
TOP = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs=2, type=Path)
    parser.add_argument("--basins", type=int, default=30)
    parser.add_argument("--days", type=int, default=180)
    args = parser.parse_args()
    runs = [RunDirectory.open(path) for path in args.runs]
    dataset = open_store(runs[0].facts().store)
    known = list(runs[0].scaler().basins)
    basins = [known[i] for i in np.linspace(0, len(known) - 1, args.basins).round().astype(int)]
    added, rows = [], []
    for basin, event in events(runs[0], dataset, basins):
        question = Question(basin, event.end, args.days)
        found = [share_out_volume([run], dataset, event, question, CPU) for run in runs]
        added.append([f["credit"].values[0] for f in found])
        rows.append({"basin": basin, "length": event.days, **shares(found[0])})
    table = pd.DataFrame(rows)
    print(f"{len(table)} floods, {args.days} days, medians:")
    print(table.drop(columns="basin").median().round(3).to_string())
    agree = [agreement(a, b) for a, b in added]
    other = [agreement(added[i][0], added[i - 1][1]) for i in range(len(added))]
    for name, pairs in (("same flood", agree), ("another basin's", other)):
        rank, top = np.median(np.array(pairs), axis=0)
        print(f"two runs, {name}: rank correlation {rank:.2f}, {top:.1f} of {TOP} days in common")


def events(run: RunDirectory, dataset: object, basins: list[str]) -> list[tuple[str, Period]]:
    days = named_period(run.config(), "test")
    period = (np.datetime64(days.start), np.datetime64(days.end))
    found = simulate_runs([run], dataset, Simulation(basins, period), CPU)
    time = found["time"].values.astype("datetime64[D]")
    rows = []
    for i, basin in enumerate(basins):
        flow = found["qsim"].values[i]
        inside = event_around(flow, choose_event("peak", found["qobs"].values[i], flow))
        first, last = (time[k].item() for k in (inside.start, inside.stop - 1))
        assert isinstance(first, datetime.date)
        rows.append((basin, Period(first, last)))
    return rows


def shares(found: object) -> dict[str, float]:
    inside = found["in_event"].values
    credit, volume = found["credit"].values[0], float(found["volume"][0])
    order = np.sort(np.abs(credit))[::-1]
    return {
        "volume [mm]": volume,
        "expected before / volume": float(found["before"][0]) / volume,
        "weather before the event / volume": credit[~inside].sum() / volume,
        "weather of the event / volume": credit[inside].sum() / volume,
        "share of |credit| in 10 days": order[:TOP].sum() / order.sum(),
    }


def agreement(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    rank = pd.Series(a).corr(pd.Series(b), method="spearman")
    tops = [set(np.argsort(-np.abs(x))[:TOP].tolist()) for x in (a, b)]
    return float(rank), float(len(tops[0] & tops[1]))


if __name__ == "__main__":
    main()
