"""A walk of chance on a line, paid at the end for each visit of one cell.

What a step is worth can be worked out exactly: with v_k(p) the visits to be expected in k steps
from p, ``v_0 = 0`` and ``v_k(p) = mean over both moves of ([p' is the goal] + v_{k-1}(p'))``, a
perfect predictor of the return that sees positions and moves up to t says

    g_t = visits so far + [p_{t+1} is the goal] + v_{T-t-1}(p_{t+1}).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.toolkit.credit.lessons import Lessons
from hydroml.toolkit.credit.return_predictor import state_differences

__all__ = ["Paths", "Walk"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Paths(NamedTuple):
    """Walks.

    Parameters
    ----------
    cells : array of int
        Positions, (n, T + 1).
    moves : array of int
        0 to the left, 1 to the right, (n, T); against a wall nothing moves.
    """

    cells: Ints
    moves: Ints


@dataclass(frozen=True)
class Walk:
    """The task.

    Parameters
    ----------
    size : int
        Cells of the line; walks begin in the middle.
    steps : int
        T.
    goal : int
        The cell that pays.

    Examples
    --------
    >>> task = Walk(size=3, goal=2)
    >>> task.expected(2)  # from 1: one visit by the first move, or two, or none
    array([0.25, 0.75, 1.  ])
    """

    size: int = 13
    steps: int = 50
    goal: int = 9

    def draw(self, count: int, rng: np.random.Generator) -> Paths:
        """Draw walks in which each move has the chance one half.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Of the moves.
        """
        moves = rng.integers(0, 2, (count, self.steps))
        cells = np.full((count, self.steps + 1), self.size // 2)
        for t in range(self.steps):
            cells[:, t + 1] = self._after(cells[:, t], moves[:, t])
        return Paths(cells, moves)

    def returns(self, paths: Paths) -> Floats:
        """Count visits of the goal after the start, (n,)."""
        visits: Floats = (paths.cells[:, 1:] == self.goal).sum(axis=1).astype(float)
        return visits

    def expected(self, ahead: int) -> Floats:
        """Work out the visits to be expected in `ahead` steps from each cell, (size,)."""
        v = np.zeros(self.size)
        for _ in range(ahead):
            paid = v + (np.arange(self.size) == self.goal)
            v = (paid[self._after(np.arange(self.size), 0)]
                 + paid[self._after(np.arange(self.size), 1)]) / 2  # fmt: skip
        return v

    def perfect(self, paths: Paths) -> Floats:
        """Predict the return as well as can be from positions and moves up to each t, (n, T)."""
        ahead = np.stack([self.expected(self.steps - t - 1) for t in range(self.steps)])
        so_far = (paths.cells[:, 1:] == self.goal).cumsum(axis=1)
        found: Floats = so_far + ahead[np.arange(self.steps), paths.cells[:, 1:]]
        return found

    def lessons(self, paths: Paths, scale: float = 1.0) -> Lessons:
        """Make sequences for a return predictor.

        Parameters
        ----------
        paths : Paths
            As `draw` gave them.
        scale : float
            Returns are divided by it.

        Returns
        -------
        Lessons
            Differences of the position one-hot after each move, (n, T, size); no actions,
            (n, T, 0), as the position tells the move; returns.
        """
        states = torch.from_numpy(np.eye(self.size, dtype=np.float32)[paths.cells])
        return Lessons(
            state_differences(states)[:, 1:],
            states.new_zeros(len(states), self.steps, 0),
            torch.from_numpy((self.returns(paths) / scale).astype(np.float32)),
        )

    def _after(self, cells: Ints, moves: Ints | int) -> Ints:
        after: Ints = np.clip(cells + 2 * moves - 1, 0, self.size - 1)
        return after
