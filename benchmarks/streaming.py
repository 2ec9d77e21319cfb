"""Training on a store that outgrows memory: streamed against in memory, side by side.

python benchmarks/streaming.py --store FOLDER.zarr [--basins 20000] [--years 40] [--rounds 5]
                               [--seconds 30] [--memory 1.5] [--set key=value]...

Draws the store where it is not there yet. Then two processes, one with all series in memory and
one that streams them, train the preset `quick` in turns of some seconds each. Prints, for each,
the time from opening the store to the first step, samples a second (median of the turns), samples
a CPU-second (reading and its threads included), and the peak memory of the process.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

import hydroml
from hydroml.data.splits import select_basins
from hydroml.data.store import open_store
from hydroml.data.synthetic import write_synthetic
from hydroml.training.assemble import Assembly, assemble, resolve_inputs
from hydroml.training.device import choose_device, flushed_denormals
from hydroml.training.state import new_state
from hydroml.training.step import Task, take_step


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def sample_counts(assembly: Assembly) -> Generator[int, None, None]:
    """Train; give the samples of each step."""
    config, samples = assembly.config, assembly.samples
    state = new_state(assembly.models, config, samples.device)
    size, seed = config.optimizer.batch_size, config.seed[0]
    for epoch in range(config.epochs):
        with closing(samples.pools(epoch)) as pools:
            for pool in pools:
                for batch in pool.stream(pool.batches(seed, epoch, size)):
                    take_step([Task(state.members[0], batch, len(batch.y), 1e-3)], config)
                    yield len(batch.y)


def work(args: argparse.Namespace) -> None:
    """Train for as many seconds as each line of standard input says."""
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    dataset = open_store(args.store)
    days = dataset["time"].values[[0, -1]].astype("datetime64[D]").astype(str)
    settings = [f"data.{name}={days[0]}..{days[1]}" for name in ("train", "test")]
    config = hydroml.load_config("quick", settings=[*settings, *args.set])
    data = config.data.model_copy(update={"memory": args.memory, "validation": None})
    config = resolve_inputs(config.model_copy(update={"data": data}), dataset)
    basins = select_basins("all", dataset)
    assembly = assemble(config, dataset, basins, choose_device(config.device))
    steps = sample_counts(assembly)
    with flushed_denormals(), closing(steps):
        next(steps)
        tell({"start": time.perf_counter() - began, "place": assembly.samples.inventory.place})
        begun = time.process_time()
        for line in sys.stdin:
            wall, count = time.perf_counter(), 0
            while time.perf_counter() - wall < float(line):
                count += next(steps)
            wall = time.perf_counter() - wall
            cpu = time.process_time() - begun
            tell({"samples": count, "rate": count / wall, "cpu": cpu, "peak": peak_gb()})


def tell(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


def start(args: argparse.Namespace, memory: str) -> subprocess.Popen[str]:
    words = ["--store", str(args.store), "--worker", "--memory", memory]
    words += [w for setting in args.set for w in ("--set", setting)]
    command = [sys.executable, __file__, *words, "--threads", str(args.threads)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def hear(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout is not None
    return dict(json.loads(worker.stdout.readline()))


def compare(args: argparse.Namespace) -> None:
    workers = {"in memory": start(args, "all"), "streamed": start(args, str(args.memory))}
    begun = {name: hear(worker) for name, worker in workers.items()}
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    for _ in range(args.rounds):
        for name, worker in workers.items():
            assert worker.stdin is not None
            worker.stdin.write(f"{args.seconds}\n")
            turns[name].append(hear(worker))
    for worker in workers.values():
        worker.communicate()
    wall = {n: statistics.median(t["rate"] for t in found) for n, found in turns.items()}
    cpu = {n: sum(t["samples"] for t in found) / found[-1]["cpu"] for n, found in turns.items()}
    print(f"{'':<12}{'start s':>9}{'samples/s':>11}{'per CPU-s':>11}{'peak GB':>9}")
    for name, facts in begun.items():
        print(
            f"{name:<12}{facts['start']:>9.1f}{wall[name]:>11.0f}{cpu[name]:>11.0f}"
            f"{turns[name][-1]['peak']:>9.2f}  {facts['place']}"
        )
    ratios = [rate["streamed"] / rate["in memory"] for rate in (wall, cpu)]
    print(f"{'ratio':<21}{ratios[0]:>11.2f}{ratios[1]:>11.2f}")


def draw(args: argparse.Namespace) -> None:
    began = time.perf_counter()
    write_synthetic(args.store, args.basins, args.years)
    size = sum(f.stat().st_size for f in args.store.rglob("*") if f.is_file())
    print(
        f"drew {args.basins} basins x {args.years} years in {time.perf_counter() - began:.0f} s, "
        f"{size / 1e9:.2f} GB on disk, peak {peak_gb():.2f} GB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--basins", type=int, default=20000)
    parser.add_argument("--years", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=gibibytes, default=1.5, help="GiB of the streamed one")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args)
        return
    if not args.store.exists():
        draw(args)
    compare(args)


def gibibytes(word: str) -> str | float:
    return word if word in ("auto", "all") else float(word)


if __name__ == "__main__":
    main()
