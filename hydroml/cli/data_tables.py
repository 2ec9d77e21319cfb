"""Tables of ``hydroml data``: what a store holds, what its data report found."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

WORDS = {
    "without_discharge": "no observed discharge",
    "short_discharge": "less than 5 years of discharge, days",
    "qobs_gap_days": "gaps in discharge, days",
    "forcing_gap_days": "gaps in forcing, days",
    "negative_discharge": "negative discharge, days",
    "without_attributes": "no static attributes",
    "q_mean_difference": "mean discharge differs from q_mean by over 10 %",
    "area_difference": "area differs from area_gages2 by over 10 %",
    "more_discharge_than_precipitation": "more discharge than precipitation, ratio",
}
"""What each kind of finding means."""


def show_report(report: Mapping[str, Any]) -> None:
    """Print the data report: counts, reasons for skipping, findings."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    first, last = report["period"]
    console.print(f"{report['n_basins']} basins, {first} to {last}", highlight=False)
    reasons = Counter(report["skipped"].values())
    for reason, count in reasons.most_common(5):
        example = next(g for g, r in report["skipped"].items() if r == reason)
        console.print(f"{count} skipped: {reason}, for example {example}", highlight=False)
    table = Table("finding", "basins", "for example", title="Data report", title_justify="left")
    for kind, found in report["findings"].items():
        worst = sorted(found, key=lambda basin: -abs(found[basin]))[:2]
        examples = ", ".join(f"{basin} ({_number(kind, found[basin])})" for basin in worst)
        table.add_row(_words(kind), str(len(found)), examples)
    if report["findings"]:
        console.print(table)
    else:
        console.print("Nothing looks wrong.")


def show_contents(dataset: "xr.Dataset") -> None:
    """Print provenance, dynamic variables with units and coverage, attributes."""
    from rich.console import Console
    from rich.table import Table

    from hydroml.data.store import PROVENANCE, dynamic_variables, static_attributes

    console = Console()
    for name in PROVENANCE:
        console.print(f"{name}: {dataset.attrs.get(name, '')}", highlight=False)
    table = Table("variable", "units", "what it is")
    for name in dynamic_variables(dataset):
        attributes = dataset[name].attrs
        table.add_row(name, attributes.get("units", ""), attributes.get("long_name", ""))
    console.print(table)
    static = static_attributes(dataset, numeric_only=False)
    console.print(f"{len(static)} attributes: {', '.join(static)}", highlight=False)


def _words(kind: str) -> str:
    if kind in WORDS:
        return WORDS[kind]
    if kind.startswith("out_of_range_"):
        return f"{kind.removeprefix('out_of_range_')} out of its plausible range, days"
    return f"{kind.replace('_above_', ' above ')}, days"


def _number(kind: str, value: float) -> str:
    if kind.endswith("_difference"):
        return f"{value:+.0%}"
    return f"{value:.2f}" if kind == "more_discharge_than_precipitation" else f"{value:.0f}"
