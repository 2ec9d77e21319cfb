"""One training step (forward and backward) of EA-LSTM and LSTM, every way there is, interleaved.

python benchmarks/recurrence.py [--hidden 64] [--batch 32] [--days 450] [--last 270]
    [--members 8] [--threads 1] [--rounds 5] [--device cpu] [--precision fp32 bf16]
    [--profile] [--toy]

A line a formulation: the plain loop over days, torch's kernel, what hydroml chooses, several
members together and one by one (times are those of one member), and neuralhydrology's models
where that package is installed. Columns: median CPU and wall time, how many times faster than
torch's kernel in the first precision and than neuralhydrology, and the share of the roofline:
operations of the products that cannot be avoided, over time, over the rate of a large product
measured in the same run. On a CPU ratios and shares are of CPU time, on a GPU of wall time.
"""

import argparse
from collections.abc import Callable, Sequence

import torch
from peer_recurrence import INSTALLED, peer
from stopwatch import interleaved, machine, matrix_product, tf32
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from hydroml.models import EALSTM, LSTM
from hydroml.models.fused import fused_lstm
from hydroml.models.loops import ealstm_loop, lstm_loop
from hydroml.models.recurrence import join
from hydroml.models.together import forward_together

SIZES = {
    "hidden": 64, "batch": 32, "days": 450, "last": 270, "members": 8, "threads": 1, "rounds": 5,
}  # fmt: skip
TOY = {"hidden": 4, "batch": 2, "days": 6, "last": 3, "members": 2, "rounds": 1}
DYNAMIC, STATIC = 5, 27
MODELS = {"ealstm": (EALSTM, ealstm_loop), "lstm": (LSTM, lstm_loop)}


def operations(kind: str, args: argparse.Namespace) -> float:
    """Floating-point operations of a step's products: forward, to the state and to the weights.

    Each gate takes the state and the days' inputs once forward, once for its weights' gradient,
    and sends a gradient to the state. Inputs ask for none; static attributes count once a sample.
    """
    gates = {"ealstm": 3, "lstm": 4}[kind]
    static_gates = {"ealstm": 1, "lstm": 4}[kind]
    daily = gates * args.hidden * (3 * args.hidden + 2 * DYNAMIC)
    once = static_gates * args.hidden * 2 * STATIC
    return 2.0 * args.batch * (args.days * daily + once)


def fused(model: EALSTM | LSTM, x_d: Tensor, x_s: Tensor, last: int) -> Tensor:
    """Run a model through torch's kernel, on whatever device."""
    weights = (model.w_ih, model.w_hh, model.bias)
    weights = model.lstm_weights() if isinstance(model, EALSTM) else weights
    return model.head(fused_lstm(join(x_d, x_s), *weights)[0][:, -last:])


def training_step(
    models: Sequence[nn.Module], forward: Callable[[], Tensor], precision: str, device: torch.device
) -> Callable[[], None]:
    """Forward and backward, gradients anew; in fp32, tf32 or bf16 (autocast)."""

    def step() -> None:
        for model in models:
            model.zero_grad()
        with tf32(precision == "tf32"):
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                y = forward()
            y.float().square().mean().backward()

    return step


