"""Align-RUDDER in small: rooms with keys, two and five demonstrations, two ways to learn on.

Both start from the same table, cloned from the same demonstrations. One learns by Q-learning from
the return at the end, the other from the return redistributed along the demonstrations' profile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from random import Random

import numpy as np
from scipy.stats import wilcoxon

from hydroml.toolkit.credit.align_rudder import ProfileModel
from hydroml.toolkit.credit.cloning import Episode, QTable, clone, learn, play
from hydroml.toolkit.credit.events import find_events, profile_of, step_rewards
from hydroml.toolkit.credit.rooms import Rooms
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

SEEDS = 10  # pairs of runs of every setting
EPSILON, ALPHA, WINDOW = 0.2, 0.1, 20
EVERY, TESTS, TEST_EPSILON, ENOUGH = 10, 40, 0.1, 0.8
NORMAL, ZERO = (1.0, 0.5), (0.0, 0.0)  # start of what no demonstration did: mean, deviation
LEVEL = 0.01

ALIGN, CLONING, LONGER = "Align-RUDDER", "cloning + Q-learning", "cloning + 20-step Q-learning"


@dataclass(frozen=True)
class Setting:
    """Rooms, demonstrations, start of unseen pairs, most episodes, learners."""

    rooms: int
    demos: int
    unseen: tuple[float, float]
    most: int
    learners: tuple[str, ...] = (ALIGN, CLONING)

    def __str__(self) -> str:
        return f"{self.rooms} rooms, {self.demos} demonstrations"


SETTINGS = (
    Setting(4, 2, NORMAL, 1000, (ALIGN, CLONING, LONGER)),
    Setting(4, 5, NORMAL, 1000),
    Setting(8, 2, NORMAL, 1500),
    Setting(4, 2, ZERO, 1000),
    Setting(8, 2, ZERO, 1500),
)


@dataclass(frozen=True)
class Task:
    """Rooms, demonstrations (states, actions), and where a table starts."""

    rooms: Rooms
    demos: list[tuple[list[int], list[int]]]
    start: list[list[float]]
    returns: list[float]

    @cached_property
    def cluster(self) -> dict[int, int]:
        """Events, as clusters of states."""
        return find_events([states for states, _ in self.demos])

    @cached_property
    def profile(self) -> ProfileModel:
        """Of the demonstrations' events."""
        return profile_of([states for states, _ in self.demos], self.cluster, self.returns)


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Count the episodes that either learner needs to 80 % of the demonstrations' return.

    Parameters
    ----------
    seed : int
        Shifts the ten seeds of demonstrations, start values and play.
    advance : callable
        Told of the share that is done.

    Returns
    -------
    Demo
        Medians, pairs won and Wilcoxon's p of every setting.
    """
    counts: dict[Setting, dict[str, list[int]]] = {}
    for place, setting in enumerate(SETTINGS):
        counts[setting] = {name: [] for name in setting.learners}
        for k in range(SEEDS):
            task = _task(setting, SEEDS * seed + k)
            for name in setting.learners:
                needed = _episodes_needed(task, name, setting.most, SEEDS * seed + k)
                counts[setting][name].append(needed)
            advance((place + (k + 1) / SEEDS) / len(SETTINGS))
    shown = _task(SETTINGS[1], SEEDS * seed)
    return Demo(_findings(counts), _panels(counts, shown), _note(seed))


def _task(setting: Setting, seed: int) -> Task:
    rng, rooms = Random(seed), Rooms(setting.rooms)
    demos = [rooms.demonstrate(rng) for _ in range(setting.demos)]
    returns = [rooms.pay(len(actions), states[-1]) for states, actions in demos]
    value = float(np.mean(returns))
    start = clone(demos, value, rooms.done + 1, setting.unseen, rng)
    return Task(rooms, demos, start, returns)


def _episodes_needed(task: Task, name: str, most: int, seed: int) -> int:
    """Episodes until tests earn enough; `most` where they never do."""
    q, update = _LEARNERS[name](task)
    rng, test_rng = Random(1000 + seed), Random(2000 + seed)
    for episodes in range(0, most, EVERY):
        if _enough(task, q, test_rng):
            return episodes
        for _ in range(EVERY):
            update(play(task.rooms, q, EPSILON, rng))
    return most


def _enough(task: Task, q: QTable, rng: Random) -> bool:
    """Whether 40 episodes earn 80 % of the demonstrations' return; left when out of reach."""
    need = ENOUGH * float(np.mean(task.returns)) * TESTS
    best = task.rooms.pay(0, task.rooms.done)
    earned = 0.0
    for left in range(TESTS - 1, -1, -1):
        earned += play(task.rooms, q, TEST_EPSILON, rng).earned
        if earned + left * best < need:
            return False
    return earned >= need


