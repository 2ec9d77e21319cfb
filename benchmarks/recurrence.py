"""One training step of EA-LSTM and LSTM: loop, fused kernel, hoisted recurrence, interleaved.

python benchmarks/recurrence.py [--hidden 64] [--batch 32] [--days 450] [--last 270]
                                [--threads 1] [--rounds 5]

Prints the median CPU and wall time of forward and backward, and the ratio to the fused kernel.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hydroml.models import EALSTM, LSTM
from hydroml.models.fused import fused_lstm
from hydroml.models.loops import ealstm_loop, lstm_loop

SIZES = {"hidden": 64, "batch": 32, "days": 450, "last": 270, "threads": 1, "rounds": 5}


def fused(model: EALSTM | LSTM, x_d: Tensor, x_s: Tensor, last: int) -> Tensor:
    """Run a model through torch's kernel, on whatever device."""
    x = torch.cat([x_d, x_s.unsqueeze(1).expand(-1, x_d.shape[1], -1)], dim=2)
    weights = (model.w_ih, model.w_hh, model.bias)
    weights = model.lstm_weights() if isinstance(model, EALSTM) else weights
    return model.head(fused_lstm(x, *weights)[0][:, -last:])


def timed(step: Callable[[], Tensor], model: nn.Module) -> tuple[float, float]:
    """CPU and wall seconds of forward and backward."""
    model.zero_grad()
    wall, cpu = time.perf_counter(), time.process_time()
    step().square().mean().backward()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # as training does
    x_d, x_s = torch.randn(args.batch, args.days, 5), torch.randn(args.batch, 27)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {vars(args)}")
    for cls, loop in ((EALSTM, ealstm_loop), (LSTM, lstm_loop)):
        model = cls(5, 27, args.hidden)
        steps: dict[str, Callable[[], Tensor]] = {
            "fused": lambda m=model: fused(m, x_d, x_s, args.last),
            "loop": lambda m=model, f=loop: f(m, x_d, x_s)[0][:, -args.last :],
            "hydroml": lambda m=model: m(x_d, x_s, last=args.last)[0],
        }
        rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
        for step in steps.values():
            timed(step, model)
        for _ in range(args.rounds):
            for name, step in steps.items():
                rounds[name].append(timed(step, model))
        median = {
            n: [statistics.median(c) for c in zip(*r, strict=True)] for n, r in rounds.items()
        }
        for name, (cpu, wall) in median.items():
            gain, ms = median["fused"][0] / cpu, (1e3 * cpu, 1e3 * wall)
            print(f"{cls.__name__:<7}{name:<9}{ms[0]:8.0f} ms CPU {ms[1]:8.0f} ms x{gain:.2f}")


if __name__ == "__main__":
    main()
