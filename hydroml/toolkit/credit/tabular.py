r"""Tables of action values, and three ways to learn them from an episode.

.. math::
    Q(s_t, a_t) \mathrel{+}= \alpha \,(y_t - Q(s_t, a_t)), \qquad y_t =
    \begin{cases}
        R_{t+1} & \text{rudder: the redistributed reward itself} \\
        r_{t+1} + \gamma \max_a Q(s_{t+1}, a) & \text{td: Q-learning} \\
        \sum_{k \ge t} \gamma^{k-t} r_{k+1} & \text{mc: Monte Carlo, every visit}
    \end{cases}
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHODS", "TabularQ"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TabularQ:
    """Action values in a table, learned from whole episodes.

    Parameters
    ----------
    shape : (int, int)
        Number of states and of actions.
    method : str
        ``rudder``, ``td`` or ``mc``.
    alpha : float
        Rate.
    epsilon : float
        Chance of an action drawn at random.
    start : float
        Value of all actions before anything is learned; a high one makes the agent try them.
    gamma : float
        Discount; ``rudder`` has no use for it.

    Raises
    ------
    ValueError
        An unknown method, or rates outside 0 to 1.

    Examples
    --------
    >>> agent = TabularQ((3, 2), "mc", alpha=1.0, start=0.0)
    >>> agent.learn(np.array([0, 1]), np.array([1, 0]), np.array([0.0, 5.0]))
    >>> agent.q.tolist()
    [[0.0, 5.0], [5.0, 0.0], [0.0, 0.0]]
    """

    def __init__(
        self,
        shape: tuple[int, int],
        method: str,
        *,
        alpha: float = 0.1,
        epsilon: float = 0.1,
        start: float = 0.0,
        gamma: float = 1.0,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
        if not all(0 <= rate <= 1 for rate in (alpha, epsilon, gamma)):
            raise ValueError(f"alpha {alpha}, epsilon {epsilon}, gamma {gamma} must be 0 to 1")
        self.q: Floats = np.full(shape, start)
        self.method, self.alpha, self.epsilon, self.gamma = method, alpha, epsilon, gamma

    def forbid(self, states: Ints, action: int) -> None:
        """Take an action away in some states: it is never chosen, and worth nothing to TD."""
        self.q[states, action] = -np.inf

    def greedy(self, states: Ints, rng: np.random.Generator) -> Ints:
        """Choose the best action in each state; ties are drawn.

        Parameters
        ----------
        states : array of int
            (n,).
        rng : numpy.random.Generator
            Of ties.
        """
        q = self.q[states]
        best = q == q.max(axis=1, keepdims=True)
        return (best * (1 + rng.random(q.shape))).argmax(axis=1)

    def act(self, states: Ints, rng: np.random.Generator) -> Ints:
        """Choose the best action, or with chance epsilon any that is allowed.

        Parameters
        ----------
        states : array of int
            (n,).
        rng : numpy.random.Generator
            Of exploration and ties.
        """
        allowed = np.isfinite(self.q[states])
        anyone = (allowed * (1 + rng.random(allowed.shape))).argmax(axis=1)
        explore = rng.random(len(states)) < self.epsilon
        return np.where(explore, anyone, self.greedy(states, rng))

    def learn(self, states: Ints, actions: Ints, rewards: Floats, once: bool = False) -> None:
        """Learn from one episode that has ended.

        Parameters
        ----------
        states, actions : array of int
            s_0 to s_{T-1} and what was done there, (T,).
        rewards : array of float
            What followed, r_1 to r_T, (T,); for ``rudder`` the redistributed ones.
        once : bool
            That no state comes twice (time is part of it, say): all are updated in one go, with
            the same result.
        """
        METHODS[self.method](self, states, actions, rewards, once)

    def towards(self, states: Ints, actions: Ints, goals: Floats, once: bool = False) -> None:
        """Move values towards goals, one after the other.

        Parameters
        ----------
        states, actions : array of int
            (n,).
        goals : array of float
            (n,).
        once : bool
            That no pair of state and action comes twice: all are moved in one go.
        """
        q, alpha = self.q, self.alpha
        if once:
            q[states, actions] += alpha * (goals - q[states, actions])
            return
        for s, a, goal in zip(states, actions, goals, strict=True):
            q[s, a] += alpha * (goal - q[s, a])


def _rudder(agent: TabularQ, states: Ints, actions: Ints, rewards: Floats, once: bool) -> None:
    agent.towards(states, actions, rewards, once)


def _mc(agent: TabularQ, states: Ints, actions: Ints, rewards: Floats, once: bool) -> None:
    returns, so_far = np.empty(len(rewards)), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        so_far = returns[t] = rewards[t] + agent.gamma * so_far
    agent.towards(states, actions, returns, once)


def _td(agent: TabularQ, states: Ints, actions: Ints, rewards: Floats, once: bool) -> None:
    q, gamma = agent.q, agent.gamma
    if once:  # forward in time, the state after is still what it was
        goals = rewards.astype(float)
        goals[:-1] += gamma * q[states[1:]].max(axis=1)
        agent.towards(states, actions, goals, once)
        return
    for t, (s, a) in enumerate(zip(states, actions, strict=True)):
        ahead = gamma * q[states[t + 1]].max() if t + 1 < len(states) else 0.0
        q[s, a] += agent.alpha * (rewards[t] + ahead - q[s, a])


METHODS: dict[str, Callable[[TabularQ, Ints, Ints, Floats, bool], None]] = {
    "rudder": _rudder,
    "td": _td,
    "mc": _mc,
}
"""How an episode changes the table."""
