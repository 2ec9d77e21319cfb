"""Episodes to learn returns from, and a buffer of the latest of them."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Lessons", "LessonsBuffer"]


class Lessons(NamedTuple):
    """Episodes of one length, or padded to one.

    Parameters
    ----------
    delta_states : Tensor
        State differences, (B, T, S).
    actions : Tensor
        (B, T, A).
    returns : Tensor
        G, (B,).
    lengths : Tensor or None
        Steps of each episode, (B,); None where all have T.
    """

    delta_states: Tensor
    actions: Tensor
    returns: Tensor
    lengths: Tensor | None = None

    def take(self, chosen: Tensor | slice) -> "Lessons":
        """Take some of the episodes: by an index tensor, a mask or a slice."""
        lengths = None if self.lengths is None else self.lengths[chosen]
        return Lessons(
            self.delta_states[chosen], self.actions[chosen], self.returns[chosen], lengths
        )


class LessonsBuffer:
    """The latest episodes; the oldest make room for new ones.

    Parameters
    ----------
    capacity : int
        Episodes that it holds.

    Raises
    ------
    ValueError
        A capacity below 1.

    Examples
    --------
    >>> buffer = LessonsBuffer(capacity=100)
    >>> buffer.add(Lessons(torch.zeros(3, 5, 2), torch.zeros(3, 5, 1), torch.arange(3.0)))
    >>> len(buffer), buffer.ready
    (3, True)
    >>> places, lessons = buffer.sample(8, torch.Generator().manual_seed(0))
    >>> lessons.delta_states.shape
    torch.Size([8, 5, 2])
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}: a buffer holds at least 1 episode")
        self.capacity = capacity
        self._held: Lessons | None = None
        self._loss = torch.empty(0)
        self._count = 0  # episodes ever added

    def __len__(self) -> int:
        return min(self._count, self.capacity)

    @property
    def ready(self) -> bool:
        """Whether returns differ: where all are equal there is nothing to learn."""
        returns = None if self._held is None else self._held.returns[: len(self)]
        return returns is not None and bool((returns != returns[0]).any())

    def add(self, lessons: Lessons) -> None:
        """Put episodes in; a new one has the highest priority there is.

        Parameters
        ----------
        lessons : Lessons
            Any number; each time with the same T, S and A, and with or without lengths.

        Raises
        ------
        ValueError
            Shapes unlike those before, or a return that is NaN or infinite.
        """
        if not torch.isfinite(lessons.returns).all():
            raise ValueError("a return is NaN or infinite: leave that episode out")
        if self._held is None:
            self._held = self._room_for(lessons)
            self._loss = torch.zeros_like(self._held.returns)
        _require_alike(self._held, lessons)
        new = lessons.take(slice(-self.capacity, None))
        added = len(lessons.returns)
        places = torch.arange(self._count + added - len(new.returns), self._count + added)
        places %= self.capacity
        highest = float(self._loss.max()) or 1.0
        for held, part in zip(self._held, new, strict=True):
            if held is not None and part is not None:
                held[places] = part.detach()
        self._loss[places] = highest
        self._count += added

    def _room_for(self, lessons: Lessons) -> Lessons:
        def room(part: Tensor) -> Tensor:
            return part.new_zeros(self.capacity, *part.shape[1:])

        states, actions, returns, lengths = lessons
        return Lessons(
            room(states), room(actions), room(returns), None if lengths is None else room(lengths)
        )

    def sample(
        self, count: int, generator: torch.Generator | None = None, by_loss: bool = False
    ) -> tuple[Tensor, Lessons]:
        """Draw episodes with replacement.

        Parameters
        ----------
        count : int
            How many.
        generator : torch.Generator, optional
            Source of randomness.
        by_loss : bool
            Draw in proportion to the loss that `set_loss` was told, instead of evenly.

        Returns
        -------
        places : Tensor
            Where they lie in the buffer, (count,).
        lessons : Lessons
            The episodes.

        Raises
        ------
        ValueError
            An empty buffer.
        """
        if self._held is None:
            raise ValueError("the buffer is empty: add episodes first")
        if by_loss:
            weights = self._loss[: len(self)].cpu()  # where the generator is
            places = torch.multinomial(weights, count, replacement=True, generator=generator)
        else:
            places = torch.randint(len(self), (count,), generator=generator)
        return places, self._held.take(places)

    def set_loss(self, places: Tensor, loss: Tensor) -> None:
        """Remember the model's loss of episodes, their priority.

        Parameters
        ----------
        places : Tensor
            As `sample` gave them, (n,).
        loss : Tensor
            Not below 0, (n,); what is 0 is hardly drawn again.
        """
        self._loss[places] = loss.detach().to(self._loss).clamp_min(torch.finfo(torch.float32).tiny)


def _require_alike(held: Lessons, new: Lessons) -> None:
    for old, part in zip(held, new, strict=True):
        shapes = [None if p is None else tuple(p.shape[1:]) for p in (old, part)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"an episode has {shapes[1]} where those in the buffer have {shapes[0]}: pad to "
                "one length, and give lengths always or never"
            )
