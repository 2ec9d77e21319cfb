"""A random draw of days of any number of basins, which are seen once and some at a time."""

import numpy as np
from numpy.typing import NDArray

from hydroml.errors import RunError

MOST_DAYS = 1_000_000
"""Training days from which the region's moments and limit are computed: a random draw of more."""


class Draw:
    """At most `MOST_DAYS` complete days of all that are added, each as likely as any other.

    Each day draws a number, and those of the smallest numbers are kept. What a basin's days draw
    depends on its place among all basins, so the draw is the same however basins are added.

    Parameters
    ----------
    seed : int
        Of the numbers.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._basins = 0
        self._days: list[NDArray[np.float32]] = []
        self._numbers: list[NDArray[np.float64]] = []

    def add(self, x: NDArray[np.float32]) -> None:
        """Add the next basins, (B, T, F)."""
        for basin in x:
            complete = basin[~np.isnan(basin).any(axis=1)]
            rng = np.random.default_rng([self._seed, self._basins])
            self._days.append(complete)
            self._numbers.append(rng.random(len(complete)))
            self._basins += 1
        if sum(map(len, self._days)) > 2 * MOST_DAYS:
            self._prune()

    def days(self) -> NDArray[np.float32]:
        """Days with all inputs, (N, F), in the order in which they were added.

        Raises
        ------
        RunError
            There is none.
        """
        self._prune()
        if not len(self._days[0]):
            raise RunError(
                "No day of the training period has all inputs.",
                "Check the run's training period and inputs with 'hydroml data info STORE'.",
            )
        return self._days[0]

    def _prune(self) -> None:
        days, numbers = np.concatenate(self._days), np.concatenate(self._numbers)
        if len(days) > MOST_DAYS:
            kept = np.sort(np.argpartition(numbers, MOST_DAYS)[:MOST_DAYS])
            days, numbers = days[kept], numbers[kept]
        self._days, self._numbers = [days], [numbers]
