"""Hopfield layer against ``torch.nn.MultiheadAttention``: forward and backward, equal shapes.

python benchmarks/hopfield.py [--batch 32] [--patterns 365] [--size 64] [--heads 4]
    [--updates 0 1 3] [--threads 1] [--rounds 15] [--device cpu] [--toy]

Two settings: self (one tensor is stored pattern, state and projection) and pool (one learned
state reads a bag). A line a layer: median CPU and wall time of a step, and the median over rounds
of its time over that of MultiheadAttention in the same round (paired: the machine's pace drops
out); torch is asked for no weights, its fast path. On a CPU the ratio is of CPU time, on a GPU of
wall time. "plain" is a Hopfield layer without its normalisations, which computes what torch does;
"k extra" are updates after the first one.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from stopwatch import machine
from torch import Tensor, nn

from hydroml.toolkit.attention.hopfield import Hopfield

SIZES = {"batch": 32, "patterns": 365, "size": 64, "heads": 4, "threads": 1, "rounds": 15}
TOY = {"batch": 2, "patterns": 5, "size": 8, "heads": 2, "rounds": 1}
PLAIN = {
    "normalize_stored_pattern": False,
    "normalize_state_pattern": False,
    "normalize_pattern_projection": False,
}


def layers(
    args: argparse.Namespace, device: torch.device
) -> dict[str, tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]]:
    """Every layer by name, and how it reads (stored, state)."""
    torch_layer = nn.MultiheadAttention(args.size, args.heads, batch_first=True)
    made: dict[str, tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]] = {
        "torch": (
            torch_layer,
            lambda x, state: torch_layer(state, x, x, need_weights=False)[0],
        )
    }
    variants = {"plain": (0, PLAIN), "normalised": (0, {})} | {
        f"plain, {k} extra": (k, PLAIN) for k in args.updates if k
    }
    for name, (updates, options) in variants.items():
        # a threshold that is never reached: every update asked for is made
        layer = Hopfield(
            args.size, num_heads=args.heads, update_steps_max=updates, update_steps_eps=1e-30,
            **options,
        )  # fmt: skip
        made[name] = (
            layer,
            lambda x, state, own=layer: own(x if state is x else (x, state, x)),
        )
    for module, _ in made.values():
        module.to(device)
    return made


def training_step(
    module: nn.Module, read: Callable[[Tensor, Tensor], Tensor], x: Tensor, state: Tensor
) -> Callable[[], None]:
    """Forward and backward, gradients anew."""

    def step() -> None:
        module.zero_grad()
        x.grad = None
        read(x, state).square().mean().backward()

    return step


def paired(
    work: Mapping[str, Callable[[], None]], rounds: int, device: torch.device
) -> dict[str, list[tuple[float, float]]]:
    """CPU and wall time of every piece in every round, each round in another order."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    names = list(work)
    for piece in work.values():
        piece()
    for _ in range(rounds):
        names = names[1:] + names[:1]
        for name in names:
            _wait(device)
            wall, cpu = time.perf_counter(), time.process_time()
            work[name]()
            _wait(device)
            seen[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return seen


def compare(setting: str, args: argparse.Namespace, device: torch.device) -> None:
    """Time all layers in a setting and print the table."""
    x = torch.randn(args.batch, args.patterns, args.size, device=device, requires_grad=True)
    state = x
    if setting == "pool":
        state = torch.randn(args.batch, 1, args.size, device=device)
    work = {
        name: training_step(module, read, x, state)
        for name, (module, read) in layers(args, device).items()
    }
    times = paired(work, args.rounds, device)
    clock = 0 if device.type == "cpu" else 1
    print(f"{setting:<20}{'ms CPU':>10}{'ms wall':>10}{'x torch':>10}")
    for name, each in times.items():
        ratio = statistics.median(
            own[clock] / base[clock] for own, base in zip(each, times["torch"], strict=True)
        )
        cpu, wall = (1e3 * statistics.median(column) for column in zip(*each, strict=True))
        print(f"{name:<20}{cpu:10.2f}{wall:10.2f}{ratio:10.2f}")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--updates", type=int, nargs="+", default=[0, 1, 3])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--toy", action="store_true", help="Tiny sizes: does it run at all?")
    args = parser.parse_args()
    if args.toy:
        parser.set_defaults(**TOY)
        args = parser.parse_args()
    device = torch.device(args.device)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print(f"{machine(device)}, {vars(args)}")
    for setting in ("self", "pool"):
        compare(setting, args, device)


if __name__ == "__main__":
    main()
