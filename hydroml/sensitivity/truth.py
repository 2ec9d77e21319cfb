"""The true response of synthetic basins: their own hydrological model under each scenario."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from hydroml.data.roles import roles_of
from hydroml.data.synthetic import require_truth, simulate_truth
from hydroml.errors import ConfigError
from hydroml.progress import Advance, silent
from hydroml.sensitivity.extremes import extreme_statistics, monthly_means, thresholds
from hydroml.sensitivity.forcing import Array, Forcing
from hydroml.sensitivity.perturb import perturb
from hydroml.sensitivity.statistics import STATISTICS
from hydroml.sensitivity.storms import add_storm_statistics
from hydroml.sensitivity.study import Study

INPUTS = ("prcp", "srad", "tmax", "tmin", "vp")
BASINS_AT_ONCE = 512
"""The true model walks day by day: the more basins in a step, the less each costs."""
TRUTH = "truth"
"""Name along ``member``."""


def true_response(
    dataset: xr.Dataset, study: Study, *, on_progress: Advance = silent
) -> xr.Dataset:
    """Rerun the true model of synthetic basins under every scenario of a study.

    The climate is changed over the whole record, so that the true catchment has the years
    before the period to settle in it; potential evaporation is the true model's own and
    follows the temperature.

    Parameters
    ----------
    dataset : xarray.Dataset
        A synthetic store.
    study : Study
        Scenarios, basins, period; its attributes do not matter.
    on_progress : callable
        Told of the series done: scenarios times basins.

    Returns
    -------
    xarray.Dataset
        As of `hydroml.sensitivity.response.respond`, for one member.

    Raises
    ------
    ConfigError
        The store is not synthetic.
    """
    require_synthetic(dataset)
    parts = [
        true_response_of_some(
            dataset, study, study.basins[start : start + BASINS_AT_ONCE], on_progress=on_progress
        )
        for start in range(0, len(study.basins), BASINS_AT_ONCE)
    ]
    return xr.concat(parts, dim="basin")


def require_synthetic(dataset: xr.Dataset) -> None:
    """Refuse real basins, whose true response nobody knows.

    Raises
    ------
    ConfigError
        The store is not synthetic.
    StoreError
        It says so, but does not hold the true model's parameters.
    """
    if not dataset.attrs.get("synthetic"):
        raise ConfigError(
            "Only synthetic basins have a known truth; this store is of real ones.",
            "Leave --truth out, or give a run on a store of 'hydroml data synth'.",
        )
    require_truth(dataset)


def true_response_of_some(
    store: xr.Dataset, study: Study, basins: Sequence[str], *, on_progress: Advance = silent
) -> xr.Dataset:
    """Do what `true_response` does for some of the study's basins, all in memory at once."""
    dataset = store.sel(basin=list(basins)).load()
    forcing = _forcing(dataset, study, basins)
    days, time = forcing.period, forcing.time[forcing.period]
    present = _flow(dataset, forcing)[:, days]
    limits = thresholds(present)
    count = len(study.scenarios)
    value = np.full((count, len(basins), len(STATISTICS), 1), np.nan, "float32")
    regime = np.full((count, len(basins), 12, 1), np.nan, "float32")
    rain = np.full((count, len(basins)), np.nan, "float32")
    for s, scenario in enumerate(study.scenarios):
        climate = perturb(forcing, scenario, study.physics)
        q = _flow(dataset, climate)[:, days]
        value[s, ..., 0] = extreme_statistics(q, time, limits)
        regime[s, ..., 0] = monthly_means(q, time)
        rain[s] = climate.values[:, days, INPUTS.index("prcp")].mean(axis=1)
        add_storm_statistics(value[s, ..., 0], q, present, forcing, scenario)
        on_progress(len(basins))
    return xr.Dataset(
        {
            "value": (("scenario", "basin", "statistic", "member"), value),
            "regime": (("scenario", "basin", "month", "member"), regime),
            "precipitation": (("scenario", "basin"), rain),
        },
        coords={"basin": np.array(list(basins), dtype=object)},
    )


def _forcing(dataset: xr.Dataset, study: Study, basins: Sequence[str]) -> Forcing:
    time = dataset["time"].values.astype("datetime64[D]")
    first, last = np.searchsorted(time, study.period)
    values = np.stack(
        [dataset[n].transpose("basin", "time").values for n in INPUTS], axis=2
    ).astype("float32")
    period = slice(int(first), int(last) + 1)
    return Forcing(list(basins), time, period, INPUTS, roles_of(INPUTS, dataset), values)


def _flow(dataset: xr.Dataset, climate: Forcing) -> Array:
    changed = {name: (("basin", "time"), climate.values[..., f]) for f, name in enumerate(INPUTS)}
    return simulate_truth(dataset.assign(changed)).values
