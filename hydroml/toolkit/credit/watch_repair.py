"""Watch repair: one decision, and fifty steps of chance before it is paid.

A watch of one of four brands comes in. Repairing it costs something at once; then it is delivered,
step by step, through traffic jams and flat tires, and sold at the end for a price that is known.
Whether a brand is worth its repair is decided by means that chance covers: the spread of what an
episode earns is several times the mean.

The task and its numbers are those of the demonstration by RUDDER's authors
(github.com/ml-jku/rudder-demonstration-code, README).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.toolkit.credit.lessons import Lessons
from hydroml.toolkit.credit.return_predictor import state_differences

__all__ = ["Orders", "WatchRepair"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Orders(NamedTuple):
    """What chance has in store for watches, whether or not they are repaired.

    Parameters
    ----------
    brand : array of int
        0 to 3, (n,).
    cost : array of float
        Of the repair, (n,).
    earned : array of float
        Price less all costs of the delivery, (n,).
    jams, flats : array of int
        Met until step t, (n, T + 1); 0 at t = 0.
    """

    brand: Ints
    cost: Floats
    earned: Floats
    jams: Ints
    flats: Ints


@dataclass(frozen=True)
class WatchRepair:
    """The task: draw orders, decide, see what it earned.

    Costs of repair and of the brand's delivery are normal. A watch that is not repaired is not
    delivered: it meets nothing and earns 0.

    Parameters
    ----------
    price, repair, repair_std, delivery : tuple of float
        For each brand: price, mean and standard deviation of the repair's cost, mean cost of the
        brand's delivery.
    delivery_std : float
        Of the latter.
    steps : int
        T.
    jam, flat : (float, float)
        Chance in a step, and cost.

    Examples
    --------
    >>> task = WatchRepair()
    >>> task.expected().tolist()
    [-1.5, 3.5, 3.5, -1.5]
    >>> task.worth_it().tolist()
    [False, True, True, False]
    """

    price: tuple[float, ...] = (18.0, 28.0, 31.0, 59.0)
    repair: tuple[float, ...] = (1.0, 4.0, 5.0, 24.5)
    repair_std: tuple[float, ...] = (2.0, 2.0, 2.0, 1.0)
    delivery: tuple[float, ...] = (0.5, 2.5, 4.5, 18.0)
    delivery_std: float = 1.5
    steps: int = 50
    jam: tuple[float, float] = (0.1, 0.1)
    flat: tuple[float, float] = (0.05, 7.0)

    def expected(self) -> Floats:
        """Work out the mean profit of a repair of each brand, (4,)."""
        on_the_way = self.steps * (self.jam[0] * self.jam[1] + self.flat[0] * self.flat[1])
        mean: Floats = np.subtract(self.price, np.add(self.repair, self.delivery)) - on_the_way
        return mean.round(12)  # 0.1 is no binary number

    def worth_it(self) -> Bools:
        """Tell which brands the best policy repairs, (4,)."""
        return self.expected() > 0

    def draw(self, count: int, rng: np.random.Generator) -> Orders:
        """Draw orders.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Of brands, costs and events.
        """
        brand = rng.integers(0, len(self.price), count)
        met = [
            np.pad((rng.random((count, self.steps)) < chance).cumsum(axis=1), ((0, 0), (1, 0)))
            for chance, _ in (self.jam, self.flat)
        ]
        cost = rng.normal(np.take(self.repair, brand), np.take(self.repair_std, brand))
        delivery = rng.normal(np.take(self.delivery, brand), self.delivery_std)
        on_the_way = met[0][:, -1] * self.jam[1] + met[1][:, -1] * self.flat[1]
        return Orders(brand, cost, np.take(self.price, brand) - delivery - on_the_way, *met)

    def returns(self, orders: Orders, repaired: Bools) -> Floats:
        """Sum up what episodes earned, (n,)."""
        return np.where(repaired, orders.earned - orders.cost, 0.0)

    def rewards(self, orders: Orders, repaired: Bools) -> Floats:
        """Tell what was paid when, (n, T): the repair at once, the rest at the end."""
        paid = np.zeros((len(repaired), self.steps))
        paid[:, 0] = -orders.cost * repaired
        paid[:, -1] += orders.earned * repaired
        return paid

    @property
    def states(self) -> int:
        """How many states a table needs: brand, repaired, jams, flat tires, time."""
        return len(self.price) * 2 * (self.steps + 1) ** 3

    def numbers(self, orders: Orders, repaired: Bools) -> Ints:
        """Give every state s_0 to s_{T-1} of episodes a number, (n, T); s_0 of brand b is b.

        All states but the first four have one action only.
        """
        after = np.arange(self.steps) > 0
        done = repaired[:, None] & after
        size = self.steps + 1
        parts = (
            np.broadcast_to(np.arange(self.steps), done.shape),
            orders.jams[:, :-1] * done,
            orders.flats[:, :-1] * done,
            done.astype(int),
            np.broadcast_to(orders.brand[:, None], done.shape),
        )
        sizes = (size, size, size, 2, len(self.price))
        return np.ravel_multi_index(parts, sizes)

    def lessons(self, orders: Orders, repaired: Bools, scale: float = 1.0) -> Lessons:
        """Make sequences for a return predictor, T + 1 steps: the last shows where it ended.

        Parameters
        ----------
        orders : Orders
            As `draw` gave them.
        repaired : array of bool
            The decisions, (n,).
        scale : float
            Returns are divided by it.

        Returns
        -------
        Lessons
            Differences of (repaired, jams, flats, brand one-hot, t / T), (n, T + 1, 8); the
            decision one-hot at the first step, nothing later, (n, T + 1, 2); returns.
        """
        count, brands = len(repaired), len(self.price)
        states = np.zeros((count, self.steps + 1, 4 + brands), np.float32)
        states[:, 1:, 0] = repaired[:, None]
        states[..., 1] = orders.jams * repaired[:, None]
        states[..., 2] = orders.flats * repaired[:, None]
        states[np.arange(count), :, 3 + orders.brand] = 1.0
        states[..., -1] = np.arange(self.steps + 1) / self.steps
        actions = np.zeros((count, self.steps + 1, 2), np.float32)
        actions[np.arange(count), 0, repaired.astype(int)] = 1.0
        returns = (self.returns(orders, repaired) / scale).astype(np.float32)
        return Lessons(
            state_differences(torch.from_numpy(states)),
            torch.from_numpy(actions),
            torch.from_numpy(returns),
        )
