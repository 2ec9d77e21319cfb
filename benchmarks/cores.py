"""One optimizer step on one core, by torch's own threads, and with rows shared out over cores.

python benchmarks/cores.py [--cores 2] [--seeds 1] [--hidden 64] [--batch 32] [--days 450]
                           [--last 270] [--model ealstm] [--rounds 9] [--toy]

Prints the median wall time of each, interleaved, and how many times faster than one core it is.
Give it cores that are really free.
"""

import argparse
import statistics
import time

import torch
from members import TOY, batch_of, members_of

from hydroml.config import load_config
from hydroml.training.cores import ONE_CORE, every_core
from hydroml.training.device import flushed_denormals
from hydroml.training.step import Task, take_step

CPU = torch.device("cpu")
SIZES = {
    "cores": 2, "seeds": 1, "hidden": 64, "batch": 32, "days": 450, "last": 270, "rounds": 9,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--model", default="ealstm")
    parser.add_argument("--toy", action="store_true", help="Tiny sizes: does it run at all?")
    args = parser.parse_args()
    if args.toy:
        parser.set_defaults(**TOY)
        args = parser.parse_args()
    config = load_config(
        "quick",
        settings=[f"model.hidden={args.hidden}", f"model.name={args.model}"],
        overrides={"seed": tuple(range(args.seeds))},
    )
    members = members_of(config, CPU)
    batches = [batch_of(args, CPU) for _ in members]
    tasks = [Task(m, b, len(b.y), 1e-3) for m, b in zip(members, batches, strict=True)]
    torch.set_num_threads(args.cores)
    times: dict[str, list[float]] = {"one core": [], "torch's threads": [], "rows shared out": []}
    with flushed_denormals(), every_core(CPU) as cores:
        ways = {
            "one core": (1, ONE_CORE),
            "torch's threads": (args.cores, ONE_CORE),
            "rows shared out": (args.cores, cores),
        }
        for turn in range(args.rounds + 1):
            for name, (threads, where) in ways.items():
                torch.set_num_threads(threads)
                began = time.perf_counter()
                take_step(tasks, config, cores=where)
                if turn:  # the first round pays for warming up
                    times[name].append(time.perf_counter() - began)
    print(f"torch {torch.__version__}, {vars(args)}")
    alone = statistics.median(times["one core"])
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:<18}{1e3 * middle:8.1f} ms wall  x{alone / middle:.2f}")


if __name__ == "__main__":
    main()
