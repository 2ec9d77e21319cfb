r"""Snow on the ground by counting degree days, where a store has no snow of its own.

With precipitation P [mm d-1] and mean temperature T [degC],

.. math::
    s_t = P_t \, \mathrm{clip}((1 - T_t) / 2, 0, 1) \quad
    m_t = \min(S_{t-1} + s_t, \; k \max(T_t, 0)) \quad S_t = S_{t-1} + s_t - m_t

Snow and rain share the fall between -1 and 1 degC; k = 3 mm a degree and day lies within the 1 to
8 that are found (Hock 2003, doi 10.1016/S0022-1694(03)00257-9, table 1). One k for all basins, no
elevation zones, no wind, no liquid water in the pack: enough to say whether there is snow, not how
much.
"""

import numpy as np
from numpy.typing import NDArray

MELT = 3.0
"""Degree-day factor k [mm degC-1 d-1]."""


def degree_day_snow(
    prcp: NDArray[np.floating], temperature: NDArray[np.floating], *, melt: float = MELT
) -> NDArray[np.float32]:
    """Water equivalent of the snow on the ground at the end of each day [mm].

    Parameters
    ----------
    prcp : ndarray
        Precipitation [mm d-1], (B, T); what is missing falls not.
    temperature : ndarray
        Daily mean [degC], (B, T); where it is missing nothing falls as snow and nothing melts.
    melt : float
        Degree-day factor [mm degC-1 d-1].

    Returns
    -------
    ndarray
        (B, T), from no snow before the first day.

    Examples
    --------
    Two days of snow, then 1 degC melts 3 mm a day:

    >>> temperature = np.array([[-5.0, -5.0, 1.0, 1.0]])
    >>> degree_day_snow(np.array([[4.0, 4.0, 0.0, 0.0]]), temperature)
    array([[4., 8., 5., 2.]], dtype=float32)
    """
    fall = np.nan_to_num(prcp * np.clip((1 - temperature) / 2, 0, 1)).T  # (T, B)
    thaw = melt * np.maximum(np.nan_to_num(temperature), 0).T
    pack, snow = np.zeros(fall.shape[1]), np.empty(fall.shape, "float32")
    for day in range(len(fall)):
        pack = np.maximum(pack + fall[day] - thaw[day], 0)
        snow[day] = pack
    return snow.T
