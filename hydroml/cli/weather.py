"""``hydroml weather``: generated daily forcing, judged by what was observed."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--method",
    default="gan",
    show_default=True,
    help="gan, linear, markov, or all: the one that does best is written.",
)
@click.option("--members", default=10, show_default=True, type=int, help="Series to write.")
@click.option(
    "--period",
    default="test",
    show_default=True,
    help="Days to generate, and to judge by: test, validation, or FROM..TO.",
)
@click.option(
    "--train",
    default="train",
    show_default=True,
    help="Years to learn weather from: train, validation, or FROM..TO.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Another store than the run's own.")
@click.option("--basins", help="Default: the run's own; all of another store.")
@click.option("--seed", default=0, show_default=True, type=int, help="Another, other weather.")
@click.option("--steps", type=int, help="Of the adversarial training.  [default: its own]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Leave out basins not there, or without an attribute or a day of weather.",
)
def weather(
    runs: tuple[Path, ...],
    method: str,
    members: int,
    period: str,
    train: str,
    data: Path | None,
    basins: str | None,
    seed: int,
    steps: int | None,
    device: str,
    out: Path | None,
    allow_missing: bool,
) -> None:
    """Generate daily weather for the basins of RUNS, as a set of scenarios.

    A generator learns from the runs' training years, makes the test years anew, and is judged by
    spells, extremes, seasons, correlations and the flow that its weather gives. Writes
    weather_01.nc, ..., scenarios.yaml, basins.txt, criteria.csv, summary.json and weather.png to
    RUN/weather.

    \b
    hydroml weather runs/first --method all
    hydroml weather runs/first --members 30 --seed 1 --out more_weather
    hydroml sensitivity runs/first --scenarios runs/first/weather/scenarios.yaml
    """
    from hydroml import api
    from hydroml.errors import ConfigError
    from hydroml.generate.adversarial import AdversarialSettings

    if steps is not None and method in ("markov", "linear"):
        raise ConfigError(
            f"--steps is for the adversarial training, and {method} has none.",
            "Leave --steps out, or choose --method gan.",
        )
    settings = AdversarialSettings() if steps is None else AdversarialSettings(steps=steps)
    table, folder = api.generate_weather_into(
        runs, method=method, members=members, period=period, train=train, data=data,
        basins=basins, seed=seed, settings=settings, device=device, out=out,
        allow_missing=allow_missing,
    )  # fmt: skip
    print_weather(table, folder, runs)


def print_weather(table: "pd.DataFrame", folder: Path, runs: tuple[Path, ...]) -> None:
    """Print each criterion's errors, the verdict, what was written and what comes next."""
    import json

    from rich.console import Console
    from rich.table import Table

    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    synthetic = "SYNTHETIC DATA: " if summary["synthetic"] == "true" else ""
    shown = Table(
        title=f"{synthetic}error of generated weather over that of the years learned from, "
        f"{summary['period']}, {summary['basins']} basins"
    )
    shown.add_column("criterion")
    shown.add_column("variables", justify="right")
    for method in summary["methods"]:
        shown.add_column(method, justify="right")
    counts = table.groupby("criterion")["variable"].nunique()
    for name, ratio in summary["ratio"].items():
        aside = " (does not count)" if name in summary["not_counted"] else ""
        numbers = ["-" if ratio[m] is None else f"{ratio[m]:.2f}" for m in summary["methods"]]
        shown.add_row(summary["criteria"][name] + aside, str(counts[name]), *numbers)
    Console().print(shown)
    click.echo(summary["verdict"]["told"])
    if summary["note"]:
        click.echo(f"Note: {summary['note']}.")
    click.echo(f"Written to {folder}:")
    for file in sorted(folder.iterdir()):
        click.echo(f"  {file.name}")
    given = " ".join(map(str, runs))
    click.echo(
        f"Next: hydroml sensitivity {given} --scenarios {folder / 'scenarios.yaml'} "
        f"--basins {folder / 'basins.txt'}"
    )
