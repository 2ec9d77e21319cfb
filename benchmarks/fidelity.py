"""The same small experiment in hydroml and in neuralhydrology, from one interpreter.

    python benchmarks/fidelity.py STORE [--basins 20] [--seed 111]... [--epochs 3] [--work DIR]
    python benchmarks/fidelity.py STORE --speed [--basins 88] [--work DIR]

Without --speed: EA-LSTM and LSTM are trained by both packages with the same hyperparameters,
many-to-one windows, NSE* and as many seeds, and evaluated window by window. The distributions of
NSE are compared by

- the paired Wilcoxon signed-rank test over basins of the means over seeds, which knows nothing
  of the chance in training: a lucky seed shifts all basins together;
- the exact permutation test over seeds of the median difference over basins, which does.

With --speed: target days trained per second, loading, batches and evaluation as ratios.

That simulations, loss and gradients of the same weights are equal is tested in
tests/interop/test_oracle.py; here is what is left. Though the configuration is the same, torch's
LSTM in neuralhydrology has two biases (their sum takes Adam's step twice and starts from two
uniform draws), its EA-LSTM draws the static gate's weights uniformly where hydroml's are
orthogonal, its inputs are standardised over the days before the first target, too, and the order
of samples and the dropout differ.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from scipy.stats import wilcoxon

import hydroml
from hydroml import api
from hydroml.config import TrainConfig, load_config
from hydroml.data.series import with_attributes
from hydroml.evaluation.metrics import score
from hydroml.training.assemble import resolve_inputs
from hydroml.training.fit import fit
from hydroml.training.progress import Silence

INITIAL_WEIGHTS = {"lstm": "uniform", "ealstm": "kratzert2019"}
FIRST_YEAR = {"train": 1999, "test": 1989}


def periods(years: int) -> dict[str, tuple[str, str]]:
    """Training and test period of so many water years."""
    return {name: (f"{y}-10-01", f"{y + years}-09-30") for name, y in FIRST_YEAR.items()}


def experiment(args: argparse.Namespace, model: str, seed: int, dataset: xr.Dataset) -> TrainConfig:
    """Configure one run; both packages are given this configuration."""
    settings = [
        f"model.name={model}",
        f"model.initial_weights={INITIAL_WEIGHTS[model]}",
        f"model.hidden={args.hidden}",
        "model.forget_bias=3.0",
        f"sampling.length={args.length}",
        f"epochs={args.epochs}",
        f"seed={seed}",
        "device=cpu",
    ]
    overrides = {"optimizer.schedule.rates": {1: args.rate}}
    overrides |= {f"data.{name}": dates for name, dates in periods(args.years).items()}
    config = load_config("kratzert2019", settings=settings, overrides=overrides)
    return resolve_inputs(config, dataset)


def spread_basins(dataset: xr.Dataset, config: TrainConfig, count: int) -> list[str]:
    """Choose basins with attributes and discharge in both periods, evenly over the store."""
    known = with_attributes(dataset, dataset["basin"].values.tolist(), config.data.static)
    flow = dataset[config.data.target].sel(basin=known)
    spans = [slice(*map(str, span)) for span in (config.data.train, config.data.test)]
    days = [(flow.sel(time=span) >= 0).sum("time").values for span in spans]
    enough = np.min(days, axis=0) > 365
    good = [b for b, there in zip(known, enough, strict=True) if there]
    return [good[i] for i in np.linspace(0, len(good) - 1, min(count, len(good))).astype(int)]


def train_ours(
    config: TrainConfig, store: Path, basins: Sequence[str], work: Path
) -> tuple[xr.DataArray, float]:
    """Train and simulate with hydroml; discharge, and CPU seconds an epoch."""
    name = f"{config.model.name}_{config.seed[0]}"
    prepared = api.create_run(store, basins, config=config, name=name, runs=work / "ours")
    cpu, assembly = time.process_time(), prepared.assembly
    fit(assembly.models, assembly.samples, assembly.config, prepared.run, Silence())
    seconds = (time.process_time() - cpu) / config.epochs
    api.evaluate(prepared.run.path, mode="windowed", device="cpu")
    with xr.open_dataset(prepared.run.path / "test" / "simulations.nc") as found:
        return found["qsim"].load(), seconds


def train_theirs(config: TrainConfig, work: Path) -> tuple[xr.DataArray, float]:
    """Train and simulate with neuralhydrology; discharge, and CPU seconds an epoch."""
    import peer

    own = peer.settings(config, work / "data", work / "theirs")
    run, cpu, _ = peer.train(own)
    return np.maximum(peer.simulate(own, run)[0], 0), cpu / config.epochs


def shift(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Compare NSE (seed, basin) of the two packages.

    Returns
    -------
    dict of str to float
        Median over basins of the difference of means over seeds, a 95 % interval of it by the
        bootstrap over basins, Wilcoxon's p, its p by exact permutation of the seeds, and the
        standard deviation over seeds of the median NSE.
    """
    difference = ours.mean(0) - theirs.mean(0)
    rng = np.random.default_rng(0)
    drawn = rng.choice(difference, (10_000, len(difference)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    runs = np.concatenate([ours, theirs])
    splits = [list(s) for s in itertools.combinations(range(len(runs)), len(ours))]
    gaps = np.array([np.median(runs[s].mean(0) - np.delete(runs, s, 0).mean(0)) for s in splits])
    return {
        "median difference": float(np.median(difference)),
        "low": float(low),
        "high": float(high),
        "p Wilcoxon": float(wilcoxon(difference).pvalue),
        "p seeds": float(np.mean(np.abs(gaps) >= abs(gaps[0]) - 1e-12)),
        "std over seeds": float(np.sqrt(_variance(ours) / 2 + _variance(theirs) / 2)),
    }


def within(scores: np.ndarray) -> tuple[float, int, int]:
    """Compare a package with itself, one half of its seeds with the other.

    Returns
    -------
    largest : float
        Largest median difference of NSE over basins, in size.
    significant, splits : int
        Splits in halves, and those where Wilcoxon's p is below 0.05: what chance in training
        alone does to that test.
    """
    seeds = range(1, len(scores))
    halves = [[0, *s] for s in itertools.combinations(seeds, len(scores) // 2 - 1)]
    found = [scores[h].mean(0) - np.delete(scores, h, 0).mean(0) for h in halves]
    significant = sum(float(wilcoxon(d).pvalue) < 0.05 for d in found)
    return max(abs(float(np.median(d))) for d in found), significant, len(halves)


def _variance(scores: np.ndarray) -> float:
    return float(np.median(scores, axis=1).var(ddof=1)) if len(scores) > 1 else float("nan")


def compare(args: argparse.Namespace, dataset: xr.Dataset, work: Path) -> None:
    """Train both, print a table of each model."""
    import peer

    first = experiment(args, "lstm", args.seed[0], dataset)
    basins = spread_basins(dataset, first, args.basins)
    peer.export(dataset, basins, first, work / "data")
    observed = dataset[first.data.target].sel(basin=basins, time=slice(*map(str, first.data.test)))
    observed = observed.load()
    print(f"{len(basins)} basins, {len(args.seed)} seeds, hidden {args.hidden}, windows of "
          f"{args.length} days, {args.epochs} epochs; median NSE of each seed")  # fmt: skip
    for model in args.model:
        scores: dict[str, list[np.ndarray]] = {"hydroml": [], "neuralhydrology": []}
        times: dict[str, list[float]] = {"hydroml": [], "neuralhydrology": []}
        for seed in args.seed:
            config = experiment(args, model, seed, dataset)
            both = {
                "hydroml": train_ours(config, args.store, basins, work),
                "neuralhydrology": train_theirs(config, work),
            }
            for package, (simulated, seconds) in both.items():
                aligned = simulated.sel(basin=basins).assign_coords(time=observed["time"].values)
                scores[package].append(score(observed, aligned)["NSE"].values)
                times[package].append(seconds)
        for package, found in scores.items():
            medians = " ".join(f"{np.median(s):.3f}" for s in found)
            print(
                f"{model:<7} {package:<16} {medians}  {np.median(times[package]):.1f} CPU s/epoch"
            )
            if len(found) > 1:
                largest, significant, splits = within(np.array(found))
                print(f"{'':<7} half its seeds against the others: median difference up to "
                      f"{largest:.3f}, p Wilcoxon < .05 in {significant} of {splits}")  # fmt: skip
        ours, theirs = (np.array(s) for s in scores.values())
        axes = ("package", "seed", "basin")
        kept = xr.DataArray(np.stack([ours, theirs]), dims=axes, name="NSE")
        coords = {"package": list(scores), "seed": args.seed, "basin": basins}
        kept.assign_coords(coords).to_netcdf(work / f"{model}_nse.nc")
        told = shift(ours, theirs)
        print(f"{model:<7} " + ", ".join(f"{k} {v:.4f}" for k, v in told.items()))
        ratio = np.median(times["neuralhydrology"]) / np.median(times["hydroml"])
        print(f"{model:<7} neuralhydrology takes {ratio:.1f} times hydroml's CPU time an epoch")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--basins", type=int, default=20)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--model", action="append", choices=list(INITIAL_WEIGHTS))
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--length", type=int, default=90)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--work", type=Path, help="folder for runs; default: a temporary one")
    parser.add_argument("--speed", action="store_true")
    args = parser.parse_args()
    args.seed = args.seed or [111, 222, 333, 444]
    args.model = args.model or list(INITIAL_WEIGHTS)
    torch.set_num_threads(1)
    dataset = hydroml.open_store(args.store)
    work = args.work or Path(tempfile.mkdtemp())
    print(f"torch {torch.__version__}, one thread, {args.store.name}, in {work}")
    if args.speed:
        from peer_speed import measure

        measure(args, dataset, work)
    else:
        compare(args, dataset, work)


if __name__ == "__main__":
    main()
