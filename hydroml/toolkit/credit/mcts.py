"""Monte Carlo tree search: the best action, judged by simulations from here on.

One simulation goes down the tree by

    UCT     argmax_a  Q(s, a) + c sqrt( ln N(s) / N(s, a) )           untried actions first
    PUCT    argmax_a  Q(s, a) + c P(a | s) sqrt(N(s)) / (1 + N(s, a)) with a prior P

where ``N(s) = sum_a N(s, a)`` counts choices made in s. At the first state that is not in the tree
yet it adds a node, plays on at random to the end or asks for a value, and sends the return up,

    G = r + gamma G'        one player
    G = r - gamma G'        two players, zero-sum: what the other one earns is lost (negamax)

so that Q(s, a), the mean of G, is always that of the player who moves in s; rewards are the
mover's. The tree grows one node a simulation; steps may be random, then an action has a node for
every state that it led to.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from hydroml.toolkit.card import Card

__all__ = ["CARD", "MCTS", "Model", "Node", "move_probabilities"]

CARD = Card(
    name="mcts",
    title="Monte Carlo tree search (UCT and PUCT)",
    paper="Kocsis, Szepesvari (2006): Bandit based Monte-Carlo planning. ECML, "
    "doi:10.1007/11871842_29; PUCT as in Silver et al. (2017), doi:10.1038/nature24270; a baseline "
    "of RUDDER, arXiv:1806.07857",
    year=2006,
    answers="Which action is best, if the future can be simulated but not computed?",
    inputs="a model: step(state, action) -> (next, reward, done), legal(state), players 1 or 2; a "
    "state, any hashable",
    outputs="visits (A,), int64, and mean returns (A,), float64, of the actions in the state",
    hydrology="none yet: releases of a reservoir could be searched with a rainfall-runoff model as "
    "simulator; nothing in forecasting itself",
    claim="400 simulations a move never lose tic-tac-toe against random play, but lose some games "
    "against perfect play; 4000 draw all. In a chain that pays at its end, the simulations until "
    "the reward is seen double with every step; shared out over the steps it is seen early. Random "
    "roll-outs only: no trained network is shown",
    status="works; 400 simulations are not enough for perfect tic-tac-toe",
    choices=(
        "Untried actions are taken in random order; equal scores of PUCT go to the larger prior, "
        "then to the lower action. Q of an untried action is 0 in PUCT.",
        "Two players alternate strictly and the sum of their rewards is zero.",
        "The mask of legal actions is the sequence of legal ones; the others have no visits.",
    ),
)

State = Any


class Model(Protocol):
    """What can be searched."""

    players: int
    """1, or 2 who alternate; rewards are then the mover's, and the other one's loss."""

    def step(self, state: State, action: int) -> tuple[State, float, bool]:
        """Give the next state (hashable), the reward of the one who moves, and whether it ends."""

    def legal(self, state: State) -> Sequence[int]:
        """Give the actions that are allowed; at least one before the end."""


@dataclass
class Node:
    """A state in the tree: legal actions, their counts, sums of returns, priors, and children."""

    state: State
    actions: Sequence[int]
    untried: list[int]
    prior: Sequence[float] | None
    counts: list[int]
    sums: list[float]
    children: dict[tuple[int, Hashable], "Node"] = field(default_factory=dict)


@dataclass(frozen=True)
class MCTS:
    """Search by simulations.

    Parameters
    ----------
    model : Model
        Steps, legal actions, number of players.
    n_actions : int
        A.
    c : float
        Weight of exploration; sqrt(2) suits returns of 0 to 1.
    gamma : float
        Discount, 0 to 1.
    rollout : "random" or callable
        How a new state is judged: playing on at random, or a function of the state that gives the
        value for the player to move there (a number or a tensor of one).
    prior : callable, optional
        Probabilities of all actions in a state, (A,); with it, PUCT instead of UCT.
    n_sim : int
        Simulations of a search.
    horizon : int
        Steps after which a simulation stops and what follows counts nothing.

    References
    ----------
    Kocsis and Szepesvari (2006), doi:10.1007/11871842_29, section 2.3; Silver et al. (2017),
    doi:10.1038/nature24270, methods.

    Examples
    --------
    >>> from hydroml.toolkit.credit.tic_tac_toe import TicTacToe
    >>> search = MCTS(TicTacToe(), n_actions=9, n_sim=100)
    >>> visits, q = search.search(0b011, generator=torch.Generator().manual_seed(0))
    >>> int(visits.sum()), int(visits.argmax()), float(q[2])
    (100, 2, 1.0)
    """

    model: Model
    n_actions: int
    c: float = 1.4
    gamma: float = 1.0
    rollout: Literal["random"] | Callable[[State], float | Tensor] = "random"
    prior: Callable[[State], Sequence[float] | Tensor] | None = None
    n_sim: int = 400
    horizon: int = 1000

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        if self.model.players not in (1, 2):
            raise ValueError(f"model.players is {self.model.players}; give 1 or 2.")
        if self.n_actions < 1 or self.n_sim < 1 or self.horizon < 1:
            raise ValueError(
                f"n_actions is {self.n_actions}, n_sim {self.n_sim}, horizon {self.horizon}; give "
                "at least 1 each."
            )
        if not (0 <= self.gamma <= 1 and self.c >= 0):
            raise ValueError(f"gamma is {self.gamma}, c {self.c}; gamma is 0 to 1, c not negative.")
        if self.rollout != "random" and not callable(self.rollout):
            raise ValueError(f"rollout is {self.rollout!r}; give 'random' or a function of states.")

    def search(
        self, state: State, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Simulate `n_sim` times from a state that is not an end.

        Returns
        -------
        visits : Tensor
            How often each action was chosen, (A,), int64; sums to `n_sim`.
        q : Tensor
            Mean return after each, for the player to move, (A,), float64; 0 where never chosen.
        """
        root = next(islice(self.simulations(state, generator), self.n_sim - 1, None))
        visits = torch.zeros(self.n_actions, dtype=torch.long)
        q = torch.zeros(self.n_actions, dtype=torch.float64)
        for action, count, total in zip(root.actions, root.counts, root.sums, strict=True):
            visits[action] = count
            q[action] = total / count if count else 0.0
        return visits, q

    def simulations(self, state: State, generator: torch.Generator | None = None) -> Iterator[Node]:
        """Give the root after every simulation, without end."""
        rng = Random(int(torch.randint(2**62, (), generator=generator)))
        root = self._node(state, rng)
        while True:
            self._simulate(root, rng)
            yield root

    def select(self, node: Node) -> int:
        """Choose where to go on: the place of an action in ``node.actions``."""
        if node.prior is not None:
            return _puct(node, self.c)
        return node.untried[-1] if node.untried else _uct(node, self.c)

    def _simulate(self, root: Node, rng: Random) -> None:
        node, path, value = root, [], 0.0
        for _ in range(self.horizon):
            place = self.select(node)
            if node.untried and node.untried[-1] == place:
                node.untried.pop()
            action = node.actions[place]
            state, reward, done = self.model.step(node.state, action)
            path.append((node, place, reward))
            if done:
                break
            child = node.children.get((action, state))
            if child is None:
                node.children[action, state] = self._node(state, rng)
                value = self._evaluate(state, rng, self.horizon - len(path))
                break
            node = child
        sign = self.gamma if self.model.players == 1 else -self.gamma
        for node, place, reward in reversed(path):
            value = reward + sign * value
            node.counts[place] += 1
            node.sums[place] += value

    def _evaluate(self, state: State, rng: Random, steps: int) -> float:
        """Value of a new state for the player to move there."""
        if callable(self.rollout):
            return float(self.rollout(state))
        step, legal, draw = self.model.step, self.model.legal, rng.random
        factor = self.gamma if self.model.players == 1 else -self.gamma
        value, weight = 0.0, 1.0
        for _ in range(steps):
            actions = legal(state)
            state, reward, done = step(state, actions[int(draw() * len(actions))])
            value += weight * reward
            if done:
                break
            weight *= factor
        return value

    def _node(self, state: State, rng: Random) -> Node:
        actions = self.model.legal(state)
        if not actions or not 0 <= min(actions) <= max(actions) < self.n_actions:
            raise ValueError(
                f"Legal actions of state {state!r} are {list(actions)}; give at least one, of 0 to "
                f"{self.n_actions - 1}."
            )
        places = list(range(len(actions)))
        if self.prior is None:
            rng.shuffle(places)
            return Node(state, actions, places, None, [0] * len(places), [0.0] * len(places))
        told = self.prior(state)
        weights = told.tolist() if isinstance(told, Tensor) else list(told)
        if len(weights) != self.n_actions:
            raise ValueError(f"The prior of {state!r} has {len(weights)}, not {self.n_actions}.")
        total = sum(weights[a] for a in actions)
        if not total > 0 or min(weights) < 0:
            raise ValueError(f"The prior of {state!r} is {weights}; legal actions need weight.")
        prior = [weights[a] / total for a in actions]
        return Node(state, actions, [], prior, [0] * len(places), [0.0] * len(places))


