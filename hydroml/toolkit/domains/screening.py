"""Rank a stream of molecules by predicted activity, and leave out the toxic, known and far ones.

    consensus = mean over tasks of p_s        toxic count = number of toxic tasks with p_s >= limit

    distance to the known = min over known k of 1 - |A & B_k| / |A | B_k|

with A the set of pieces of 1 to 4 symbols in a molecule's text. A hit has a count of at most so
many, is no nearer than ``nearest`` (novelty) and no farther than ``farthest`` (similarity).
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hydroml.toolkit.smiles import SmilesTokenizer


class Hit(NamedTuple):
    """A molecule that was kept."""

    smiles: str
    position: int
    """In the stream, from 0."""
    consensus: float
    toxic_count: int
    distance: float
    """To the nearest known molecule; NaN where none is known."""
    scores: tuple[float, ...]
    """Probability of each chosen task."""


@dataclass(frozen=True)
class ScreeningRules:
    """What a hit must fulfil, and how molecules are read.

    Parameters
    ----------
    tokenizer : SmilesTokenizer
        The one of training.
    most_toxic : int, optional
        Largest count of toxic tasks; None for any.
    toxic_from : float
        Probability from which a toxic task counts.
    known : sequence of str
        Known actives, to which distances are taken.
    nearest, farthest : float
        Least and largest distance to the nearest known molecule. Above 0, `nearest` leaves out the
        known ones themselves.
    distance : callable
        Of two SMILES, 0 for the same to 1.
    """

    tokenizer: SmilesTokenizer = field(default_factory=SmilesTokenizer)
    most_toxic: int | None = None
    toxic_from: float = 0.5
    known: Sequence[str] = ()
    nearest: float = 0.0
    farthest: float = 1.0
    distance: Callable[[str, str], float] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.nearest <= self.farthest <= 1:
            raise ValueError(
                f"nearest is {self.nearest} and farthest {self.farthest}; distances go from 0 to "
                "1, the nearest first."
            )
        if not self.known and (self.nearest > 0 or self.farthest < 1):
            raise ValueError("nearest and farthest need known molecules: give known=[...].")

    def distance_to_known(self, smiles: str) -> float:
        """Distance to the nearest known molecule; NaN without one."""
        between = self.distance or fragment_distance
        return min((between(smiles, k) for k in self.known), default=float("nan"))

    def admits(self, toxic_count: int, distance: float) -> bool:
        """Tell whether a molecule passes."""
        if self.most_toxic is not None and toxic_count > self.most_toxic:
            return False
        return not self.known or self.nearest <= distance <= self.farthest


@torch.no_grad()
def screen(
    model: nn.Module,
    smiles: Iterable[str],
    tasks: Sequence[int],
    top_k: int = 100,
    tox_tasks: Sequence[int] = (),
    rules: ScreeningRules | None = None,
) -> list[Hit]:
    """Rank molecules by consensus and keep the best that the rules admit.

    The stream is read once, 256 molecules at a time; memory does not grow with its length.

    Parameters
    ----------
    model : nn.Module
        One-hot rows (B, T, 35) to logits (B, S), as `SmilesLSTM`. Run in evaluation mode.
    smiles : iterable of str
        The library; of a SMILES that comes twice the first counts.
    tasks : sequence of int
        Outputs that make the consensus.
    top_k : int
        Hits, at most.
    tox_tasks : sequence of int
        Outputs that count as toxic.
    rules : ScreeningRules, optional
        By default no molecule is refused.

    Returns
    -------
    list of Hit
        Highest consensus first; of equal ones the earlier first.

    Raises
    ------
    ValueError
        No task, no hit wanted, a score that is not finite, a SMILES that cannot be read.
    IndexError
        A task that the model does not have.

    Examples
    --------
    >>> class Chlorine(nn.Module):
    ...     def forward(self, x):
    ...         return x[..., 5].sum(1, keepdim=True)
    >>> [hit.smiles for hit in screen(Chlorine(), ["C", "ClCCl", "CCl"], tasks=[0], top_k=2)]
    ['ClCCl', 'CCl']
    """
    rules = rules or ScreeningRules()
    if not tasks or top_k < 1:
        raise ValueError(f"{len(tasks)} tasks and top_k {top_k}; give at least one of each.")
    best: list[tuple[float, int, Hit]] = []
    kept: set[str] = set()
    for start, texts, chances in _scored(model, smiles, rules.tokenizer):
        scores, toxic = chances[:, list(tasks)], chances[:, list(tox_tasks)] >= rules.toxic_from
        rows = zip(texts, scores.mean(1).tolist(), toxic.sum(1).tolist(), scores, strict=True)
        for place, (text, consensus, count, row) in enumerate(rows, start):
            if text in kept or (len(best) == top_k and consensus <= best[0][0]):
                continue  # before distances are taken: those cost the most
            distance = rules.distance_to_known(text)
            if not rules.admits(count, distance):
                continue
            hit = Hit(text, place, consensus, count, distance, tuple(row.tolist()))
            heapq.heappush(best, (consensus, -place, hit))
            kept.add(text)
            if len(best) > top_k:
                kept.discard(heapq.heappop(best)[2].smiles)
    return [hit for *_, hit in sorted(best, reverse=True)]


def fragment_distance(a: str, b: str, longest: int = 4) -> float:
    """Share of pieces that two SMILES do not have in common: 1 minus Jaccard's index.

    Parameters
    ----------
    a, b : str
        SMILES; two ways to write one molecule are not the same text.
    longest : int
        Symbols of the longest piece.

    Returns
    -------
    float
        0 for the same set of pieces, 1 for none in common.

    Examples
    --------
    CC has C and CC, CO has C, O and CO: one of four in common.

    >>> fragment_distance("CC", "CO")
    0.75
    """
    first, second = _pieces(a, longest), _pieces(b, longest)
    return 1 - len(first & second) / len(first | second)


_CUT = SmilesTokenizer()
_AT_ONCE = 256


def _pieces(smiles: str, longest: int) -> set[tuple[str, ...]]:
    symbols = _CUT.tokenize(smiles)
    return {
        tuple(symbols[k : k + size])
        for size in range(1, longest + 1)
        for k in range(len(symbols) - size + 1)
    }


def _scored(
    model: nn.Module, smiles: Iterable[str], tokenizer: SmilesTokenizer
) -> Iterator[tuple[int, list[str], Tensor]]:
    """Give place of the first, texts and probabilities (b, S) of some molecules at a time."""
    stream, start = iter(smiles), 0
    like = next(model.parameters(), torch.zeros(()))
    while texts := list(islice(stream, _AT_ONCE)):
        training = model.training
        model.eval()
        try:
            chances = model(tokenizer.one_hot(texts).to(like)).sigmoid()
        finally:
            model.train(training)
        broken = ~torch.isfinite(chances).all(dim=1)
        if broken.any():
            place = int(broken.nonzero()[0])
            raise ValueError(f"SMILES {start + place}, {texts[place]!r}, has a score of NaN.")
        yield start, texts, chances
        start += len(texts)
