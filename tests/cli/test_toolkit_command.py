"""``hydroml toolkit``: the table, a card, a reproduction and what it writes."""

import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hydroml import toolkit
from hydroml.cli.toolkit import toolkit as toolkit_command
from hydroml.toolkit.card import Card
from hydroml.toolkit.demo import Demo, Finding, Panel, Series

CARDS = {
    "echo": Card(
        "echo", "Echo of a series", "Nobody (2026): Echo. arXiv:0000.00000", 2026,
        "What was said a while ago, and how long does it take to come back to who said it?",
        "x (B, T) [mm d-1]", "y (B, T) [mm d-1]", "none: nothing to hear", "y equals x",
        "works", ("The walls are where the paper leaves them open.",),
    ),
    "echo_lake": Card(
        "echo_lake", "Echo over water", "Nobody (2027): Lake", 2027, "And over a lake?",
        "x", "y", "none: no lake", "y equals x", "works, for lakes without an outflow",
    ),
}  # fmt: skip


def quick_demo(seed=0, advance=None):
    for done in (0.3, 0.7, 1.0):
        advance(done)
    return Demo(
        (
            Finding("share right [-]", "above 0.9", 0.987654, True),
            Finding("error [mm]", "below 0.1", 0.5, False),
            Finding("best wall", "for orientation", f"north, seed {seed}"),
        ),
        (Panel("Echo", "t", "y", (Series([0, 1], [1.0, 0.5], "echo"),)),),
        "Two walls, one seed.",
    )


@pytest.fixture(autouse=True)
def small_box(monkeypatch):
    """A toolkit of two components that need no torch."""
    monkeypatch.setattr(toolkit, "COMPONENTS", dict.fromkeys(CARDS, "sound"))
    for name, card in CARDS.items():
        home = SimpleNamespace(CARD=card)
        monkeypatch.setitem(sys.modules, f"hydroml.toolkit.sound.{name}", home)
        demo = SimpleNamespace(run=quick_demo)
        monkeypatch.setitem(sys.modules, f"hydroml.toolkit.demos.{name}", demo)


def test_the_table_names_every_component(command):
    code, out, err = command("toolkit")
    assert code == 0, err
    for card in CARDS.values():
        words = f"{card.name} {card.title}. {card.year} {card.status}".split()
        assert set(words) <= set(out.split())  # long texts are folded
    assert "hydroml toolkit NAME --demo" in out


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("arguments", [[], ["echo"], ["echo", "--demo"]], ids=str)
def test_everything_fits_the_terminal(width, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"COLUMNS": str(width), "LINES": "40"})
    result = runner.invoke(toolkit_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= width
    assert "..." not in result.stdout.replace("…", "...")  # nothing is cut off


def test_a_card_shows_all_that_it_says(command):
    code, out, err = command("toolkit", "echo")
    assert code == 0, err
    flat = " ".join(out.split())
    card = CARDS["echo"]
    for text in (card.title, card.answers, card.paper, card.inputs, card.outputs, card.hydrology,
                 card.claim, card.status, *card.choices):  # fmt: skip
        assert text in flat
    assert "hydroml toolkit echo --demo" in flat
    assert "hydroml.toolkit.sound.echo" in flat


def test_an_unknown_name_is_told_the_nearest(command):
    code, _, err = command("toolkit", "ecko")
    assert code == 1
    assert "There is no component 'ecko'. Did you mean 'echo'?" in err
    assert "What to do:" in err


def test_a_demo_needs_a_name(command):
    code, _, err = command("toolkit", "--demo")
    assert code == 1
    assert "--demo needs a NAME" in err


def test_a_demo_prints_findings_beside_claims_and_writes_a_picture(command, tmp_path):
    code, out, err = command("toolkit", "echo", "--demo", "--seed", 7, "--out", tmp_path / "new")
    assert code == 0, err
    lines = [line.split("│") for line in out.splitlines() if "│" in line]  # of the table
    rows = {cells[1].strip(): [c.strip() for c in cells[2:5]] for cells in lines}
    assert rows["share right [-]"] == ["above 0.9", "0.9877", "holds"]
    assert rows["error [mm]"] == ["below 0.1", "0.5", "does NOT hold"]
    assert rows["best wall"] == ["for orientation", "north, seed 7", ""]
    assert "Two walls, one seed." in out
    (picture,) = (tmp_path / "new").iterdir()
    assert picture.name == "echo_seed7.png"
    assert f"Wrote {picture}" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "100/100" in err  # progress, to its end


def test_what_is_in_the_core_has_a_card_and_a_command(command):
    code, out, _ = command("toolkit")
    assert code == 0
    assert "IN THE CORE" in out
    assert "climate_sensitivity" in out
    code, out, _ = command("toolkit", "ealstm")
    assert code == 0
    assert "Command:      hydroml train --model ealstm" in out
    assert "--demo" not in out
    code, _, err = command("toolkit", "ealstm", "--demo")
    assert code == 1
    assert "Run it: hydroml train --model ealstm --help" in err
