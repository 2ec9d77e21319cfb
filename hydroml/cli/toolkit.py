"""``hydroml toolkit``: the shared components, their cards and their small reproductions."""

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hydroml.toolkit.card import Card
    from hydroml.toolkit.demo import Demo


@click.command()
@click.argument("name", required=False)
@click.option("--demo", is_flag=True, help="Run the small reproduction of NAME (minutes).")
@click.option("--seed", default=0, show_default=True, type=int, help="Of the reproduction.")
@click.option(
    "--out", default="toolkit", show_default=True, type=click.Path(path_type=Path),
    help="Folder for the picture.",
)  # fmt: skip
def toolkit(name: str | None, demo: bool, seed: int, out: Path) -> None:
    """List the toolkit's components, show the card of NAME, or run its demo.

    \b
    hydroml toolkit
    hydroml toolkit hopfield
    hydroml toolkit hopfield --demo --seed 1
    """
    from hydroml.errors import ConfigError, nearest
    from hydroml.toolkit import COMPONENTS, load_card
    from hydroml.toolkit.in_core import IN_CORE

    if name is None:
        if demo:
            raise ConfigError("--demo needs a NAME.", "Choose one of: hydroml toolkit")
        rows = [(group, load_card(known)) for known, group in COMPONENTS.items()]
        _print_table([*rows, *(("in the core", card) for card, _ in IN_CORE.values())])
        return
    if name in IN_CORE:
        card, command = IN_CORE[name]
        if demo:
            raise ConfigError(
                f"{name} is no component: it is what hydroml is for.", f"Run it: {command} --help"
            )
        _print_card(card, {"Command": command})
        return
    if name not in COMPONENTS:
        raise ConfigError(
            f"There is no component {name!r}. {nearest(name, [*COMPONENTS, *IN_CORE])}",
            "See what there is: hydroml toolkit",
        )
    card = load_card(name)
    if demo:
        _run(card, seed, out)
    else:
        home = f"hydroml.toolkit.{COMPONENTS[name]}.{name}"
        _print_card(card, {"Import": home, "Demo": f"hydroml toolkit {name} --demo"})


def _print_table(rows: "list[tuple[str, Card]]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, width=min(console.width, 130), padding=(0, 1, 0, 0))
    table.add_column("name", no_wrap=True, style="bold")
    table.add_column("what it is, and what it answers", ratio=5)
    table.add_column("year", no_wrap=True)
    table.add_column("status", ratio=2)
    last = ""
    for group, card in rows:
        if group != last:
            table.add_section()
            table.add_row(Text(group.upper(), style="not bold dim"))
            last = group
        texts = (card.name, f"{card.title}. {card.answers}", str(card.year), card.status)
        table.add_row(*map(Text, texts))  # Text: brackets are units here, not marks
    console.print(table)
    click.echo("A card:                 hydroml toolkit NAME")
    click.echo("Its small reproduction: hydroml toolkit NAME --demo")


_LABEL = 14  # columns of what stands before a card's texts


def _print_card(card: "Card", use: dict[str, str]) -> None:
    rows = {
        "Question": card.answers, "Paper": card.paper, "Inputs": card.inputs,
        "Outputs": card.outputs, "In hydrology": card.hydrology, "Claim": card.claim,
        "Status": card.status, **use,
    }  # fmt: skip
    width = min(100, shutil.get_terminal_size().columns)
    click.secho(f"{card.title} ({card.year})", bold=True)
    lines = [*rows.items(), *(("Choice", choice) for choice in card.choices)]
    for title, text in lines:
        label = f"{title + ':':<{_LABEL}}"
        click.echo(textwrap.fill(text, width, initial_indent=label, subsequent_indent=" " * _LABEL))


def _run(card: "Card", seed: int, out: Path) -> None:
    from hydroml.progress import progress_bar
    from hydroml.report.demonstration import draw_demonstration
    from hydroml.toolkit import load_demo

    with progress_bar(card.title, total=100, unit="%") as advance:
        shown = 0

        def tell(done: float) -> None:
            nonlocal shown
            step = int(100 * done) - shown
            advance(step)
            shown += step

        demo = load_demo(card.name)(seed=seed, advance=tell)
        tell(1.0)
    _print_findings(demo)
    path = draw_demonstration(card, demo, out / f"{card.name}_seed{seed}.png")
    click.echo(f"Wrote {path}")


def _print_findings(demo: "Demo") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    words = {True: "holds", False: "does NOT hold", None: ""}
    table = Table("what", "claim")
    table.add_column("measured", justify="right")
    table.add_column("", no_wrap=True)
    for f in demo.findings:
        measured = f.measured if isinstance(f.measured, str) else f"{f.measured:.4g}"
        table.add_row(*map(Text, (f.what, f.claim, measured, words[f.holds])))
    Console().print(table)
    click.echo(textwrap.fill(demo.note, min(100, shutil.get_terminal_size().columns)))
