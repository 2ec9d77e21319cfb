"""Draw a whole synthetic CAMELS with a known truth."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.data.climate_indices import climate_indices
from hydroml.data.quality import CAMELS_PERIOD
from hydroml.data.radiation import potential_evaporation
from hydroml.data.synthetic.catchment import Ground, catchment_attributes
from hydroml.data.synthetic.climate import climate_of
from hydroml.data.synthetic.fields import BASINS_AT_ONCE
from hydroml.data.synthetic.observation import Gauges
from hydroml.data.synthetic.parameters import PARAMETERS, true_parameters
from hydroml.data.synthetic.places import draw_places
from hydroml.data.synthetic.truth import PREFIX, simulate_truth
from hydroml.data.synthetic.weather import Weather
from hydroml.errors import ConfigError
from hydroml.progress import Advance, silent
from hydroml.units import DYNAMIC, TARGET

STEPS = 4
"""How often `generate` reports progress."""


def generate(
    basins: int = 531,
    years: int = 20,
    seed: int = 0,
    *,
    end: str = "2008-12-31",
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Draw basins, their weather, attributes and discharge, and keep the truth.

    The same arguments give the same dataset. Another number of basins or years is another
    draw: the first n basins of a bigger one are not those of a smaller one. The defaults cover
    1989 to 2008: training and test period of the reference experiment, with warm-up.

    Parameters
    ----------
    basins, years : int
        How many; at least 1.
    seed : int
        Of all chance; at least 0.
    end : str
        Last day.
    on_progress : callable
        Called with 1 after each of `STEPS` steps.

    Returns
    -------
    xarray.Dataset
        As a store holds it: ``prcp srad tmax tmin vp dayl qobs qtrue`` (basin, time), the
        attributes of CAMELS and ``truth_*``, the true model's parameters (basin). Gauge ids
        start with 99, as no gauge of the USGS does.

    Raises
    ------
    ConfigError
        A number is out of range.

    Examples
    --------
    >>> generate(basins=2, years=1).qobs.sizes
    Frozen({'basin': 2, 'time': 366})
    """
    parts = []
    for done, part in draw_blocks(basins, years, seed, end=end):
        parts.append(part)
        before = done - part.sizes["basin"]
        on_progress(STEPS * done // basins - STEPS * before // basins)
    return xr.concat(
        parts, "basin", data_vars="all", coords="minimal", compat="override", join="override",
        combine_attrs="override",
    )  # fmt: skip


def draw_blocks(
    basins: int, years: int, seed: int, *, end: str = "2008-12-31"
) -> Iterator[tuple[int, xr.Dataset]]:
    """Draw what `generate` draws, `BASINS_AT_ONCE` basins at a time.

    Memory is bounded by a block. Parameters and errors are those of `generate`.

    Yields
    ------
    done : int
        Basins drawn so far.
    block : xarray.Dataset
        The last of them, in order.

    Examples
    --------
    >>> [(done, block.sizes["basin"]) for done, block in draw_blocks(2, 1, 0)]
    [(2, 2)]
    """
    _refuse_bad_numbers(basins, years, seed)
    last = pd.Timestamp(end)
    time = pd.date_range(last - pd.DateOffset(years=years) + pd.Timedelta("1D"), last, freq="D")
    place, clime, soil, sky, deviation, gauge = np.random.default_rng(seed).spawn(6)
    places = draw_places(basins, place)
    weather = Weather(places, climate_of(places, clime), time, sky)
    ground = Ground.draw(basins, soil)
    deviations = deviation.normal(size=(len(PARAMETERS), basins))
    gauges = Gauges(basins, len(time), gauge)
    for start in range(0, basins, BASINS_AT_ONCE):
        part = slice(start, min(start + BASINS_AT_ONCE, basins))
        drawn = weather.draw(part.stop - start)
        attributes = climate_attributes(drawn, time)
        attributes |= catchment_attributes(places[part], attributes, ground.of(part))
        parameters = true_parameters(attributes, deviations[:, part])
        dataset = _assemble(drawn, attributes, parameters, time, start)
        dataset["qtrue"] = simulate_truth(dataset)
        _observe_all(dataset, places.huc[part].tolist(), gauges, start)
        dataset.attrs = {
            "source": "hydroml synthetic",
            "forcing": "synthetic",
            "synthetic": True,
            "seed": seed,
        }
        yield part.stop, dataset


def climate_attributes(
    weather: Mapping[str, np.ndarray], time: pd.DatetimeIndex
) -> dict[str, np.ndarray]:
    """Compute the climatic attributes of `climate_indices` from daily weather.

    Parameters
    ----------
    weather : mapping of str to numpy.ndarray
        (basin, time): ``prcp``, ``tmax``, ``tmin``, ``srad``, ``dayl`` in the store's units.
    time : pandas.DatetimeIndex
        Days.

    Returns
    -------
    dict of str to numpy.ndarray
        (basin,).

    Examples
    --------
    >>> ones = {n: np.ones((1, 4)) for n in ("prcp", "tmax", "tmin", "srad", "dayl")}
    >>> float(climate_attributes(ones, pd.date_range("2000-01-01", periods=4))["p_mean"][0])
    1.0
    """
    prcp, tmax, tmin, srad, dayl = (
        weather[n].astype(float) for n in ("prcp", "tmax", "tmin", "srad", "dayl")
    )
    temperature = (tmax + tmin) / 2
    pet = potential_evaporation(temperature, srad, dayl)
    return climate_indices(prcp, temperature, pet, time.day_of_year.to_numpy())


def _assemble(
    weather: Mapping[str, np.ndarray],
    attributes: Mapping[str, np.ndarray],
    parameters: Mapping[str, np.ndarray],
    time: pd.DatetimeIndex,
    first: int,
) -> xr.Dataset:
    ids = [f"99{first + i + 1:06d}" for i in range(len(weather["prcp"]))]
    dynamic = {n: (("basin", "time"), v, DYNAMIC[n].attributes) for n, v in weather.items()}
    static = {n: ("basin", v) for n, v in attributes.items()}
    truth = {PREFIX + n: ("basin", v, _described(n)) for n, v in parameters.items()}
    return xr.Dataset(
        {**dynamic, **static, **truth}, coords={"basin": np.array(ids, object), "time": time}
    )


def _described(parameter: str) -> dict[str, str]:
    rule = PARAMETERS[parameter]
    return {"units": rule.units, "long_name": rule.long_name}


def _observe_all(dataset: xr.Dataset, regions: list[str], gauges: Gauges, first: int) -> None:
    observed = gauges.observe(dataset["qtrue"].to_numpy().astype(float))
    dataset[TARGET] = (
        ("basin", "time"), observed.astype(np.float32), DYNAMIC[TARGET].attributes
    )  # fmt: skip
    there = dataset[TARGET].sel(time=CAMELS_PERIOD)  # the days CAMELS' own q_mean is of
    means = there.mean("time"), dataset[TARGET].mean("time")
    dataset["q_mean"] = means[0].where(there.notnull().any("time"), means[1]).astype(float)  # noqa: PD004
    names = [f"Synthetic catchment {first + i + 1}, region {r}" for i, r in enumerate(regions)]
    dataset["gauge_name"] = ("basin", np.array(names, object))
    dataset["huc_02"] = ("basin", np.array(regions, object))


def _refuse_bad_numbers(basins: int, years: int, seed: int) -> None:
    for name, value, least in (("basins", basins, 1), ("years", years, 1), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{name} is {value}.", f"Give {name} of at least {least}.")
