"""Ways to weigh donors, each with what it has to choose and its weights in leave-one-out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydroml.regionalisation.embedding import (
    PairOptions,
    attribute_patterns,
    flow_patterns,
    folds,
    train_pair,
)
from hydroml.regionalisation.retrieval import (
    EARTH_RADIUS,
    as_patterns,
    attribute_distance,
    great_circle,
    hopfield_weights,
    nearest_weights,
)
from hydroml.toolkit.transfer.cloob import ContrastivePair

Floats = NDArray[np.float64]
Choice = tuple[float, ...]

NEIGHBOURS = ((2.0,), (3.0,), (5.0,), (8.0,), (12.0,), (20.0,))
BETAS = tuple((float(b),) for b in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20))
COSINE_BETAS = tuple((float(b),) for b in (2, 5, 10, 20, 40, 80, 160))
LENGTHS = (15.0, 25.0, 40.0, 65.0, 100.0, 200.0)  # of spatial weights [km]
FLOW_SHARES = (0.0, 0.5, 1.0)  # of a donor's flow in its pattern, beside its attributes
PARTS = 5
"""The pair of CLOOB is judged by cross-validation in so many parts: it has to be trained anew."""


@dataclass(frozen=True)
class Basins:
    """What the methods know of N gauged basins and of Q without flow.

    Parameters
    ----------
    attributes : ndarray (N, S)
        Of the gauged basins, standardised by their own mean and spread.
    ungauged : ndarray (Q, S)
        Of the others, by the same mean and spread.
    places : ndarray (N, 2)
        Latitude and longitude of the gauged [degrees].
    ungauged_places : ndarray (Q, 2)
        And of the others.
    years : ndarray (N, Y, K)
        Standardised signatures of the gauged basins' water years, NaN where incomplete.
    """

    attributes: Floats
    ungauged: Floats
    places: Floats
    ungauged_places: Floats
    years: Floats

    @property
    def own(self) -> NDArray[np.bool_]:
        """Bars each gauged basin from being its own donor, (N, N)."""
        return np.eye(len(self.attributes), dtype=bool)


@dataclass(frozen=True)
class Method:
    """A way to weigh donors.

    Parameters
    ----------
    title : str
        In words.
    offered : tuple
        What may be chosen.
    among : callable
        From a choice to weights (N, N) among the gauged basins, none for itself.
    onto : callable
        From a choice to weights (Q, N) for the basins without flow.
    """

    title: str
    offered: tuple[Choice, ...]
    among: Callable[[Choice], Floats]
    onto: Callable[[Choice], Floats]


def nearest_in_attributes(basins: Basins) -> Method:
    """Take the one donor nearest in standardised attributes."""
    return _neighbours("nearest in attributes", ((1.0,),), *_attribute_distances(basins))


def several_in_attributes(basins: Basins) -> Method:
    """Take the mean of the k nearest in standardised attributes."""
    return _neighbours("mean of k nearest in attributes", NEIGHBOURS, *_attribute_distances(basins))


def nearest_in_space(basins: Basins) -> Method:
    """Take the one donor whose gauge is nearest."""
    return _neighbours("nearest in space", ((1.0,),), *_space_distances(basins))


def several_in_space(basins: Basins) -> Method:
    """Take the mean of the k donors whose gauges are nearest."""
    return _neighbours("mean of k nearest in space", NEIGHBOURS, *_space_distances(basins))


def hopfield(basins: Basins) -> Method:
    """Retrieve by distance in standardised attributes."""
    stored, state = as_patterns(basins.attributes, basins.ungauged)
    _, own = as_patterns(basins.attributes, basins.attributes)
    return _retrieval("Hopfield, attributes", BETAS, stored, own, state)


def hopfield_cosine(basins: Basins) -> Method:
    """Retrieve by the angle between standardised attributes."""
    stored, state = (
        a / np.linalg.norm(a, axis=1, keepdims=True).clip(1e-12)
        for a in (basins.attributes, basins.ungauged)
    )
    return _retrieval("Hopfield, attributes, cosine", COSINE_BETAS, stored, stored, state)


def hopfield_space(basins: Basins) -> Method:
    """Retrieve by place: unit vectors of gauges, weights that fall like exp(-d^2 / (2 L^2))."""
    offered = tuple((length,) for length in LENGTHS)
    stored, state = (_on_sphere(p) for p in (basins.places, basins.ungauged_places))

    def weights(choice: Choice, query: Floats, barred: NDArray[np.bool_] | None) -> Floats:
        return hopfield_weights(stored, query, (EARTH_RADIUS / choice[0]) ** 2, barred)

    return Method(
        "Hopfield, space", offered,
        lambda c: weights(c, stored, basins.own), lambda c: weights(c, state, None),
    )  # fmt: skip


def hopfield_both(basins: Basins) -> Method:
    """Retrieve by attributes and place together: one pattern, the product of both weights."""
    offered = tuple((beta, length) for (beta,) in BETAS for length in LENGTHS)
    places, ungauged = (_on_sphere(p) for p in (basins.places, basins.ungauged_places))

    def weights(choice: Choice, attributes: Floats, place: Floats, barred: object) -> Floats:
        beta, length = choice
        scale = EARTH_RADIUS / length / np.sqrt(beta)
        stored, state = as_patterns(
            np.column_stack([basins.attributes, scale * places]),
            np.column_stack([attributes, scale * place]),
        )
        return hopfield_weights(stored, state, beta, barred)  # type: ignore[arg-type]

    return Method(
        "Hopfield, attributes and space", offered,
        lambda c: weights(c, basins.attributes, places, basins.own),
        lambda c: weights(c, basins.ungauged, ungauged, None),
    )  # fmt: skip


def cloob(basins: Basins, options: PairOptions | None = None) -> Method:
    """Retrieve by the embedding of attributes, among embeddings of the donors.

    A donor's pattern is a mixture of its embedded attributes and its embedded flow; the share of
    the flow is chosen beside the inverse temperature.
    """
    options = options or PairOptions()
    part = folds(len(basins.attributes), min(PARTS, len(basins.attributes)), options.seed)
    rest = [part != p for p in range(part.max() + 1)]
    pairs = [train_pair(basins.attributes[r], basins.years[r], options) for r in rest]
    views = [
        (_donor_views(pair, basins, r), attribute_patterns(pair, basins.attributes[~r]))
        for pair, r in zip(pairs, rest, strict=True)
    ]
    whole = train_pair(basins.attributes, basins.years, options)
    donors = _donor_views(whole, basins, np.ones(len(part), dtype=bool))
    state = attribute_patterns(whole, basins.ungauged)

    def among(choice: Choice) -> Floats:
        weights = np.zeros(basins.own.shape)
        for (stored, query), r in zip(views, rest, strict=True):
            weights[np.ix_(~r, r)] = _by_share(stored, query, choice)
        return weights

    offered = tuple((beta, share) for (beta,) in COSINE_BETAS for share in FLOW_SHARES)
    return Method("CLOOB embedding", offered, among, lambda c: _by_share(donors, state, c))


def _donor_views(
    pair: ContrastivePair, basins: Basins, chosen: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    return (
        attribute_patterns(pair, basins.attributes[chosen]),
        flow_patterns(pair, basins.years[chosen]),
    )


def _by_share(views: tuple[Floats, Floats], state: Floats, choice: Choice) -> Floats:
    beta, share = choice
    return hopfield_weights((1 - share) * views[0] + share * views[1], state, beta)


def _retrieval(
    title: str, offered: tuple[Choice, ...], stored: Floats, own: Floats, state: Floats
) -> Method:
    barred = np.eye(len(stored), dtype=bool)
    return Method(
        title, offered,
        lambda c: hopfield_weights(stored, own, c[0], barred),
        lambda c: hopfield_weights(stored, state, c[0]),
    )  # fmt: skip


def _neighbours(title: str, offered: tuple[Choice, ...], among: Floats, onto: Floats) -> Method:
    barred = np.eye(len(among), dtype=bool)
    return Method(
        title, offered,
        lambda c: nearest_weights(among, int(c[0]), barred),
        lambda c: nearest_weights(onto, int(c[0])),
    )  # fmt: skip


def _attribute_distances(basins: Basins) -> tuple[Floats, Floats]:
    return (
        attribute_distance(basins.attributes, basins.attributes),
        attribute_distance(basins.ungauged, basins.attributes),
    )


def _space_distances(basins: Basins) -> tuple[Floats, Floats]:
    return (
        great_circle(basins.places, basins.places),
        great_circle(basins.ungauged_places, basins.places),
    )


def _on_sphere(places: Floats) -> Floats:
    lat, lon = np.radians(places).T
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


METHODS: dict[str, Callable[[Basins], Method]] = {
    "nearest": nearest_in_attributes,
    "several": several_in_attributes,
    "hopfield": hopfield,
    "cosine": hopfield_cosine,
    "cloob": cloob,
    "nearest-space": nearest_in_space,
    "several-space": several_in_space,
    "hopfield-space": hopfield_space,
    "hopfield-both": hopfield_both,
}
"""The methods by name."""
