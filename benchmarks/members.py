"""Several seeds at once against one after another: whole optimizer steps, interleaved.

python benchmarks/members.py [--seeds 8] [--hidden 64] [--batch 32] [--days 450] [--last 270]
                             [--model ealstm] [--threads 1] [--rounds 7] [--device cpu] [--toy]

Prints the median time of a step of all members at once, of the same members one by one, and the
ratio: wall time and, on a CPU, CPU time.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch

from hydroml.config import TrainConfig, load_config
from hydroml.models import build_model
from hydroml.training.device import flushed_denormals
from hydroml.training.samples import Batch
from hydroml.training.state import Member, new_state
from hydroml.training.step import Task, take_step

SIZES = {
    "seeds": 8, "hidden": 64, "batch": 32, "days": 450, "last": 270, "threads": 1, "rounds": 7,
}  # fmt: skip
TOY = {"seeds": 2, "hidden": 8, "batch": 4, "days": 20, "last": 10, "rounds": 2}


def members_of(config: TrainConfig, device: torch.device) -> list[Member]:
    """Fresh members, one for each seed of the configuration."""
    models = []
    for seed in config.seed:
        torch.manual_seed(seed)
        options = config.model.model_dump(exclude={"name"})
        models.append(build_model(config.model.name, 5, 27, **options).to(device))
    return new_state(models, config, device).members


def batch_of(args: argparse.Namespace, device: torch.device) -> Batch:
    """Random numbers in the shape of a training batch."""
    return Batch(
        torch.randn(args.batch, args.days, 5, device=device),
        torch.randn(args.batch, 27, device=device),
        torch.randn(args.batch, args.last, device=device),
        torch.ones(args.batch, device=device),
    )


def timed(step: Callable[[], None], device: torch.device) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--model", default="ealstm")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--toy", action="store_true", help="Tiny sizes: does it run at all?")
    args = parser.parse_args()
    if args.toy:
        parser.set_defaults(**TOY)
        args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    config = load_config(
        "quick",
        settings=[f"model.hidden={args.hidden}", f"model.name={args.model}"],
        overrides={"seed": tuple(range(args.seeds))},
    )
    batches = [batch_of(args, device) for _ in config.seed]
    together, alone = members_of(config, device), members_of(config, device)

    def tasks(members: list[Member]) -> list[Task]:
        return [Task(m, b, len(b.y), 1e-3) for m, b in zip(members, batches, strict=True)]

    def at_once() -> None:
        take_step(tasks(together), config)

    def one_by_one() -> None:
        for task in tasks(alone):
            take_step([task], config)

    rounds: dict[str, list[tuple[float, float]]] = {"at once": [], "one by one": []}
    with flushed_denormals():
        at_once(), one_by_one()
        for _ in range(args.rounds):
            rounds["at once"].append(timed(at_once, device))
            rounds["one by one"].append(timed(one_by_one, device))
    where = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    print(f"{where or platform.machine()}, torch {torch.__version__}, {vars(args)}")
    ratios = []
    for kind, label in ((0, "wall"), (1, "CPU")):
        middle = {
            name: statistics.median(times[kind] for times in found)
            for name, found in rounds.items()
        }
        ratios.append(middle["one by one"] / middle["at once"])
        times = ", ".join(f"{name} {1e3 * value:.1f} ms" for name, value in middle.items())
        print(f"{label:<5} {times}: x{ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
