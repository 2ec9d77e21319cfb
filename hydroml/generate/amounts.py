"""Gamma distributions of wet days' amounts, by maximum likelihood."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, polygamma

from hydroml.generate.weather import Floats

_STEPS = 8  # of Newton's method from a start that is off by a percent or so
_SMALLEST = 1e-6  # of mean-log differences: equal amounts have no shape


def fit_gamma(mean: ArrayLike, mean_log: ArrayLike) -> tuple[Floats, Floats]:
    """Find shape and scale of the gamma distribution that is likeliest.

    The likelihood is highest where ``ln k - digamma(k) = ln(mean x) - mean(ln x)`` and ``scale =
    mean x / k``. Newton's method starts from the closed form of Thom (1958, doi
    10.1175/1520-0493(1958)086<0117:ANOTGD>2.0.CO;2): ``k = (1 + sqrt(1 + 4 A / 3)) / (4 A)``.

    Parameters
    ----------
    mean, mean_log : array
        Means of the amounts and of their logarithms, of one shape.

    Returns
    -------
    shape, scale : ndarray
        Of that shape.

    Examples
    --------
    >>> x = np.random.default_rng(0).gamma(0.7, 5.0, 100_000)
    >>> [round(float(v), 1) for v in fit_gamma(x.mean(), np.log(x).mean())]
    [0.7, 5.0]
    """
    average = np.asarray(mean, dtype=np.float64)
    gap = np.maximum(np.log(average) - np.asarray(mean_log, dtype=np.float64), _SMALLEST)
    shape = (1 + np.sqrt(1 + 4 * gap / 3)) / (4 * gap)
    for _ in range(_STEPS):
        # in 1/k the equation is nearly linear (Minka 2002): no step can leave the positive side
        slope = 1 / shape - polygamma(1, shape)
        shape = 1 / (1 / shape + (np.log(shape) - digamma(shape) - gap) / (shape**2 * slope))
    return shape, average / shape
