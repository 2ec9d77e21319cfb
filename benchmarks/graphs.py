"""A whole optimizer step captured as a CUDA graph against the same step launched call by call.

python benchmarks/graphs.py [--model ealstm] [--hidden 256] [--batch 256] [--days 365] [--last 1]
                            [--members 1 8] [--rounds 7] [--device cuda] [--toy]

On a device without CUDA the plain step alone is timed. The graph reads and writes fixed places:
copying a batch there is not counted.
"""

import argparse
from collections.abc import Callable

import torch
from stopwatch import interleaved, machine

from hydroml.models import build_model
from hydroml.models.together import forward_together

SIZES = {"hidden": 256, "batch": 256, "days": 365, "last": 1, "rounds": 7}
TOY = {"hidden": 4, "batch": 2, "days": 6, "rounds": 1}


def plain_step(args: argparse.Namespace, count: int, device: torch.device) -> Callable[[], None]:
    """Forward, backward and AdamW of all members."""
    models = [build_model(args.model, 5, 27, hidden=args.hidden).to(device) for _ in range(count)]
    x_d = torch.randn(count, args.batch, args.days, 5, device=device)
    x_s = torch.randn(count, args.batch, 27, device=device)
    masks = torch.ones(count, args.batch, args.last, args.hidden, device=device)
    parameters = [p for model in models for p in model.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, capturable=device.type == "cuda")

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        y = forward_together(models, x_d, x_s, last=args.last, masks=masks)
        y.square().mean().backward()
        optimizer.step()

    return step


def captured(step: Callable[[], None]) -> Callable[[], None]:
    """Record what a step launches; three steps on a side stream before make what it needs."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--model", default="ealstm")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--toy", action="store_true", help="Tiny sizes: does it run at all?")
    args = parser.parse_args()
    if args.toy:
        parser.set_defaults(**TOY)
        args = parser.parse_args()
    device = torch.device(args.device)
    print(f"{machine(device)}, {vars(args)}")
    for count in args.members:
        steps = {"plain": plain_step(args, count, device)}
        if device.type == "cuda":
            steps["captured"] = captured(plain_step(args, count, device))
        times = interleaved(steps, args.rounds, device)
        for name, each in times.items():
            gain = times["plain"].on(device) / each.on(device)
            print(
                f"{count} at once, {name:<10}{1e3 * each.cpu:10.2f} ms CPU"
                f"{1e3 * each.wall:10.2f} ms wall  x{gain:.2f}"
            )


if __name__ == "__main__":
    main()
