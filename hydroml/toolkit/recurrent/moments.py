r"""Mean and variance of a Gaussian behind a SELU, and the SELU that keeps them.

With :math:`z \sim N(\mu, \nu)` and :math:`y = \lambda z` for z > 0, :math:`\lambda\alpha(e^z - 1)`
otherwise,

.. math::
    E[y] = \tfrac{\lambda}{2}\Big[\mu + \mu\,\mathrm{erf}\tfrac{\mu}{\sqrt{2\nu}}
        + \sqrt{\tfrac{2\nu}{\pi}} e^{-\mu^2/2\nu}
        + \alpha\,(E_1 - E_0)\Big] \\
    E[y^2] = \tfrac{\lambda^2}{2}\Big[(\mu^2 + \nu)
        \big(1 + \mathrm{erf}\tfrac{\mu}{\sqrt{2\nu}}\big)
        + \mu\sqrt{\tfrac{2\nu}{\pi}} e^{-\mu^2/2\nu}
        + \alpha^2 (E_2 - 2 E_1 + E_0)\Big]

with twice the mean of :math:`e^{kz}` below zero,
:math:`E_k = e^{k\mu + k^2\nu/2}\,\mathrm{erfc}\frac{\mu + k\nu}{\sqrt{2\nu}}`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import erf, erfc, erfcx

Array = NDArray[np.float64]

ALPHA = 1.6732632423543772
LAMBDA = 1.0507009873554805
"""Slopes of the SELU whose fixed point is mean 0 and variance 1 (Klambauer et al. 2017)."""


def moment_map(
    mu: ArrayLike, nu: ArrayLike, alpha: float = ALPHA, lam: float = LAMBDA
) -> tuple[Array, Array]:
    """Compute the first and second moment of SELU(z) for z ~ N(mu, nu).

    Parameters
    ----------
    mu, nu : array_like
        Mean and variance of what goes in; arrays broadcast. Variance 0 is a constant.
    alpha, lam : float
        Parameters of the SELU.

    Returns
    -------
    first, second : array
        E[y] and E[y²].

    Raises
    ------
    ValueError
        A negative variance, or a number that is not finite.

    References
    ----------
    Klambauer et al. (2017), arXiv:1706.02515.

    Examples
    --------
    >>> first, second = moment_map(0.0, 1.0)
    >>> bool(abs(first) < 1e-15), round(float(second), 12)
    (True, 1.0)
    """
    m, v = np.broadcast_arrays(np.asarray(mu, float), np.asarray(nu, float))
    if not (np.isfinite(m).all() and np.isfinite(v).all() and (v >= 0).all()):
        raise ValueError(f"mean {m} and variance {v} must be finite, and the variance >= 0")
    return _moments(m, v, alpha, lam)


def layer_map(
    mean: ArrayLike,
    variance: ArrayLike,
    omega: ArrayLike = 0.0,
    tau: ArrayLike = 1.0,
    alpha: float = ALPHA,
    lam: float = LAMBDA,
) -> tuple[Array, Array]:
    r"""Carry mean and variance of activations through a layer with SELU.

    A unit whose weights sum to ω and whose squared weights sum to τ sees
    :math:`z \sim N(\omega\mu, \tau\nu)`, if its inputs are independent with mean μ and variance ν.

    Parameters
    ----------
    mean, variance : array_like
        Of the activations of the layer below.
    omega, tau : array_like
        Sum of a unit's weights, and of their squares. LeCun's initial weights have 0 and 1 on
        average.
    alpha, lam : float
        Parameters of the SELU.

    Returns
    -------
    mean, variance : array
        Of the layer's own activations.

    References
    ----------
    Klambauer et al. (2017), arXiv:1706.02515; that this map contracts near (0, 1) is their
    theorem 1.

    Examples
    --------
    >>> mean, variance = 0.1, 1.5
    >>> for _ in range(32):
    ...     mean, variance = layer_map(mean, variance)
    >>> bool(abs(mean) < 1e-3), bool(abs(variance - 1) < 1e-3)
    (True, True)
    """
    mean, variance = np.asarray(mean, float), np.asarray(variance, float)
    first, second = moment_map(mean * omega, variance * tau, alpha, lam)
    return first, np.maximum(second - first**2, 0.0)


def selu_parameters(mean: float = 0.0, var: float = 1.0) -> tuple[float, float]:
    r"""Find the SELU that maps N(mean, var) to activations with the same mean and variance.

    The two conditions :math:`E[y] = \mu`, :math:`E[y^2] = \nu + \mu^2` are linear and quadratic in
    λ, so that :math:`E[y]/\sqrt{E[y^2]}` holds α alone. It falls strictly with α >= 0: one root
    at most, and found by bracketing.

    Parameters
    ----------
    mean, var : float
        The fixed point. With a mean of 0 it is that of any layer whose squared weights sum to 1;
        another mean needs weights that sum to 1, too.

    Returns
    -------
    alpha, lam : float
        Parameters of the SELU.

    Raises
    ------
    ValueError
        No SELU has this fixed point: the variance is not positive, or the mean is out of reach.

    Examples
    --------
    >>> "{:.12f} {:.12f}".format(*selu_parameters())
    '1.673263242354 1.050700987355'
    """
    if not (np.isfinite(mean) and np.isfinite(var) and var > 0):
        raise ValueError(f"fixed point ({mean}, {var}): mean finite and variance above 0, please")
    wanted = mean / np.sqrt(var + mean**2)

    def excess(share: float) -> float:
        """Compare at alpha = share / (1 - share), which takes (0, inf) to (0, 1)."""
        # y over (1 + alpha): the moments of (1 - share) z and share (exp(z) - 1)
        first, second = _moments(np.float64(mean), np.float64(var), share, 1.0, 1.0 - share)
        return float(first / np.sqrt(second)) - wanted

    if not excess(0.0) > 0 > excess(1.0):
        raise ValueError(
            f"no SELU keeps mean {mean} and variance {var}: with this variance the mean must be "
            "nearer to 0"
        )
    share = brentq(excess, 0.0, 1.0, xtol=1e-16, rtol=4 * np.finfo(float).eps)
    alpha = share / (1 - share)
    second = _moments(np.float64(mean), np.float64(var), alpha, 1.0)[1]
    return float(alpha), float(np.sqrt((var + mean**2) / second))


def _moments(
    m: Array | np.float64, v: Array | np.float64, alpha: float, lam: float, slope: float = 1.0
) -> tuple[Array, Array]:
    """Moments of λ·(slope·z for z > 0, alpha·(exp(z) - 1) otherwise)."""
    safe = np.where(v > 0, v, 1.0)
    root = np.sqrt(2 * safe)
    above = 1 + erf(m / root)
    bell = root / np.sqrt(np.pi) * _bell(m / root)
    e_0, e_1, e_2 = (_below(m, safe, k) for k in (0, 1, 2))
    first = lam / 2 * (slope * (m * above + bell) + alpha * (e_1 - e_0))
    second = (
        lam**2 / 2
        * (slope**2 * ((m**2 + v) * above + m * bell) + alpha**2 * (e_2 - 2 * e_1 + e_0))
    )  # fmt: skip
    constant = lam * np.where(m > 0, slope * m, alpha * np.expm1(np.minimum(m, 0.0)))
    return np.where(v > 0, first, constant), np.where(v > 0, second, constant**2)


def _below(m: Array | np.float64, v: Array, k: int) -> Array:
    """Compute 2 E[exp(k z); z < 0] without overflow of one factor and underflow of the other."""
    z = (m + k * v) / np.sqrt(2 * v)
    high = _bell(m / np.sqrt(2 * v)) * erfcx(np.maximum(z, 0.0))
    low = np.exp(np.minimum(k * m + k**2 * v / 2, 0.0)) * erfc(np.minimum(z, 0.0))
    return np.where(z > 0, high, low)


def _bell(z: Array | np.float64) -> Array:
    """Compute exp(-z²), which is 0 long before z² is too large for a number."""
    return np.asarray(np.exp(-np.square(np.clip(z, -40.0, 40.0))))
