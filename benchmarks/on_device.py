"""What surrounds the training step on a device: gathering a batch, and the continuous pass.

python benchmarks/on_device.py [--model ealstm] [--hidden 256] [--batch 256] [--basins 531]
    [--years 10] [--days 365] [--last 1] [--rounds 5] [--device cuda] [--toy]

Prints samples gathered a second and the gather's share of a training step, and days simulated a
second by `predict_continuous`.
"""

import argparse

import numpy as np
import torch
from stopwatch import interleaved, machine

from hydroml.evaluation.predict import predict_continuous
from hydroml.models import build_model
from hydroml.training.cuts import Windows
from hydroml.training.resident import ResidentPool

SIZES = {
    "hidden": 256, "batch": 256, "basins": 531, "years": 10, "days": 365, "last": 1, "rounds": 5,
}  # fmt: skip
TOY = {"hidden": 4, "batch": 4, "basins": 3, "years": 1, "days": 20, "rounds": 1}
DYNAMIC, STATIC = 5, 27


def random_pool(args: argparse.Namespace, device: torch.device) -> ResidentPool:
    """Random series in the shape of a training period."""
    days = 365 * args.years
    starts = np.add.outer(np.arange(args.basins) * days, np.arange(days - args.days + 1))
    return ResidentPool(
        index=0,
        x_d=torch.randn(args.basins * days, DYNAMIC, device=device),
        y=torch.randn(args.basins * days, device=device),
        x_s=torch.randn(args.basins, STATIC, device=device),
        weight=torch.ones(args.basins, device=device),
        days=days,
        length=args.days,
        targets=args.last,
        cut=Windows(starts.ravel()),
        basins=[str(b) for b in range(args.basins)],
        first_day=np.datetime64("2000-01-01"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--model", default="ealstm")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--toy", action="store_true", help="Tiny sizes: does it run at all?")
    args = parser.parse_args()
    if args.toy:
        parser.set_defaults(**TOY)
        args = parser.parse_args()
    device = torch.device(args.device)
    pool = random_pool(args, device)
    model = build_model(args.model, DYNAMIC, STATIC, hidden=args.hidden).to(device)
    batches = iter(pool.batches(0, 0, args.batch) * (args.rounds + 1))
    one = pool.gather(next(batches))
    x_d = pool.x_d.view(args.basins, -1, DYNAMIC).cpu().numpy()
    x_s = pool.x_s.cpu().numpy()

    def step() -> None:
        model.train().zero_grad()
        model(one.x_d, one.x_s, last=args.last)[0].square().mean().backward()

    work = {
        "gather": lambda: pool.gather(next(batches)),
        "step": step,
        "continuous": lambda: predict_continuous(model.eval(), x_d, x_s, device),
    }
    print(f"{machine(device)}, {vars(args)}")
    # wall time: where a GPU works, or several cores do, it is what counts
    wall = {name: each.wall for name, each in interleaved(work, args.rounds, device).items()}
    share = wall["gather"] / wall["step"]
    print(f"gather     {args.batch / wall['gather']:,.0f} samples/s, {share:.1%} of a step")
    print(f"continuous {x_d[..., 0].size / wall['continuous']:,.0f} days/s")


if __name__ == "__main__":
    main()
