"""The score that a dry day hides: draws of it, so that correlations are not those of a threshold.

Precipitation is taken for a normal score seen above a threshold only (Bardossy and Plate 1992, doi
10.1029/91WR02589). Dry days' scores and the linear series they belong to are found in turn: scores
are drawn from their distribution given their neighbours, below the threshold (Gibbs sampling), then
the series is fitted to them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from hydroml.generate.linear import fit_linear
from hydroml.generate.weather import Floats

SWEEPS = 16
"""Draws of all dry days; correlations have settled after ten."""
_TINY = 1e-12  # probabilities below have no normal score


def fit_hidden_linear(
    scores: NDArray[np.floating], threshold: NDArray[np.floating], rain: int, seed: int
) -> tuple[Floats, Floats]:
    """Fit A and B of `hydroml.generate.linear` to series of which one is hidden on dry days.

    Parameters
    ----------
    scores : ndarray
        Normal scores, (B, T, F); precipitation's on dry days do not matter.
    threshold : ndarray
        Score below which a day is dry, (B, T).
    rain : int
        Place of precipitation.
    seed : int
        Of the draws.

    Returns
    -------
    A, B : ndarray
        (B, F, F).
    """
    rng, x = np.random.default_rng(seed), np.array(scores, dtype=np.float64)
    dry = x[..., rain] <= threshold
    # a first guess that knows of no neighbour
    x[..., rain] = np.where(dry, _below(rng, threshold, 0.0, 1.0), x[..., rain])
    step, innovate = fit_linear(x)
    for _ in range(SWEEPS):
        for parity in (0, 1):  # days apart by two do not touch each other
            days = np.arange(parity, x.shape[1], 2)
            mean, std = _conditional(x, days, rain, step, innovate)
            drawn = _below(rng, threshold[:, days], mean, std)
            x[:, days, rain] = np.where(dry[:, days], drawn, x[:, days, rain])
        step, innovate = fit_linear(x)
    return step, innovate


def _conditional(
    x: Floats, days: NDArray[np.int64], rain: int, step: Floats, innovate: Floats
) -> tuple[Floats, Floats]:
    """Mean and standard deviation of precipitation's score given all others, (B, days)."""
    precision = np.linalg.inv(innovate @ innovate.transpose(0, 2, 1))
    backward = np.einsum("bf,bfg->bg", step[:, :, rain], precision)  # (B, F)
    residual = np.zeros(x.shape)  # of each day; the first and one behind the last have none
    residual[:, 1:] = x[:, 1:] - x[:, :-1] @ step.transpose(0, 2, 1)
    today = np.einsum("btf,bf->bt", residual[:, days], precision[:, rain])
    behind = np.pad(residual[:, 1:], ((0, 0), (0, 1), (0, 0)))[:, days]
    next_day = np.einsum("btf,bf->bt", behind, backward)
    last = days == x.shape[1] - 1
    own = np.where(days == 0, 1e-9, precision[:, rain, rain][:, None])
    other = np.einsum("bg,bg->b", backward, step[:, :, rain])[:, None]
    sharpness = own + np.where(last, 0.0, other)
    mean = x[:, days, rain] - (today - next_day) / sharpness
    return mean, 1 / np.sqrt(sharpness)


def _below(
    rng: np.random.Generator, limit: NDArray[np.floating], mean: Floats | float, std: Floats | float
) -> Floats:
    """Draw normal numbers that are below a limit."""
    share = ndtr((limit - mean) / std)
    uniform = rng.random(limit.shape)
    return np.minimum(mean + std * ndtri(np.clip(uniform * share, _TINY, 1 - _TINY)), limit)
