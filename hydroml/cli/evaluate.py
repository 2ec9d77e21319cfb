"""``hydroml evaluate``: NSE and more for every basin."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--period",
    default="test",
    show_default=True,
    help="train, validation, test, or dates FROM..TO.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Another store than the run's own.")
@click.option("--basins", help="Default: the run's own; all of another store.")
@click.option(
    "--mode",
    default="continuous",
    show_default=True,
    help="continuous: one pass, state carried. windowed: a window a day, as in the paper.",
)
@click.option(
    "--flavour",
    default="kratzert2019",
    show_default=True,
    help="Formulas of FHV, FLV, FMS: kratzert2019 or neuralhydrology.",
)
@click.option(
    "--scheduler",
    help="Address of a Dask scheduler whose workers see these files; each uses the GPU it has.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--allow-missing", is_flag=True, help="Leave out basins not there, or without an attribute."
)
@click.option(
    "--realism",
    is_flag=True,
    help="Also measure whether simulated years look like real ones: the Frechet hydrograph "
    "distance.",
)
def evaluate(
    runs: tuple[Path, ...],
    period: str,
    data: Path | None,
    basins: str | None,
    mode: str,
    flavour: str,
    scheduler: str | None,
    device: str,
    out: Path | None,
    allow_missing: bool,
    realism: bool,
) -> None:
    """Score RUNS basin by basin; several are an ensemble.

    Writes metrics.csv, summary.json, simulations.nc and figures (distribution and map of NSE,
    hydrographs of the best, a median and the worst basin). An interrupted evaluation of many
    basins goes on where it stopped.

    \b
    hydroml evaluate runs/first
    hydroml evaluate runs/seed111 runs/seed222 runs/seed333
    hydroml evaluate runs/first --data data/ungauged.zarr
    hydroml evaluate runs/first --period 2009-10-01..2013-09-30 --mode windowed
    hydroml evaluate runs/first --realism
    """
    from hydroml import api

    try:
        table, folder = api.evaluate_into(
            runs,
            period=period,
            data=data,
            basins=basins,
            mode=mode,
            flavour=flavour,
            scheduler=scheduler,
            device=device,
            out=out,
            allow_missing=allow_missing,
            realism=realism,
        )
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(130)
    print_scores(table, folder)


def print_scores(table: "pd.DataFrame", folder: Path) -> None:
    """Print median and mean scores and what was written."""
    import json

    from rich.console import Console
    from rich.table import Table

    summary = json.loads((folder / "summary.json").read_text())
    synthetic = summary["synthetic"] == "true"
    shown = Table(
        title=f"{'SYNTHETIC DATA: ' if synthetic else ''}{len(table)} basins, "
        f"{summary['period']}, {summary['mode']}"
    )
    shown.add_column("score")
    shown.add_column("median", justify="right")
    shown.add_column("mean", justify="right")
    for name in table.columns:
        shown.add_row(name, f"{table[name].median():.3f}", f"{table[name].mean():.3f}")
    Console().print(shown)
    failures = int((table["NSE"] <= 0).sum())
    click.echo(f"Basins with NSE <= 0: {failures} of {len(table)}")
    for note in summary["notes"]:
        click.echo(f"Note: {note}.")
    if (folder / "realism.json").is_file():
        _print_realism(json.loads((folder / "realism.json").read_text()))
    click.echo(f"Written to {folder}:")
    for file in sorted(folder.iterdir()):
        click.echo(f"  {file.name}")


def _print_realism(told: dict[str, Any]) -> None:
    """Print distances of simulated years between those of real and of impossible years."""
    click.echo(
        f"Realism of {told['years']} years (Frechet hydrograph distance, less is better): "
        + ", ".join(f"{name} {value:.3g}" for name, value in told["distances"].items())
    )
    click.echo(
        f"  beside it: random halves of observed years {told['floor']:.3g}, observed years of "
        f"other times {told['other_years']:.3g}, observed years read backwards "
        f"{told['reversed_time']:.3g}"
    )
