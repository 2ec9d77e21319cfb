"""Hydrograph signatures: what a basin's discharge is like, in ten numbers.

Of records (N, T) with gaps; a signature that the record cannot tell is NaN. Flows fall into water
years, October to September.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from hydroml.data.water_years import OCTOBER, whole_years

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

LYNE_HOLLICK = 0.925
"""Parameter of the baseflow filter for daily flow (Nathan & McMahon, 1990)."""
REFLECTED = 30
"""Days mirrored at both ends of a record before it is filtered (Ladson et al., 2013)."""
SLOPE_FROM, SLOPE_TO = 0.33, 0.66  # exceedance frequencies


def signatures(q: Floats, prcp: Floats, days: Days) -> dict[str, Floats]:
    """Sum up daily discharge.

    Parameters
    ----------
    q : ndarray (N, T)
        Discharge [mm d-1]; NaN, or below 0, is missing.
    prcp : ndarray (N, T)
        Precipitation [mm d-1].
    days : ndarray (T,)
        Consecutive days, datetime64[D].

    Returns
    -------
    dict of ndarray (N,)
        By name, in the order of `SIGNATURES`.

    Examples
    --------
    >>> days = np.arange("2000-10-01", "2001-10-01", dtype="datetime64[D]")
    >>> found = signatures(np.ones((1, 365)), np.full((1, 365), 4.0), days)
    >>> {name: float(v[0]) for name, v in found.items() if name in ("runoff_ratio", "flashiness")}
    {'runoff_ratio': 0.25, 'flashiness': 0.0}
    """
    flow = np.where(q >= 0, q, np.nan).astype(np.float64)
    rain = np.asarray(prcp, np.float64)
    return {name: function(flow, rain, days) for name, (_, function) in SIGNATURES.items()}


def signature_years(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Sum up each whole water year by itself.

    Parameters
    ----------
    q, prcp, days
        As for `signatures`.

    Returns
    -------
    ndarray (N, Y, S)
        Signatures of the Y water years that lie within the record; NaN for a year that misses a
        day of flow.
    """
    years = whole_years(days, OCTOBER)
    found = np.full((len(q), len(years), len(SIGNATURES)), np.nan)
    for y, year in enumerate(years):
        complete = (q[:, year] >= 0).all(axis=1)
        values = signatures(q[complete, year], prcp[complete, year], days[year])
        found[complete, y] = np.stack(list(values.values()), axis=1)
    return found


