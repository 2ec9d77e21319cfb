"""What a page says of the answer to climate: slopes, checks, gradients, truth."""

from collections.abc import Sequence
from html import escape

import pandas as pd

from hydroml.report.page.columns import checks_of, evidence_of
from hydroml.report.page.markup import bars, missing, spelled, table
from hydroml.report.page.read import RunFiles
from hydroml.sensitivity.climates import CLIMATES, climate_groups
from hydroml.sensitivity.elasticity import DISAGREE
from hydroml.sensitivity.ranking import attribute_ranking
from hydroml.sensitivity.statistics import STATISTICS

_SUMMED_UP = ("mean", "q95", "annual_max", "flood10", "q05", "low7", "centre_timing")
_PHYSICS = {
    "statics": "climatic attributes",
    "vapour_pressure": "vapour pressure",
    "potential_evaporation": "potential evaporation",
    "radiation": "radiation",
}
_LISTED = 40  # basins named under a failed check
_BARS = 12


def physics_text(runs: Sequence[RunFiles]) -> str:
    """Say which scenarios were run, and what was held or followed the temperature."""
    told = []
    for run in runs:
        response = run.sensitivity.get("response")
        if response is None:
            told.append(
                missing(
                    f"The answer of {run.name} to a change of climate has not been computed.",
                    _command(run),
                )
            )
            continue
        a, members = response.attrs, response.sizes["member"]
        period = str(a.get("period", "")).replace("..", " to ")
        physics = "; ".join(f"{title} {_words(a.get(name))}" for name, title in _PHYSICS.items())
        text = (
            f"{run.name}: {response.sizes['scenario'] - 1} scenarios against the model's own "
            f"baseline of {period}, {members} member{'s' if members > 1 else ''}. "
            f"{physics[0].upper()}{physics[1:]}."
        )
        yaml = escape(str(a.get("scenarios", "")))
        more = f"<details><summary>Scenarios (YAML)</summary><pre>{yaml}</pre></details>"
        told.append(f"<p>{escape(text)}</p>{more if yaml else ''}")
    return "".join(told)


def _command(run: RunFiles) -> str:
    runs = [member.path for member in run.members] or [run.path]  # an ensemble is its members
    return " ".join(["hydroml sensitivity", *map(str, runs)])


def _words(value: object) -> str:
    return str(value or "held").replace("_", " ")


def slope_tables(run: RunFiles) -> str:
    """Write the slopes at the present climate by climate of the basins."""
    slopes, response = run.tables.get("elasticity"), run.sensitivity.get("response")
    if slopes is None or response is None:
        return ""
    labels = climate_groups(response)
    group = dict(zip(response["basin"].values.astype(str), labels.values, strict=True))
    rows = slopes[slopes["statistic"].isin(_SUMMED_UP)]
    rows = rows.assign(climate=rows["gauge_id"].map(group).fillna("unknown"))
    inside = {c: rows if c == "all" else rows[rows["climate"] == c] for c in (*CLIMATES, "all")}
    inside = {climate: chosen for climate, chosen in inside.items() if len(chosen)}
    tables = [
        _slope_table(inside, "per_percent_precipitation", 10.0, "per 10 % more precipitation"),
        _slope_table(inside, "per_degree", 1.0, "per °C of warming"),
    ]
    return f'<div class="pair">{"".join(tables)}</div>{_weak_slopes(slopes)}'


def _slope_table(inside: dict[str, pd.DataFrame], column: str, factor: float, step: str) -> str:
    """Write medians over basins: a row a statistic, a column a climate."""
    head = [step, *(f"{c} ({rows['gauge_id'].nunique()})" for c, rows in inside.items())]
    cells = []
    for name in _SUMMED_UP:
        known = STATISTICS[name]
        medians = [
            factor * float(rows.loc[rows["statistic"] == name, column].median())
            for rows in inside.values()
        ]
        cells.append([f"{known.title} [{spelled(known.change_units)}]", *medians])
    return table(head, cells, label=f"Slopes {step}", caption="Median over basins (their number)")


