"""``hydroml weeks``: which weeks made the annual flood."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Store. Default: HYDROML_DATA, then data/store.zarr.",
)
@click.option("--basins", default="all", show_default=True, help="all, a number, ids, or a file.")
@click.option(
    "--train",
    "train_period",
    default="1999-10-01..2014-09-30",
    show_default=True,
    help="Water years to learn from, FROM..TO.",
)
@click.option(
    "--validation",
    default="1981-10-01..1989-09-30",
    show_default=True,
    help="Water years that choose the epoch.",
)
@click.option(
    "--test",
    "test_period",
    default="1989-10-01..1999-09-30",
    show_default=True,
    help="Water years that are only reported.",
)
@click.option("--epochs", default=20, show_default=True, type=int)
@click.option("--members", default=3, show_default=True, type=int, help="Networks, averaged.")
@click.option(
    "--blocks",
    default=5,
    show_default=True,
    type=int,
    help="Stretches of 7, 14, 28, ... days before each week that it is told of.",
)
@click.option(
    "--snow",
    default=0.2,
    show_default=True,
    type=float,
    help="Share of precipitation below 0 degC from which a basin is a snow basin.",
)
@click.option("--seed", default=0, show_default=True, type=int)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option(
    "--out",
    default="weeks",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder to write to.",
)
@click.option(
    "--allow-missing", is_flag=True, help="Leave out basins not there, or without an attribute."
)
def weeks(
    data: Path | None,
    basins: str,
    train_period: str,
    validation: str,
    test_period: str,
    epochs: int,
    members: int,
    blocks: int,
    snow: float,
    seed: int,
    device: str,
    out: Path,
    allow_missing: bool,
) -> None:
    """Find the weeks that made each year's flood.

    Networks see the weather of 52 weeks and learn the height of the year's flood, never its date;
    where they look is then held against the date, chance, and the wettest week. Writes weeks.csv,
    attention.csv, hits.csv, summary.json and weeks.png.

    \b
    hydroml weeks --data data/store.zarr
    hydroml weeks --data data/store.zarr --basins 01022500,01031500 --members 1 --out weeks_two
    """
    from hydroml import api
    from hydroml.explanation.week_models import WeekSettings

    hits = api.find_flood_weeks(
        data,
        basins=basins,
        periods={"train": train_period, "validation": validation, "test": test_period},
        settings=WeekSettings(blocks=blocks, epochs=epochs, members=members),
        snow=snow,
        seed=seed,
        device=device,
        out=out,
        allow_missing=allow_missing,
    )
    print_hits(hits, out)


def print_hits(hits: "pd.DataFrame", folder: Path) -> None:
    """Print hit rates of every method and group, and what was written."""
    import json

    from rich.console import Console
    from rich.table import Table

    from hydroml.explanation.week_scores import GROUPS, METHODS

    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    mark = "SYNTHETIC DATA: " if summary["synthetic"] else ""
    for period in hits["period"].unique().tolist():
        own = hits[hits["period"] == period]
        groups = [g for g in GROUPS if g in set(own["group"])]
        table = Table(
            title=f"{mark}{period} ({summary['periods'][period]}): share of years whose chosen "
            "week has the flood / or is the week before it [%]"
        )
        table.add_column("week")
        shares = own.set_index(["group", "method"])
        for group in groups:
            table.add_column(f"{GROUPS[group]} ({shares.loc[(group, 'chance'), 'years']} years)")
        for method, title in {"chance": "drawn by lot", **METHODS}.items():
            found = [shares.loc[(g, method), ["contains", "near"]] * 100 for g in groups]
            table.add_row(title, *(f"{f['contains']:5.1f} / {f['near']:5.1f}" for f in found))
        Console().print(table)
        skill = summary["skill"][period]
        said = ", ".join(f"{p} {s['r2']:.2f} ({s['r_within']:.2f})" for p, s in skill.items())
        click.echo(f"Height of the flood, variance explained (correlation within basins): {said}")
    click.echo(f"Written to {folder}: {', '.join(sorted(f.name for f in folder.iterdir()))}")
