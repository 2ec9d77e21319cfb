"""Scenarios of another climate, typed: what is changed, when, and by how much."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hydroml.config import Section
from hydroml.errors import ConfigError

BASELINE = "baseline"
"""Name of the unchanged climate, always the first scenario."""

SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}

Month = Annotated[int, Field(ge=1, le=12)]


class _Timed(Section):
    """A change that may be limited to some months."""

    months: tuple[Month, ...] = ()
    season: Literal["DJF", "MAM", "JJA", "SON"] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "_Timed":
        if self.months and self.season:
            raise ValueError("give months or a season, not both")
        return self

    @property
    def when(self) -> tuple[int, ...]:
        """Months the change holds in; none means all year."""
        return SEASONS[self.season] if self.season else self.months


class Add(_Timed):
    """``x + amount``.

    Parameters
    ----------
    variable : str
        ``temperature`` (every air temperature together), ``precipitation``, or an input's name.
    amount : float
        In the variable's units.
    months, season
        When; all year by default.
    """

    kind: Literal["add"] = "add"
    variable: str
    amount: float


class Multiply(_Timed):
    """``x * factor``; dry days stay dry. See `Add`."""

    kind: Literal["multiply"] = "multiply"
    variable: str
    factor: Annotated[float, Field(ge=0)]


class Intensify(_Timed):
    """Multiply precipitation on the wettest days only.

    Parameters
    ----------
    factor : float
        Of precipitation on days above the threshold.
    above_quantile : float
        Threshold as a quantile of the wet days (1 mm or more) of each basin in the period.
    keep_mean : bool
        Shrink the other days by one factor, so that the sum stays what it was: wetter storms
        at equal mean.
    """

    kind: Literal["intensify"] = "intensify"
    factor: Annotated[float, Field(ge=0)]
    above_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    keep_mean: bool = False


class FromFile(Section):
    """Changes, or whole forcing, read from a NetCDF file.

    Parameters
    ----------
    path : str
        Variables are called like inputs, or ``temperature`` and ``precipitation``; each has
        dimensions out of (basin, time) or (basin, month) or only the second. Relative to the
        YAML file.
    operation : str
        ``replace`` (needs (basin, time) and all days and basins), ``add`` or ``multiply``.
    """

    kind: Literal["file"] = "file"
    path: str
    operation: Literal["replace", "add", "multiply"]


class Storm(Section):
    """A design storm put on one day of each year, instead of what fell.

    Parameters
    ----------
    depth : float
        Precipitation of the day [mm].
    antecedent : str
        ``wet``: on the year's wettest ground, ``dry``: on its driest; see `storms`.
    """

    kind: Literal["storm"] = "storm"
    depth: Annotated[float, Field(gt=0)]
    antecedent: Literal["wet", "dry"]


Change = Annotated[Add | Multiply | Intensify | FromFile | Storm, Field(discriminator="kind")]


class Scenario(Section):
    """One climate: changes applied in the order they are written.

    Parameters
    ----------
    name : str
        Short and without blanks: the coordinate in the results.
    changes : tuple of Change
        What differs from the baseline; nothing for the baseline itself.
    title : str
        For figures; by default the name.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+%-]*$")]
    changes: tuple[Change, ...]
    title: str = ""

    @model_validator(mode="after")
    def _storm_alone(self) -> "Scenario":
        if len(self.changes) > 1 and any(c.kind == "storm" for c in self.changes):
            raise ValueError(f"the storm of {self.name!r} has to be its only change")
        return self

    @property
    def uniform(self) -> tuple[float, float] | None:
        """Warming [K] and factor of precipitation, where that is all that is changed."""
        warming, factor = 0.0, 1.0
        for change in self.changes:
            if isinstance(change, Add) and change.variable == "temperature" and not change.when:
                warming += change.amount
            elif (
                isinstance(change, Multiply)
                and change.variable == "precipitation"
                and not change.when
            ):
                factor *= change.factor
            else:
                return None
        return warming, factor

    @property
    def storm(self) -> Storm | None:
        """Its design storm, if it is one."""
        return next((c for c in self.changes if isinstance(c, Storm)), None)


class Grid(Section):
    """Every combination of warming [K] and factors of precipitation."""

    warming: tuple[float, ...]
    precipitation: tuple[Annotated[float, Field(ge=0)], ...]


class DesignStorms(Section):
    """Every combination of depths [mm] and antecedents."""

    depths: tuple[Annotated[float, Field(gt=0)], ...]
    antecedents: tuple[Literal["wet", "dry"], ...] = ("wet", "dry")


class ScenarioSet(Section):
    """What a YAML file of scenarios holds.

    Parameters
    ----------
    name : str
        Of the set.
    about : str
        One sentence on what it is for.
    grid, storms
        Shorthands for many scenarios.
    scenarios : tuple of Scenario
        Scenarios written out.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    about: str = ""
    grid: Grid | None = None
    storms: DesignStorms | None = None
    scenarios: tuple[Scenario, ...] = ()

    def expand(self) -> tuple[Scenario, ...]:
        """All scenarios of the set but the baseline."""
        return (*_grid_scenarios(self.grid), *_storm_scenarios(self.storms), *self.scenarios)


def all_scenarios(sets: Sequence[ScenarioSet]) -> dict[Scenario, str]:
    """List the baseline and every scenario of the sets, with the name of its set.

    The same climate in two sets (the standard scenarios are points of the grid) is run once.

    Raises
    ------
    ConfigError
        Two different scenarios of one name, or one called ``baseline``.
    """
    found: dict[Scenario, str] = {Scenario(name=BASELINE, changes=()): sets[0].name}
    by_name = {BASELINE: Scenario(name=BASELINE, changes=())}
    for one in sets:
        for scenario in one.expand():
            known = by_name.get(scenario.name)
            if known is not None and known.changes != scenario.changes:
                raise ConfigError(
                    f"Two different scenarios are called {scenario.name!r}.",
                    "Give each a name of its own; 'baseline' is the unchanged climate.",
                )
            if known is None:
                by_name[scenario.name] = scenario
                found[scenario] = one.name
    return found


def _grid_scenarios(grid: Grid | None) -> list[Scenario]:
    if grid is None:
        return []
    return [
        _uniform(warming, factor)
        for warming in grid.warming
        for factor in grid.precipitation
        if (warming, factor) != (0, 1)
    ]


def _uniform(warming: float, factor: float) -> Scenario:
    percent = round(100 * factor - 100, 6)
    changes: list[Change] = []
    if warming:
        changes.append(Add(variable="temperature", amount=warming))
    if factor != 1:
        changes.append(Multiply(variable="precipitation", factor=factor))
    names = [f"t{warming:+g}"] * bool(warming) + [f"p{percent:+g}%"] * (factor != 1)
    titles = [f"{warming:+g} °C"] * bool(warming) + [f"P {percent:+g} %"] * (factor != 1)
    return Scenario(name="_".join(names), title=", ".join(titles), changes=tuple(changes))


def _storm_scenarios(storms: DesignStorms | None) -> list[Scenario]:
    if storms is None:
        return []
    return [
        Scenario(
            name=f"storm_{depth:g}mm_{antecedent}",
            title=f"storm of {depth:g} mm, {antecedent} antecedent",
            changes=(Storm(depth=depth, antecedent=antecedent),),
        )
        for antecedent in storms.antecedents
        for depth in storms.depths
    ]
