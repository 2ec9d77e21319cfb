"""Biases of three segments of the flow duration curve: FHV, FMS and FLV, in two flavours.

The curve is the discharge sorted in descending order. The scores are those of Yilmaz et al.
(2008, doi 10.1029/2007WR006716, eqs. A2 to A4), in percent. Published codes differ in details
that matter for rivers that fall dry, so the details have names (`FLAVOURS`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydroml.errors import ConfigError, nearest

Floats = NDArray[np.float64]
TINY = 1e-6
"""Stands for a discharge of zero before a logarithm [mm d-1], and keeps sums from zero."""

HIGH = 0.02
"""FHV: the share of highest days."""
MIDDLE = (0.2, 0.7)
"""FMS: the exceedance frequencies between which the slope is taken."""
LOW = 0.3
"""FLV: the share of lowest days."""


@dataclass(frozen=True)
class Flavour:
    """What published codes do differently.

    Parameters
    ----------
    name : str
        Key in `FLAVOURS`.
    volume_guard : float
        Added to the denominator of FHV [mm d-1].
    log_guard : float
        Added to discharge before the logarithm [mm d-1].
    clip_negative : bool
        Whether simulations below zero, not only those of zero, become `TINY`.
    first_low_rank : callable
        Number of days to first rank (from 0) of the low segment.
    """

    name: str
    volume_guard: float
    log_guard: float
    clip_negative: bool
    first_low_rank: Callable[[Floats], Floats]


FLAVOURS: Mapping[str, Flavour] = {
    # Kratzert et al. (2019), doi 10.5194/hess-23-5089-2019, as published with the paper
    "kratzert2019": Flavour("kratzert2019", TINY, TINY, False, lambda n: np.round((1 - LOW) * n)),
    # the neuralhydrology package
    "neuralhydrology": Flavour("neuralhydrology", 0.0, 0.0, True, lambda n: n - np.round(LOW * n)),
}
"""The flavours by name."""


@dataclass(frozen=True)
class Curves:
    """Flow duration curves of paired series.

    Parameters
    ----------
    obs, sim : array (..., time)
        Discharge in descending order [mm d-1]; days that do not count stand last.
    log_obs, log_sim : array (..., time)
        Logarithms of the curves after zeros have become `TINY`.
    n : array (...)
        Number of days that count.
    """

    obs: Floats
    sim: Floats
    log_obs: Floats
    log_sim: Floats
    n: Floats


def flavour_named(name: str) -> Flavour:
    """Look up a flavour.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in FLAVOURS:
        raise ConfigError(f"Unknown flavour of metrics {name!r}.", nearest(name, FLAVOURS))
    return FLAVOURS[name]


def curves(obs: Floats, sim: Floats, valid: NDArray[np.bool_], flavour: Flavour) -> Curves:
    """Sort paired series into flow duration curves.

    Parameters
    ----------
    obs, sim : array (..., time)
        Observed and simulated discharge [mm d-1], float64.
    valid : boolean array (..., time)
        The days that count.
    flavour : Flavour
        One of `FLAVOURS`.

    Examples
    --------
    >>> q = np.array([1.0, 3.0, 2.0])
    >>> curves(q, q, q > 1, FLAVOURS["kratzert2019"]).obs
    array([  3.,   2., -inf])
    """
    no_zeros = np.where(obs == 0, TINY, obs)
    dry = sim <= 0 if flavour.clip_negative else sim == 0
    no_zeros_sim = np.where(dry, TINY, sim)
    return Curves(
        obs=_descending(obs, valid),
        sim=_descending(sim, valid),
        log_obs=_log(_descending(no_zeros, valid), flavour.log_guard),
        log_sim=_log(_descending(no_zeros_sim, valid), flavour.log_guard),
        n=valid.sum(axis=-1, dtype=float),
    )


def fhv(c: Curves, flavour: Flavour) -> Floats:
    """Bias of the volume of the highest 2 % of days [%].

    ``FHV = 100 sum(sim_h - obs_h) / (sum(obs_h) + guard)`` over the ``round(0.02 n)`` largest
    values of each. NaN for fewer than 26 days, where there is no such day.

    Examples
    --------
    >>> obs = np.arange(1.0, 51.0)  # 50 days: the single highest
    >>> paper = FLAVOURS["kratzert2019"]
    >>> round(float(fhv(curves(obs, 0.8 * obs, obs > 0, paper), paper)), 3)
    -20.0
    """
    top = _ranks(c) < np.round(HIGH * c.n)[..., None]
    volume = np.where(top, c.obs, 0.0).sum(axis=-1)
    excess = np.where(top, c.sim, 0.0).sum(axis=-1) - volume
    return 100 * _ratio(excess, np.where(top.any(axis=-1), volume + flavour.volume_guard, 0.0))


def fms(c: Curves, flavour: Flavour) -> Floats:
    """Bias of the slope of the middle of the curve [%].

    With s, o the logarithms at ranks ``round(0.2 n)`` and ``round(0.7 n)``:
    ``FMS = 100 ((s1 - s2) - (o1 - o2)) / (o1 - o2 + 1e-6)``.
    """
    slope_obs = _slope(c.log_obs, c.n)
    return 100 * _ratio(_slope(c.log_sim, c.n) - slope_obs, slope_obs + TINY)


def flv(c: Curves, flavour: Flavour) -> Floats:
    """Bias of the volume of the lowest 30 % of days, in logarithms [%].

    ``FLV = -100 (sum(s - min s) - sum(o - min o)) / (sum(o - min o) + 1e-6)`` over the low
    segment, which begins at rank ``round(0.7 n)`` (kratzert2019) or is the last
    ``round(0.3 n)`` days (neuralhydrology). Very large where the observed low flow is
    constant, as in the published codes: use the median over basins.
    """
    ranks = _ranks(c)
    low = (ranks >= flavour.first_low_rank(c.n)[..., None]) & (ranks < c.n[..., None])
    volume_obs = _above_minimum(c.log_obs, low)
    return -100 * _ratio(_above_minimum(c.log_sim, low) - volume_obs, volume_obs + TINY)


def _descending(q: Floats, valid: NDArray[np.bool_]) -> Floats:
    return -np.sort(np.where(valid, -q, np.inf), axis=-1)


def _log(curve: Floats, guard: float) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):  # negative simulations, days not valid
        return np.log(curve + guard)


def _ranks(c: Curves) -> NDArray[np.int64]:
    return np.arange(c.obs.shape[-1])


def _slope(log_curve: Floats, n: Floats) -> Floats:
    if log_curve.shape[-1] == 0:
        return np.full(n.shape, np.nan)
    upper, lower = (np.minimum(np.round(m * n), np.maximum(n - 1, 0)).astype(int) for m in MIDDLE)
    take = np.take_along_axis
    with np.errstate(invalid="ignore"):
        return (
            take(log_curve, upper[..., None], axis=-1) - take(log_curve, lower[..., None], axis=-1)
        )[..., 0]


def _above_minimum(log_curve: Floats, segment: NDArray[np.bool_]) -> Floats:
    lowest = np.where(segment, log_curve, np.inf).min(axis=-1, initial=np.inf, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(segment, log_curve - lowest, 0.0).sum(axis=-1)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where the quotient is not a finite number."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient = numerator / denominator
    return np.where(np.isfinite(quotient), quotient, np.nan)
