"""``hydroml explain``: which past days and which inputs made this flood or low flow."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import xarray as xr

SHOWN_DAYS = 12
VOLUME = "rudder"
"""The method that shares out a volume, and not the flow of a day."""


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--basin", required=True, help="Gauge id of any basin of the store.")
@click.option("--date", help="The day whose flow is explained, for example 1996-01-19.")
@click.option(
    "--event",
    type=click.Choice(["peak", "low"]),
    help="Instead of --date: the highest or lowest flow of --period both observed and simulated.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(["ig", "lrp", "occlusion", "rudder"]),
    default=("ig", "lrp"),
    show_default=True,
    help="Integrated gradients, relevance propagation, occlusion: of one day's flow. rudder: of "
    "the whole flood's volume. May be repeated.",
)
@click.option(
    "--event-days",
    metavar="FROM..TO",
    help="Days whose volume rudder shares out. Default: those around the peak with at least a "
    "quarter of its flow.",
)
@click.option(
    "--days",
    default=365,
    show_default=True,
    type=int,
    help="Days told one by one; what was before them is one sum.",
)
@click.option(
    "--baseline",
    type=click.Choice(["dry-season", "season", "dry", "mean"]),
    default="dry-season",
    show_default=True,
    help="Weather to compare with: the usual season without precipitation; the usual season; "
    "no precipitation, all else at the training mean; the training mean. rudder compares with "
    "other years instead.",
)
@click.option(
    "--period",
    default="test",
    show_default=True,
    help="Where --event is looked for: test, train, validation, or FROM..TO.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Another store than the run's own.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
def explain(
    runs: tuple[Path, ...],
    basin: str,
    date: str | None,
    event: str | None,
    methods: tuple[str, ...],
    event_days: str | None,
    days: int,
    baseline: str,
    period: str,
    data: Path | None,
    device: str,
    out: Path | None,
) -> None:
    """Tell which past days and inputs made a flow of BASIN, as RUNS simulate it.

    What is shared out is the simulated flow of the day less that of a world with the baseline's
    weather. Seeds and several runs are averaged, and their spread is told. Writes
    explanation.nc, days.csv, summary.json and explanation.png to RUN/explain/<basin>_<date>.

    --method rudder shares out the volume of the flood around that day, in mm to each day before
    its end, and writes event_volume.nc, .csv, .json and .png.

    \b
    hydroml explain runs/first --basin 01022500 --event peak
    hydroml explain runs/first --basin 01022500 --event peak --method rudder
    hydroml explain runs/first --basin 01022500 --date 1996-01-19 --method ig --method occlusion
    hydroml explain runs/lstm runs/ealstm --basin 01022500 --event low --days 180
    """
    from hydroml import api

    attributions = tuple(m for m in methods if m != VOLUME)
    shared: dict[str, Any] = {
        "date": date, "days": days, "period": period, "data": data, "device": device, "out": out,
    }  # fmt: skip
    _require_event(date, event, event_days, VOLUME in methods)
    folder = None
    if attributions:
        found, folder = api.explain_into(
            runs, basin, event=event, methods=attributions, baseline=baseline, **shared
        )
        print_explanation(found)
    if VOLUME in methods:
        volume, folder = api.explain_volume_into(runs, basin, event_days=event_days, **shared)
        print_volume(volume)
    assert folder is not None
    click.echo(f"Written to {folder}:")
    for file in sorted(folder.iterdir()):
        click.echo(f"  {file.name}")


def _require_event(
    date: str | None, event: str | None, event_days: str | None, volume: bool
) -> None:
    """Refuse what does not go together, before anything is written."""
    from hydroml.errors import ConfigError

    if (date is None) == (event is None):
        raise ConfigError(
            "Say which flow to explain: a date, or an event, and not both.",
            "Give --date 1996-01-19, or --event peak, or --event low.",
        )
    if volume and event == "low":
        raise ConfigError(
            "A low flow has no volume to share out.", "Leave --method rudder out, or --event peak."
        )
    if event_days is not None and not volume:
        raise ConfigError(
            "--event-days is for the volume that --method rudder shares out.",
            "Add --method rudder, or leave --event-days out.",
        )


def print_volume(found: "xr.Dataset") -> None:
    """Print an event's volume, what was expected of it, and the days that made it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from hydroml.explanation.event_table import summarise_volume, volume_table

    told, rows = summarise_volume(found), volume_table(found)
    synthetic = "SYNTHETIC DATA: " if told["synthetic"] == "true" else ""
    name = f" {told['gauge_name']}" if told["gauge_name"] else ""
    click.secho(f"{synthetic}{told['basin']}{name}, {told['event_days']}", bold=True)
    observed = told["volume_observed"]
    seen = "missing" if observed is None else f"{observed:.1f} mm"
    click.echo(
        f"volume of {told['event_length']} days: observed {seen}, simulated {told['volume']:.1f} mm"
        + (f" ±{told['volume_sd']:.1f}, {told['members']} members" if told["members"] > 1 else "")
    )
    shown = Table(title=escape("Days whose weather made it: added to the expected volume [mm]"))
    for column in ("date", "days\nbefore end", "added", "expected\nby then"):
        shown.add_column(column, justify="right", no_wrap=True)
    chosen = sorted(day["date"] for day in told["top_days"])
    shown.add_row("before", f">= {told['days']}", "", f"{told['expected_before']:.2f}")
    for date in chosen:
        row = rows.loc[date]
        shown.add_row(
            date, f"{row['days_before']:.0f}", f"{row['credit']:+.2f}", f"{row['expected']:.2f}"
        )
    rest = rows["credit"].drop(index=chosen).sum()
    shown.add_row("other days", str(len(rows) - len(chosen)), f"{rest:+.2f}", "")
    shown.add_row("sum", "", f"{told['volume']:.2f}", "", style="bold")
    Console().print(shown)


