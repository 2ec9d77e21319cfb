"""Tabular Q-learning that starts from behaviour cloning, in `Rooms`.

Demonstrations fill the table: ``Q(s, a) = G n(s, a) / n(s)``, G their mean return, n their counts;
what none of them did starts from draws of a normal distribution. Episodes are played
epsilon-greedily, ties at random; after each, from its first step to its last,

    Q(s_t, a_t) += alpha (r_t + ... + r_(t+n-1) + max_a Q(s_(t+n), a) - Q(s_t, a_t))   bootstrap
    Q(s_t, a_t) += alpha (r_t + ... + r_(t+n-1) - Q(s_t, a_t))                         without

with discount 1 and zero beyond the end. n = 1 with bootstrap is Q-learning. Without bootstrap is
for rewards that are given at once; n covers those that are still a little delayed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from hydroml.toolkit.credit.rooms import ACTIONS, Rooms

__all__ = ["Episode", "QTable", "clone", "learn", "play"]

Key = tuple[int, int]  # state and memory


@dataclass(frozen=True)
class Episode:
    """Keys (state, memory), one more than actions, and the return."""

    keys: list[Key]
    actions: list[int]
    earned: float

    @property
    def states(self) -> list[int]:
        """States alone."""
        return [state for state, _ in self.keys]


@dataclass
class QTable:
    """Values of actions by state and memory.

    Parameters
    ----------
    start : sequence
        Values from which a state starts, whatever the memory.
    marks : mapping
        Memory is the union of the marks (bits) of all states visited; none by default.
    """

    start: Sequence[Sequence[float]]
    marks: Mapping[int, int] = field(default_factory=dict)
    table: dict[Key, list[float]] = field(default_factory=dict)

    def __getitem__(self, key: Key) -> list[float]:
        values = self.table.get(key)
        if values is None:
            values = self.table[key] = list(self.start[key[0]])
        return values


def clone(
    demos: Sequence[tuple[list[int], list[int]]],
    value: float,
    n_states: int,
    unseen: tuple[float, float],
    rng: Random,
) -> list[list[float]]:
    """Fill a table with what demonstrations do.

    Parameters
    ----------
    demos : sequence of tuple
        States and actions of each.
    value : float
        G; an action gets the share of the state's demonstrations that chose it.
    n_states : int
        Rows.
    unseen : tuple of float
        Mean and standard deviation of the start of every other pair.
    rng : Random
        Draws them.

    Examples
    --------
    >>> clone([([1, 1, 0], [0, 1])], 2.0, 2, (0.5, 0.0), Random(0))
    [[0.5, 0.5, 0.5, 0.5], [1.0, 1.0, 0.5, 0.5]]
    """
    start = [[rng.gauss(*unseen) for _ in range(ACTIONS)] for _ in range(n_states)]
    counts: dict[int, list[int]] = {}
    for states, actions in demos:
        for state, action in zip(states, actions, strict=False):
            counts.setdefault(state, [0] * ACTIONS)[action] += 1
    for state, seen in counts.items():
        for action, times in enumerate(seen):
            if times:
                start[state][action] = value * times / sum(seen)
    return start


def play(rooms: Rooms, q: QTable, epsilon: float, rng: Random) -> Episode:
    """Play an episode, epsilon-greedily."""
    state, draw = rooms.reset(rng), rng.random
    memory = q.marks.get(state, 0)
    keys: list[Key] = [(state, memory)]
    actions: list[int] = []
    while state != rooms.done and len(actions) < rooms.limit:
        if draw() < epsilon:
            action = int(draw() * ACTIONS)
        else:
            values = q[state, memory]
            best = max(values)
            action = values.index(best)
            if values.count(best) > 1:
                action = rng.choice([a for a in range(ACTIONS) if values[a] == best])
        state = rooms.step(state, action, rng)
        memory |= q.marks.get(state, 0)
        keys.append((state, memory))
        actions.append(action)
    return Episode(keys, actions, rooms.pay(len(actions), state))


def learn(
    q: QTable,
    episode: Episode,
    rewards: Sequence[float],
    alpha: float = 0.1,
    steps: int = 1,
    bootstrap: bool = True,
) -> None:
    """Change the table by what an episode earned.

    Parameters
    ----------
    q : QTable
        Changed in place.
    episode : Episode
        Keys and actions.
    rewards : sequence of float
        After each action; the return as it was paid, or redistributed.
    alpha : float
        Learning rate.
    steps : int
        n, rewards that are summed.
    bootstrap : bool
        Add the best value after them.
    """
    keys, end = episode.keys, len(rewards)
    total = [0.0, *accumulate(rewards)]
    for t, action in enumerate(episode.actions):
        ahead = min(t + steps, end)
        target = total[ahead] - total[t]
        if bootstrap and ahead < end:
            target += max(q[keys[ahead]])
        values = q[keys[t]]
        values[action] += alpha * (target - values[action])
