"""Attribute importance of real EA-LSTM runs against the published one, basin by basin.

python benchmarks/attribute_ranking.py RUN... [--kind all] [--days 50] [--lags 270] [--basins 100]
                                              [--threads 2]

The runs are members of one ensemble, on a store of CAMELS-US gauges. The published gradients
(531 basins, seed 111) are those of Kratzert et al. (2019), doi 10.5194/hess-23-5089-2019: Maurer
forcing, 256 hidden units, windows of 270 days, every day of the test period. They are looked for
where HYDROML_TEST_DATA says, by default in ../shared/data.

Prints Spearman's rank correlation of the mean importance of the attributes, of each basin's own
importance (quartiles over basins), and both between members: the noise below which an agreement
cannot be told from a perfect one.
"""

import argparse
import os
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hydroml.data.store import open_store
from hydroml.progress import progress_bar
from hydroml.sensitivity.gradients import GradientRequest, flow_gradients
from hydroml.sensitivity.ranking import attribute_ranking, importance
from hydroml.training.assemble import as_days
from hydroml.training.rundir import RunDirectory

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
TABLE = "published/ealstm2019_mean_abs_gradient_per_basin_seed111.csv"


def published() -> pd.DataFrame:
    """Read the published importance, 531 gauges by 27 attributes."""
    file = Path(os.environ.get("HYDROML_TEST_DATA", DATA)) / TABLE
    table = pd.read_csv(file, dtype={"gauge_id": str}).set_index("gauge_id")
    values = importance(table.to_numpy(), np.ones(table.shape[1]))
    return pd.DataFrame(values, index=table.index, columns=table.columns)


def rank_correlation(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, float]:
    """Spearman's, of the mean over basins, and quartiles of each basin's own."""
    each = a.rank(axis=1).corrwith(b.rank(axis=1), axis=1)
    low, median, high = each.quantile([0.25, 0.5, 0.75])
    of_mean = a.mean().corr(b.mean(), method="spearman")
    return {"of_mean": of_mean, "basins_q25": low, "basins_q50": median, "basins_q75": high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--kind", default="all")
    parser.add_argument("--days", type=int, default=50)
    parser.add_argument("--lags", type=int, default=270)
    parser.add_argument("--basins", type=int, help="most basins, spread over the list")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs = [RunDirectory.open(path) for path in args.runs]
    dataset, reference = open_store(runs[0].facts().store), published()
    shared = [b for b in runs[0].scaler().basins if b[-8:] in reference.index]
    if args.basins and args.basins < len(shared):
        shared = [shared[i * len(shared) // args.basins] for i in range(args.basins)]
    period = as_days(runs[0].config().data.test)
    request = GradientRequest(shared, period, days=args.days, lags=args.lags)
    began = time.perf_counter()
    with progress_bar("Gradients", len(shared) * len(runs), "basins") as advance:
        found = flow_gradients(runs, dataset, request, torch.device("cpu"), on_progress=advance)
    seconds = time.perf_counter() - began
    found = found.assign_coords(basin=[b[-8:] for b in shared])
    tables = {
        str(m): found["importance"].sel(kind=args.kind, member=m).to_pandas()
        for m in found["member"].values
    }
    mean = sum(tables.values()) / len(tables)
    reference = reference.loc[mean.index, mean.columns]
    rows = {f"{name}, published": rank_correlation(t, reference) for name, t in tables.items()}
    rows["mean of members, published"] = rank_correlation(mean, reference)
    for a, b in combinations(tables, 2):
        rows[f"{a}, {b}"] = rank_correlation(tables[a], tables[b])
    print(
        f"{len(shared)} basins, {args.days} days of kind {args.kind} each, {args.lags} lags, "
        f"{len(runs)} runs: {seconds:.0f} s"
    )
    print(pd.DataFrame(rows).T.round(2).to_string())
    ours = attribute_ranking(found, args.kind)["importance"]
    ranking = pd.DataFrame({"ours": ours, "published": reference.mean()})
    ranking = ranking.sort_values("ours", ascending=False)
    ranking["rank"] = ranking["ours"].rank(ascending=False).astype(int)
    ranking["published_rank"] = ranking["published"].rank(ascending=False).astype(int)
    print(ranking.round(2).to_string())


if __name__ == "__main__":
    main()
