"""NSE per basin of runs beside published numbers of the same basins: table and picture.

python benchmarks/beside_published.py PUBLISHED.csv NAME=METRICS.csv... [--out FIGURE.png]

PUBLISHED.csv has a row a gauge and a column a system (``pub2019_global_lstm_static_nse``, ...);
METRICS.csv is what ``hydroml evaluate`` writes. Periods and forcing differ: the published LSTMs,
SAC-SMA and the National Water Model were run with NLDAS forcing, the LSTMs trained on 531 basins
from October 1980 to September 1995 and all tested from October 1995 to September 2010 (Kratzert et
al. 2019, doi 10.1029/2019WR026065), so that a difference is not the model's alone.
"""

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from hydroml.evaluation.compare import compare
from hydroml.report.distribution import nse_distribution
from hydroml.report.style import CYCLE, GREY, INK, save, tidy

PUBLISHED = {
    "pub2019_global_lstm_static_nse": "LSTM trained on 531 basins (published)",
    "pub2019_pub_lstm_nse": "LSTM, basins unseen (published)",
    "pub2019_benchmark_sacsma_ensemble_nse": "SAC-SMA, ten per basin (published)",
    "pub2019_benchmark_nwm_retrospective_nse": "National Water Model (published)",
}
REFERENCE = next(iter(PUBLISHED.values()))


def read(published: Path, runs: dict[str, Path]) -> dict[str, pd.DataFrame]:
    """Read all tables, cut to the basins that every one of them has a score for."""
    numbers = pd.read_csv(published, dtype={"gauge_id": str}).set_index("gauge_id")
    ours = {
        n: pd.read_csv(p, dtype={"gauge_id": str}).set_index("gauge_id") for n, p in runs.items()
    }
    tables = ours | {
        name: numbers[[column]].rename(columns={column: "NSE"}).dropna()
        for column, name in PUBLISHED.items()
    }
    shared = sorted(set.intersection(*(set(t.index[t["NSE"].notna()]) for t in tables.values())))
    return {name: table.loc[shared] for name, table in tables.items()}


def draw(tables: dict[str, pd.DataFrame], ours: list[str]) -> Figure:
    """Draw distributions, and each basin against the published LSTM."""
    figure = nse_distribution(
        tables, title=f"The same {len(tables[REFERENCE])} basins, other forcing and period"
    )
    figure.set_size_inches(12, 5.6)
    left = figure.axes[0]
    grid = figure.add_gridspec(1, 2, width_ratios=(1.2, 1))
    left.set_subplotspec(grid[0])
    right = figure.add_subplot(grid[1])
    right.plot([-1, 1], [-1, 1], color=GREY, linewidth=0.8)
    for name, colour in zip(ours, CYCLE, strict=False):
        right.plot(
            tables[REFERENCE]["NSE"].clip(0), tables[name]["NSE"].clip(0), "o", color=colour,
            markersize=4, alpha=0.7, markeredgewidth=0,
        )  # fmt: skip
    right.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    right.set_xlabel(f"NSE, {REFERENCE} [-]", color=INK)
    right.set_ylabel("NSE, hydroml [-]", color=INK)
    tidy(right)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", type=Path)
    parser.add_argument("runs", nargs="+", metavar="NAME=METRICS.csv")
    parser.add_argument("--out", type=Path, default=Path("beside_published.png"))
    args = parser.parse_args()
    runs = {name: Path(path) for name, path in (r.split("=", 1) for r in args.runs)}
    tables = read(args.published, runs)
    print(
        f"| system | median NSE | mean | NSE <= 0 | best of all in basins | p against {REFERENCE} |"
    )
    print("|---|---|---|---|---|---|")
    scores = pd.DataFrame({name: table["NSE"] for name, table in tables.items()})
    best = scores.idxmax(axis=1).value_counts()
    for name, column in scores.items():
        p = compare(tables[name], tables[REFERENCE]).p_value if name != REFERENCE else float("nan")
        print(
            f"| {name} | {column.median():.3f} | {column.mean():.3f} | {(column <= 0).sum()} | "
            f"{best.get(name, 0)} | {p:.1g} |"
        )
    print(f"\n{len(scores)} basins. {save(draw(tables, list(runs)), args.out)}")


if __name__ == "__main__":
    main()
