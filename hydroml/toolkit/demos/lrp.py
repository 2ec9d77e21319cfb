"""Relevance propagation: conservation, and an LSTM that adds gets its numbers back."""

import torch
from torch import Tensor, nn

from hydroml.toolkit.attribution.lrp import LSTMLRP
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.adding import (
    STEPS,
    Adder,
    Sums,
    at_numbers,
    correlation,
    draw_sums,
    train_adder,
)

HIDDEN, TRAINING = 1, 1500
TESTED = 1000
RULES = ("all", "abs", "half", "prop")


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Propagate relevance through a random LSTM, and through one that has learned to add.

    Parameters
    ----------
    seed : int
        Of weights, sequences and orders.
    advance : callable
        Told of the share done.
    """
    generator = torch.Generator().manual_seed(seed)
    conserved, kept = _conservation(generator)
    model = train_adder(generator, seed, hidden=HIDDEN, steps=TRAINING, advance=advance)
    sums = draw_sums(TESTED, generator)
    found = {f"LRP-{rule}": _relevance(model, sums.x, rule) for rule in RULES}
    found["gradient x input"] = _gradient_times_input(model, sums.x)
    scores = {name: correlation(at_numbers(r, sums), sums.numbers) for name, r in found.items()}
    best = found["LRP-all"]
    curves = _occlusion(model, sums, best, generator)
    error = float((model(sums.x) - sums.numbers.sum(1)).detach().square().mean())
    moved = float(curves[0][2] / curves[1][2])
    others = max(scores["LRP-half"], scores["LRP-prop"], scores["LRP-abs"])
    findings = (
        Finding("random LSTM, biases distributed: score less sum of relevance, relative",
                "below 1e-12", conserved, conserved < 1e-12),
        Finding("the same, biases keeping their part", "", kept),
        Finding("mean square error of the trained sums", "below 0.01", error, error < 0.01),
        Finding("LRP-all: correlation of relevance with the numbers added", "above 0.98",
                scores["LRP-all"], scores["LRP-all"] > 0.98),
        Finding("best of LRP-half, LRP-prop and LRP-abs", "below 0.8", others, others < 0.8),
        Finding("gradient x input", "below LRP-all", scores["gradient x input"],
                scores["gradient x input"] < scores["LRP-all"]),
        Finding("change of the sum when the 2 most relevant steps are removed, over 2 drawn at "
                "random", "above 2", moved, moved > 2),
    )  # fmt: skip
    return Demo(findings, _panels(sums, best, scores, curves), _note())


def _conservation(generator: torch.Generator) -> tuple[float, float]:
    """Measure what of the score is lost, with and without biases distributed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        lstm, head = nn.LSTM(5, 32, batch_first=True).double(), nn.Linear(32, 1).double()
    x = torch.randn(8, 100, 5, generator=generator, dtype=torch.float64)
    lost = []
    for bias_factor in (1.0, 0.0):
        found = LSTMLRP(lstm, head, bias_factor=bias_factor).explain(x)
        lost.append(float((found.kept / found.score).abs().max()))
    return lost[0], lost[1]


def _relevance(model: Adder, x: Tensor, rule: str) -> Tensor:
    """Relevance of each step, (B, T)."""
    return LSTMLRP(model.lstm, model.head, rule).relevance(x)[0].sum(-1)


def _gradient_times_input(model: Adder, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    return (gradient * x).sum(-1).detach()


@torch.no_grad()
def _occlusion(
    model: Adder, sums: Sums, relevance: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean change of the output when 0, 1, ... steps are set to 0: by relevance, at random."""
    order = relevance.abs().argsort(dim=1, descending=True)
    shuffled = torch.rand(relevance.shape, generator=generator).argsort(dim=1)
    whole = model(sums.x)
    curves = []
    for steps in (order, shuffled):
        rank = steps.argsort(dim=1)
        changed = [(model(sums.x * (rank >= n)[..., None]) - whole).abs().mean()
                   for n in range(STEPS // 2 + 1)]  # fmt: skip
        curves.append(torch.stack(changed))
    return curves[0], curves[1]


def _panels(
    sums: Sums, best: Tensor, scores: dict[str, float], curves: tuple[Tensor, Tensor]
) -> tuple[Panel, ...]:
    one = 3
    shown = torch.stack([sums.x[one, :, 0], sums.x[one, :, 1], best[one]]).numpy()
    removed = list(range(len(curves[0])))
    return (
        Panel(
            "What was added, and its relevance", "number", "relevance (LRP-all)",
            (Series(sums.numbers[:300].flatten(), at_numbers(best, sums)[:300].flatten(),
                    kind="points"),
             Series([-1, 1], [-1, 1], "equal")),
        ),
        Panel(
            "Correlation of relevance and numbers", "rule; gradient x input", "",
            (Series([n.replace("LRP-", "").replace("gradient", "grad") for n in scores],
                    list(scores.values()), kind="bars"),),
        ),
        Panel(
            "One sequence", "step", "numbers, noise, relevance",
            tuple(Series(list(range(STEPS)), row, label, kind="bars") for row, label in
                  zip(shown, ("number", "noise", "relevance"), strict=True)),
        ),
        Panel(
            "Steps removed", "number of steps", "mean change of the sum",
            (Series(removed, curves[0], "most relevant first"),
             Series(removed, curves[1], "at random")),
        ),
    )  # fmt: skip


def _note() -> str:
    return (
        f"An LSTM of {HIDDEN} unit learns in {TRAINING} steps to add the two numbers of the first "
        f"channel among {STEPS} steps; {TESTED} new sequences. Conservation: a random LSTM of 32 "
        "units on 100 steps, in double precision."
    )
