"""States of light as polynomials in creation operators, term by term: slow, plain, any state.

A mode is (path, l), a monomial a sorted tuple of modes, a state a dict from monomials to complex
coefficients. An element replaces each operator by a sum (see `hydroml.toolkit.domains.optics`).
The norm counts n! for n photons in one mode: ``|| c (x^+)^n |0> ||^2 = |c|^2 n!``.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from math import factorial, prod, sqrt

from hydroml.toolkit.domains.optical_elements import PATHS, Element, Setup, elements_of

__all__ = ["Mode", "Polynomial", "apply_element", "coincidences", "crystals", "norm", "run_setup"]

Mode = tuple[str, int]
Polynomial = Mapping[tuple[Mode, ...], complex]

SMALLEST = 1e-12
"""Coefficients below it are what rounding leaves of terms that cancel."""


def crystals(levels: tuple[int, ...] = (-1, 0, 1)) -> Polynomial:
    """State of two crystals with two pairs of photons, not normalised.

    Parameters
    ----------
    levels : tuple of int
        l of the photons in a and c; b and d have -l.

    Returns
    -------
    dict
        The square of the sum of all pairs.
    """
    pairs = [((x, level), (y, -level)) for x, y in ("ab", "cd") for level in levels]
    state: dict[tuple[Mode, ...], complex] = {}
    for first in pairs:
        for second in pairs:
            monomial = tuple(sorted(first + second))
            state[monomial] = state.get(monomial, 0) + 1
    return state


def apply_element(state: Polynomial, element: Element) -> Polynomial:
    """Send a state through one element.

    Parameters
    ----------
    state : mapping
        Of any number of photons.
    element : Element
        Of the bench.

    Examples
    --------
    Two equal photons never leave a beam splitter one in each path (Hong, Ou and Mandel 1987):

    >>> both = apply_element({(("a", 0), ("b", 0)): 1.0}, Element("splitter", "ab"))
    >>> {"".join(path for path, _ in modes): round(abs(c), 3) for modes, c in both.items()}
    {'bb': 0.5, 'aa': 0.5}
    """
    rule = _RULES[element.kind]
    found: dict[tuple[Mode, ...], complex] = {}
    for monomial, coefficient in state.items():
        terms: list[tuple[tuple[Mode, ...], complex]] = [((), coefficient)]
        for mode in monomial:
            images = rule(mode, element) if mode[0] in element.paths else ((mode, 1),)
            terms = [((*done, to), c * factor) for done, c in terms for to, factor in images]
        for modes, c in terms:
            key = tuple(sorted(modes))
            found[key] = found.get(key, 0) + c
    return {modes: c for modes, c in found.items() if abs(c) > SMALLEST}


def run_setup(setup: Setup, state: Polynomial | None = None) -> Polynomial:
    """Send a state through a setup.

    Parameters
    ----------
    setup : tuple of int
        Places in `ELEMENTS`.
    state : mapping, optional
        Of the two crystals if left out.
    """
    state = crystals() if state is None else state
    for element in elements_of(setup):
        state = apply_element(state, element)
    return state


def coincidences(state: Polynomial) -> dict[tuple[int, int, int], complex]:
    """Keep terms with one photon in each path and l = 0 in a: l of b, c, d and amplitude.

    Parameters
    ----------
    state : mapping
        Of four photons.
    """
    kept = {}
    for monomial, coefficient in state.items():
        if [path for path, _ in monomial] == list(PATHS) and monomial[0][1] == 0:
            b, c, d = (level for _, level in monomial[1:])
            kept[b, c, d] = coefficient
    return kept


def norm(state: Polynomial) -> float:
    """Length of a state; every element keeps it.

    Parameters
    ----------
    state : mapping
        Of any number of photons.

    Examples
    --------
    >>> norm({(("a", 0), ("a", 0)): 1.0}) ** 2
    2.0000000000000004
    """
    return sqrt(
        sum(
            abs(c) ** 2 * prod(factorial(n) for n in Counter(modes).values())
            for modes, c in state.items()
        )
    )


Images = tuple[tuple[Mode, complex], ...]


def _split(mode: Mode, element: Element) -> Images:
    path, level = mode
    other = element.paths.replace(path, "")
    return ((other, level), sqrt(0.5)), ((path, -level), 1j * sqrt(0.5))


def _reflect(mode: Mode, element: Element) -> Images:
    path, level = mode
    return (((path, -level), 1j),)


def _turn(mode: Mode, element: Element) -> Images:
    path, level = mode
    return (((path, -level), 1j * (-1) ** abs(level)),)


def _shift(mode: Mode, element: Element) -> Images:
    path, level = mode
    return (((path, level + element.shift), 1),)


_RULES: dict[str, Callable[[Mode, Element], Images]] = {
    "splitter": _split,
    "mirror": _reflect,
    "dove": _turn,
    "hologram": _shift,
}
