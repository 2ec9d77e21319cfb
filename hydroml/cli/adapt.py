"""``hydroml adapt``: fit a regional run's read-out to gauges with little flow on record."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--basins", required=True, help="Ids with commas, a file of ids, a number or all.")
@click.option(
    "--years",
    multiple=True,
    type=float,
    default=(1.0, 2.0, 5.0),
    show_default=True,
    help="First years of flow to learn from; may be repeated.",
)
@click.option(
    "--method",
    default="shrunk",
    show_default=True,
    help="shrunk, shrunk_last_layer, last_layer, chef or chef_regional.",
)
@click.option(
    "--learn",
    default="train",
    show_default=True,
    help="Where the first years are taken from: train, validation, test, or FROM..TO.",
)
@click.option(
    "--period", default="test", show_default=True, help="Where it is scored: the same words."
)
@click.option("--data", type=click.Path(path_type=Path), help="Another store than the run's own.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Leave out basins not there, without an attribute or with too little flow.",
)
def adapt(
    run: Path,
    basins: str,
    years: tuple[float, ...],
    method: str,
    learn: str,
    period: str,
    data: Path | None,
    device: str,
    out: Path | None,
    allow_missing: bool,
) -> None:
    """Adapt the read-out of RUN to basins from their first years of flow.

    Weather is read by the run as it is; only the last step, from its states to discharge, is
    fitted, drawn towards the region's. Writes metrics.csv (before: 0 years), summary.json,
    simulations.nc, a figure and the read-outs to RUN/adapted.

    \b
    hydroml adapt runs/first --basins 01022500,01031500 --years 2
    hydroml adapt runs/first --basins new_gauges.txt --data data/new.zarr
    """
    from hydroml.api import adapt_into

    table, folder = adapt_into(
        run,
        basins=basins,
        years=years,
        method=method,
        learn=learn,
        period=period,
        data=data,
        device=device,
        out=out,
        allow_missing=allow_missing,
    )
    print_adapted(table, folder)


def print_adapted(table: "pd.DataFrame", folder: Path) -> None:
    """Print median scores before and after, and what was written."""
    import json

    from rich.console import Console
    from rich.table import Table

    summary = json.loads((folder / "summary.json").read_text())
    synthetic = "SYNTHETIC DATA: " if summary["synthetic"] == "true" else ""
    basins = table.index.get_level_values("gauge_id").nunique()
    shown = Table(title=f"{synthetic}{basins} basins, {summary['period']}, {summary['method']}")
    shown.add_column("years learned from")
    for name in ("median NSE", "KGE", "beta", "median gain of NSE", "better", "worse"):
        shown.add_column(name, justify="right")
    for years, found in summary["years"].items():
        median = found["median"]
        scores = [_number(median[name]) for name in ("NSE", "KGE", "beta")]
        if years == "0":
            shown.add_row("0 (as it is)", *scores)
            continue
        gain = _number(found["median_gain_of_nse"], "+.3f")
        counts = (str(found["basins_better"]), str(found["basins_worse"]))
        shown.add_row(years, *scores, gain, *counts)
    Console().print(shown)
    for note in summary["notes"]:
        click.echo(f"Note: {note}.")
    click.echo(f"Written to {folder}:")
    for file in sorted(folder.iterdir()):
        click.echo(f"  {file.name}")


def _number(value: float | None, form: str = ".3f") -> str:
    return "none" if value is None else format(value, form)
