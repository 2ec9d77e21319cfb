"""What the README shows runs: its commands parse, its Python block trains and scores."""

import re
import shlex
from pathlib import Path

import click
import pytest

from hydroml.cli.main import hydroml
from hydroml.data.store import write_store
from hydroml.data.synthetic import generate

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}(hydroml .*)$", README, flags=re.MULTILINE)


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse words as the command line would, down to the subcommand, without running it."""
    context = command.make_context(words[0], list(words[1:]), parent=parent)
    if isinstance(command, click.Group):
        name, found, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None
        parse(found, [name or "", *rest], context)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line):
    parse(hydroml, shlex.split(line, comments=True))


def test_there_are_commands_and_a_wrong_option_is_noticed():
    assert len(COMMANDS) > 8
    with pytest.raises(click.UsageError):
        parse(hydroml, ["hydroml", "train", "--no-such-option"])


def test_the_python_block_runs(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    write_store(generate(basins=4, years=20), tmp_path / "data" / "store.zarr")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    nse, change, flood = map(float, capsys.readouterr().out.splitlines()[-3:])
    assert nse < 1
    assert -100 < change < 100
    assert flood > 0


@pytest.mark.parametrize(
    "page", ["README.md", "data/README.md", "docs/traps.md", "docs/sensitivity.md"]
)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target
