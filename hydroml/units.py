"""Names, units and CF attributes of everything hydroml reads and writes.

Units are in UDUNITS spelling. A forcing product may be appended to a dynamic variable's
name (``prcp_daymet``); see `variable`.
"""

from dataclasses import dataclass

from hydroml.errors import ConfigError, nearest

CFS_TO_M3_S = 0.028316846592
"""One cubic foot per second in [m3 s-1] (exact)."""

FORCING_PRODUCTS = ("daymet", "maurer", "maurer_extended", "nldas")

DYNAMIC_REFERENCE = ("prcp", "srad", "tmax", "tmin", "vp")
"""Dynamic inputs of Kratzert et al. (2019), in the paper's order."""

STATIC_REFERENCE = (
    "p_mean",
    "pet_mean",
    "p_seasonality",
    "frac_snow",
    "aridity",
    "high_prec_freq",
    "high_prec_dur",
    "low_prec_freq",
    "low_prec_dur",
    "carbonate_rocks_frac",
    "geol_permeability",
    "soil_depth_pelletier",
    "soil_depth_statsgo",
    "soil_porosity",
    "soil_conductivity",
    "max_water_content",
    "sand_frac",
    "silt_frac",
    "clay_frac",
    "elev_mean",
    "slope_mean",
    "area_gages2",
    "frac_forest",
    "lai_max",
    "lai_diff",
    "gvf_max",
    "gvf_diff",
)
"""The 27 static attributes of Kratzert et al. (2019, doi 10.5194/hess-23-5089-2019)."""

TARGET = "qobs"


@dataclass(frozen=True)
class Variable:
    """A variable's contract.

    Parameters
    ----------
    name : str
        Name in the store.
    units : str
        UDUNITS spelling.
    long_name : str
        What it is.
    low, high : float
        Range of plausible daily values, inclusive; a value outside is reported, not removed.
    standard_name : str
        CF standard name, empty where CF has none.
    """

    name: str
    units: str
    long_name: str
    low: float
    high: float
    standard_name: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """CF attributes: units, long name and, where there is one, the standard name."""
        found = {"units": self.units, "long_name": self.long_name}
        return found | ({"standard_name": self.standard_name} if self.standard_name else {})


DYNAMIC = {
    v.name: v
    for v in (
        Variable("prcp", "mm d-1", "precipitation", 0, 700, "lwe_precipitation_rate"),
        Variable("srad", "W m-2", "mean shortwave radiation over daylight", 0, 1000),
        Variable("tmax", "degC", "daily maximum air temperature", -60, 60, "air_temperature"),
        Variable("tmin", "degC", "daily minimum air temperature", -70, 50, "air_temperature"),
        Variable(
            "vp", "Pa", "water vapour pressure", 0, 6000, "water_vapor_partial_pressure_in_air"
        ),
        Variable("dayl", "s", "daylight duration", 0, 86400),
        Variable(
            "swe", "mm", "snow water equivalent", 0, 10000, "lwe_thickness_of_surface_snow_amount"
        ),
        Variable("qobs", "mm d-1", "observed discharge over the catchment area", 0, 700),
        Variable(
            "total_precipitation_sum",
            "mm d-1",
            "precipitation (ERA5-Land)",
            0,
            700,
            "lwe_precipitation_rate",
        ),
        Variable(
            "temperature_2m_mean", "degC", "daily mean 2 m air temperature (ERA5-Land)", -65, 55
        ),
        Variable(
            "temperature_2m_max", "degC", "daily maximum 2 m air temperature (ERA5-Land)", -60, 60
        ),
        Variable(
            "temperature_2m_min", "degC", "daily minimum 2 m air temperature (ERA5-Land)", -70, 50
        ),
        Variable(
            "potential_evaporation_sum", "mm d-1", "potential evaporation (ERA5-Land)", -5, 80
        ),
    )
}
"""Known dynamic variables by name. Other names are allowed and carry their file's attributes."""


def variable(name: str) -> Variable | None:
    """Look up a dynamic variable, with or without a product suffix.

    Parameters
    ----------
    name : str
        For example ``prcp`` or ``prcp_daymet``.

    Returns
    -------
    Variable or None
        None for a name hydroml does not know.

    Examples
    --------
    >>> variable("prcp_maurer_extended").units
    'mm d-1'
    """
    if name in DYNAMIC:
        return DYNAMIC[name]
    for product in FORCING_PRODUCTS:
        stem = name.removesuffix(f"_{product}")
        if stem != name and stem in DYNAMIC:
            return DYNAMIC[stem]
    return None


def require_product(product: str) -> str:
    """Return the forcing product's name or refuse it.

    Raises
    ------
    ConfigError
        Not one of `FORCING_PRODUCTS`.
    """
    if product not in FORCING_PRODUCTS:
        raise ConfigError(
            f"Unknown forcing product {product!r}.", nearest(product, FORCING_PRODUCTS)
        )
    return product


def cfs_to_mm_per_day(discharge_cfs: float, area_m2: float) -> float:
    """Convert discharge from cubic feet per second to [mm d-1] over a catchment.

    ``q_mm = 28316846.592 * q_cfs * 86400 / (area_m2 * 1e6)``, as in the published code of
    Kratzert et al. (2019). Works on arrays too.

    Examples
    --------
    >>> round(cfs_to_mm_per_day(395.0, 587675987.0), 4)
    1.6444
    """
    return discharge_cfs * CFS_TO_M3_S * 86400.0 / area_m2 * 1000.0
