"""A chain whose reward comes at its end: one action goes on, any other one ends it with nothing.

    0 -> 1 -> ... -> length,    reward 1 on arrival, or 1 / length a step where it is shared out

A random walk arrives with probability ``actions ** -length``. Exact values by value iteration.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["DelayedChain", "value_iteration"]


class DelayedChain:
    """The chain as a model for `MCTS`.

    Parameters
    ----------
    length : int
        Right actions until the reward.
    actions : int
        Of which action ``state % actions`` is right.
    shared : bool
        Pay ``1 / length`` for every right action instead of 1 for the last.

    Examples
    --------
    >>> DelayedChain(3).step(1, 1)
    (2, 0.0, False)
    >>> DelayedChain(3, shared=True).step(1, 0)
    (3, 0.0, True)
    """

    players = 1

    def __init__(self, length: int, actions: int = 2, shared: bool = False) -> None:
        if length < 1 or actions < 1:
            raise ValueError(f"length is {length}, actions {actions}; give at least 1 each.")
        self.length, self.actions, self.shared = length, actions, shared
        self._legal = tuple(range(actions))

    def legal(self, state: int) -> tuple[int, ...]:
        """All of them."""
        return self._legal

    def step(self, state: int, action: int) -> tuple[int, float, bool]:
        """Go on, or fall out: the next state (`length` at either end), reward, end."""
        if action != state % self.actions:
            return self.length, 0.0, True
        last = state + 1 == self.length
        return state + 1, 1 / self.length if self.shared else float(last), last

    def tables(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Probabilities (S, A, S) and rewards (S, A), for `value_iteration`; the end absorbs."""
        states = self.length + 1
        probability = np.zeros((states, self.actions, states))
        reward = np.zeros((states, self.actions))
        probability[-1, :, -1] = 1
        for state in range(self.length):
            for action in range(self.actions):
                after, reward[state, action], _ = self.step(state, action)
                probability[state, action, after] = 1
        return probability, reward


def value_iteration(
    probability: NDArray[np.float64],
    reward: NDArray[np.float64],
    gamma: float = 1.0,
    max_iter: int = 10_000,
) -> NDArray[np.float64]:
    """Find the exact values of actions, ``q = r + gamma P max_a q``.

    Parameters
    ----------
    probability : ndarray
        Of the next state, (S, A, S).
    reward : ndarray
        Expected, (S, A).
    gamma : float
        Discount, 0 to 1; with 1, every way must end in states that earn nothing.
    max_iter : int
        Rounds at most.

    Returns
    -------
    ndarray
        (S, A).

    Raises
    ------
    RuntimeError
        The values do not settle.

    Examples
    --------
    >>> value_iteration(*DelayedChain(3).tables(), gamma=0.5)[:, 0]
    array([0.25, 0.  , 1.  , 0.  ])
    """
    q = np.zeros_like(reward)
    for _ in range(max_iter):
        new: NDArray[np.float64] = reward + gamma * probability @ q.max(1)
        if np.abs(new - q).max() <= 1e-12 * max(1.0, float(np.abs(new).max())):
            return new
        q = new
    raise RuntimeError(
        f"Values did not settle in {max_iter} rounds; take gamma below 1 (now {gamma}), or see "
        "that every way ends."
    )
