"""First-order linear series with given correlations, of several basins at once.

``x_t = A x_(t-1) + B e_t`` with ``A = M1 M0^-1`` and ``B B' = M0 - A M1'``, M0 and M1 the
correlations of the same and of the next day (Matalas 1967, doi 10.1029/WR003i004p00937), as in
Richardson (1981, doi 10.1029/WR017i001p00182).
"""

import numpy as np
from numpy.typing import NDArray

from hydroml.generate.weather import Floats

_LEAST = 1e-6  # of eigenvalues: rounding, or variables that are sums of each other


def fit_linear(values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Fit A and B to series that are standardised here.

    Parameters
    ----------
    values : ndarray
        (B, T, F).

    Returns
    -------
    A, B : ndarray
        (B, F, F). A variable that never varies is noise of its own.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.zeros((1, 20_000, 1))
    >>> for t in range(1, 20_000):
    ...     x[:, t] = 0.8 * x[:, t - 1] + 0.6 * rng.normal()
    >>> [part.round(2).item() for part in fit_linear(x)]
    [0.8, 0.6]
    """
    centred = values - values.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    standard = np.divide(centred, scale, out=np.zeros(values.shape), where=scale > 0)
    days = values.shape[1]
    still = np.eye(values.shape[2]) * (scale == 0)  # their correlation with themselves is 1
    same = np.matmul(standard.transpose(0, 2, 1), standard) / days + still
    following = np.matmul(standard[:, 1:].transpose(0, 2, 1), standard[:, :-1]) / (days - 1)
    step: Floats = following @ np.linalg.inv(same + _LEAST * np.eye(values.shape[2]))
    return step, _root(same - step @ following.transpose(0, 2, 1))


def _root(covariance: Floats) -> Floats:
    """Matrices whose square is the nearest that is positive."""
    symmetric = (covariance + covariance.transpose(0, 2, 1)) / 2
    size, axes = np.linalg.eigh(symmetric)
    root: Floats = axes * np.sqrt(np.maximum(size, _LEAST))[:, None, :]
    return root @ axes.transpose(0, 2, 1)
