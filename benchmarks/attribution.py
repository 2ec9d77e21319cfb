"""CPU time of relevance propagation and of integrated gradients, for each series explained.

python benchmarks/attribution.py [--series 1 16 64] [--days 365] [--hidden 64 256] [--steps 64]
                                 [--rounds 5] [--toy]

EA-LSTM and LSTM with random weights, 5 inputs, 27 attributes; one thread. Medians, interleaved.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from hydroml.explanation.cells import cell_of
from hydroml.models import build_model
from hydroml.toolkit.attribution.integrated_gradients import integrated_gradients
from hydroml.toolkit.attribution.lrp import LSTMLRP
from hydroml.training.device import flushed_denormals

DYNAMIC, STATIC = 5, 27


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--toy", action="store_true", help="Tiny sizes: does it run at all?")
    args = parser.parse_args()
    if args.toy:
        args.series, args.hidden, args.days, args.steps, args.rounds = [2], [4], 10, 4, 1
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {args.days} days, {args.steps} points, one thread")
    print(f"{'model':<8}{'hidden':>7}{'series':>7}{'lrp ms':>10}{'ig ms':>10}{'ig / lrp':>10}")
    for name in ("lstm", "ealstm"):
        for hidden in args.hidden:
            for series in args.series:
                lrp, ig = compare(name, hidden, series, args)
                print(
                    f"{name:<8}{hidden:>7}{series:>7}{1e3 * lrp / series:>10.2f}"
                    f"{1e3 * ig / series:>10.2f}{ig / lrp:>10.1f}",
                    flush=True,
                )


def compare(name: str, hidden: int, series: int, args: argparse.Namespace) -> tuple[float, float]:
    """Median CPU seconds of both for all the series of one basin."""
    torch.manual_seed(0)
    model = build_model(name, DYNAMIC, STATIC, hidden=hidden).eval().requires_grad_(False)
    x, s = torch.randn(series, args.days, DYNAMIC), torch.randn(STATIC)
    statics = s.expand(series, -1)
    lrp = LSTMLRP(cell_of(model, s), model.get_submodule("head.linear"))  # type: ignore[arg-type]

    def flow(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(x, s, last=1)[0][:, 0]
        return found

    ways: dict[str, Callable[[], object]] = {
        "lrp": lambda: lrp.explain(x),
        "ig": lambda: integrated_gradients(flow, x, fixed=[statics], steps=args.steps, at_once=64),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    with flushed_denormals():
        for turn in range(args.rounds + 1):
            for way, explain in ways.items():
                began = time.process_time()
                explain()
                if turn:  # the first round pays for warming up
                    times[way].append(time.process_time() - began)
    return statistics.median(times["lrp"]), statistics.median(times["ig"])


if __name__ == "__main__":
    main()
