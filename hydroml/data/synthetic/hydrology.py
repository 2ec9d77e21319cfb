"""The true hydrology: a conceptual snow, soil and groundwater model after HBV.

Bergstrom (1976, SMHI Reports RHO 7), Bergstrom (1992, SMHI Reports RH 4) and Lindstrom et al.
(1997, doi 10.1016/S0022-1694(97)00041-3), in daily steps, with five elevation zones of equal
area for snow. With P precipitation, T mean temperature, E potential evaporation, in the order
of a day:

1. *Snow*, by zone. The zones' middles lie -0.8, -0.4, 0, 0.4 and 0.8 ``relief`` from the mean
   elevation, and T falls by 0.6 degC in 100 m. Snow falls in the share ``clip((tt + 1 - T) / 2,
   0, 1)`` of P. Melt ``min(snow, ddf max(T - tt, 0))`` goes to the liquid water in the pack, of
   which ``min(liquid, 0.05 ddf max(tt - T, 0))`` refreezes and what exceeds a tenth of the snow
   leaves the pack.
2. *Soil.* Of the water I that reaches the soil, ``I (soil / fc)^beta`` recharges the upper
   storage, and so does what the soil cannot hold; evaporation is ``min(soil, kc E min(soil /
   (lp fc), 1))``.
3. *Response.* Percolation ``min(upper, perc)`` goes from the upper to the lower storage; then
   ``Q0 = k0 max(upper - uzl, 0)``, ``Q1 = k1 (upper - Q0)`` and ``Q2 = k2 lower`` leave.
4. *Routing.* Q0 + Q1 + Q2 is spread over ``maxbas`` days by a triangle.

Nothing is lost: P equals evaporation, discharge and what is stored more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_REFREEZING, _HOLDING = 0.05, 0.1
_ROUTING_DAYS = 7
_LAPSE = 0.006  # [degC m-1]
_ZONES = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])[:, None]  # middle over relief, (zone, 1)

Parameters = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Simulation:
    """What the model did with the water.

    Parameters
    ----------
    discharge, evaporation : numpy.ndarray
        (basin, time) [mm d-1].
    snow : numpy.ndarray
        Snow and liquid water in it at the end of the day, (basin, time) [mm].
    stored_first, stored_last : numpy.ndarray
        All water stored, that on its way in the routing included, before the first and after
        the last day, (basin,) [mm].
    """

    discharge: np.ndarray
    evaporation: np.ndarray
    snow: np.ndarray
    stored_first: np.ndarray
    stored_last: np.ndarray


def simulate(
    prcp: np.ndarray, temperature: np.ndarray, pet: np.ndarray, parameters: Parameters
) -> Simulation:
    """Run the model over all basins at once, from a soil half full and no snow.

    Parameters
    ----------
    prcp, temperature, pet : numpy.ndarray
        (basin, time): precipitation [mm d-1], daily mean temperature [degC], potential
        evaporation [mm d-1].
    parameters : mapping of str to numpy.ndarray
        (basin,), names and units of `hydroml.data.synthetic.parameters.PARAMETERS`.

    Returns
    -------
    Simulation
        Discharge, evaporation, snow and storage; float64.

    Examples
    --------
    >>> from hydroml.data.synthetic.parameters import PARAMETERS
    >>> middle = {n: np.array([(p.low + p.high) / 2]) for n, p in PARAMETERS.items()}
    >>> dry = simulate(np.zeros((1, 9)), np.full((1, 9), 9.0), np.zeros((1, 9)), middle)
    >>> float(dry.discharge.sum())
    0.0
    """
    p, warmth, demand = (np.ascontiguousarray(a.T, dtype=float) for a in (prcp, temperature, pet))
    zero = np.zeros(p.shape[1])
    upper, lower, soil = zero, zero, 0.5 * parameters["fc"]
    snow, liquid = np.zeros((2, len(_ZONES), zero.size))
    threshold = parameters["tt"] + _LAPSE * _ZONES * parameters["relief"]  # (zone, B)
    stored_first = soil
    runoff, evaporation, pack = (np.empty_like(p) for _ in range(3))
    for t in range(len(p)):
        snow, liquid, inflow = _snow(p[t], warmth[t] - threshold, snow, liquid, parameters["ddf"])
        soil, recharge, evaporation[t] = _soil(inflow, demand[t], soil, parameters)
        upper, lower, runoff[t] = _response(recharge, upper, lower, parameters)
        pack[t] = (snow + liquid).mean(axis=0)
    discharge, on_its_way = route(runoff.T, parameters["maxbas"])
    stored_last = (snow + liquid).mean(axis=0) + soil + upper + lower + on_its_way
    return Simulation(discharge, evaporation.T, pack.T, stored_first, stored_last)


def route(runoff: np.ndarray, maxbas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spread runoff over `maxbas` days by a triangular unit hydrograph.

    Parameters
    ----------
    runoff : numpy.ndarray
        (basin, time) [mm d-1].
    maxbas : numpy.ndarray
        (basin,), 1 to 7 days.

    Returns
    -------
    discharge : numpy.ndarray
        (basin, time) [mm d-1].
    on_its_way : numpy.ndarray
        (basin,), water that arrives after the last day [mm].

    Examples
    --------
    A base of two days: half arrives on the same day, half on the next.

    >>> route(np.array([[4.0, 0.0, 2.0]]), np.array([2.0]))
    (array([[2., 2., 1.]]), array([1.]))
    """
    u = np.clip(np.arange(_ROUTING_DAYS + 1) / maxbas[:, None], 0, 1)
    arrived = np.where(u <= 0.5, 2 * u**2, 1 - 2 * (1 - u) ** 2)  # the triangle's integral
    weights = np.diff(arrived, axis=1)  # (B, days)
    discharge = weights[:, :1] * runoff
    for lag in range(1, min(_ROUTING_DAYS, runoff.shape[1])):
        discharge[:, lag:] += weights[:, lag : lag + 1] * runoff[:, :-lag]
    latest = runoff[:, ::-1][:, :_ROUTING_DAYS]
    on_its_way = (latest * (1 - arrived[:, 1 : latest.shape[1] + 1])).sum(axis=1)
    return discharge, on_its_way


