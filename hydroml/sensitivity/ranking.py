"""Which attributes flow answers to most: importance per basin and its ranking."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hydroml.errors import ConfigError, nearest


def importance(gradient: NDArray[np.floating], std: NDArray[np.floating]) -> NDArray[np.floating]:
    r"""Scale the attributes' gradients of each basin to 0 (least) and 1 (most).

    .. math::
        I_s = \frac{g_s - \min g}{\max g - \min g}, \quad
        g_s = \sigma_s \overline{|\partial q / \partial a_s|}

    The unit of flow cancels: it is the same whether flow is standardised or not.

    Parameters
    ----------
    gradient : ndarray
        Mean absolute gradient by each attribute in its own unit, (..., S).
    std : ndarray
        Standard deviation of each attribute over the training basins, (S,).

    Returns
    -------
    ndarray
        (..., S); NaN where all attributes count the same, as for flow that is always zero.

    References
    ----------
    Kratzert et al. (2019), doi 10.5194/hess-23-5089-2019, section 3.4 and fig. 9.

    Examples
    --------
    >>> importance(np.array([[1.0, 2.0, 30.0]]), np.array([2.0, 3.0, 0.1]))
    array([[0.  , 1.  , 0.25]])
    """
    g = gradient * std
    if not g.shape[-1]:
        return g
    least, most = g.min(-1, keepdims=True), g.max(-1, keepdims=True)
    spread = np.where(most > least, most - least, np.nan)
    return np.asarray((g - least) / spread)


def attribute_ranking(gradients: xr.Dataset, kind: str = "all") -> pd.DataFrame:
    """Rank attributes by their importance, averaged over basins and members.

    Parameters
    ----------
    gradients : xarray.Dataset
        What `hydroml.sensitivity.gradients.flow_gradients` returned.
    kind : str
        Which days: ``high``, ``low`` or ``all``.

    Returns
    -------
    pandas.DataFrame
        Index ``attribute``, the most important first; columns ``importance`` (mean over basins,
        then members), ``spread`` (standard deviation over members, 0 for one) and ``basins``
        (number with an importance in any member).

    Raises
    ------
    ConfigError
        No such kind.
    """
    kinds = [str(k) for k in gradients["kind"].values]
    if kind not in kinds:
        raise ConfigError(f"Unknown kind of days {kind!r}.", nearest(kind, kinds))
    chosen = gradients["importance"].sel(kind=kind)
    members = chosen.mean("basin")
    table = pd.DataFrame(
        {
            "importance": members.mean("member").to_series(),
            "spread": members.std("member").to_series(),
            "basins": chosen.max("member").count("basin").to_series(),
        }
    )
    return table.sort_values("importance", ascending=False, kind="stable")
