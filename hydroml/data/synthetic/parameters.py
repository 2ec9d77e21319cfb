"""How the true model's parameters follow from a catchment's attributes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_DEVIATION = 0.3  # of a basin from the rule, standard deviation in logit units

# attribute: centre, scale, logarithmic. Fixed numbers, so that a basin's parameters do not
# depend on which other basins are in the draw.
_SCALES = {
    "aridity": (0.9, 0.6, True),
    "area_gages2": (330.0, 1.4, True),
    "carbonate_rocks_frac": (0.12, 0.26, False),
    "clay_frac": (22.0, 9.0, False),
    "elev_mean": (700.0, 800.0, False),
    "frac_forest": (0.6, 0.33, False),
    "geol_permeability": (-13.9, 1.2, False),
    "lai_max": (3.2, 1.4, False),
    "max_water_content": (0.53, 0.12, False),
    "sand_frac": (40.0, 13.0, False),
    "slope_mean": (25.0, 1.3, True),
    "soil_conductivity": (1.45, 0.5, True),
    "soil_depth_pelletier": (3.3, 1.6, True),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of the true model and its rule.

    ``value = low + (high - low) / (1 + exp(-(offset + sum(weight * z) + deviation)))`` with z
    the attribute, centred and scaled by fixed numbers.

    Parameters
    ----------
    units, long_name : str
        UDUNITS spelling; meaning.
    low, high : float
        Range, never reached.
    offset : float
        Logit of the value of a middling catchment.
    weights : mapping of str to float
        Attribute to weight.
    """

    units: str
    long_name: str
    low: float
    high: float
    offset: float
    weights: Mapping[str, float]


PARAMETERS: dict[str, Parameter] = {
    "tt": Parameter("degC", "threshold temperature of snow and melt", -1.0, 1.5, 0.0,
                    {"frac_forest": 0.3, "elev_mean": 0.3}),
    "ddf": Parameter("mm degC-1 d-1", "degree-day factor of melt", 2.0, 6.0, -0.3,
                     {"frac_forest": -0.8, "slope_mean": 0.3}),
    "relief": Parameter("m", "half the range of elevation", 10.0, 700.0, -0.8,
                        {"slope_mean": 1.1, "area_gages2": 0.3}),
    "kc": Parameter("1", "share of potential evaporation a moist soil gives", 0.75, 1.15, 0.4,
                    {"lai_max": 0.5}),
    "fc": Parameter("mm", "field capacity", 50.0, 450.0, -0.5,
                    {"max_water_content": 0.8, "soil_depth_pelletier": 0.4, "frac_forest": 0.3,
                     "aridity": 0.4}),
    "lp": Parameter("1", "soil moisture over fc below which evaporation falls", 0.35, 0.95, 0.0,
                    {"frac_forest": -0.8, "clay_frac": 0.5}),
    "beta": Parameter("1", "shape of recharge against soil moisture", 1.0, 5.0, -0.6,
                      {"sand_frac": 0.6, "aridity": 0.5, "slope_mean": -0.5}),
    "uzl": Parameter("mm", "upper storage above which quick flow starts", 2.0, 40.0, -0.9,
                     {"soil_conductivity": 0.6, "frac_forest": 0.5}),
    "k0": Parameter("d-1", "recession of quick flow", 0.1, 0.7, -0.2,
                    {"slope_mean": 0.5, "clay_frac": 0.5, "area_gages2": -0.3}),
    "k1": Parameter("d-1", "recession of interflow", 0.03, 0.4, -0.2,
                    {"slope_mean": 0.4, "clay_frac": 0.5, "soil_depth_pelletier": -0.3}),
    "perc": Parameter("mm d-1", "percolation to groundwater", 0.1, 4.0, -1.3,
                      {"soil_conductivity": 0.5, "geol_permeability": 0.6,
                       "carbonate_rocks_frac": 0.3}),
    "k2": Parameter("d-1", "recession of groundwater", 0.004, 0.06, -0.6,
                    {"geol_permeability": 0.5, "slope_mean": 0.4, "soil_depth_pelletier": -0.4}),
    "maxbas": Parameter("d", "base of the triangular routing", 1.0, 7.0, -1.5,
                        {"area_gages2": 1.0, "slope_mean": -0.5}),
}  # fmt: skip
"""The true model's parameters by name."""


def true_parameters(
    attributes: Mapping[str, np.ndarray], deviation: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Derive each basin's parameters from its attributes.

    Parameters
    ----------
    attributes : mapping of str to numpy.ndarray
        (basin,), CAMELS' names and units.
    deviation : numpy.ndarray, optional
        Standard normal, (parameter, basin): the small deviation of each basin that no attribute
        tells. None leaves it out.

    Returns
    -------
    dict of str to numpy.ndarray
        (basin,), the names of `PARAMETERS`.

    Examples
    --------
    A catchment in the middle of every scale has the value its offset gives:

    >>> middle = {name: np.array([centre]) for name, (centre, _, _) in _SCALES.items()}
    >>> true_parameters(middle)["tt"].round(6)
    array([0.25])
    """
    z = {name: _standardised(name, attributes[name]) for name in _SCALES}
    found = {}
    for number, (name, rule) in enumerate(PARAMETERS.items()):
        logit = rule.offset + sum(weight * z[a] for a, weight in rule.weights.items())
        if deviation is not None:
            logit = logit + _DEVIATION * deviation[number]
        found[name] = rule.low + (rule.high - rule.low) / (1 + np.exp(-logit))
    return found


def _standardised(name: str, values: np.ndarray) -> np.ndarray:
    centre, scale, logarithmic = _SCALES[name]
    if logarithmic:
        return (np.log(values) - np.log(centre)) / scale
    return (np.asarray(values, float) - centre) / scale
