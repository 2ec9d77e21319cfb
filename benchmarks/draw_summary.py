"""Draw the README's picture from ``benchmarks/summary.csv``: measured ratios beside targets.

python benchmarks/draw_summary.py [--out docs/images/speed.png]

The table has a row a measurement: what, peer, target, measured, limit (empty where none is
known), all as "times faster than the peer". Its numbers are those of RESULTS.md.
"""

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from hydroml.report.style import CYCLE, GREY, INK, save, tidy

HERE = Path(__file__).resolve().parent


def draw(table: pd.DataFrame) -> Figure:
    """Draw a line a measurement: a dot for what was measured, bars for target and limit."""
    figure = Figure(figsize=(8.2, 0.8 + 0.5 * len(table)), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(table))[::-1]
    axes.hlines(places, 1, table["measured"], color=CYCLE[0], linewidth=2.2)
    axes.plot(table["measured"], places, "o", color=CYCLE[0], markersize=8, label="measured")
    axes.plot(
        table["target"], places, "|", color=CYCLE[1], markersize=16, markeredgewidth=2.2,
        label="target",
    )  # fmt: skip
    axes.plot(
        table["limit"], places, "|", color=GREY, markersize=16, markeredgewidth=1.4,
        label="limit of the machine",
    )  # fmt: skip
    for place, ratio in zip(places, table["measured"], strict=True):
        axes.annotate(
            f"{ratio:.3g}", (ratio, place), xytext=(0, 8), textcoords="offset points",
            ha="center", fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_yticks(list(places), [f"{w}\nagainst {p}" for w, p in table[["what", "peer"]].values])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel("times faster [-]", color=INK)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.0 + 0.5 / len(table)), ncols=3)
    axes.xaxis.set_major_formatter("{x:g}")
    tidy(axes)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "images" / "speed.png")
    args = parser.parse_args()
    print(save(draw(pd.read_csv(HERE / "summary.csv")), args.out))


if __name__ == "__main__":
    main()
