"""The texts and tables of a page that need no script."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from hydroml.report.page.facts import facts_table, log_list, notes_list, scores_table, subtitle
from hydroml.report.page.markup import table
from hydroml.report.page.read import RunFiles
from hydroml.report.page.sensitivity import (
    check_tables,
    gradient_bars,
    physics_text,
    slope_tables,
    truth_table,
)


@dataclass(frozen=True)
class Sections:
    """HTML by the name of its place in ``templates/report.html``."""

    banner: str
    heading: str
    layout: str
    subtitle: str
    facts: str
    notes: str
    log: str
    scores: str
    physics: str
    elasticity: str
    plausibility: str
    gradients: str
    truth: str
    files: str


def sections_of(runs: Sequence[RunFiles]) -> Sections:
    """Write every part of the page that is the same whatever is chosen on it.

    Parameters
    ----------
    runs : sequence of RunFiles
        At least one.
    """
    synthetic = [run.name for run in runs if run.synthetic]
    return Sections(
        banner=_banner(synthetic),
        heading=escape(", ".join(run.name for run in runs)),
        layout="two" if len(runs) == 1 else "one",
        subtitle=escape(subtitle(runs)),
        facts=facts_table(runs),
        notes=notes_list(runs),
        log=log_list(runs),
        scores=scores_table(runs),
        physics=physics_text(runs),
        elasticity=_each(runs, slope_tables),
        plausibility=_each(runs, check_tables),
        gradients=_each(runs, gradient_bars),
        truth=_each(runs, truth_table),
        files=_files(runs),
    )


def _banner(synthetic: list[str]) -> str:
    if not synthetic:
        return ""
    return (
        '<p class="banner" role="note"><strong>SYNTHETIC DATA</strong> Made-up basins, no '
        f"observations: {escape(', '.join(synthetic))}</p>"
    )


def _each(runs: Sequence[RunFiles], part: Callable[[RunFiles], str]) -> str:
    """Write a part for every run, under the run's name where there are several."""
    texts = [part(run) for run in runs]
    if len(runs) == 1:
        return texts[0]
    return "".join(
        f"<h4>{escape(run.name)}</h4>{text}" for run, text in zip(runs, texts, strict=True) if text
    )


def _files(runs: Sequence[RunFiles]) -> str:
    names = [
        ("config.yaml, metrics.csv, log.txt", "settings, losses by epoch, messages"),
        (f"{runs[0].folder}/metrics.csv, summary.json", "scores of each basin, and summed up"),
        (f"{runs[0].folder}/simulations.nc", "observed and simulated discharge (CF NetCDF)"),
        ("sensitivity/response.nc", "statistics and changes of each scenario, basin, member"),
        ("sensitivity/elasticity.csv, plausibility.csv", "slopes and checks of each basin"),
        ("sensitivity/gradients.nc", "gradients of flow by inputs and attributes"),
    ]
    return table(["file in the run's folder", "holds"], names, label="Where the numbers are")
