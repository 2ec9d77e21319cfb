"""What was run: facts, notes and scores of the runs, side by side."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from hydroml.config import TrainConfig
from hydroml.report.page.markup import listed, missing, table
from hydroml.report.page.read import RunFiles
from hydroml.training.rundir import RunDirectory, RunFacts

_SHOWN = ("NSE", "KGE", "alpha", "beta", "FHV", "FLV")
_MODELS = {"ealstm": "EA-LSTM", "lstm": "LSTM", "lstm-nostatic": "LSTM without attributes"}
_ROUTINE = ("finished", "resumed", "interrupted")


def facts_table(runs: Sequence[RunFiles]) -> str:
    """Write what was run, a column a run."""
    facts = [_facts(run) for run in runs]
    keys = dict.fromkeys(key for fact in facts for key in fact)
    rows = [[key, *(fact.get(key, "–") for fact in facts)] for key in keys]
    return table(["", *(run.name for run in runs)], rows, label="What was run", classes="facts")


def subtitle(runs: Sequence[RunFiles]) -> str:
    """Say in a line what the page is about."""
    first = _facts(runs[0])
    parts = [first.get("Model", ""), f"{first['Basins scored']} basins", first.get("Forcing", "")]
    parts.append(f"{runs[0].folder} {_period(runs[0].summary.get('period'))}")
    if len(runs) > 1:
        parts.append(f"{len(runs)} runs side by side")
    return " · ".join(part for part in parts if part)


def notes_list(runs: Sequence[RunFiles]) -> str:
    """Write what a reader has to know: notes of the training and of the evaluation."""
    notes: dict[str, None] = {}
    several = len(runs) > 1
    for run in runs:
        said = [*run.summary.get("notes", []), *_training_notes(run)]
        unscored = run.summary.get("basins_without_score", 0)
        if unscored:
            said.append(f"{unscored} basins have no score: too few days with observations")
        if run.simulations is None:
            said.append("simulations.nc is missing: no hydrographs")
        notes |= dict.fromkeys(f"{run.name}: {note}" if several else str(note) for note in said)
    return listed(notes, "notes") or "<p>None were recorded.</p>"


def _training_notes(run: RunFiles) -> list[str]:
    """Messages of ``log.txt`` but the headline and the routine, without their times."""
    messages: dict[str, None] = {}
    for member in run.members:
        file = member.path / "log.txt"
        lines = (
            file.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
            if file.is_file()
            else []
        )
        texts = (line.split("  ", 1)[-1].strip() for line in lines)
        messages |= dict.fromkeys(t for t in texts if t and not t.startswith(_ROUTINE))
    return list(messages)


def log_list(runs: Sequence[RunFiles]) -> str:
    """Write the log of the training, folded away."""
    lines: list[str] = []
    for run in runs:
        for member in run.members:
            file = member.path / "log.txt"
            if file.is_file():
                text = file.read_text(encoding="utf-8", errors="replace")
                lines += [f"{member.path.name}  {line}" for line in text.splitlines()[-40:]]
    if not lines:
        return ""
    return f"<details><summary>Log of the training</summary>{listed(lines, 'log')}</details>"


def scores_table(runs: Sequence[RunFiles]) -> str:
    """Write medians, means and failures, a row a run."""
    if all(run.scores.empty for run in runs):
        return missing("No basin has a score.", f"hydroml evaluate {runs[0].path}")
    head = ["run", "over basins", *_SHOWN, "basins", "NSE ≤ 0"]
    rows: list[list[Any]] = []
    for run in runs:
        scores = run.scores.reindex(columns=list(_SHOWN)).apply(pd.to_numeric, errors="coerce")
        failed = int((scores["NSE"] <= 0).sum())
        name = f"{run.name} ({run.folder})"
        rows.append([name, "median", *scores.median(), str(len(scores)), str(failed)])
        rows.append(["", "mean", *scores.mean(), "", ""])
    return table(head, rows, label="Scores over basins", classes="scores")


def _facts(run: RunFiles) -> dict[str, str]:
    facts: dict[str, str] = {}
    if run.members:
        facts |= _training_facts(run)
    else:
        facts["Members"] = str(run.summary.get("run", run.name))
    attrs = run.simulations.attrs if run.simulations is not None else {}
    facts["Scored period"] = f"{_period(run.summary.get('period'))} ({run.folder})"
    facts["Basins scored"] = str(len(run.scores))
    facts["Simulation"] = str(run.summary.get("mode", "–"))
    facts["Flow-duration metrics"] = str(run.summary.get("flavour", "–"))
    facts["Data source"] = str(attrs.get("store_source", "–"))
    facts["Data fingerprint"] = str(attrs.get("store_fingerprint", "–"))
    facts["Synthetic data"] = "yes" if run.synthetic else "no"
    facts["Scored on"] = (
        str(attrs.get("history", "–")).split(" simulated")[0][:16].replace("T", " ")
    )
    facts["Scored by"] = str(attrs.get("source", "–")).split(":")[0]
    return facts


def _training_facts(run: RunFiles) -> dict[str, str]:
    configs: list[TrainConfig] = [member.config() for member in run.members]
    first, store = configs[0], run.members[0].facts()
    done = "/".join(dict.fromkeys(str(_epochs_done(member)) for member in run.members))
    facts = {
        "Model": f"{_MODELS.get(first.model.name, first.model.name)}, {first.model.hidden} units",
        "Seed": ", ".join(str(seed) for c in configs for seed in c.seed),
        "Preset": str(getattr(first, "preset", None) or "–"),
        "Forcing": _forcing(store),
        "Inputs": _names(first.data.dynamic),
        "Attributes": "none" if first.model.name == "lstm-nostatic" else _count(first.data.static),
        "Trained on": f"{_period(first.data.train)}, basins: {store.basins}",
        "Epochs": f"{done} of {first.epochs}",
        "Loss": first.loss,
    }
    return facts


def _names(chosen: str | Sequence[str]) -> str:
    return chosen if isinstance(chosen, str) else ", ".join(chosen)


def _count(chosen: str | Sequence[str]) -> str:
    return chosen if isinstance(chosen, str) else str(len(chosen))


def _forcing(store: RunFacts) -> str:
    return store.forcing or "–"


def _period(period: Any) -> str:
    if isinstance(period, str) and ".." in period:
        period = period.split("..", 1)
    if isinstance(period, tuple | list) and len(period) == 2:
        first, last = (_day(p) for p in period)
        return f"{first} to {last}"
    return str(period or "–")


def _day(value: Any) -> str:
    return value.strftime("%Y-%m-%d") if isinstance(value, datetime) else str(value)


def _epochs_done(run: RunDirectory) -> int:
    return max((int(row["epoch"]) for row in run.read_metrics()), default=0)
