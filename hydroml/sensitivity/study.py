"""What is to be computed: scenarios, physics, basins, days; and a mark that tells two apart."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import xarray as xr

from hydroml.data.series import Days
from hydroml.evaluation.ensemble import mark_of
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.scenario_files import dump_scenarios
from hydroml.sensitivity.scenarios import FromFile, Scenario, ScenarioSet, all_scenarios
from hydroml.training.rundir import RunDirectory

Statics = Literal["held", "recomputed"]


@dataclass(frozen=True)
class Study:
    """A set of climates, for some basins and days.

    Parameters
    ----------
    sets : tuple of ScenarioSet
        What is asked.
    physics : Physics
        What follows the temperature.
    basins : tuple of str
        Gauge ids of the store.
    period : tuple of datetime64
        First and last day.
    statics : str
        Climatic attributes ``held`` or ``recomputed``.
    """

    sets: tuple[ScenarioSet, ...]
    physics: Physics
    basins: tuple[str, ...]
    period: Days
    statics: Statics = "held"

    @property
    def scenarios(self) -> list[Scenario]:
        """The baseline and every scenario, each climate once."""
        return list(all_scenarios(self.sets))

    @property
    def set_names(self) -> list[str]:
        """Name of the set of each scenario."""
        return list(all_scenarios(self.sets).values())

    def describe(self) -> str:
        """YAML of the scenarios."""
        return dump_scenarios(self.sets)

    def mark(self, runs: Sequence[RunDirectory], dataset: xr.Dataset) -> str:
        """Hash all that the result depends on: other weights or data, other mark."""
        asked = [
            self.describe(),
            self.physics.model_dump_json(),
            json.dumps([*self.basins, *map(str, self.period), self.statics]),
        ]
        for scenario in self.scenarios:
            asked += [_version_of(c.path) for c in scenario.changes if isinstance(c, FromFile)]
        return mark_of(runs, dataset, asked)


def _version_of(path: str) -> str:
    """Size and time of a file: what is written to it later is another study."""
    try:
        state = Path(path).stat()
    except FileNotFoundError:
        return ""
    return f"{state.st_size} {state.st_mtime_ns}"