Update = Callable[[Episode], None]


def _aligning(task: Task) -> tuple[QTable, Update]:
    marks = {state: 1 << event for state, event in task.cluster.items()}
    q, profile = QTable(task.start, marks), task.profile

    def update(episode: Episode) -> None:
        rewards = step_rewards(profile, task.cluster, episode.states, episode.earned)
        learn(q, episode, rewards, ALPHA, WINDOW, bootstrap=False)

    return q, update


def _cloning(task: Task, steps: int = 1) -> tuple[QTable, Update]:
    q = QTable(task.start)

    def update(episode: Episode) -> None:
        rewards = [0.0] * (len(episode.actions) - 1) + [episode.earned]
        learn(q, episode, rewards, ALPHA, steps)

    return q, update


_LEARNERS: dict[str, Callable[[Task], tuple[QTable, Update]]] = {
    ALIGN: _aligning,
    CLONING: _cloning,
    LONGER: lambda task: _cloning(task, WINDOW),
}

Counts = dict[Setting, dict[str, list[int]]]


def _findings(counts: Counts) -> tuple[Finding, ...]:
    tested = []
    for setting, needed in counts.items():
        what = f"{setting}: episodes to 80 %, medians"
        if setting.unseen == ZERO:
            what = f"the same from zeros, {what}"
        p = _p(needed[ALIGN], needed[CLONING])
        claimed = setting.rooms == 4 and setting.unseen == NORMAL
        holds = p < LEVEL if claimed else None
        claim = "for orientation" if holds is None else f"fewer, p below {LEVEL}"
        tested.append(Finding(what, claim, f"{_told(setting, needed)}, p = {p:.2g}", holds))
    longer = _median(counts[SETTINGS[0]][LONGER], SETTINGS[0].most)
    return (
        *tested,
        Finding(
            f"{SETTINGS[0]}, {LONGER}: median", "for orientation: the window alone", longer
        ),
    )  # fmt: skip


def _told(setting: Setting, needed: dict[str, list[int]]) -> str:
    pairs = list(zip(needed[ALIGN], needed[CLONING], strict=True))
    won, lost = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    medians = [_median(needed[name], setting.most) for name in (ALIGN, CLONING)]
    return f"{medians[0]} against {medians[1]}, {won} won, {lost} lost of {len(pairs)}"


def _median(counts: list[int], most: int) -> str:
    middle = float(np.median(counts))
    return f"{middle:g}" if middle < most else f"over {most}"


def _p(fewer: list[int], more: list[int]) -> float:
    """Wilcoxon's signed rank test, one-sided; ties count for neither."""
    if fewer == more:
        return 1.0
    return float(wilcoxon(fewer, more, alternative="less").pvalue)


def _note(seed: int) -> str:
    return (
        f"{SEEDS} seeds a setting, in pairs with equal demonstrations and start table; unseen "
        f"pairs start from N(1, 0.5) or from zero. Epsilon {EPSILON}, rate {ALPHA}; {TESTS} tests "
        f"every {EVERY} episodes, epsilon {TEST_EPSILON}. The rooms are our design; seed {seed}."
    )


def _panels(counts: Counts, task: Task) -> tuple[Panel, ...]:
    states, actions = task.demos[0]
    earned = task.returns[0]
    paid = [0.0] * (len(actions) - 1) + [earned]
    shared = step_rewards(task.profile, task.cluster, states, earned)
    steps = np.arange(1, len(actions) + 1)
    return (
        Panel("A demonstration, coloured by event", "column", "row", image=_map(task)),
        Panel("Five demonstrations, aligned (-1: gap)", "position", "demonstration",
              image=task.profile.msa.double()),
        Panel("The return of one, summed up", "step", "reward so far", (
            Series(steps, list(accumulate(paid)), "as paid"),
            Series(steps, list(accumulate(shared)), "redistributed"),
        )),
        *(_dots(setting, counts[setting]) for setting in (SETTINGS[0], SETTINGS[2], SETTINGS[3])),
    )  # fmt: skip


def _map(task: Task) -> np.ndarray:
    image = np.full((9, 9), np.nan)
    rows = [row for row in range(9) if row != 4]
    image[np.ix_(rows, rows)] = -1
    for state in task.demos[0][0][:-1]:
        image[task.rooms.place(state)] = task.cluster[state]
    return image


def _dots(setting: Setting, needed: dict[str, list[int]]) -> Panel:
    start = "N(1, 0.5)" if setting.unseen == NORMAL else "zero"
    return Panel(
        f"{setting}, start {start}", "seed", f"episodes, at most {setting.most}",
        tuple(Series(list(range(SEEDS)), n, name, "points") for name, n in needed.items()),
    )  # fmt: skip
