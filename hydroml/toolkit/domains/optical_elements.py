"""The thirty elements of the optical bench, and setups as sequences of them."""

from dataclasses import dataclass
from itertools import combinations

__all__ = ["ELEMENTS", "PATHS", "Element", "Setup", "elements_of"]

PATHS = "abcd"

Setup = tuple[int, ...]
"""Places in `ELEMENTS`, in the order in which the photons meet them."""


@dataclass(frozen=True)
class Element:
    """One element of the bench.

    Parameters
    ----------
    kind : str
        ``splitter``, ``mirror``, ``dove`` or ``hologram``.
    paths : str
        Two paths of a splitter, one of the others.
    shift : int
        What a hologram adds to l.

    Examples
    --------
    >>> print(ELEMENTS[0], ELEMENTS[-1])
    splitter(ab) hologram(d+2)
    """

    kind: str
    paths: str
    shift: int = 0

    def __str__(self) -> str:
        return f"{self.kind}({self.paths}{f'{self.shift:+d}' if self.shift else ''})"


ELEMENTS = (
    *(Element("splitter", x + y) for x, y in combinations(PATHS, 2)),
    *(Element(kind, x) for kind in ("mirror", "dove") for x in PATHS),
    *(Element("hologram", x, n) for x in PATHS for n in (-2, -1, 1, 2)),
)
"""The tokens: 6 beam splitters, 4 mirrors, 4 Dove prisms, 16 holograms."""


def elements_of(setup: Setup) -> list[Element]:
    """Look the tokens of a setup up.

    Parameters
    ----------
    setup : tuple of int
        Places in `ELEMENTS`.

    Raises
    ------
    ValueError
        A token that is no element.

    Examples
    --------
    >>> [str(element) for element in elements_of((0, 6, 10))]
    ['splitter(ab)', 'mirror(a)', 'dove(a)']
    """
    wrong = [token for token in setup if not 0 <= token < len(ELEMENTS)]
    if wrong:
        raise ValueError(f"Token {wrong[0]} is no element: give 0 to {len(ELEMENTS) - 1}.")
    return [ELEMENTS[token] for token in setup]
