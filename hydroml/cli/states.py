"""``hydroml states``: which cells of a run tell snow, wetness, high and low flow."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--period",
    default="test",
    show_default=True,
    help="Years to score cells in: test, validation, or dates FROM..TO.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Another store than the run's own.")
@click.option("--basins", help="Default: the run's own; all of another store.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--allow-missing", is_flag=True, help="Leave out basins not there, or without an attribute."
)
def states(
    run: Path,
    period: str,
    data: Path | None,
    basins: str | None,
    device: str,
    out: Path | None,
    allow_missing: bool,
) -> None:
    """Ask which cells of RUN tell snow, wetness, high and low flow, though never taught.

    The cell is chosen in the run's training years and scored in others, beside untrained networks
    and raw inputs. Writes states.csv, basins.csv, summary.json, states.nc and states.png to
    RUN/states.

    \b
    hydroml states runs/first
    hydroml states runs/first --basins ungauged.txt --out held_out
    """
    from hydroml import api

    table, folder = api.classify_states_into(
        run, period=period, data=data, basins=basins, device=device, out=out,
        allow_missing=allow_missing,
    )  # fmt: skip
    print_states(table, folder)


def print_states(table: "pd.DataFrame", folder: Path) -> None:
    """Print the best unit of each label and network, and what was written."""
    import json
    import re

    from rich.console import Console
    from rich.table import Table

    facts = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    synthetic = "SYNTHETIC DATA: " if facts["synthetic"] == "true" else ""
    basins = f"{table['basins'].max()} basins"
    shown = Table(title=f"{synthetic}area under the ROC curve, {facts['period']}, {basins}")
    for title in ("label", "network", "unit"):
        shown.add_column(title, no_wrap=True)
    for title in ("all basins", "next year", "median basin", "own best", "same unit"):
        shown.add_column(title, justify="right")
    for row in table.to_dict("records"):
        turned = " (low)" if row["direction"] < 0 else ""
        seed = re.search(r"_seed\d+", row["network"])  # of one of several members
        kind = row["source"] + (seed[0].replace("_seed", " ") if seed else "")
        shown.add_row(
            row["label"], kind, f"{row['unit']}{turned}", *(
                f"{row[name]:.3f}"
                for name in ("auc_report", "auc_other_year", "auc_median", "auc_own_median")
            ), f"{row['same_unit']:.2f}",
        )  # fmt: skip
    Console().print(shown)
    click.echo(
        "next year: the same unit against labels of the same days a year later. same unit: share "
        "of basins whose own best unit it is."
    )
    if facts["note"]:
        click.echo(f"Note: {facts['note']}.")
    click.echo(f"Written to {folder}:")
    for file in sorted(folder.iterdir()):
        click.echo(f"  {file.name}")
