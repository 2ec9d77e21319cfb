"""Timing of flood peaks: how many days early or late the simulated peaks come."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

Floats = NDArray[np.float64]

DISTANCE = 100
"""Observed peaks lie at least this many days apart [d]."""
WINDOW = 3
"""A simulated peak is looked for this many days around the observed one [d]."""


def peak_timing(obs: Floats, sim: Floats, valid: NDArray[np.bool_]) -> Floats:
    """Mean absolute error of the timing of observed peaks [d].

    Observed peaks are local maxima whose prominence is at least the standard deviation of
    the observations, thinned from the lowest up until all are `DISTANCE` days apart (some two
    or three a year). The simulated peak is the observed day itself if the simulation has a
    local maximum there, else the day of the simulated maximum within +-`WINDOW` days. Peaks
    whose window holds a day that does not count, or reaches over an end of the record, are
    skipped. The score is the mean of ``|day of simulated peak - day of observed peak|``,
    0 to `WINDOW`; NaN without peaks. Kratzert et al. (2021), doi 10.5194/hess-25-2685-2021,
    Appendix A.

    Parameters
    ----------
    obs, sim : array (..., time)
        Observed and simulated daily discharge [mm d-1].
    valid : boolean array (..., time)
        The days that count.

    Returns
    -------
    array (...)
        Mean absolute timing error [d].

    Examples
    --------
    >>> obs = np.zeros(365)
    >>> obs[[99, 100, 101]] = 1.0, 5.0, 1.0
    >>> float(peak_timing(obs, np.roll(obs, 2), obs >= 0))
    2.0
    """
    found = np.full(valid.shape[:-1], np.nan)
    for row in np.ndindex(found.shape):
        found[row] = _one_series(obs[row], sim[row], valid[row])
    return found


def _one_series(obs: Floats, sim: Floats, valid: NDArray[np.bool_]) -> float:
    days = np.flatnonzero(valid)
    if len(days) < 2 * WINDOW + 1:
        return np.nan
    obs, sim = obs[days], sim[days]
    peaks, _ = find_peaks(obs, distance=DISTANCE, prominence=float(np.std(obs)))
    peaks = peaks[(peaks >= WINDOW) & (peaks + WINDOW < len(days))]
    peaks = peaks[days[peaks + WINDOW] - days[peaks - WINDOW] == 2 * WINDOW]
    if len(peaks) == 0:
        return np.nan
    around = sim[peaks[:, None] + np.arange(-WINDOW, WINDOW + 1)]  # (peak, 2 WINDOW + 1)
    offset = np.abs(around.argmax(axis=1) - WINDOW)
    at = around[:, WINDOW]
    on_time = (at > around[:, WINDOW - 1]) & (at > around[:, WINDOW + 1])
    return float(np.where(on_time, 0, offset).mean())