def print_explanation(found: "xr.Dataset") -> None:
    """Print flows, the days and the inputs that made the flow, and what is left unexplained."""
    from rich.console import Console

    from hydroml.explanation.tables import summarise

    told = summarise(found)
    synthetic = "SYNTHETIC DATA: " if told["synthetic"] == "true" else ""
    name = f" {told['gauge_name']}" if told["gauge_name"] else ""
    click.secho(f"{synthetic}{told['basin']}{name}, {told['date']}", bold=True)
    if "event" in told:
        click.echo(f"{told['event']}: {told['event_meaning']}")
    observed = "missing" if told["observed"] is None else f"{told['observed']:.2f} mm/d"
    click.echo(
        f"observed {observed}, simulated {_spread(told, 'simulated')}, baseline "
        f"{_spread(told, 'baseline_flow')} ({told['meaning']})"
    )
    click.echo(
        f"to explain: {told['difference']:+.2f} mm/d"
        + (f", {told['members']} members" if told["members"] > 1 else "")
    )
    console = Console()
    console.print(_days(found, told))
    console.print(_inputs(told))
    for method in told["methods"].values():
        within = method["half_within_days"]
        if within is not None:
            click.echo(f"{method['title']}: half of it comes from {_last(within)}.")


def _days(found: "xr.Dataset", told: dict[str, Any]) -> object:
    """Days of most relevance by any method, the latest last."""
    import numpy as np
    from rich.markup import escape
    from rich.table import Table

    from hydroml.explanation.tables import day_table

    rows, methods = day_table(found), list(told["methods"])
    rank = np.abs(rows[methods]).max(axis=1).sort_values(ascending=False, kind="stable")
    shown = Table(title=escape("Days that made it: relevance [mm/d]"))
    shown.add_column("date", no_wrap=True)
    shown.add_column("days\nago", justify="right")
    units = found["input_units"].values
    roles = found["input_role"].values
    names = [str(n) for n in found["input"].values]
    weather = [i for i, r in enumerate(roles) if r in ("precipitation", "temperature")] or [0]
    for i in weather:
        shown.add_column(escape(f"{names[i]}\n{units[i]}"), justify="right")
    for method in methods:
        shown.add_column(method, justify="right", no_wrap=True)
    chosen = sorted(rank.index[:SHOWN_DAYS])
    for date, row in rows.loc[chosen].iterrows():
        values = [f"{row[names[i]]:.1f}" for i in weather]
        shares = [_with_sd(row[m], row[f"{m}_sd"], told) for m in methods]
        shown.add_row(str(date), f"{row['days_before']:.0f}", *values, *shares)
    rest = rows.loc[rows.index.difference(chosen), methods].sum()
    shown.add_row(
        "other days", str(len(rows) - len(chosen)), *[""] * len(weather),
        *(_with_sd(rest[m], 0.0, {**told, "members": 1}) for m in methods),
    )  # fmt: skip
    return shown


def _inputs(told: dict[str, Any]) -> object:
    """Totals of each input, of what was before the window, and what is left."""
    from rich.markup import escape
    from rich.table import Table

    methods = told["methods"]
    shown = Table(title=escape("Inputs that made it: sum over the window [mm/d]"))
    shown.add_column("input")
    for method in methods:
        shown.add_column(method, justify="right", no_wrap=True)
    first = next(iter(methods.values()))
    for name in first["inputs"]:
        shares = [m["inputs"][name] for m in methods.values()]
        shown.add_row(
            name, *(_with_sd(s["relevance"], s.get("relevance_sd", 0), told)
                    for s in shares)
        )  # fmt: skip
    for key, title in (
        ("earlier", f"before the {told['days']} days"),
        ("gap", "left unexplained (gap)"),
    ):
        values = [_with_sd(m[key], m.get(f"{key}_sd", 0), told) for m in methods.values()]
        shown.add_row(title, *values)
    shown.add_row(
        "sum",
        *(_with_sd(told["difference"], 0.0, {**told, "members": 1}) for _ in methods),
        style="bold",
    )
    return shown


def _last(days: int) -> str:
    return "the day itself" if days == 1 else f"the last {days} days"


def _with_sd(value: float, sd: float, told: dict[str, Any]) -> str:
    """Write relevance to a hundredth of a flood, a thousandth of a low flow [mm/d]."""
    digits = 2 if abs(told["difference"]) >= 1 else 3
    spread = f" ±{sd:.{digits}f}" if told["members"] > 1 else ""
    return f"{value:+.{digits}f}{spread}"


def _spread(told: dict[str, Any], key: str) -> str:
    sd = told.get(f"{key}_sd")
    return f"{told[key]:.2f}" + (f" ±{sd:.2f}" if sd is not None else "") + " mm/d"
