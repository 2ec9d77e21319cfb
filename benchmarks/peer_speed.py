"""Speed of hydroml against neuralhydrology: benchmarks/fidelity.py STORE --speed."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from hydroml import api
from hydroml.config import TrainConfig, dump_config, load_config
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.training.assemble import resolve_inputs
from hydroml.training.fit import fit
from hydroml.training.progress import Silence
from hydroml.training.rundir import RunDirectory

UPDATES = 12
"""Steps of neuralhydrology's training."""

PEER_BASINS, PEER_YEAR = 2, ("1990-10-01", "1991-09-30")
"""What neuralhydrology simulates: a window of a year for each day takes its time."""


def windowed(
    dataset: xr.Dataset, model: str, hidden: int, length: int, *settings: str
) -> TrainConfig:
    """Many-to-one training as neuralhydrology does it."""
    own = [f"model.name={model}", f"model.hidden={hidden}", f"sampling.length={length}"]
    config = load_config("kratzert2019", settings=[*own, "device=cpu", "epochs=1", *settings])
    return resolve_inputs(config, dataset)


def measure(args: argparse.Namespace, dataset: xr.Dataset, work: Path) -> None:
    """Print a row a measure: hydroml, neuralhydrology, ratio."""
    import peer
    from fidelity import spread_basins

    config = windowed(dataset, "lstm", args.hidden, args.length)
    batch = config.optimizer.batch_size
    basins = spread_basins(dataset, config, args.basins)
    peer.export(dataset, basins, config, work / "data")
    print(f"{len(basins)} basins, nine years, hidden {args.hidden}, windows of {args.length} days")
    print(f"{'':<44}{'hydroml':>14}{'neuralhydrology':>17}{'ratio':>9}")
    (work / "config.yaml").write_text(dump_config(config))
    ours, theirs = (loading(side, args.store, work) for side in ("ours", "theirs"))
    row("loading, CPU s", ours["cpu"], theirs["cpu"], lower=True)
    row("loading, peak memory MB", ours["peak"], theirs["peak"], lower=True)
    row("of it after the imports MB", ours["imports"], theirs["imports"], lower=True)
    row("samples gathered a CPU s", ours["samples"], theirs["samples"])
    row("batches gathered a CPU s", *(side["samples"] / batch for side in (ours, theirs)))
    for model in args.model:
        config = windowed(dataset, model, args.hidden, args.length)
        own = peer.settings(config, work / "data", work / "theirs", max_updates_per_epoch=UPDATES)
        folder, cpu, _ = peer.train(own)
        many_to_one = UPDATES * batch / cpu
        run, sequence = train_sequence(dataset, args, model, basins, work)
        row(f"{model}: target days trained a CPU s", sequence, many_to_one)
        first, last = PEER_YEAR
        few = work / "few.txt"
        few.write_text("\n".join(basins[:PEER_BASINS]))
        own.update_config(
            {"test_basin_file": str(few), "test_start_date": _spelled(first),
             "test_end_date": _spelled(last)}
        )  # fmt: skip
        peer.simulate(own, folder)  # compiles what the package has numba compile
        simulated, cpu = peer.simulate(own, folder)
        day = simulated.size / cpu
        row(f"{model}: days evaluated a CPU s, continuous", evaluate(run, dataset, basins), day)


def row(name: str, ours: float, theirs: float, *, lower: bool = False) -> None:
    ratio = theirs / ours if lower else ours / theirs
    print(f"{name:<44}{ours:>14,.2f}{theirs:>17,.2f}{ratio:>8,.1f}x", flush=True)


def train_sequence(
    dataset: xr.Dataset, args: argparse.Namespace, model: str, basins: Sequence[str], work: Path
) -> tuple[RunDirectory, float]:
    """Train an epoch of preset ``quick``; the run, and target days a CPU second, all included."""
    settings = [f"model.name={model}", f"model.hidden={args.hidden}", "device=cpu", "epochs=1"]
    config = load_config("quick", settings=settings)
    prepared = api.create_run(args.store, basins, config=config, name=model, runs=work / "ours")
    assembly, cpu = prepared.assembly, time.process_time()
    fit(assembly.models, assembly.samples, assembly.config, prepared.run, Silence())
    return prepared.run, assembly.samples.inventory.targets / (time.process_time() - cpu)


def evaluate(run: RunDirectory, dataset: xr.Dataset, basins: Sequence[str]) -> float:
    """Days simulated a CPU second in one continuous pass over ten years, reading included."""
    days = tuple(np.datetime64(day) for day in ("1989-10-01", "1999-09-30"))
    cpu = time.process_time()
    found = simulate_runs([run], dataset, Simulation(basins, days), torch.device("cpu"))
    return found["qsim"].size / (time.process_time() - cpu)


def _spelled(day: str) -> str:
    return "/".join(reversed(day.split("-")))


def loading(side: str, store: Path, work: Path) -> dict[str, float]:
    """Measure loading in a process of its own: memory is a process's, and only grows."""
    script = Path(__file__).with_name("peer_loading.py")
    command = [sys.executable, str(script), side, str(store), str(work)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
