"""Mean and variance of many basins from those of each: one pass, in any order, in any parts."""

import numpy as np
from numpy.typing import NDArray


def row_moments(values: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Count, mean and sum of squared deviations of each row.

    Parameters
    ----------
    values : ndarray
        (B, T); what is not `there` may be NaN.
    there : ndarray
        Which values count, (B, T).

    Returns
    -------
    ndarray
        (B, 3), float64; zeros for a row of which nothing counts.

    Examples
    --------
    >>> row_moments(np.array([[1.0, 3.0, np.nan]]), np.array([[True, True, False]]))
    array([[2., 2., 2.]])
    """
    count = there.sum(axis=1)
    counted = np.where(there, values, 0).astype("float64")
    mean = counted.sum(axis=1) / np.maximum(count, 1)
    counted -= mean[:, None]
    counted *= there
    return np.stack([count, mean, np.square(counted, out=counted).sum(axis=1)], axis=1)


def joint_mean_std(moments: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation (ddof 0) of all rows together.

    With count n, mean m and squared deviations M of each row, the mean is ``sum(n m) / sum(n)``
    and the squared deviations add up to ``sum(M) + sum(n (m - mean)^2)`` (Chan, Golub and LeVeque
    1979, https://doi.org/10.1007/978-3-642-51461-6_3): no difference of large numbers.

    Parameters
    ----------
    moments : ndarray
        (B, 3), from `row_moments`.

    Returns
    -------
    mean, std : float
        NaN where nothing counts.

    Examples
    --------
    >>> values = np.array([[1.0, 3.0], [5.0, 7.0]])
    >>> joint_mean_std(row_moments(values, values > 0)) == (values.mean(), values.std())
    True
    """
    count, mean, squares = moments.T
    total = count.sum()
    if not total:
        return float("nan"), float("nan")
    middle = (count * mean).sum() / total
    return float(middle), float(np.sqrt((squares + count * (mean - middle) ** 2).sum() / total))