def formulations(
    kind: str, args: argparse.Namespace, device: torch.device
) -> dict[str, tuple[list[nn.Module], Callable[[], Tensor]]]:
    """Every way to run a model, by name: the models that take part, and the forward pass."""
    cls, loop = MODELS[kind]
    last, count = args.last, args.members
    models: list[nn.Module] = [
        cls(DYNAMIC, STATIC, args.hidden).to(device) for _ in range(max(count, 1))
    ]
    x_d = torch.randn(len(models), args.batch, args.days, DYNAMIC, device=device)
    x_s = torch.randn(len(models), args.batch, STATIC, device=device)
    masks = x_d.new_empty(len(models), args.batch, last, args.hidden).bernoulli_(0.6).div_(0.6)
    first, x, s = models[0], x_d[0], x_s[0]

    def alone(k: int) -> Tensor:
        return models[k](x_d[k], x_s[k], last=last, mask=masks[k])[0]

    ways: dict[str, tuple[list[nn.Module], Callable[[], Tensor]]] = {
        "loop": ([first], lambda: loop(first, x, s)[0][:, -last:]),
        "fused": ([first], lambda: fused(first, x, s, last)),
        "hydroml": ([first], lambda: alone(0)),
    }
    if count:
        ways["together"] = (
            models,
            lambda: forward_together(models, x_d, x_s, last=last, masks=masks),
        )
        ways["one by one"] = (models, lambda: torch.stack([alone(k) for k in range(count)]))
    if INSTALLED:
        other, forward = peer(kind, x, s, args.hidden, last)
        ways["neuralhydrology"] = ([other], forward)
    return ways


def compare(kind: str, args: argparse.Namespace, device: torch.device) -> None:
    """Time a model every way and print the table."""
    ways = formulations(kind, args, device)
    work: dict[str, Callable[[], object]] = {}
    sharing: dict[str, int] = {}
    for precision in args.precision:
        for name, (models, forward) in ways.items():
            if name == "loop" and precision != args.precision[0]:
                continue
            work[f"{name} {precision}"] = training_step(models, forward, precision, device)
            sharing[f"{name} {precision}"] = len(models)
    product, done = matrix_product(args.product, device)
    times = interleaved(work | {"product": product}, args.rounds, device)
    rate = done / times.pop("product").on(device)
    print(f"{kind}: {operations(kind, args) / 1e9:.3g} GFLOP, product {rate / 1e9:.4g} GFLOP/s")
    baselines = [f"{name} {args.precision[0]}" for name in ("fused", "neuralhydrology")]
    heads = [f"x {name}" for name in baselines if name in times]
    print(f"{'':<24}{'ms CPU':>10}{'ms wall':>10}" + "".join(f"{h:>24}" for h in heads) + "  roof")
    for name, each in times.items():
        count = sharing[name]
        own = each.on(device) / count
        gains = [times[base].on(device) / own for base in baselines if base in times]
        print(
            f"{name:<24}{1e3 * each.cpu / count:10.1f}{1e3 * each.wall / count:10.1f}"
            + "".join(f"{gain:24.2f}" for gain in gains)
            + f"{operations(kind, args) / own / rate:6.0%}"
        )


def where_time_goes(kind: str, args: argparse.Namespace, device: torch.device) -> None:
    """Print the operations of one step of hydroml that take most time."""
    models, forward = formulations(kind, args, device)["hydroml"]
    step = training_step(models, forward, args.precision[0], device)
    step()
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        step()
    key = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = sorted(seen.key_averages(), key=lambda row: -getattr(row, key))
    total = sum(getattr(row, key) for row in rows)
    print(f"{kind}, {args.precision[0]}: one step of {total / 1e3:.1f} ms under the profiler")
    for row in rows[:12]:
        own = getattr(row, key)
        print(f"  {row.key[:48]:<48}{own / 1e3:10.2f} ms{own / total:6.0%}{row.count:8d} calls")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", nargs="+", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--model", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--toy", action="store_true", help="Tiny sizes: does it run at all?")
    args = parser.parse_args()
    if args.toy:
        parser.set_defaults(**TOY)
        args = parser.parse_args()
    device = torch.device(args.device)
    gpu = device.type == "cuda"
    args.precision = args.precision or (["fp32", "tf32", "bf16"] if gpu else ["fp32", "bf16"])
    args.product = 64 if args.toy else 8192 if gpu else 2048
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # as training does
    print(f"{machine(device)}, {vars(args)}")
    for kind in args.model:
        (where_time_goes if args.profile else compare)(kind, args, device)


if __name__ == "__main__":
    main()
