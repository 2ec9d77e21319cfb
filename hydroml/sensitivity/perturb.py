"""From a scenario to the forcing of that climate."""

import numpy as np

from hydroml.errors import ConfigError
from hydroml.sensitivity.forcing import Array, Forcing
from hydroml.sensitivity.forcing_files import read_changes
from hydroml.sensitivity.percentiles import percentile_of, ranked_values
from hydroml.sensitivity.physics import Physics, evaporation_factor, vapour_pressure_factor
from hydroml.sensitivity.roles import members_of
from hydroml.sensitivity.scenarios import Add, Change, FromFile, Intensify, Multiply, Scenario
from hydroml.sensitivity.storms import place_storms

WET_DAY = 1.0
"""Precipitation from which a day counts as wet [mm d-1]."""


def perturb(forcing: Forcing, scenario: Scenario, physics: Physics) -> Forcing:
    """Change the forcing as a scenario says, and what follows the temperature with it.

    Changes are applied in their order. Precipitation that an addition would make negative is 0.
    Vapour pressure and potential evaporation follow the daily mean temperature as `physics`
    says, except where a file gave them.

    Parameters
    ----------
    forcing : Forcing
        Of the present climate; left as it is.
    scenario : Scenario
        What changes.
    physics : Physics
        What follows.

    Returns
    -------
    Forcing
        With new values; the same object where nothing changes.

    Raises
    ------
    ConfigError
        A variable the run does not read, a file that does not fit, or wetter storms that the
        other days cannot pay for.
    """
    if not scenario.changes:
        return forcing
    changed, given = forcing.values.copy(), set[str]()
    after = forcing.with_values(changed)
    for change in scenario.changes:
        given |= _apply(change, after, scenario.name)
    for f in after.of_role("precipitation"):
        np.maximum(changed[..., f], 0, out=changed[..., f])  # NaN stays NaN
    _follow_temperature(forcing, after, physics, given)
    return after


def require_applicable(forcing: Forcing, scenario: Scenario) -> None:
    """Refuse a scenario that names variables, or files, that do not fit; nothing is computed.

    Raises
    ------
    ConfigError
        As `perturb`.
    """
    for change in scenario.changes:
        if isinstance(change, Add | Multiply):
            found = members_of(change.variable, forcing.names, forcing.roles, scenario.name)
            if isinstance(change, Multiply) and forcing.roles[found[0]] == "temperature":
                raise ConfigError(
                    f"Scenario {scenario.name!r} multiplies {change.variable}, in degC.",
                    "Write 'kind: add' with an amount in degC.",
                )
        elif isinstance(change, FromFile):
            read_changes(change, forcing, scenario.name, only_check=True)
        else:
            members_of("precipitation", forcing.names, forcing.roles, scenario.name)


def _apply(change: Change, forcing: Forcing, scenario: str) -> set[str]:
    """Change values in place; return the inputs a file gave."""
    x = forcing.values
    if isinstance(change, FromFile):
        given = read_changes(change, forcing, scenario)
        for name, values in given.items():
            f = forcing.names.index(name)
            if change.operation == "add":
                x[..., f] += values
            elif change.operation == "multiply":
                x[..., f] *= values
            else:  # where the file has no day (before the period), the store's forcing stays
                np.copyto(x[..., f], values, where=~np.isnan(values))
        return set(given)
    if isinstance(change, Intensify):
        for f in forcing.of_role("precipitation"):
            _intensify(x[..., f], change, forcing, scenario)
    elif isinstance(change, Add | Multiply):
        days = np.isin(forcing.months, change.when) if change.when else slice(None)
        for name in members_of(change.variable, forcing.names, forcing.roles, scenario):
            f = forcing.names.index(name)
            if isinstance(change, Add):
                x[:, days, f] += np.float32(change.amount)
            else:
                x[:, days, f] *= np.float32(change.factor)
    else:
        place_storms(forcing, change)
    return set()


def _intensify(rain: Array, change: Intensify, forcing: Forcing, scenario: str) -> None:
    """Scale the wettest days of (B, T) in place, and the others down where the mean is kept."""
    in_period = rain[:, forcing.period]
    wet = np.where(in_period >= WET_DAY, in_period, np.nan)
    threshold = percentile_of(*ranked_values(wet), change.above_quantile)
    heavy = rain >= threshold[:, None]  # NaN: no day is
    factor = np.where(heavy, np.float32(change.factor), np.float32(1))
    if change.keep_mean:
        strong = np.nansum(np.where(heavy, rain, 0)[:, forcing.period], axis=1)
        rest = np.nansum(in_period, axis=1) - strong
        gain = (change.factor - 1) * strong
        if (gain > rest).any():
            b = int(np.argmax(gain > rest))
            raise ConfigError(
                f"Scenario {scenario!r} adds more to the wet days of basin {forcing.basins[b]} "
                f"than its other days have ({gain[b]:.0f} of {rest[b]:.0f} mm): precipitation "
                "would be negative.",
                "Choose a smaller factor or a higher above_quantile, or keep_mean: false.",
            )
        shrink = 1 - np.divide(gain, rest, out=np.zeros_like(gain), where=rest > 0)
        factor = np.where(heavy, factor, shrink[:, None].astype("float32"))
    rain *= factor


def _follow_temperature(before: Forcing, after: Forcing, physics: Physics, given: set[str]) -> None:
    vapour = after.of_role("vapour_pressure") if physics.vapour_pressure != "held" else []
    demand = (
        after.of_role("potential_evaporation") if physics.potential_evaporation != "held" else []
    )
    was, now = before.mean_temperature(), after.mean_temperature()
    if was is None or now is None or np.array_equal(was, now, equal_nan=True):
        return
    for places, factor in ((vapour, vapour_pressure_factor), (demand, evaporation_factor)):
        for f in places:
            if after.names[f] not in given:
                after.values[..., f] *= factor(was, now).astype("float32")
