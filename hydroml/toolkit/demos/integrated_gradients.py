"""Integrated gradients: completeness, axioms, and an LSTM that adds gets its numbers back."""

from collections.abc import Callable

import torch
from torch import Tensor

from hydroml.toolkit.attribution.integrated_gradients import integrated_gradients
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.adding import (
    STEPS,
    Adder,
    at_numbers,
    correlation,
    draw_sums,
    train_adder,
)

HIDDEN, TRAINING = 8, 600
POINTS = (2, 4, 8, 16, 32, 64)
RULES = ("gausslegendre", "riemann_middle", "riemann_right")


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Attribute closed forms, a saturated function and an LSTM that has learned to add.

    Parameters
    ----------
    seed : int
        Of weights and sequences.
    advance : callable
        Told of the share done.
    """
    generator = torch.Generator().manual_seed(seed)
    quadratic = _quadratic(generator)
    gradient, integrated = _saturated()
    model = train_adder(generator, seed, hidden=HIDDEN, steps=TRAINING, advance=advance)
    sums = draw_sums(200, generator)
    found = integrated_gradients(model, sums.x, steps=64, at_once=2000)
    relevance = torch.as_tensor(found.attributions).sum(-1)
    close = correlation(at_numbers(relevance, sums), sums.numbers)
    gaps = {rule: [_gap(model, sums.x, rule, n) for n in POINTS] for rule in RULES}
    sharper = gaps["gausslegendre"][3] / gaps["riemann_right"][3]
    findings = (
        Finding("quadratic form, 1 point: largest distance from the closed form", "below 1e-12",
                quadratic, quadratic < 1e-12),
        Finding("1 - relu(1 - x) at x = 2: gradient", "0: it sees nothing", gradient,
                gradient == 0),
        Finding("the same, integrated gradients (double precision)", "1, to 0.001", integrated,
                abs(integrated - 1) < 1e-3),
        Finding("LSTM that adds: correlation of attributions with the numbers", "above 0.98",
                close, close > 0.98),
        Finding("its mean gap with 64 points [units of the sum]", "below 1e-4",
                gaps["gausslegendre"][-1], gaps["gausslegendre"][-1] < 1e-4),
        Finding("gap with 16 points, Gauss-Legendre over right sums", "below 0.1", sharper,
                sharper < 0.1),
    )  # fmt: skip
    return Demo(findings, _panels(sums.numbers, at_numbers(relevance, sums), gaps), _note())


def _quadratic(generator: torch.Generator) -> float:
    """Distance of x'Ax's attributions from (x - b) A(x + b)."""
    a = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    x, base = torch.randn(2, 10, 6, generator=generator, dtype=torch.float64).unbind(0)
    a = a + a.T
    found = integrated_gradients(lambda x: ((x @ a) * x).sum(1), x, base, steps=1)
    return float((torch.as_tensor(found.attributions) - (x - base) * ((x + base) @ a)).abs().max())


def _saturated() -> tuple[float, float]:
    def f(x: Tensor) -> Tensor:
        return 1 - torch.relu(1 - x[:, 0])

    x = torch.tensor([[2.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(f(x).sum(), x)
    found = integrated_gradients(f, x.detach(), steps=1000, method="riemann_middle")
    return float(gradient), float(torch.as_tensor(found.attributions))


def _gap(model: Adder, x: Tensor, method: str, steps: int) -> float:
    """Mean absolute gap over some sequences, in double precision."""
    precise: Callable[..., Tensor] = _double(model)
    found = integrated_gradients(precise, x[:50].double(), steps=steps, method=method, at_once=4000)
    return float(found.gap.abs().mean())


def _double(model: Adder) -> Adder:
    twin = Adder(HIDDEN).double()
    twin.load_state_dict(model.state_dict())
    return twin


def _panels(numbers: Tensor, found: Tensor, gaps: dict[str, list[float]]) -> tuple[Panel, ...]:
    x = torch.linspace(0, 2, 101)
    return (
        Panel("Saturated: the gradient at 2 is 0", "x", "f(x) = 1 - relu(1 - x)",
              (Series(x, 1 - torch.relu(1 - x), "f"),
               Series([2.0], [1.0], "explained: f(2) - f(0) = 1", kind="points"))),
        Panel("Completeness against effort", "points of the sum", "mean |gap| [units of the sum]",
              tuple(Series(POINTS, values, rule.replace("_", " ")) for rule, values in
                    gaps.items()), log_y=True),
        Panel("What an LSTM has added", "number", "attribution of its step",
              (Series(numbers.flatten(), found.flatten(), kind="points"),
               Series([-1, 1], [-1, 1], "equal"))),
    )  # fmt: skip


def _note() -> str:
    return (
        f"An LSTM of {HIDDEN} units learns in {TRAINING} steps to add two numbers among {STEPS} "
        "steps; baseline 0. Gaps are means over 50 new sequences in double precision."
    )
