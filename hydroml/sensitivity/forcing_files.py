"""Changes of forcing, or whole forcing, from NetCDF files of climate models and generators."""

from pathlib import Path

import numpy as np
import xarray as xr

from hydroml.errors import ConfigError
from hydroml.sensitivity.forcing import Array, Forcing
from hydroml.sensitivity.roles import members_of
from hydroml.sensitivity.scenarios import FromFile


def read_changes(
    change: FromFile, forcing: Forcing, scenario: str, *, only_check: bool = False
) -> dict[str, Array]:
    """Read what a file says on the basins and days of a forcing.

    Parameters
    ----------
    change : FromFile
        File and operation.
    forcing : Forcing
        What it is for.
    scenario : str
        Its name, for errors.
    only_check : bool
        Check variables, basins and days without reading values.

    Returns
    -------
    dict of str to ndarray
        Input to values (B, T) or (1, T); with operation ``replace`` NaN on days before the
        period that the file does not have.

    Raises
    ------
    ConfigError
        No such file, no input in it, a basin or a day of the period is not covered, a value is
        missing, or a factor is negative; it names which.
    """
    path = Path(change.path)
    try:
        with xr.open_dataset(path) as file:
            return _read(file, change, forcing, f"{scenario!r} ({path})", only_check)
    except FileNotFoundError:
        raise ConfigError(
            f"Scenario {scenario!r} needs {path}, which is not there.",
            "Give the path relative to the YAML file, or absolute.",
        ) from None
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"Scenario {scenario!r}: {path} cannot be read ({error}).", "Give a NetCDF file."
        ) from error


def _read(
    file: xr.Dataset, change: FromFile, forcing: Forcing, where: str, only_check: bool
) -> dict[str, Array]:
    names = [str(n) for n, v in file.data_vars.items() if {"time", "month"} & set(v.dims)]
    if not names:
        raise ConfigError(
            f"Scenario {where}: no variable has a dimension time or month.",
            "Name variables like inputs, with dimensions (basin, time), (basin, month) or one.",
        )
    found: dict[str, Array] = {}
    targets_of = {n: _targets(n, forcing, where) for n in names}
    _require_temperatures_together({t for ts in targets_of.values() for t in ts}, forcing, where)
    for name, targets in targets_of.items():
        values = _on_days(_on_basins(file[name], forcing, where), change, forcing, where)
        if only_check:
            continue
        array = np.atleast_2d(values.values.astype("float32"))
        _require_values(array, name, change, forcing, where)
        found.update(dict.fromkeys(targets, array))
    return found


def _targets(name: str, forcing: Forcing, where: str) -> list[str]:
    if name in forcing.names:
        return [name]
    return members_of(name, forcing.names, forcing.roles, where)


def _require_temperatures_together(given: set[str], forcing: Forcing, where: str) -> None:
    group = {forcing.names[f] for f in forcing.of_role("temperature")}
    if given & group and not group <= given:
        raise ConfigError(
            f"Scenario {where}: it has {', '.join(sorted(given & group))} but not "
            f"{', '.join(sorted(group - given))}.",
            "Give all of them: the temperatures of a day belong together.",
        )


def _on_basins(values: xr.DataArray, forcing: Forcing, where: str) -> xr.DataArray:
    if "basin" not in values.dims:
        return values
    known = {str(b) for b in values["basin"].values}
    missing = [b for b in forcing.basins if b not in known]
    if missing:
        raise ConfigError(
            f"Scenario {where}: {values.name} does not cover {len(missing)} of "
            f"{len(forcing.basins)} basins, first {missing[0]}.",
            "Add them to the file, or choose basins with --basins.",
        )
    texts = values.assign_coords(basin=values["basin"].values.astype(str))
    return texts.sel(basin=forcing.basins)


def _on_days(values: xr.DataArray, change: FromFile, forcing: Forcing, where: str) -> xr.DataArray:
    order = ("basin",) if "basin" in values.dims else ()
    if "month" in values.dims:
        if change.operation == "replace":
            raise ConfigError(
                f"Scenario {where}: {values.name} has a value a month, which cannot replace days.",
                "Use operation add or multiply, or give daily values.",
            )
        months = set(values["month"].values.tolist())
        if months != set(range(1, 13)):
            raise ConfigError(
                f"Scenario {where}: months of {values.name} are {sorted(months)}.",
                "Give the months 1 to 12, each once.",
            )
        return values.transpose(*order, "month").sel(month=forcing.months)
    days = values["time"].values.astype("datetime64[D]")
    wanted = forcing.time[forcing.period]
    if days.size == 0 or days[0] > wanted[0] or days[-1] < wanted[-1]:
        span = f"{days[0]} to {days[-1]}" if days.size else "no day"
        raise ConfigError(
            f"Scenario {where}: {values.name} covers {span}, not the whole period "
            f"{wanted[0]} to {wanted[-1]}.",
            "Give the whole period, or choose another with --period.",
        )
    if len(np.unique(days)) != len(days):
        raise ConfigError(f"Scenario {where}: {values.name} has days twice.", "Give each once.")
    daily = values.assign_coords(time=days.astype("datetime64[ns]")).transpose(*order, "time")
    return daily.reindex(time=forcing.time.astype("datetime64[ns]"))


def _require_values(
    array: Array, name: str, change: FromFile, forcing: Forcing, where: str
) -> None:
    missing = np.isnan(array[:, forcing.period])
    if missing.any():
        b, t = np.argwhere(missing)[0]
        day = forcing.time[forcing.period][t]
        basin = f" of basin {forcing.basins[b]}" if len(array) > 1 else ""
        raise ConfigError(
            f"Scenario {where}: {name}{basin} is missing on {day}.",
            "Fill the gap: every day of the period needs a value.",
        )
    if change.operation == "multiply" and (array < 0).any():
        raise ConfigError(
            f"Scenario {where}: a factor of {name} is negative ({np.nanmin(array):g}).",
            "Factors are 0 or more.",
        )
    if change.operation == "replace":
        return
    # before the period a daily change that the file does not give is no change
    neutral = np.float32(1 if change.operation == "multiply" else 0)
    np.copyto(array, neutral, where=np.isnan(array))
