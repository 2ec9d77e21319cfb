"""Agreement of integrated gradients and relevance propagation with occlusion, beside chance.

python benchmarks/agreement.py RUN... [--basins FILE] [--period test] [--days 365] [--members 1]
                               [--baseline dry-season] [--csv FILE]

The highest and the lowest flow of each basin, both observed and simulated, are explained; see
hydroml/explanation/agreement.py. Prints medians over events.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from hydroml.api import named_period
from hydroml.data.splits import select_basins
from hydroml.data.store import open_store
from hydroml.explanation.agreement import agreement, relevance_of_events, summarise_agreement
from hydroml.explanation.baseline import BASELINES
from hydroml.training.rundir import RunDirectory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--basins", default="all")
    parser.add_argument("--period", default="test")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--baseline", choices=list(BASELINES), default="dry-season")
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    tables = []
    for path in args.runs:
        run, began = RunDirectory.open(path), time.process_time()
        dataset = open_store(run.facts().store)
        days = named_period(run.config(), args.period)
        rows = relevance_of_events(
            run, dataset, select_basins(args.basins, dataset),
            (np.datetime64(days.start), np.datetime64(days.end)),
            days=args.days, baseline=args.baseline, members=args.members,
        )  # fmt: skip
        table = agreement(rows)
        tables.append(table.assign(run=path.name))
        print(f"{path.name}, {days}, {args.days} days, baseline {args.baseline}, "
              f"{time.process_time() - began:.0f} s of CPU")  # fmt: skip
        print(summarise_agreement(table).round(3).to_string())
        gaps = pd.DataFrame(rows)
        for method in ("ig", "lrp"):
            share = (gaps[f"gap_{method}"] / gaps["difference"]).abs()
            medians = share.groupby(gaps["kind"]).median()
            print(f"median |gap / difference|, {method}: {medians.round(6).to_dict()}", flush=True)
    if args.csv is not None:
        pd.concat(tables).to_csv(args.csv, index=False)


if __name__ == "__main__":
    main()
