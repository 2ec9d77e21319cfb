"""Few-shot episodes: some classes, some examples of each to learn from, others to be judged by."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Episode:
    """One N-way K-shot task.

    Parameters
    ----------
    classes : Tensor
        Labels of its classes, (N,); within the episode they are called 0 to N - 1.
    support : Tensor
        Indices of the samples to learn from, (N K,), class by class.
    support_y : Tensor
        Their class within the episode, (N K,).
    query : Tensor
        Indices of the samples to be judged by, (N Q,), class by class.
    query_y : Tensor
        Their class within the episode, (N Q,).
    """

    classes: Tensor
    support: Tensor
    support_y: Tensor
    query: Tensor
    query_y: Tensor


class NShotEpisodeSampler:
    """Draws N-way K-shot episodes from labelled samples.

    Classes, and samples of a class, are drawn without replacement within an episode.

    Parameters
    ----------
    labels : Tensor
        Of all samples, (M,), whole numbers.
    n_way, n_shot, n_query : int
        Classes, and examples to learn from and to be judged by of each.
    episodes : int
        How many an iteration gives.
    generator : torch.Generator, optional
        On the CPU.

    Raises
    ------
    ValueError
        Not enough classes with enough samples.

    Examples
    --------
    >>> labels = torch.arange(60) % 6
    >>> sampler = NShotEpisodeSampler(labels, n_way=5, n_shot=1, n_query=4, episodes=3)
    >>> [(len(e.support), len(e.query)) for e in sampler]
    [(5, 20), (5, 20), (5, 20)]
    """

    def __init__(
        self,
        labels: Tensor,
        n_way: int = 5,
        n_shot: int = 5,
        n_query: int = 15,
        episodes: int = 100,
        generator: torch.Generator | None = None,
    ) -> None:
        if labels.ndim != 1 or min(n_way, n_shot, n_query, episodes) < 1:
            raise ValueError(
                f"labels {tuple(labels.shape)}, {n_way}-way {n_shot}-shot, {n_query} queries, "
                f"{episodes} episodes: give labels (M,) and at least one of each"
            )
        self.known, inverse = torch.unique(labels.cpu(), return_inverse=True)
        members = [torch.nonzero(inverse == c)[:, 0] for c in range(len(self.known))]
        self.members = [m for m in members if len(m) >= n_shot + n_query]
        self.known = self.known[[len(m) >= n_shot + n_query for m in members]]
        if len(self.members) < n_way:
            raise ValueError(
                f"{len(self.members)} classes have the {n_shot + n_query} samples that an episode "
                f"takes of each, but {n_way} are needed: ask for fewer classes, shots or queries"
            )
        self.n_way, self.n_shot, self.n_query = n_way, n_shot, n_query
        self.episodes, self.generator = episodes, generator

    def __len__(self) -> int:
        """Count the episodes of an iteration."""
        return self.episodes

    def __iter__(self) -> Iterator[Episode]:
        """Draw the episodes."""
        for _ in range(self.episodes):
            yield self.draw()

    def draw(self) -> Episode:
        """Draw one episode."""
        chosen = torch.randperm(len(self.members), generator=self.generator)[: self.n_way]
        each = self.n_shot + self.n_query
        drawn = torch.stack(
            [
                self.members[c][torch.randperm(len(self.members[c]), generator=self.generator)][
                    :each
                ]
                for c in chosen.tolist()
            ]
        )
        place = torch.arange(self.n_way)
        return Episode(
            classes=self.known[chosen],
            support=drawn[:, : self.n_shot].flatten(),
            support_y=place.repeat_interleave(self.n_shot),
            query=drawn[:, self.n_shot :].flatten(),
            query_y=place.repeat_interleave(self.n_query),
        )