def _snow(
    prcp: np.ndarray, degrees: np.ndarray, snow: np.ndarray, liquid: np.ndarray, ddf: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # degrees above the threshold; all but prcp and ddf are (zone, B)
    snowfall = prcp * np.clip((1 - degrees) / 2, 0, 1)
    snow = snow + snowfall
    potential = ddf * degrees
    melt = np.minimum(snow, np.maximum(potential, 0))
    frozen = np.minimum(liquid, _REFREEZING * np.maximum(-potential, 0))
    snow = snow - melt + frozen
    liquid = liquid + melt - frozen
    drained = np.maximum(liquid - _HOLDING * snow, 0)
    return snow, liquid - drained, (drained + prcp - snowfall).mean(axis=0)


def _soil(
    inflow: np.ndarray, demand: np.ndarray, soil: np.ndarray, p: Parameters
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    fc = p["fc"]
    recharge = inflow * (soil / fc) ** p["beta"]
    soil = soil + inflow - recharge
    excess = np.maximum(soil - fc, 0)
    soil = soil - excess
    evaporation = np.minimum(soil, p["kc"] * demand * np.minimum(soil / (p["lp"] * fc), 1))
    # max: rounding must not leave a negative soil to the power beta
    return np.maximum(soil - evaporation, 0), recharge + excess, evaporation


def _response(
    recharge: np.ndarray, upper: np.ndarray, lower: np.ndarray, p: Parameters
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    upper = upper + recharge
    percolation = np.minimum(upper, p["perc"])
    upper, lower = upper - percolation, lower + percolation
    quick = p["k0"] * np.maximum(upper - p["uzl"], 0)
    inter = p["k1"] * (upper - quick)
    base = p["k2"] * lower
    return upper - quick - inter, lower - base, quick + inter + base
