"""Three kinds of agents that learn which watches to repair, and when they have done so."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.toolkit.credit.learning import ReturnLearner
from hydroml.toolkit.credit.lessons import LessonsBuffer
from hydroml.toolkit.credit.return_predictor import ReturnPredictor
from hydroml.toolkit.credit.rudder import redistribute_by
from hydroml.toolkit.credit.tabular import TabularQ
from hydroml.toolkit.credit.watch_repair import WatchRepair
from hydroml.toolkit.demo import Advance, silent

ALPHA, EPSILON, START = 0.1, 0.1, 10.0  # rate, exploration, value before anything is learned
WINDOW, SHARE = 750, 0.95  # decisions looked back upon, and how many of them must be right
CELLS, RATE, DECAY = 16, 1e-2, 1e-6
BUFFER, BATCH, EVERY, FIRST = 2048, 8, 25, 256
SCALE, GOAL, LEAST = 10.0, 0.15, 100  # of returns; running error of a session, updates at least

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Schooling:
    """What came of an agent.

    Parameters
    ----------
    right : array of bool
        Whether the best action known was the right one, episode by episode, (n,) or (n, agents).
    agent : TabularQ
        As it was at the end.
    learner : ReturnLearner or None
        RUDDER's.
    """

    right: Bools
    agent: TabularQ
    learner: ReturnLearner | None = None


def lately(right: Bools) -> NDArray[np.float64]:
    """Tell the share of right decisions in the last `WINDOW`, from that episode on."""
    so_far = np.cumsum(np.concatenate([np.zeros_like(right[:1]), right]), axis=0, dtype=np.int64)
    share: NDArray[np.float64] = (so_far[WINDOW:] - so_far[:-WINDOW]) / WINDOW
    return share


def solved(right: Bools) -> int | None:
    """Tell after how many episodes enough decisions were right lately, None if never."""
    if len(right) < WINDOW:
        return None
    there = np.flatnonzero(lately(right) >= SHARE)
    return int(there[0]) + WINDOW if len(there) else None


def school_rudder(task: WatchRepair, seed: int, most: int, advance: Advance = silent) -> Schooling:
    """Learn from redistributed rewards, `WINDOW` episodes longer than until solved.

    At most `most` episodes; these are drawn, decided and learned from `EVERY` at a time.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    model = ReturnPredictor(4 + len(task.price), 2, CELLS, generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=DECAY)
    learner = ReturnLearner(model, optimizer, LessonsBuffer(BUFFER), BATCH)
    agent = TabularQ((4, 2), "rudder", alpha=ALPHA, epsilon=EPSILON, start=START)
    right = np.zeros(0, bool)
    while len(right) < most and len(right) < (solved(right) or most) + WINDOW:
        orders = task.draw(EVERY, rng)
        greedy, actions = agent.greedy(orders.brand, rng), agent.act(orders.brand, rng)
        right = np.append(right, (greedy == 1) == task.worth_it()[orders.brand])
        lessons = task.lessons(orders, actions == 1, SCALE)
        learner.buffer.add(lessons)
        if len(right) < FIRST:
            continue
        learner.learn(GOAL, LEAST, generator=generator)
        rewards = SCALE * redistribute_by(model, lessons)[:, 0].double().numpy()
        agent.learn(orders.brand, actions, rewards)
        advance(len(right) / most)
    return Schooling(right, agent, learner)


def school_td(task: WatchRepair, seed: int, episodes: int, advance: Advance = silent) -> Schooling:
    """Learn by Q-learning, in a table of all states, for so many episodes."""
    rng, worth_it = np.random.default_rng(seed), task.worth_it()
    agent = TabularQ((task.states, 2), "td", alpha=ALPHA, epsilon=EPSILON, start=START)
    agent.forbid(np.arange(4, task.states), 1)  # after the first step there is nothing to decide
    right, later = np.zeros(episodes, bool), np.zeros(task.steps, np.int64)
    for n in range(episodes):
        k = n % 1000
        if k == 0:
            orders = task.draw(1000, rng)
            either = [np.full(1000, done) for done in (False, True)]
            numbers = [task.numbers(orders, done) for done in either]
            rewards = [task.rewards(orders, done) for done in either]
            advance(n / episodes)
        brand = orders.brand[k : k + 1]
        greedy, action = int(agent.greedy(brand, rng)[0]), int(agent.act(brand, rng)[0])
        right[n] = (greedy == 1) == worth_it[brand[0]]
        later[0] = action
        agent.learn(numbers[action][k], later, rewards[action][k], once=True)
    return Schooling(right, agent)


def school_mc(
    task: WatchRepair, seed: int, episodes: int, agents: int, advance: Advance = silent
) -> Schooling:
    """Learn from whole returns, many agents side by side; each has four rows of the table.

    An episode has one decision, so its return is the goal of that decision and of no other.
    """
    rng, rows = np.random.default_rng(seed), 4 * np.arange(agents)
    crowd = TabularQ((4 * agents, 2), "mc", alpha=ALPHA, epsilon=EPSILON, start=START)
    right, worth_it = np.zeros((episodes, agents), bool), task.worth_it()
    for n in range(episodes):
        k = n % 100
        if k == 0:
            orders = task.draw(100 * agents, rng)
            brands = orders.brand.reshape(100, agents)
            profits = (orders.earned - orders.cost).reshape(100, agents)
            advance(n / episodes)
        states = rows + brands[k]
        right[n] = (crowd.greedy(states, rng) == 1) == worth_it[brands[k]]
        actions = crowd.act(states, rng)
        crowd.towards(states, actions, profits[k] * actions, once=True)
    return Schooling(right, crowd)
