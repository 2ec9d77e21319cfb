"""Scenarios of another climate, typed: what is changed, when, and by how much.

A set of scenarios is a YAML file (or a preset). It is read into frozen objects, and the same
YAML goes into the results.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from hydroml.config import Section
from hydroml.errors import ConfigError, nearest

BASELINE = "baseline"
"""Name of the unchanged climate, always the first scenario."""

PRESETS = ("grid", "martel", "seasons", "storms")
DEFAULT_SETS = ("grid", "seasons", "storms")
"""What is run where no scenario is asked for; the standard scenarios of ``martel`` lie on the
grid."""

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


def load_scenarios(names: Sequence[str | Path] = DEFAULT_SETS) -> tuple[ScenarioSet, ...]:
    """Read presets and YAML files.

    Parameters
    ----------
    names : sequence of str or path-like
        Each ``grid``, ``martel``, ``seasons``, ``storms`` or a file.

    Returns
    -------
    tuple of ScenarioSet
        With every path of a `FromFile` made absolute.

    Raises
    ------
    ConfigError
        No such preset or file, or a fault in one: the scenario and what is wrong are named.

    Examples
    --------
    >>> [s.name for s in load_scenarios(["martel"])[0].expand()]
    ['p-20%', 'p+20%', 't+3', 't+6']
    """
    return tuple(_load(str(name)) for name in dict.fromkeys(map(str, names)))


def parse_scenarios(tree: Mapping[str, Any], where: str) -> ScenarioSet:
    """Validate a plain mapping as read from YAML; `where` is named in errors.

    Raises
    ------
    ConfigError
        Naming the scenario, the key and what is allowed.
    """
    try:
        return ScenarioSet.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, tree, where) from None


def dump_scenarios(sets: Sequence[ScenarioSet]) -> str:
    """YAML of some sets, one document each; `yaml.safe_load_all` reads it back."""
    trees = [s.model_dump(mode="json", exclude_none=True) for s in sets]
    return yaml.safe_dump_all(trees, sort_keys=False, allow_unicode=True)


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


def _load(name: str) -> ScenarioSet:
    if name in PRESETS:
        text = resources.files("hydroml.sensitivity").joinpath("presets", f"{name}.yaml")
        return parse_scenarios(yaml.safe_load(text.read_text(encoding="utf-8")), name)
    file = Path(name).expanduser()
    if not file.is_file():
        raise ConfigError(f"There is no preset and no file of scenarios {name}.", _hint(name))
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {error}", "Mend the line it names.") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} holds no scenarios.", "Write 'name:' and 'scenarios:' in it.")
    found = parse_scenarios({"name": file.stem, **tree}, str(file))
    return _with_absolute_paths(found, file.resolve().parent)


def _hint(name: str) -> str:
    hint = nearest(name, PRESETS)
    known = f"Presets are {', '.join(PRESETS)}."
    return f"{hint} {known}" if hint.startswith("Did") else known


def _with_absolute_paths(scenarios: ScenarioSet, folder: Path) -> ScenarioSet:
    def absolute(change: Change) -> Change:
        if not isinstance(change, FromFile):
            return change
        return change.model_copy(update={"path": str(folder / Path(change.path).expanduser())})

    moved = tuple(
        s.model_copy(update={"changes": tuple(map(absolute, s.changes))})
        for s in scenarios.scenarios
    )
    return scenarios.model_copy(update={"scenarios": moved})


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


_KINDS: dict[str, type[Section]] = {
    "add": Add,
    "multiply": Multiply,
    "intensify": Intensify,
    "file": FromFile,
    "storm": Storm,
}


def _explain(error: ValidationError, tree: Mapping[str, Any], where: str) -> ConfigError:
    errors = error.errors(include_url=False)
    # a mistyped key shows twice, as unknown and as missing: the first says more
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    path = list(first["loc"])
    place = where
    if path[0] == "scenarios" and len(path) > 1:
        place = f"{where}, scenario {_name_of(tree, int(path[1]))}"
        path = path[2:]
    keys = [str(p) for p in path if not isinstance(p, int) and p not in (*_KINDS, "changes")]
    key = keys[-1] if keys else "changes"
    if first["type"] == "union_tag_invalid":
        return ConfigError(
            f"{place}: unknown kind of change {first['ctx']['tag']!r}.",
            nearest(str(first["ctx"]["tag"]), list(_KINDS)),
        )
    if first["type"] == "extra_forbidden":
        fields = ScenarioSet.model_fields if place == where else Scenario.model_fields
        fields = next((_KINDS[str(p)].model_fields for p in path if p in _KINDS), fields)
        return ConfigError(f"{place}: unknown key {key!r}.", nearest(key, list(fields)))
    if first["type"] == "missing":
        return ConfigError(f"{place}: {key!r} is missing.", f"Write '{key}: ...'.")
    return ConfigError(
        f"{place}: {key} = {first.get('input')!r} will not do. {first['msg']}.",
        f"Change {key}; docs/sensitivity.md has examples.",
    )


def _name_of(tree: Mapping[str, Any], number: int) -> str:
    try:
        return repr(tree["scenarios"][number]["name"])
    except (KeyError, TypeError, IndexError):
        return f"number {number + 1}"
