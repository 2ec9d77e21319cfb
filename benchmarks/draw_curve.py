"""Draw skill against CPU minutes from the curves that ``skill.py --curve`` wrote.

python benchmarks/draw_curve.py CURVE.csv... [--out docs/images/skill_curve.png]

A panel a file: median NSE of the validation (dashed) and the test period (solid) after each epoch,
a thin line a seed, a thick one their mean.
"""

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.report.style import CYCLE, INK, save, tidy

HERE = Path(__file__).resolve().parent
NAMES = {"ealstm": "EA-LSTM", "lstm": "LSTM", "lstm-nostatic": "LSTM without attributes"}
PERIODS = {"validation_NSE": ("validation", "--"), "test_NSE": ("test", "-")}


def draw(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw the runs of one store."""
    for color, (model, runs) in zip(CYCLE, curve.groupby("model"), strict=False):
        for column, (period, style) in PERIODS.items():
            for _, run in runs.groupby("seed"):
                axes.plot(
                    run["cpu_minutes"], run[column], style, color=color, linewidth=0.7, alpha=0.45
                )
            mean = runs.groupby("epoch")[["cpu_minutes", column]].mean()
            axes.plot(
                mean["cpu_minutes"], mean[column], style, color=color, linewidth=2,
                label=f"{NAMES.get(str(model), model)}, {period}",
            )  # fmt: skip
    best = curve[list(PERIODS)].max().max()
    axes.set_ylim(best - 0.3, best + 0.02)
    axes.set_xlabel("CPU minutes of one core", color=INK)
    tidy(axes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curves", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs/images/skill_curve.png")
    args = parser.parse_args()
    figure = Figure(figsize=(5.2 * len(args.curves), 4.2), layout="constrained")
    panels = figure.subplots(1, len(args.curves), squeeze=False)[0]
    for axes, path in zip(panels, args.curves, strict=True):
        curve = pd.read_csv(path)
        draw(axes, curve)
        store = path.stem.removesuffix("_curve")
        axes.set_title(f"{store}, {curve['seed'].nunique()} seeds", loc="left", fontsize=11)
    panels[0].set_ylabel("median NSE over basins [-]", color=INK)
    panels[0].legend(loc="lower right", fontsize=9)
    print(save(figure, args.out))


if __name__ == "__main__":
    main()