def _weak_slopes(slopes: pd.DataFrame) -> str:
    """Say how much of the table above leans on slopes that members or a line do not support."""
    parts = []
    for driver, title in (("precipitation", "precipitation"), ("temperature", "warming")):
        bent = slopes[f"nonlinear_{driver}"].astype(str).str.lower().eq("true").mean()
        split = (slopes[f"agreement_{driver}"] < DISAGREE).mean()
        parts.append(
            f"{title}: {100 * bent:.0f} % of the slopes (basin by statistic) are flagged as "
            f"non-linear, on {100 * split:.0f} % fewer than 80 % of the members agree on the sign"
        )
    return f'<p class="note">{escape("; ".join(parts))}.</p>'


def check_tables(run: RunFiles) -> str:
    """Write how many basins fail each check, and which."""
    found = run.tables.get("plausibility")
    if found is None:
        return missing("Plausibility has not been checked.", _command(run))
    rows, lists = [], []
    for title, (_, check) in checks_of(found).items():
        failed = check.index[check == 0].astype(str)
        applies = int(check.notna().sum())
        share = f"{100 * len(failed) / applies:.0f} %" if applies else "–"
        rows.append([title, str(applies), str(len(failed)), share])
        if len(failed):
            shown = ", ".join(failed[:_LISTED]) + (", …" if len(failed) > _LISTED else "")
            lists.append(f"<dt>{escape(title)}</dt><dd>{escape(shown)}</dd>")
    text = table(
        ["check", "basins it applies to", "basins that fail", "share"],
        rows,
        label="Checks of the answers, basin by basin",
    )
    text += _evidence(found)
    if not lists:
        return text
    return f"{text}<details><summary>Basins that fail</summary><dl>{''.join(lists)}</dl></details>"


def _evidence(found: pd.DataFrame) -> str:
    """Write the middle and the extreme of what the checks look at."""
    rows = [
        [f"{column['title']} [{spelled(column['units'])}]", values.median(), values.max()]
        for column in evidence_of(found)
        if (values := column["values"]).notna().any()
    ]
    head = ["over basins", "median", "highest"]
    return table(head, rows, label="Evidence of plausibility") if rows else ""


def gradient_bars(run: RunFiles) -> str:
    """Draw the attributes that high and low flow answer to most."""
    gradients = run.sensitivity.get("gradients")
    if gradients is None:
        return missing(
            "Gradients of high and low flow have not been computed.",
            f"{_command(run)} --gradients",
        )
    pictures = []
    for kind in ("high", "low"):
        ranking = attribute_ranking(gradients, kind).dropna(subset=["importance"]).head(_BARS)
        rows = [
            (str(name), float(importance), f"± {spread:.2f} over members")
            for name, importance, spread in zip(
                ranking.index, ranking["importance"], ranking["spread"], strict=True
            )
        ]
        if rows:
            title = f"{kind} flow"
            drawn = bars(rows, f"Importance of attributes for {title}")
            pictures.append(f"<figure><figcaption>Days of {title}</figcaption>{drawn}</figure>")
    return f'<div class="pair">{"".join(pictures)}</div>'


def truth_table(run: RunFiles) -> str:
    """Sum up ``truth.csv``, which has a row a scenario and statistic, over scenarios."""
    truth = run.tables.get("truth")
    if truth is None or truth.empty:
        return ""
    rows = []
    for name, found in truth.groupby("statistic", sort=False):
        known = STATISTICS.get(str(name))
        title = f"{known.title} [{spelled(known.change_units)}]" if known else str(name)
        numbers = found[["rank_correlation", "sign_agreement", "bias", "mae"]]
        middle, least = numbers.median(), numbers.min()
        rows.append(
            [
                title,
                str(len(found)),
                float(middle["rank_correlation"]),
                float(least["rank_correlation"]),
                float(middle["sign_agreement"]),
                float(least["sign_agreement"]),
                float(middle["bias"]),
                float(middle["mae"]),
            ]
        )
    head = ["change of", "scenarios", "rank correlation", "lowest"]
    head += ["share of right signs", "lowest", "bias", "absolute error"]
    caption = (
        "The model's changes against those of the hydrological model that made the data, over "
        "basins; medians and lowest values over scenarios. truth.csv holds each scenario."
    )
    label = "Comparison with the known truth"
    return f"<h3>Against the known truth</h3>{table(head, rows, label=label, caption=caption)}"
