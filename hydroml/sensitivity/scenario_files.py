"""Sets of scenarios as YAML: presets and files in, the same YAML out, faults named."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from hydroml.config import Section
from hydroml.errors import ConfigError, nearest
from hydroml.sensitivity.scenarios import (
    Add,
    Change,
    FromFile,
    Intensify,
    Multiply,
    Scenario,
    ScenarioSet,
    Storm,
)

PRESETS = ("grid", "martel", "seasons", "storms")
DEFAULT_SETS = ("grid", "seasons", "storms")
"""What is run where no scenario is asked for; the standard scenarios of ``martel`` lie on the
grid."""


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
