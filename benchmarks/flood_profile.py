"""Align-RUDDER's profile of the weeks before great floods, beside what water alone tells.

python benchmarks/flood_profile.py STORE [--demos 5 20 100] [--draws 10] [--figure FILE]

Profiles are made from great floods of 1999-10..2014-09 and judged on those of 1981-10..1999-09:
the share of pairs (a flood, the same day of another year of the basin) that a score puts in the
right order. 0.5 is chance. Beside it: sums of rain and melt water over the last weeks, and profiles
made from days without a flood.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from hydroml.data.roles import roles_of
from hydroml.data.store import open_store
from hydroml.explanation.build_up import (
    SYMBOLS,
    WEEKS,
    Floods,
    find_floods,
    flood_levels,
    profile_of,
    told_apart,
    water_of,
    weekly_levels,
    weeks_before,
)
from hydroml.report.style import save

LEARNED, JUDGED = ("1999-10-01", "2014-09-30"), ("1981-07-01", "1999-09-30")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--demos", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    (train, train_seq, _), (test, test_seq, sums) = episodes(args.store)
    print(f"{args.store.name}: {train.great.sum()} great floods to learn from, "
          f"{test.great.sum()} to judge with {(~test.great).sum()} other years")  # fmt: skip
    for weeks, total in sums.items():
        print(f"water of the last {weeks:2d} weeks: {told_apart(total, test):.3f}")
    rng = np.random.default_rng(0)
    rows = []
    for count in args.demos:
        for kind, pool in (("floods", train.great), ("no floods", ~train.great)):
            for _ in range(args.draws):
                chosen = rng.choice(np.flatnonzero(pool), count, replace=False)
                profile = profile_of(train_seq[chosen], train_seq)
                scores = np.array([profile.score(torch.from_numpy(s)) for s in test_seq])
                last = sums[2] / sums[2].std() + scores / scores.std()
                rows.append((count, kind, told_apart(scores, test), told_apart(last, test)))
    table = pd.DataFrame(rows, columns=["demos", "of", "profile", "profile + 2 weeks' water"])
    print(table.groupby(["demos", "of"]).agg(["mean", "std"]).round(3).to_string())
    if args.figure is not None:
        draw(test, test_seq, args.figure)


def episodes(path: Path) -> list[tuple[Floods, np.ndarray, dict[int, np.ndarray]]]:
    """Great floods and other years of both periods, their weeks and sums of water."""
    dataset = open_store(path)
    names = [str(n) for n, v in dataset.data_vars.items() if set(v.dims) == {"basin", "time"}]
    roles = roles_of(names, dataset)
    prcp = next(n for n in names if roles[n] == "precipitation")
    warm = [n for n in names if roles[n] == "temperature"]
    found, levels = [], None
    for start, end in (LEARNED, JUDGED):
        part = dataset.sel(time=slice(start, end)).transpose("basin", "time", ...)
        time = part["time"].values.astype("datetime64[D]")
        flow = part["qobs"].values
        water = water_of(part[prcp].values, np.mean([part[n].values for n in warm], axis=0))
        levels = flood_levels(flow, time) if levels is None else levels
        floods, marks = find_floods(flow, time, levels), weekly_levels(water)
        pairs = list(zip(floods.basin, floods.day, strict=True))
        sequences = np.stack([weeks_before(water, marks, b, d) for b, d in pairs])
        sums = {w: np.array([water.input[b, d - 7 * w : d].sum() for b, d in pairs])
                for w in (1, 2, 4, WEEKS)}  # fmt: skip
        found.append((floods, sequences, sums))
    return found


def draw(floods: Floods, sequences: np.ndarray, path: Path) -> None:
    """Draw how often each kind of week comes before great floods, and in other years."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    titles = ("before great floods", "the same weeks of other years")
    for ax, kind, title in zip(axes, (floods.great, ~floods.great), titles, strict=True):
        shares = np.stack([(sequences[kind] == s).mean(0) for s in range(len(SYMBOLS))])
        place = np.arange(-WEEKS, 0)
        ax.stackplot(place, shares, labels=SYMBOLS)
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_xlabel("weeks before the day")
        ax.set_xlim(-WEEKS, -1)
        ax.set_ylim(0, 1)
    axes[0].set_ylabel("share of sequences [-]")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    save(figure, path)


if __name__ == "__main__":
    main()