def move_probabilities(visits: Tensor, temperature: float = 1.0) -> Tensor:
    """Turn visits into probabilities of moves, ``N^(1 / temperature)`` normalised.

    Parameters
    ----------
    visits : Tensor
        (A,), not all zero.
    temperature : float
        0 shares all among the most visited.

    Examples
    --------
    >>> move_probabilities(torch.tensor([1, 3, 0]))
    tensor([0.2500, 0.7500, 0.0000], dtype=torch.float64)
    """
    if temperature < 0 or not bool((visits >= 0).all()) or not bool((visits > 0).any()):
        raise ValueError(
            f"visits are {visits.tolist()}, temperature {temperature}; give at least one "
            "visit, and nothing negative."
        )
    share = visits.double() / visits.max()
    weight = (share == 1).double() if temperature == 0 else share ** (1 / temperature)
    return weight / weight.sum()


def _uct(node: Node, c: float) -> int:
    log = math.log(sum(node.counts))
    best, chosen = -math.inf, 0
    for place, (count, total) in enumerate(zip(node.counts, node.sums, strict=True)):
        score = total / count + c * math.sqrt(log / count)
        if score > best:
            best, chosen = score, place
    return chosen


def _puct(node: Node, c: float) -> int:
    assert node.prior is not None
    root = c * math.sqrt(sum(node.counts))
    scores = [
        (total / count if count else 0.0) + root * prior / (1 + count)
        for count, total, prior in zip(node.counts, node.sums, node.prior, strict=True)
    ]
    best = max(scores)
    equal = [place for place, score in enumerate(scores) if score == best]
    return max(equal, key=lambda place: node.prior[place])  # type: ignore[index]
