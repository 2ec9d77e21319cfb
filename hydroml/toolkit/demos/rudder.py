"""RUDDER in small: which watches to repair, and a walk whose rewards can be worked out."""

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.toolkit.credit.learning import ReturnLearner
from hydroml.toolkit.credit.lessons import Lessons, LessonsBuffer
from hydroml.toolkit.credit.return_predictor import ReturnPredictor
from hydroml.toolkit.credit.rudder import redistribute, redistribute_by
from hydroml.toolkit.credit.walk import Paths, Walk
from hydroml.toolkit.credit.watch_repair import Orders, WatchRepair
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.watch_agents import (
    BATCH,
    CELLS,
    DECAY,
    RATE,
    SCALE,
    WINDOW,
    Schooling,
    lately,
    school_mc,
    school_rudder,
    school_td,
    solved,
)

AT_MOST, LONG, CROWD = 6000, 30_000, 100  # episodes of RUDDER, of TD and MC; agents of MC
TESTED = 500  # watches and walks that rewards are looked at for
WALKS, UPDATES = 2000, 1500

Floats = NDArray[np.float64]


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Let RUDDER, Q-learning and Monte Carlo learn watch repair; redistribute returns of a walk.

    Parameters
    ----------
    seed : int
        Of tasks, agents and weights.
    advance : callable
        Told the share of the work that is done.
    """
    task, rng = WatchRepair(), np.random.default_rng([seed, 1])
    rudder = school_rudder(task, seed, AT_MOST + WINDOW, _part(advance, 0.0, 0.75))
    td = school_td(task, seed, LONG, _part(advance, 0.75, 0.8))
    mc = school_mc(task, seed, LONG, CROWD, _part(advance, 0.8, 0.9))
    orders = task.draw(TESTED, rng)
    rewards, missed = _rewards(task, rudder, orders)
    walk = Walk()
    model = _walk_model(walk, rng, seed)
    paths = walk.draw(TESTED, rng)
    findings = (
        *_learned(rudder, td, mc),
        _worth(task, rudder),
        *_rewarded(rewards, missed, orders),
        *_walked(walk, model, paths),
    )
    return Demo(findings, _panels(task, rudder, td, mc, rewards, orders), _note())


def _part(advance: Advance, begin: float, end: float) -> Advance:
    return lambda done: advance(begin + (end - begin) * done)


def _learned(rudder: Schooling, td: Schooling, mc: Schooling) -> tuple[Finding, ...]:
    episodes, of_td = solved(rudder.right), solved(td.right)
    lucky = sum(solved(right) is not None for right in mc.right.T)
    after = float(rudder.right[episodes:].mean()) if episodes else 0.0
    at_end = float(lately(mc.right)[-1].mean())
    return (
        Finding(f"RUDDER: episodes until 95 % of the last {WINDOW} decisions are right",
                f"below {AT_MOST}", episodes or f"not in {AT_MOST + WINDOW}",
                episodes is not None and episodes < AT_MOST),
        Finding(f"RUDDER: right decisions in the next {WINDOW} episodes", "above 0.9", after,
                after > 0.9),
        Finding("Q-learning: episodes until then", f"not in {LONG}", of_td or f"not in {LONG}",
                of_td is None),
        Finding(f"Monte Carlo: agents of {CROWD} that are there once in {LONG} episodes",
                "fewer than half", lucky, lucky < CROWD / 2),
        Finding(f"Monte Carlo: right decisions in the last {WINDOW} of these, mean of agents",
                "below 0.9", at_end, at_end < 0.9),
    )  # fmt: skip


def _gain(rudder: Schooling) -> Floats:
    """Tell what a repair of each brand earns more than none, as learned."""
    gain: Floats = rudder.agent.q[:, 1] - rudder.agent.q[:, 0]
    return gain


def _worth(task: WatchRepair, rudder: Schooling) -> Finding:
    error = float(np.abs(_gain(rudder) - task.expected()).max())
    return Finding(
        "what a repair is worth: largest error of a brand", "below 1.5", error, error < 1.5
    )


def _rewards(task: WatchRepair, rudder: Schooling, orders: Orders) -> tuple[Floats, float]:
    """Redistribute returns of repaired watches, (n, T + 1), and the most that a sum misses."""
    assert rudder.learner is not None
    lessons = task.lessons(orders, np.ones(len(orders.brand), bool), SCALE)
    with torch.no_grad():
        pred = rudder.learner.model(*lessons[:2]).double()
    found = redistribute(pred, lessons.returns.double())
    missed = (found.sum(1) - lessons.returns).abs() / lessons.returns.abs().clamp_min(1.0)
    return SCALE * found.numpy(), float(missed.max())


def _rewarded(rewards: Floats, missed: float, orders: Orders) -> tuple[Finding, ...]:
    flat, on_the_way = _flat(orders), rewards[:, 1:]
    cost = float(on_the_way[flat].mean() - on_the_way[~flat].mean())
    return (
        Finding("sum of rewards less return, relative, largest", "below 1e-12", missed,
                missed < 1e-12),
        Finding("reward of a step with a flat tire less that of one without", "-7, within 2",
                cost, abs(cost + 7) < 2),
    )  # fmt: skip


def _flat(orders: Orders) -> NDArray[np.bool_]:
    return np.diff(orders.flats, axis=1) > 0


def _walk_model(walk: Walk, rng: np.random.Generator, seed: int) -> ReturnPredictor:
    generator = torch.Generator().manual_seed(seed)
    model = ReturnPredictor(walk.size, 0, CELLS, generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=DECAY)
    learner = ReturnLearner(model, optimizer, LessonsBuffer(WALKS), BATCH)
    learner.buffer.add(walk.lessons(walk.draw(WALKS, rng)))
    learner.learn(until=0.0, most=UPDATES, generator=generator)
    return model


def _walked(walk: Walk, model: ReturnPredictor, paths: Paths) -> tuple[Finding, ...]:
    lessons = walk.lessons(paths)
    exact = np.diff(walk.perfect(paths), axis=1)
    away = np.abs(paths.cells - walk.goal)
    towards = (away[:, :-1] - away[:, 1:])[:, 1:]
    found = {name: _later(model, lessons, name) for name in ("difference", "ig", "lrp")}
    by, of_moves = (_correlation(found["difference"], with_) for with_ in (exact, towards))
    others = (_correlation(found[name], exact) for name in ("ig", "lrp"))
    return (
        Finding("walk: correlation of rewards with moves towards the cell that pays",
                "above 0.2", of_moves, of_moves > 0.2),
        Finding("walk: correlation with the rewards of a perfect predictor", "above 0.3", by,
                by > 0.3),
        *(Finding(f"the same by {name}", "", value) for name, value in
          zip(("integrated gradients", "relevance"), others, strict=True)),
    )  # fmt: skip


def _later(model: ReturnPredictor, lessons: Lessons, method: str) -> Floats:
    """Redistribute, and leave the first step out, which has the mean return as well."""
    return redistribute_by(model, lessons, method).double().numpy()[:, 1:]


def _correlation(a: Floats, b: Floats | NDArray[np.int64]) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _panels(
    task: WatchRepair,
    rudder: Schooling,
    td: Schooling,
    mc: Schooling,
    rewards: Floats,
    orders: Orders,
) -> tuple[Panel, ...]:
    one = int(np.argmax(orders.flats[:, -1] == 3))
    punctures = np.flatnonzero(_flat(orders)[one]) + 1
    steps = np.arange(task.steps + 1)
    brands = [f"brand {b}" for b in range(4)]
    return (
        Panel(
            "Learning when a repair pays", "episodes", f"right decisions, last {WINDOW} [-]",
            (_curve(rudder.right, "RUDDER"), _curve(td.right, "Q-learning"),
             _curve(mc.right, f"Monte Carlo, mean of {CROWD}")),
            log_x=True,
        ),
        Panel(
            "One watch with three flat tires", "step", "redistributed reward",
            (Series(steps, rewards[one], "reward"),
             Series(punctures, rewards[one][punctures], "flat tire", "points")),
        ),
        Panel(
            "What a repair is worth, RUDDER", "", "profit",
            (Series(brands, _gain(rudder), "learned", "bars"),
             Series(brands, task.expected(), "exact", "points")),
        ),
    )  # fmt: skip


def _curve(right: NDArray[np.bool_], label: str) -> Series:
    share = lately(right)
    share = share if share.ndim == 1 else share.mean(axis=1)
    x = WINDOW + np.arange(len(share))
    return Series(x[::25], share[::25], label)


def _note() -> str:
    return (
        f"Episodes of 50 steps, one decision at their start, paid at their end. RUDDER: {CELLS} "
        f"cells, batches of {BATCH}; all agents: rate 0.1, exploration 0.1. Decisions are the best "
        f"known ones, exploration not counted. Walk: 13 cells, 50 steps, {UPDATES} updates."
    )
