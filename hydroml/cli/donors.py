"""``hydroml donors``: gauged basins that stand in for one without flow."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hydroml.regionalisation.donors import Donors

SHOWN = 10
"""Donors printed; the CSV has all."""


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--basin", required=True, help="Gauge id of the basin without flow.")
@click.option(
    "--candidates", default="all", show_default=True,
    help="Gauged basins: a file of ids, ids with commas, or all others of the store.",
)  # fmt: skip
@click.option(
    "--method", default="hopfield-both", show_default=True,
    help="By attributes and place: hopfield-both. By attributes: hopfield, cosine, nearest, "
    "several, cloob. By place: hopfield-space, nearest-space, several-space.",
)  # fmt: skip
@click.option(
    "--attributes", default="auto", show_default=True,
    help="Numeric attributes with commas; auto: the 27 of the reference experiment.",
)  # fmt: skip
@click.option("--period", help="Days of discharge to read, FROM..TO; all without.")
@click.option(
    "--out", default="donors", show_default=True, type=click.Path(path_type=Path),
    help="Folder for the table and the picture.",
)  # fmt: skip
def donors(
    store: Path,
    basin: str,
    candidates: str,
    method: str,
    attributes: str,
    period: str | None,
    out: Path,
) -> None:
    """Find donors in STORE for a basin without flow, with weights.

    Weights are Hopfield retrieval in standardised attributes (hopfield), or in a space learned
    from attributes and hydrographs of the candidates (cloob). How sharp they are is chosen by
    leave-one-out among the candidates.

    \b
    hydroml donors data/store.zarr --basin 01022500
    hydroml donors data/store.zarr --basin 01022500 --candidates gauged.txt --method cloob
    """
    from hydroml import api

    found = api.find_donors(
        store, basin, candidates, method=method, attributes=attributes, period=period, out=out
    )
    _print(found, out)


def _print(found: "Donors", out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("donor", "weight", "km", "attributes", "name")
    for gauge, row in found.table.head(SHOWN).iterrows():
        table.add_row(
            str(gauge), f"{row['weight']:.3f}", f"{row['distance_km']:.0f}",
            f"{row['attribute_distance']:.2f}", str(row.get("gauge_name", "")),
        )  # fmt: skip
    Console().print(table)
    left_out = ", ".join(found.attributes.left_out)
    choice = ", ".join(f"{value:g}" for value in found.choice)
    click.echo(
        f"{len(found.table)} candidates, {found.effective:.1f} of them in effect "
        f"({found.method}, chosen {choice}); median NSE in leave-one-out {found.score:.3f}."
    )
    click.echo(f"Compared by {len(found.attributes.names)} attributes.")
    if left_out:
        click.echo(f"Categorical, and so left out: {left_out}.")
    if found.nse == found.nse:  # not NaN
        click.echo(f"The basin has flow after all: the donors' mix has NSE {found.nse:.3f}.")
    stem = f"{found.basin}_{found.method}"
    click.echo(f"Wrote {out / stem}.csv and {out / stem}.png")
