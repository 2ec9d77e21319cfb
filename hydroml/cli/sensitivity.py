"""``hydroml sensitivity``: how floods and low flows answer to another climate."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import xarray as xr

SHOWN_SCENARIOS = ("t+3", "t+6", "p-20%", "p+20%", "t+3_p+20%")
SHOWN_STATISTICS = ("mean", "annual_max", "low7", "centre_timing")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--scenarios",
    multiple=True,
    default=("grid", "seasons", "storms"),
    show_default=True,
    help="Preset (grid, martel, seasons, storms) or YAML file; may be repeated.",
)
@click.option("--gradients", is_flag=True, help="Differentiate floods and low flows, too.")
@click.option("--truth", is_flag=True, help="Compare with the truth (synthetic basins only).")
@click.option(
    "--statics",
    default="auto",
    show_default=True,
    help="Climatic attributes: held, recomputed, both; auto: both where the run has them.",
)
@click.option(
    "--vapour-pressure",
    type=click.Choice(["constant_relative_humidity", "held"]),
    default="constant_relative_humidity",
    show_default=True,
    help="What warming does to it.",
)
@click.option(
    "--potential-evaporation",
    type=click.Choice(["priestley_taylor", "held"]),
    default="priestley_taylor",
    show_default=True,
    help="What warming does to an input of it.",
)
@click.option(
    "--period",
    default="test",
    show_default=True,
    help="Years whose weather is changed: test, train, validation, or FROM..TO.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Another store than the run's own.")
@click.option("--basins", help="Default: the run's own; all of another store.")
@click.option("--scheduler", help="Address of a Dask scheduler whose workers see these files.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--allow-missing", is_flag=True, help="Leave out basins not there, or without an attribute."
)
def sensitivity(
    runs: tuple[Path, ...],
    scenarios: tuple[str, ...],
    gradients: bool,
    truth: bool,
    statics: str,
    vapour_pressure: str,
    potential_evaporation: str,
    period: str,
    data: Path | None,
    basins: str | None,
    scheduler: str | None,
    device: str,
    out: Path | None,
    allow_missing: bool,
) -> None:
    """Change the climate of RUNS' basins and see what floods and low flows do.

    Several runs are an ensemble: what its members disagree on is marked in every map. Writes
    response.nc, elasticity.csv, plausibility.csv and maps to RUN/sensitivity. An interrupted
    study goes on where it stopped.

    \b
    hydroml sensitivity runs/first
    hydroml sensitivity runs/seed111 runs/seed222 runs/seed333 --gradients
    hydroml sensitivity runs/first --scenarios martel --scenarios mine.yaml
    hydroml sensitivity runs/first --period 1984-10-01..2014-09-30 --basins 01022500
    """
    from hydroml import api
    from hydroml.sensitivity.physics import Physics

    try:
        folder = api.analyse_sensitivity_into(
            runs,
            scenarios,
            period=period,
            data=data,
            basins=basins,
            statics=statics,
            physics=Physics.model_validate(
                {"vapour_pressure": vapour_pressure, "potential_evaporation": potential_evaporation}
            ),
            gradients=gradients,
            truth="all" if truth else "none",
            scheduler=scheduler,
            device=device,
            out=out,
            allow_missing=allow_missing,
        )
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(130)
    print_response(folder)


def print_response(folder: Path) -> None:
    """Print median changes under the standard scenarios, failed checks, and what was written."""
    import pandas as pd
    import xarray as xr
    from rich.console import Console

    from hydroml.report.sensitivity.plausibility import CHECKS, fails

    with xr.open_dataset(folder / "response.nc") as response:
        Console().print(_table(response))
    checks = pd.read_csv(folder / "plausibility.csv", dtype={"gauge_id": str})
    click.echo("Basins that fail a check of plausibility, of those it could be made for:")
    for check, meaning in CHECKS.items():
        failed, made = fails(checks, check)
        if made:
            click.echo(f"  {failed:5d} of {made:5d}  {meaning}")
    click.echo(f"Written to {folder}:")
    for file in sorted(folder.iterdir()):
        click.echo(f"  {file.name}")


def _table(response: "xr.Dataset") -> object:
    from rich.table import Table

    synthetic = "SYNTHETIC DATA: " if response.attrs["synthetic"] == "true" else ""
    shown = Table(
        title=f"{synthetic}median change of {response.sizes['basin']} basins, "
        f"{response.attrs['period']}, climatic attributes {response.attrs['statics']}"
    )
    shown.add_column("scenario")
    statistics = response.sel(statistic=list(SHOWN_STATISTICS))
    for title, units in zip(
        statistics["statistic_title"].values, statistics["change_units"].values, strict=True
    ):
        shown.add_column(f"{title} [{units}]", justify="right")
    names = [n for n in SHOWN_SCENARIOS if n in response["scenario"].values]
    names = names or response["scenario"].values[1:6].tolist()
    for name in names:
        change = statistics["change"].sel(scenario=name).mean("member").median("basin")
        title = str(response["title"].sel(scenario=name).values)
        shown.add_row(title, *(f"{v:+.1f}" for v in change.values))
    return shown