def mean_flow(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Mean discharge [mm d-1]."""
    return _mean(q, np.isfinite(q))


def runoff_ratio(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Discharge over precipitation of the days that have both [-] (Addor et al., 2017)."""
    both = np.isfinite(q) & np.isfinite(prcp)
    return _over(np.where(both, q, 0).sum(axis=1), np.where(both, prcp, 0).sum(axis=1))


def baseflow_index(q: Floats, prcp: Floats, days: Days) -> Floats:
    r"""Baseflow over flow of whole water years without a gap [-].

    The digital filter of Lyne & Hollick (1979) in three passes, forward, backward, forward:

    .. math:: f_t = \alpha f_{t-1} + \tfrac{1 + \alpha}{2} (q_t - q_{t-1}), \quad
              b_t = q_t - \max(f_t, 0)

    with :math:`\alpha = 0.925` and 30 days mirrored at both ends, after Ladson et al. (2013,
    doi 10.7158/13241583.2013.11465417).
    """
    base, total = np.zeros((2, len(q)))
    for year in whole_years(days, OCTOBER):
        flow = q[:, year]
        complete = np.isfinite(flow).all(axis=1)
        base[complete] += baseflow(flow[complete]).sum(axis=1)
        total[complete] += flow[complete].sum(axis=1)
    return _over(base, total)


def baseflow(q: Floats, *, alpha: float = LYNE_HOLLICK, reflected: int = REFLECTED) -> Floats:
    """Baseflow of records without a gap, (N, T) [mm d-1]; see `baseflow_index`.

    Parameters
    ----------
    q : ndarray (N, T)
        Discharge [mm d-1]; T is more than `reflected`.
    alpha : float
        Of the filter.
    reflected : int
        Days mirrored at both ends.
    """
    base = np.pad(q, ((0, 0), (reflected, reflected)), mode="reflect") if reflected else q
    for _ in range(3):  # turned round after each pass: forward, backward, forward
        quick = lfilter([(1 + alpha) / 2], [1.0, -alpha], np.diff(base, axis=1), axis=1)
        base = base.copy()
        base[:, 1:] -= np.maximum(quick, 0)
        base = base[:, ::-1]
    base = base[:, ::-1]
    return np.asarray(base[:, reflected : base.shape[1] - reflected])


def slope_of_duration_curve(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Slope of the flow duration curve in logarithms, from 33 to 66 % exceedance [-].

    ``(ln q33 - ln q66) / (0.66 - 0.33)`` (Sawicz et al., 2011, doi 10.5194/hess-15-2895-2011,
    eq. 3); NaN for a river that is dry a third of the time.
    """
    high, low = _quantile(q, 1 - SLOPE_FROM), _quantile(q, 1 - SLOPE_TO)
    flowing = low > 0
    ratio = np.divide(high, low, out=np.full_like(high, np.nan), where=flowing)
    return np.log(ratio) / (SLOPE_TO - SLOPE_FROM)


def low_flow(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Q5, the flow that 5 % of days stay below [mm d-1] (Addor et al., 2017)."""
    return _quantile(q, 0.05)


def high_flow(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Q95, the flow that 5 % of days exceed [mm d-1] (Addor et al., 2017)."""
    return _quantile(q, 0.95)


def low_to_high(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Q5 over Q95 [-]: 1 for a river that never changes, 0 for one that falls dry."""
    return _over(low_flow(q, prcp, days), high_flow(q, prcp, days))


def flashiness(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Richards-Baker index: the path of the flow from day to day over its sum [-].

    ``sum |q_t - q_(t-1)| / sum q_t`` over days whose day before is there, too (Baker et al.,
    2004, doi 10.1111/j.1752-1688.2004.tb01046.x).
    """
    step = np.diff(q, axis=1)
    there = np.isfinite(step)
    return _over(np.where(there, np.abs(step), 0).sum(1), np.where(there, q[:, 1:], 0).sum(1))


def half_flow_date(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Day on which half of a water year's flow has passed, mean of years without a gap [d].

    Counted from 1 October, which is 1 (Court, 1962, doi 10.1029/JZ067i011p04375).
    """
    total, years = np.zeros((2, len(q)))
    for year in whole_years(days, OCTOBER):
        flow = q[:, year]
        passed = np.cumsum(flow, axis=1)
        counts = passed[:, -1] > 0  # NaN > 0 is False
        total += np.where(counts, 1 + (passed >= passed[:, -1:] / 2).argmax(axis=1), 0)
        years += counts
    return _over(total, years)


def autocorrelation(q: Floats, prcp: Floats, days: Days) -> Floats:
    """Pearson correlation of the flow with that of the day before [-]; NaN if it never changes."""
    before, after = q[:, :-1], q[:, 1:]
    pairs = np.isfinite(before) & np.isfinite(after)
    x, y = (np.where(pairs, v - _mean(v, pairs)[:, None], 0) for v in (before, after))
    return _over((x * y).sum(axis=1), np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1)))


SIGNATURES: dict[str, tuple[str, Callable[[Floats, Floats, Days], Floats]]] = {
    "mean_flow": ("mm d-1", mean_flow),
    "runoff_ratio": ("1", runoff_ratio),
    "baseflow_index": ("1", baseflow_index),
    "slope_fdc": ("1", slope_of_duration_curve),
    "q5": ("mm d-1", low_flow),
    "q95": ("mm d-1", high_flow),
    "q5_to_q95": ("1", low_to_high),
    "flashiness": ("1", flashiness),
    "half_flow_date": ("d", half_flow_date),
    "autocorrelation": ("1", autocorrelation),
}
"""Units and function of each signature, in their order."""


def _mean(values: Floats, there: NDArray[np.bool_]) -> Floats:
    return _over(np.where(there, values, 0).sum(axis=1), there.sum(axis=1).astype(np.float64))


def _over(dividend: Floats, divisor: Floats) -> Floats:
    """Divide; NaN where the divisor is not above 0."""
    return np.divide(dividend, divisor, out=np.full(len(divisor), np.nan), where=divisor > 0)


def _quantile(q: Floats, share: float) -> Floats:
    there = np.isfinite(q).any(axis=1)
    found = np.full(len(q), np.nan)
    if there.any():
        found[there] = np.nanquantile(q[there], share, axis=1)
    return found
