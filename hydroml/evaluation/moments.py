"""Scores made of means, variances and correlation: NSE and its parts, KGE, RMSE.

All work on arrays (..., time), with a mask of the days that count, over all leading
dimensions at once. What is not defined (a constant series has no correlation) is NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """First and second moments of paired series over the days that count.

    Parameters
    ----------
    n : array (...)
        Number of days.
    mean_obs, mean_sim : array (...)
        Means [mm d-1].
    std_obs, std_sim : array (...)
        Standard deviations with ddof 0 [mm d-1]; exactly 0 for a constant series.
    covariance : array (...)
        Mean product of the deviations [mm2 d-2].
    mse : array (...)
        Mean squared error [mm2 d-2].
    """

    n: Floats
    mean_obs: Floats
    mean_sim: Floats
    std_obs: Floats
    std_sim: Floats
    covariance: Floats
    mse: Floats


def moments(obs: Floats, sim: Floats, valid: NDArray[np.bool_]) -> Moments:
    """Compute the moments of paired series.

    Parameters
    ----------
    obs, sim : array (..., time)
        Observed and simulated discharge [mm d-1], float64.
    valid : boolean array (..., time)
        The days that count; others may hold anything.

    Returns
    -------
    Moments
        NaN, but for `n`, where fewer than two days count.

    Examples
    --------
    >>> m = moments(np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([True, True]))
    >>> float(m.mean_obs), float(m.std_obs), float(m.std_sim), float(m.mse)
    (2.0, 1.0, 0.0, 1.0)
    """
    n = valid.sum(axis=-1, dtype=float)
    days = np.where(n >= 2, n, np.nan)
    mean_obs, dev_obs = _centred(obs, valid, days)
    mean_sim, dev_sim = _centred(sim, valid, days)
    error = np.where(valid, sim - obs, 0.0)
    return Moments(
        n=n,
        mean_obs=mean_obs,
        mean_sim=mean_sim,
        std_obs=np.sqrt(_dot(dev_obs, dev_obs) / days),
        std_sim=np.sqrt(_dot(dev_sim, dev_sim) / days),
        covariance=_dot(dev_obs, dev_sim) / days,
        mse=_dot(error, error) / days,
    )


def nse(m: Moments) -> Floats:
    """Nash-Sutcliffe efficiency.

    ``NSE = 1 - sum((sim - obs)^2) / sum((obs - mean(obs))^2)``; 1 is perfect, 0 as good as
    the observed mean. Nash and Sutcliffe (1970), doi 10.1016/0022-1694(70)90255-6, eq. 3.

    Examples
    --------
    >>> obs, sim = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])
    >>> float(nse(moments(obs, sim, obs > 0)))  # 1 - 1 / 2
    0.5
    """
    return 1 - m.mse / _nonzero(m.std_obs) ** 2


def alpha(m: Moments) -> Floats:
    """Ratio of the standard deviations, ``std(sim) / std(obs)`` (ddof 0).

    Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4.
    """
    return m.std_sim / _nonzero(m.std_obs)


def beta(m: Moments) -> Floats:
    """Bias over the observed standard deviation, ``(mean(sim) - mean(obs)) / std(obs)``.

    Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4 (there ``beta_n``), where
    ``NSE = 2 alpha r - alpha^2 - beta_n^2``.
    """
    return (m.mean_sim - m.mean_obs) / _nonzero(m.std_obs)


def correlation(m: Moments) -> Floats:
    """Pearson's correlation coefficient r, clipped to [-1, 1] against rounding."""
    r = m.covariance / _nonzero(m.std_obs * m.std_sim)
    return np.clip(r, -1.0, 1.0)


def kge(m: Moments) -> Floats:
    """Kling-Gupta efficiency of 2009.

    ``KGE = 1 - sqrt((r - 1)^2 + (alpha - 1)^2 + (mean(sim) / mean(obs) - 1)^2)``.
    Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 9.

    Examples
    --------
    >>> obs = np.array([1.0, 2.0, 3.0])
    >>> float(kge(moments(obs, obs + 1, obs > 0)))  # only the ratio of means is off: 3 / 2
    0.5
    """
    ratio = m.mean_sim / _nonzero(m.mean_obs)
    return 1 - np.sqrt((correlation(m) - 1) ** 2 + (alpha(m) - 1) ** 2 + (ratio - 1) ** 2)


def rmse(m: Moments) -> Floats:
    """Root mean squared error [mm d-1], ``sqrt(mean((sim - obs)^2))``."""
    return np.sqrt(m.mse)


def _centred(q: Floats, valid: NDArray[np.bool_], days: Floats) -> tuple[Floats, Floats]:
    """Mean and deviations from it (0 on days that do not count, and for a constant series)."""
    mean = np.where(valid, q, 0.0).sum(axis=-1) / days
    low = np.where(valid, q, np.inf).min(axis=-1, initial=np.inf)
    high = np.where(valid, q, -np.inf).max(axis=-1, initial=-np.inf)
    varies = valid & (low < high)[..., None]  # rounding must not give a constant a variance
    return mean, np.where(varies, q - mean[..., None], 0.0)


def _dot(a: Floats, b: Floats) -> Floats:
    return np.einsum("...t,...t->...", a, b)


def _nonzero(x: Any) -> Floats:
    return np.where(x > 0, x, np.nan)
