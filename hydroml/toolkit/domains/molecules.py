"""Random molecule graphs, some with a motif of four atoms that makes them toxic.

A skeleton is a random tree, mostly of carbon, into which fragments of four atoms in a chain are
tied; then some pairs of atoms are joined to rings. A fragment is a motif or a decoy. Decoys have
the two atoms in the middle exchanged, or another first, or another last atom: no three of the four
atoms tell a motif from all of its decoys. Which motifs a molecule has is found by search in the
finished graph, not by what was put in.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

ELEMENTS = ("C", "N", "O", "S", "P", "F", "Cl", "Br")
VALENCE = {"C": 4, "N": 3, "O": 2, "S": 2, "P": 3, "F": 1, "Cl": 1, "Br": 1}
SHARES = (0.62, 0.1, 0.1, 0.06, 0.04, 0.03, 0.03, 0.02)
"""Of the elements in a skeleton."""

MOTIFS = (("Cl", "C", "S", "N"), ("O", "S", "N", "C"), ("F", "C", "P", "O"))
"""Chains of bound atoms; a motif stands whichever way it is read."""

FEATURES = len(ELEMENTS) + 4
"""Element, then whether the atom has a single, a double, a triple bond, and one in a ring."""


class Molecules(NamedTuple):
    """Molecules as graphs, padded to one number of places."""

    x: Tensor
    """Features over their number, (n, A, 12); 0 where there is no atom."""
    neighbours: Tensor
    """Places of neighbours, (n, A, 4), -1 for none."""
    motifs: Tensor
    """Whether an atom is part of a motif, (n, A, 3)."""


def random_molecules(
    n: int,
    rng: np.random.Generator,
    *,
    atoms: tuple[int, int] = (10, 16),
    toxic: float = 0.3,
    fragments: int = 2,
) -> Molecules:
    """Draw molecules.

    Parameters
    ----------
    n : int
        Molecules.
    rng : numpy.random.Generator
        Source of randomness.
    atoms : tuple of int
        Fewest and most atoms of the skeleton; fragments come on top.
    toxic : float
        Chance that a fragment is a motif and not a decoy.
    fragments : int
        Fragments in a molecule.

    Examples
    --------
    >>> drawn = random_molecules(3, np.random.default_rng(0))
    >>> drawn.x.shape, drawn.neighbours.shape, drawn.motifs.shape
    (torch.Size([3, 24, 12]), torch.Size([3, 24, 4]), torch.Size([3, 24, 3]))
    """
    fewest, most = atoms
    if not 1 <= fewest <= most or not 0 <= toxic <= 1 or fragments < 0:
        raise ValueError(f"atoms {atoms}, toxic {toxic}, fragments {fragments} make no molecule.")
    places = most + 4 * fragments
    x = torch.zeros(n, places, FEATURES)
    neighbours = torch.full((n, places, 4), -1)
    motifs = torch.zeros(n, places, len(MOTIFS), dtype=torch.bool)
    for i in range(n):
        graph = _Graph(rng)
        graph.grow(int(rng.integers(fewest, most + 1)))
        for _ in range(fragments):
            graph.tie(_fragment(rng, toxic))
        graph.close_rings(int(rng.integers(0, 3)))
        graph.double_bonds(int(rng.integers(0, 4)))
        x[i, : len(graph.kinds)] = graph.features()
        for a, bound in enumerate(graph.bound):
            neighbours[i, a, : len(bound)] = torch.tensor(list(bound), dtype=torch.long)
        for m, motif in enumerate(MOTIFS):
            motifs[i, list(find_chain(graph.kinds, graph.bound, motif)), m] = True
    return Molecules(x, neighbours, motifs)


def find_chain(
    kinds: Sequence[str], bound: Sequence[Iterable[int]], chain: Sequence[str]
) -> set[int]:
    """Places of all atoms that take part in a chain of these elements, each bound to the next.

    Parameters
    ----------
    kinds : sequence of str
        Element of each atom.
    bound : sequence of iterables of int
        Neighbours of each atom.
    chain : sequence of str
        Elements in order.

    Examples
    --------
    O bound to N bound to C and to another C:

    >>> sorted(find_chain(["C", "N", "C", "O"], [[1], [0, 2, 3], [1], [1]], ["O", "N", "C"]))
    [0, 1, 2, 3]
    """
    ways: list[tuple[int, ...]] = [(a,) for a, kind in enumerate(kinds) if kind == chain[0]]
    for element in chain[1:]:
        ways = [
            (*way, b)
            for way in ways
            for b in bound[way[-1]]
            if kinds[b] == element and b not in way
        ]
    return {a for way in ways for a in way}


class _Graph:
    """A molecule that grows; no atom has more bonds than its valence."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.kinds: list[str] = []
        self.bound: list[dict[int, int]] = []  # neighbour to the order of the bond
        self.in_ring: set[int] = set()

    def free(self, a: int) -> int:
        return VALENCE[self.kinds[a]] - sum(self.bound[a].values())

    def add(self, kind: str, to: int | None = None) -> int:
        self.kinds.append(kind)
        self.bound.append({})
        a = len(self.kinds) - 1
        if to is not None:
            self.bound[a][to] = self.bound[to][a] = 1
        return a

    def grow(self, count: int) -> None:
        self.add("C")
        while len(self.kinds) < count:
            kind = str(self.rng.choice(ELEMENTS, p=SHARES))
            open_atoms = [a for a in range(len(self.kinds)) if self.free(a)]
            if len(open_atoms) == 1 and self.free(open_atoms[0]) == 1 and VALENCE[kind] == 1:
                continue  # it would close the last open atom
            self.add(kind, int(self.rng.choice(open_atoms)))

    def tie(self, fragment: Sequence[str]) -> None:
        """Hang a chain of atoms onto a carbon, or any atom that has room."""
        room = [a for a in range(len(self.kinds)) if self.free(a)]
        carbon = [a for a in room if self.kinds[a] == "C"]
        last: int | None = int(self.rng.choice(carbon or room))
        for kind in fragment:
            last = self.add(kind, last)

    def close_rings(self, count: int) -> None:
        for _ in range(count):
            a = int(self.rng.integers(len(self.kinds)))
            way = self._ways(a)
            ends = [b for b in way if 5 <= len(way[b]) <= 7 and self.free(b)]
            if not self.free(a) or not ends:
                continue
            b = int(self.rng.choice(ends))
            self.bound[a][b] = self.bound[b][a] = 1
            self.in_ring.update(way[b])

    def double_bonds(self, count: int) -> None:
        pairs = [(a, b) for a in range(len(self.kinds)) for b in self.bound[a] if a < b]
        for k in self.rng.permutation(len(pairs))[:count]:
            a, b = pairs[k]
            if self.free(a) and self.free(b):
                self.bound[a][b] = self.bound[b][a] = 2

    def features(self) -> Tensor:
        rows = torch.zeros(len(self.kinds), FEATURES)
        for a, kind in enumerate(self.kinds):
            rows[a, ELEMENTS.index(kind)] = 1
            for order in self.bound[a].values():
                rows[a, len(ELEMENTS) + order - 1] = 1
            rows[a, -1] = float(a in self.in_ring)
        return rows / FEATURES

    def _ways(self, start: int) -> dict[int, list[int]]:
        """Shortest way from an atom to every other, both ends included."""
        ways, queue = {start: [start]}, deque([start])
        while queue:
            a = queue.popleft()
            for b in self.bound[a]:
                if b not in ways:
                    ways[b] = [*ways[a], b]
                    queue.append(b)
        return ways


def _fragment(rng: np.random.Generator, toxic: float) -> tuple[str, ...]:
    """Draw a motif or a decoy, the end with room first."""
    chain = MOTIFS[int(rng.integers(len(MOTIFS)))]
    if rng.random() >= toxic:
        chain = _DECOYS[int(rng.integers(len(_DECOYS)))](chain, rng)
    return chain if VALENCE[chain[0]] > 1 else chain[::-1]


Chain = tuple[str, str, str, str]


def _exchanged(chain: Chain, rng: np.random.Generator) -> Chain:
    first, second, third, last = chain
    return first, third, second, last


def _other_first(chain: Chain, rng: np.random.Generator) -> Chain:
    return _instead(chain[0], rng), *chain[1:]


def _other_last(chain: Chain, rng: np.random.Generator) -> Chain:
    return *chain[:3], _instead(chain[3], rng)


def _instead(kind: str, rng: np.random.Generator) -> str:
    """Draw another element: for a halogen a halogen, for others one with room."""
    halogen = VALENCE[kind] == 1
    others = [e for e in ELEMENTS if (VALENCE[e] == 1) == halogen and e != kind]
    return str(rng.choice(others))


_DECOYS = (_exchanged, _other_first, _other_last)
