"""Help: every command has it, with examples a line each that can be copied."""

import click
import pytest

from hydroml.cli.main import hydroml


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name, command in group.commands.items():
        inner = isinstance(command, click.Group)
        found += commands(command, (*path, name)) if inner else [(*path, name)]
    return found


@pytest.mark.parametrize("path", commands(hydroml), ids=" ".join)
def test_examples_stand_on_lines_of_their_own(path, command):
    code, out, err = command(*path, "--help")
    assert code == 0, err
    assert "\\b" not in out
    examples = [line for line in out.splitlines() if line.strip().startswith("hydroml ")]
    assert all(line.count("hydroml ") == 1 for line in examples)
    if path and path[-1] in ("train", "evaluate", "sensitivity", "report", "demo", "prepare"):
        assert len(examples) >= 2
