"""Soil, vegetation and geology of synthetic catchments, tied to climate and relief."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Ground:
    """What chance adds to the attributes of each basin.

    Parameters
    ----------
    texture : ndarray
        Of sand, silt and clay, (3, B).
    soil, vegetation : ndarray
        Standard normal, (4, B).
    carbonate : ndarray
        Fraction of carbonate rocks, (B,).
    permeability : ndarray
        log10 of permeability [m2], (B,).
    """

    texture: np.ndarray
    soil: np.ndarray
    vegetation: np.ndarray
    carbonate: np.ndarray
    permeability: np.ndarray

    @classmethod
    def draw(cls, basins: int, rng: np.random.Generator) -> "Ground":
        """Draw the chance of all basins."""
        return cls(
            rng.normal(0, 0.42, (3, basins)),
            rng.normal(size=(4, basins)),
            rng.normal(size=(4, basins)),
            np.where(rng.random(basins) < 0.3, rng.beta(0.5, 0.9, basins), 0.0),
            np.clip(rng.normal(-13.9, 1.2, basins), -16.5, -10.9),
        )

    def of(self, part: slice) -> "Ground":
        """Take some basins' chance."""
        return Ground(*(getattr(self, f.name)[..., part] for f in fields(self)))


def catchment_attributes(
    places: pd.DataFrame, climate: Mapping[str, np.ndarray], ground: Ground
) -> dict[str, np.ndarray]:
    """Derive the attributes of CAMELS that are not climatic.

    Vegetation follows aridity and slope; soils are thin on slopes; porosity and conductivity
    follow the texture (Cosby et al. 1984, doi 10.1029/WR020i006p00682, as CAMELS did); each
    with noise of its own.

    Parameters
    ----------
    places : pandas.DataFrame
        From `draw_places`.
    climate : mapping of str to numpy.ndarray
        From `climate_indices`: ``aridity`` and ``frac_snow`` are used.
    ground : Ground
        The basins' chance.

    Returns
    -------
    dict of str to numpy.ndarray
        (basin,), names and units of CAMELS (Addor et al. 2017, doi
        10.5194/hess-21-5293-2017).

    Examples
    --------
    >>> from hydroml.data.synthetic.places import draw_places
    >>> rng = np.random.default_rng(0)
    >>> climate = {"aridity": np.array([0.5, 3.0]), "frac_snow": np.array([0.2, 0.0])}
    >>> found = catchment_attributes(draw_places(2, rng), climate, Ground.draw(2, rng))
    >>> bool(found["frac_forest"][0] > found["frac_forest"][1])
    True
    """
    steep = (np.log(places.slope.to_numpy()) - np.log(25)) / 1.3
    arid = (np.log(climate["aridity"]) - np.log(0.9)) / 0.6
    topography = {
        "gauge_lat": places.lat.to_numpy(),
        "gauge_lon": places.lon.to_numpy(),
        "elev_mean": places.elevation.to_numpy().round(2),
        "slope_mean": places.slope.to_numpy().round(5),
        "area_gages2": places.area.to_numpy().round(2),
    }
    soil, vegetation = _soil(steep, ground), _vegetation(places, climate, steep, arid, ground)
    return topography | soil | vegetation | {
        "carbonate_rocks_frac": ground.carbonate,
        "geol_permeability": ground.permeability,
    }  # fmt: skip


def cosby(sand: np.ndarray, clay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Porosity [-] and saturated conductivity [cm h-1] from sand and clay [%].

    ``porosity = (50.5 - 0.142 sand - 0.037 clay) / 100`` and ``log10 K = -0.60 + 0.0126 sand
    - 0.0064 clay`` with K in inches per hour (Cosby et al. 1984, doi
    10.1029/WR020i006p00682).

    Examples
    --------
    >>> [round(float(v), 3) for v in cosby(40.0, 20.0)]
    [0.441, 1.516]
    """
    porosity = (50.5 - 0.142 * sand - 0.037 * clay) / 100
    return porosity, 2.54 * 10 ** (-0.60 + 0.0126 * sand - 0.0064 * clay)


def _soil(steep: np.ndarray, ground: Ground) -> dict[str, np.ndarray]:
    parts = np.array([[40.0], [36.0], [22.0]]) * np.exp(ground.texture)
    sand, silt, clay = 100 * parts / parts.sum(axis=0)
    porosity, conductivity = cosby(sand, clay)
    noise = ground.soil
    depth = np.clip(1.42 - 0.18 * steep + 0.18 * noise[0], 0.4, 1.5)
    return {
        "soil_depth_pelletier": np.clip(np.exp(1.2 - 1.3 * steep + 0.7 * noise[1]), 0.5, 50.0),
        "soil_depth_statsgo": depth,
        "soil_porosity": np.clip(porosity + 0.012 * noise[2], 0.33, 0.65),
        "soil_conductivity": conductivity,
        "max_water_content": porosity * depth * np.clip(0.88 + 0.1 * noise[3], 0.4, 1.0),
        "sand_frac": sand,
        "silt_frac": silt,
        "clay_frac": 100 - sand - silt,
    }


def _vegetation(
    places: pd.DataFrame,
    climate: Mapping[str, np.ndarray],
    steep: np.ndarray,
    arid: np.ndarray,
    ground: Ground,
) -> dict[str, np.ndarray]:
    noise = ground.vegetation
    forest = 1 / (1 + np.exp(-(1.0 - 2.0 * arid + 1.0 * steep + 1.2 * noise[0])))
    humid = 1 / (1 + np.exp(1.6 * arid + 0.3 * noise[1]))
    lai = np.clip(0.4 + 2.6 * forest + 2.4 * humid + 0.25 * noise[2], 0.3, 5.6)
    deciduous = 1 / (1 + np.exp(-(places.lon.to_numpy() + 100) / 4))
    greenness = np.clip(0.27 + 0.25 * forest + 0.55 * humid + 0.04 * noise[3], 0.15, 0.92)
    cold = np.clip(climate["frac_snow"] / 0.3, 0, 1)
    return {
        "frac_forest": forest,
        "lai_max": lai,
        "lai_diff": lai * np.clip(0.38 + 0.42 * deciduous + 0.03 * noise[1], 0.1, 0.95),
        "gvf_max": greenness,
        "gvf_diff": greenness * (0.22 + 0.25 * deciduous * cold + 0.15 * deciduous),
    }
