"""Scenarios: YAML in, typed objects, the same YAML out; faults named."""

import re
from pathlib import Path

import pytest
import yaml

from hydroml.errors import ConfigError
from hydroml.sensitivity.scenario_files import (
    DEFAULT_SETS,
    PRESETS,
    dump_scenarios,
    load_scenarios,
    parse_scenarios,
)
from hydroml.sensitivity.scenarios import Add, Multiply, Scenario, all_scenarios


def one(*changes: dict, name: str = "mine") -> dict:
    return {"name": "test", "scenarios": [{"name": name, "changes": list(changes)}]}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_survives_its_own_yaml(preset: str) -> None:
    loaded = load_scenarios([preset])
    again = tuple(parse_scenarios(t, "x") for t in yaml.safe_load_all(dump_scenarios(loaded)))
    assert again == loaded
    assert all(s.changes for s in loaded[0].expand())


def test_grid_is_every_combination_but_the_present() -> None:
    scenarios = load_scenarios(["grid"])[0].expand()
    assert len(scenarios) == 7 * 7 - 1
    told = {s.uniform for s in scenarios}
    assert told == {(t, p / 10) for t in range(7) for p in range(7, 14)} - {(0, 1.0)}
    assert {s.name for s in scenarios} >= {"t+3", "p-20%", "p+20%", "t+6_p-30%"}


def test_standard_scenarios_lie_on_the_grid_and_are_run_once() -> None:
    sets = load_scenarios([*DEFAULT_SETS, "martel"])
    names = [s.name for s in all_scenarios(sets)]
    assert names[0] == "baseline"
    assert len(names) == len(set(names))
    assert {s.name for s in load_scenarios(["martel"])[0].expand()} < set(names)


def test_uniform_change_is_told_only_where_it_is_all() -> None:
    warm = Add(variable="temperature", amount=2)
    wet = Multiply(variable="precipitation", factor=1.1)
    assert Scenario(name="a", changes=(warm, wet, warm)).uniform == (4, 1.1)
    assert Scenario(name="a", changes=(warm, Add(variable="srad", amount=1))).uniform is None
    winter = Add(variable="temperature", amount=2, season="DJF")
    assert winter.when == (12, 1, 2)
    assert Scenario(name="a", changes=(winter,)).uniform is None


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (one({"kind": "add", "variable": "temperature", "amount": 1, "months": [13]}), "13"),
        (one({"kind": "multiply", "variable": "precipitation", "factor": -0.1}), "factor = -0.1"),
        (one({"kind": "bend", "variable": "precipitation"}), "kind of change 'bend'"),
        (one({"kind": "add", "variable": "srad", "amont": 1}), "unknown key 'amont'"),
        (one({"kind": "add", "variable": "srad"}), "'amount' is missing"),
        (one({"kind": "add", "variable": "srad", "amount": "warm"}), "amount = 'warm'"),
        (
            one({"kind": "storm", "depth": 5, "antecedent": "wet"},
                {"kind": "add", "variable": "srad", "amount": 1}),
            "only change",
        ),
        (
            one({"kind": "add", "variable": "srad", "amount": 1, "months": [1], "season": "DJF"}),
            "not both",
        ),
        (one(name="two words"), "two words"),
        ({"name": "x", "scenarioss": []}, "unknown key 'scenarioss'"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_by_name(tree: dict, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_scenarios(tree, "mine.yaml")
    assert says in str(error.value)
    assert "mine.yaml" in str(error.value)
    if "scenarios" in tree:
        assert repr(tree["scenarios"][0]["name"]) in str(error.value)


def test_two_climates_of_one_name_are_refused() -> None:
    trees = [
        one({"kind": "add", "variable": "srad", "amount": amount}, name="sun") for amount in (1, 2)
    ]
    sets = tuple(parse_scenarios(tree, "x") for tree in trees)
    with pytest.raises(ConfigError, match="'sun'"):
        all_scenarios(sets)


def test_baseline_is_no_name_for_a_change() -> None:
    with pytest.raises(ConfigError, match="'baseline'"):
        all_scenarios(
            (
                parse_scenarios(
                    one({"kind": "add", "variable": "srad", "amount": 1}, name="baseline"), "x"
                ),
            )
        )


def test_files_beside_the_yaml(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    change = {"kind": "file", "path": "delta.nc", "operation": "add"}
    file.write_text(yaml.safe_dump({"scenarios": one(change)["scenarios"]}))
    loaded = load_scenarios([file])[0]
    assert loaded.name == "mine"  # where the file gives none
    assert loaded.scenarios[0].changes[0].path == str(tmp_path.resolve() / "delta.nc")


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: [", "not YAML"), ("- 1", "holds no scenarios"), (None, "Did you mean 'grid'")],
)
def test_what_is_no_scenario_file(text: str | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_scenarios([file if text is not None else "gird"])


def test_the_example_of_the_documentation_is_a_set() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "sensitivity.md"
    (block,) = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    found = parse_scenarios(yaml.safe_load(block), "docs")
    kinds = {change.kind for s in found.expand() for change in s.changes}
    assert kinds == {"add", "multiply", "intensify", "file", "storm"}
    assert len(all_scenarios([found])) == 1 + 5 + 8 + 4
