r"""Photons in an optical bench: from a list of elements to the Schmidt ranks of three of them.

Two crystals send pairs of photons with opposite orbital angular momentum l in {-1, 0, 1} down the
paths a, b and c, d. The state is a polynomial in creation operators,

.. math:: |\psi\rangle \propto Q^2 |0\rangle, \qquad
    Q = \sum_l a^\dagger_l b^\dagger_{-l} + \sum_l c^\dagger_l d^\dagger_{-l}

Each element is linear in the operators. With x and y two paths:

.. math::
    \text{splitter: } x_l \to (y_l + i x_{-l}) / \sqrt 2, \quad
    \text{mirror: } x_l \to i x_{-l}, \quad
    \text{Dove prism: } x_l \to i (-1)^l x_{-l}, \quad
    \text{hologram: } x_l \to x_{l + n}

so that Q stays a quadratic form, with coefficient :math:`P_{mn}` of the product of modes m and n.
Kept is what has one photon in each path: for the modes i, j, k, m of a, b, c, d the amplitude is

.. math:: A_{ijkm} = 2 (P_{ij} P_{km} + P_{ik} P_{jm} + P_{im} P_{jk})

Photon a is found with l = 0, which leaves a tensor over b, c, d. The ranks of its three unfoldings,
sorted downwards, are the Schmidt rank vector. `hydroml.toolkit.domains.optics_polynomial` follows
the polynomial term by term instead, and gives the same.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hydroml.toolkit.domains.optical_elements import ELEMENTS, PATHS, Setup, elements_of

__all__ = ["Optics", "OpticsSimulator", "State", "schmidt_ranks"]

Modes = NDArray[np.complex128]
"""(4 paths, 2 L + 1 levels, 12): both operators of each of the six pairs, after some elements."""


class Optics(NamedTuple):
    """What a setup gives: ranks (n, m, k), largest first, and whether all are at least 2."""

    ranks: tuple[int, int, int]
    entangled: bool


class State(NamedTuple):
    """Amplitudes of b, c, d, not normalised, and the levels l along each of the three axes."""

    amplitudes: NDArray[np.complex128]
    levels: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class OpticsSimulator:
    """Exact simulator of setups with two crystals and four paths.

    Parameters
    ----------
    shortest, longest : int
        Elements of a random setup, both ends included.
    tolerance : float
        Singular values below this share of the largest count as zero.

    References
    ----------
    Adler et al. (2021), doi:10.3390/photonics8120535; state and elements as in Krenn et al. (2016),
    doi:10.1103/PhysRevLett.116.090405.

    Examples
    --------
    Without any element b is alone with l = 0, and c and d share three levels:

    >>> OpticsSimulator().srv(())
    Optics(ranks=(3, 3, 1), entangled=False)
    """

    def __init__(self, shortest: int = 6, longest: int = 15, tolerance: float = 1e-8) -> None:
        if not 0 <= shortest <= longest:
            raise ValueError(f"Setups of {shortest} to {longest} elements: give 0 <= from <= to.")
        self.shortest, self.longest, self.tolerance = shortest, longest, tolerance

    def random_setup(self, rng: np.random.Generator) -> Setup:
        """Draw a length, then each element, evenly.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of chance.

        Returns
        -------
        tuple of int
            Places in `ELEMENTS`.
        """
        length = int(rng.integers(self.shortest, self.longest + 1))
        return tuple(rng.integers(len(ELEMENTS), size=length).tolist())

    def srv(self, setup: Setup) -> Optics:
        """Schmidt rank vector of the photons in b, c, d once a is found with l = 0.

        Parameters
        ----------
        setup : tuple of int
            Places in `ELEMENTS`, in the order in which the photons meet them.

        Returns
        -------
        Optics
            Ranks (0, 0, 0) where four photons never reach four paths with a at l = 0.

        Raises
        ------
        ValueError
            A token that is no element.
        """
        ranks = schmidt_ranks(self.state(setup).amplitudes, self.tolerance)
        return Optics(ranks, min(ranks) >= 2)

    def state(self, setup: Setup) -> State:
        """Amplitudes of the photons in b, c, d once a is found with l = 0.

        Parameters
        ----------
        setup : tuple of int
            Places in `ELEMENTS`.

        Returns
        -------
        State
            On the levels that a photon can have in each path, in rising order.
        """
        modes = _through(setup)
        reach = modes.shape[1] // 2
        places = [np.flatnonzero(path.any(axis=1)) for path in modes[1:]]
        a = modes[0, reach : reach + 1]
        b, c, d = (path[place] for path, place in zip(modes[1:], places, strict=True))
        amplitudes = 2 * (
            _form(a, b)[0][:, None, None] * _form(c, d)
            + _form(a, c)[0][:, None] * _form(b, d)[:, None]
            + _form(a, d)[0] * _form(b, c)[:, :, None]
        )
        return State(amplitudes, tuple(place - reach for place in places))  # type: ignore[arg-type]


def schmidt_ranks(
    amplitudes: NDArray[np.complex128], tolerance: float = 1e-8
) -> tuple[int, int, int]:
    """Ranks of the three unfoldings of a state of three photons, largest first.

    Parameters
    ----------
    amplitudes : numpy.ndarray
        (B, C, D), not necessarily normalised.
    tolerance : float
        Singular values below this share of the largest count as zero; so does a state whose
        largest amplitude is below it.

    Returns
    -------
    tuple of int
        (0, 0, 0) of a state that is zero.

    Raises
    ------
    ValueError
        Not three axes.

    References
    ----------
    Huber and de Vicente (2013), doi:10.1103/PhysRevLett.110.030501.

    Examples
    --------
    A Greenberger-Horne-Zeilinger state, and a Bell pair beside a photon on its own:

    >>> ghz, bell = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    >>> ghz[0, 0, 0] = ghz[1, 1, 1] = bell[0, 0, 0] = bell[1, 1, 0] = 0.5**0.5
    >>> schmidt_ranks(ghz), schmidt_ranks(bell)
    ((2, 2, 2), (2, 2, 1))
    """
    if amplitudes.ndim != 3:
        raise ValueError(f"A state of {amplitudes.ndim} photons; give three axes (B, C, D).")
    if amplitudes.size == 0 or np.abs(amplitudes).max() < tolerance:
        return 0, 0, 0
    ranks = []
    for axis in range(3):
        unfolded = np.moveaxis(amplitudes, axis, 0).reshape(amplitudes.shape[axis], -1)
        singular = np.linalg.svd(unfolded, compute_uv=False)
        ranks.append(int((singular > tolerance * singular[0]).sum()))
    n, m, k = sorted(ranks, reverse=True)
    return n, m, k


def _through(setup: Setup) -> Modes:
    """Send the six pairs through a setup."""
    elements = elements_of(setup)
    reach = 1 + sum(abs(element.shift) for element in elements)
    modes = np.zeros((4, 2 * reach + 1, 12), complex)
    for pair, (x, level) in enumerate((x, level) for x in (0, 2) for level in (-1, 0, 1)):
        modes[x, reach + level, pair] = modes[x + 1, reach - level, pair + 6] = 1
    for element in elements:
        paths = [PATHS.index(x) for x in element.paths]
        _ACTIONS[element.kind](modes, paths, element.shift)
    return modes


def _form(x: Modes, y: Modes) -> NDArray[np.complex128]:
    """P between the modes of two paths: both orders of each pair, (levels of x, levels of y)."""
    swapped = np.concatenate([y[:, 6:], y[:, :6]], axis=1)
    form: NDArray[np.complex128] = x @ swapped.T
    return form


def _split(modes: Modes, paths: list[int], shift: int) -> None:
    x, y = modes[paths]
    modes[paths[0]] = (y + 1j * x[::-1]) * np.sqrt(0.5)
    modes[paths[1]] = (x + 1j * y[::-1]) * np.sqrt(0.5)


def _reflect(modes: Modes, paths: list[int], shift: int) -> None:
    modes[paths] = 1j * modes[paths, ::-1]


def _turn(modes: Modes, paths: list[int], shift: int) -> None:
    reach = modes.shape[1] // 2
    sign = 1 - 2 * (np.arange(-reach, reach + 1) % 2)  # (-1)^l is the same for l and -l
    modes[paths] = 1j * sign[:, None] * modes[paths, ::-1]


def _shift(modes: Modes, paths: list[int], shift: int) -> None:
    # nothing is rolled over the edge: the reach counts every shift
    modes[paths] = np.roll(modes[paths], shift, axis=1)


_ACTIONS: dict[str, Callable[[Modes, list[int], int], None]] = {
    "splitter": _split,
    "mirror": _reflect,
    "dove": _turn,
    "hologram": _shift,
}
