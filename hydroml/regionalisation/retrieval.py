r"""Weights of donors: how much each gauged basin counts for one without flow.

Hopfield retrieval gives donor :math:`i` of a basin with attributes :math:`\xi` the weight
:math:`\mathrm{softmax}_i(\beta\, x_i^\top \xi)` (Ramsauer et al., 2021, arXiv 2008.02217). Between
standardised attributes, products favour donors that are extreme in everything. With one more
coordinate, :math:`(x_i, -|x_i|^2/2)` stored and :math:`(\xi, 1)` as state, they are
:math:`-|x_i - \xi|^2 / 2` up to a constant: the nearest donor weighs most (`as_patterns`).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.toolkit.attention.hopfield import Hopfield

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EARTH_RADIUS = 6371.0
"""Of the sphere [km]."""


def hopfield_weights(
    stored: Floats, state: Floats, beta: float, barred: Flags | None = None
) -> Floats:
    """Weights of stored patterns for states: the association of a Hopfield layer without maps.

    The one place where hydroml's donors meet `hydroml.toolkit.attention.hopfield`.

    Parameters
    ----------
    stored : ndarray (N, D)
        Patterns of donors.
    state : ndarray (Q, D)
        Patterns of the basins that look for donors.
    beta : float
        Inverse temperature, above 0.
    barred : bool ndarray (Q, N), optional
        Donors that may not serve: the basin itself, in leave-one-out.

    Returns
    -------
    ndarray (Q, N)
        Rows that sum to one.

    Examples
    --------
    >>> stored, state = as_patterns(np.array([[0.0], [1.0]]), np.array([[0.0]]))
    >>> hopfield_weights(stored, state, beta=2.0).round(3)  # exp(0) against exp(-2 / 2)
    array([[0.731, 0.269]])
    """
    memory = Hopfield(
        stored.shape[1], num_heads=1, scaling=float(beta), disable_out_projection=True,
        stored_pattern_as_static=True, state_pattern_as_static=True,
        pattern_projection_as_static=True, normalize_stored_pattern=False,
        normalize_state_pattern=False, normalize_pattern_projection=False,
    ).double()  # fmt: skip
    patterns, states = (torch.from_numpy(np.asarray(a, np.float64))[None] for a in (stored, state))
    mask = None if barred is None else torch.from_numpy(barred)
    with torch.no_grad():
        found = memory.get_association_matrix((patterns, states, patterns), association_mask=mask)
    return np.asarray(found[0, 0].numpy(), np.float64)


def as_patterns(stored: Floats, state: Floats) -> tuple[Floats, Floats]:
    """Add the coordinate that makes products fall with squared distance.

    Parameters
    ----------
    stored : ndarray (N, D)
        Standardised attributes of donors.
    state : ndarray (Q, D)
        And of the basins that look for them.
    """
    return (
        np.column_stack([stored, -(stored**2).sum(axis=1) / 2]),
        np.column_stack([state, np.ones(len(state))]),
    )


def nearest_weights(distance: Floats, k: int, barred: Flags | None = None) -> Floats:
    """Equal weights of the k nearest donors.

    Parameters
    ----------
    distance : ndarray (Q, N)
        Of any kind; of equal ones the first donor is taken.
    k : int
        How many; all where there are fewer.
    barred : bool ndarray (Q, N), optional
        Donors that may not serve.

    Examples
    --------
    >>> nearest_weights(np.array([[3.0, 1.0, 2.0]]), k=2)
    array([[0. , 0.5, 0.5]])
    """
    open_to = distance if barred is None else np.where(barred, np.inf, distance)
    order = np.argsort(open_to, axis=1, kind="stable")[:, :k]
    weights = np.zeros_like(distance)
    allowed = np.isfinite(np.take_along_axis(open_to, order, axis=1)).astype(np.float64)
    share = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
    np.put_along_axis(weights, order, share, axis=1)
    return weights


def attribute_distance(a: Floats, b: Floats) -> Floats:
    """Euclidean distance of rows, (Q, S) and (N, S) to (Q, N)."""
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1))


def great_circle(a: Floats, b: Floats) -> Floats:
    """Distance on the sphere [km] of places given as latitude and longitude [degrees].

    Parameters
    ----------
    a : ndarray (Q, 2)
        Latitude and longitude.
    b : ndarray (N, 2)
        Likewise.

    Returns
    -------
    ndarray (Q, N)
        By the haversine formula.

    Examples
    --------
    >>> great_circle(np.array([[0.0, 0.0]]), np.array([[0.0, 90.0]])).round(0)  # a quarter round
    array([[10008.]])
    """
    (lat_a, lon_a), (lat_b, lon_b) = np.radians(a).T[:, :, None], np.radians(b).T[:, None, :]
    half = np.sin((lat_b - lat_a) / 2) ** 2
    half = half + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(half, 0, 1))))
