"""Every component of the box is whole: card, reproduction, page, picture, lazy import."""

import dataclasses
import inspect
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hydroml import toolkit
from hydroml.toolkit import COMPONENTS, Card, load_card, load_demo
from hydroml.toolkit.demo import silent
from hydroml.toolkit.in_core import IN_CORE

DOCS = Path(__file__).parents[2] / "docs"
every_component = pytest.mark.parametrize("name", COMPONENTS)


@pytest.mark.parametrize("name", [*COMPONENTS, *IN_CORE])
def test_the_card_is_complete(name):
    card = load_card(name) if name in COMPONENTS else IN_CORE[name][0]
    assert isinstance(card, Card)
    assert card.name == name
    assert 1940 <= card.year <= 2030
    assert str(card.year) in card.paper
    assert "arXiv" in card.paper or "doi" in card.paper.lower()
    for field in dataclasses.fields(card):
        value = getattr(card, field.name)
        texts = value if isinstance(value, tuple) else (str(value),)
        assert all(text.strip() == text and len(text) >= 3 for text in texts), field.name
        assert not any("[mem]" in text or "TODO" in text for text in texts), field.name
    assert card.answers.endswith("?")


@every_component
def test_the_reproduction_takes_seed_and_advance(name):
    run = load_demo(name)
    parameters = inspect.signature(run).parameters
    assert list(parameters) == ["seed", "advance"]
    assert parameters["seed"].default == 0
    assert parameters["advance"].default is silent


@every_component
def test_there_is_a_page_with_a_picture(name):
    page = (DOCS / "toolkit" / f"{name}.md").read_text(encoding="utf-8")
    assert f"../images/toolkit/{name}.png" in page
    assert f"hydroml toolkit {name} --demo" in page
    assert "```python" in page
    assert (DOCS / "images" / "toolkit" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_every_page_and_picture_that_the_docs_name_is_there():
    for page in (DOCS / "toolkit").glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} names {target}"


def test_the_table_of_the_docs_tells_what_the_cards_tell():
    text = (DOCS / "toolkit" / "README.md").read_text(encoding="utf-8")
    lines = text.split("## At work")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines
            if line.startswith("| [")]  # fmt: skip
    assert [row[0] for row in rows] == [f"[{name}]({name}.md)" for name in COMPONENTS]
    for (name, group), (_, row_group, answers, paper, status) in zip(
        COMPONENTS.items(), rows, strict=True
    ):
        card = load_card(name)
        assert (row_group, answers, status) == (group, card.answers, card.status)
        assert paper in card.paper


@pytest.mark.parametrize("name", [n for n in toolkit.__all__ if n not in vars(toolkit)])
def test_main_names_are_there(name):
    found = getattr(toolkit, name)
    assert found.__module__.startswith("hydroml.toolkit.")
    assert found.__name__ == name


def test_groups_are_packages():
    for group in set(COMPONENTS.values()):
        assert find_spec(f"hydroml.toolkit.{group}") is not None


def test_importing_the_toolkit_loads_no_torch():
    # in a process of its own: here torch is loaded already
    code = (
        "import sys, hydroml.toolkit as t; heavy = {'torch', 'scipy', 'matplotlib'} & set("
        "sys.modules); assert not heavy, heavy; t.COMPONENTS['hopfield']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_what_is_not_in_the_box():
    with pytest.raises(AttributeError, match="no attribute 'Hopfeld'"):
        _ = toolkit.Hopfeld
    with pytest.raises(KeyError):
        load_card("hopfeld")
