"""One self-contained page of a run, or of several side by side: ``report.html``."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from hydroml.atomic import atomic_path
from hydroml.errors import RunError
from hydroml.report.page.blocks import flow_block, response_blocks
from hydroml.report.page.codec import script_json, short
from hydroml.report.page.columns import basin_columns, climates
from hydroml.report.page.map import map_picture
from hydroml.report.page.read import RunFiles, read_run
from hydroml.report.page.sections import Sections, sections_of
from hydroml.version import __version__

ARRAYS_SIZE = 7_200_000
"""Characters that packed arrays take at most: hydrographs are cut to the last years that fit."""
_SCRIPTS = ("core.js", "charts.js", "map.js", "basin.js", "tables.js", "start.js")
_SMALLEST_FLOWS = 1_500_000


def write_report(runs: Sequence[Path | str], out: Path | str | None = None) -> Path:
    """Write a page about runs that opens in any browser, without a network.

    It shows what was run, scores with their distribution, a map of basins with hydrographs
    and responses to choose from, sensitivity, plausibility and a table. What has not been
    computed yet is named with the command that computes it.

    Parameters
    ----------
    runs : sequence of path-like
        Folders of runs, or of ensembles (``runs/ensemble_of_3_...``), each evaluated.
    out : path-like, optional
        The file to write; by default ``report.html`` in the folder of the first run.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    RunError
        No run is given, one has not been evaluated, or a file cannot be read.
    """
    if not runs:
        raise RunError("No run is given.", "Give at least one folder that 'hydroml train' made.")
    opened = [read_run(path) for path in runs]
    target = Path(out) if out is not None else opened[0].path / "report.html"
    page = render(opened)
    with atomic_path(target) as scratch:
        scratch.write_text(page, encoding="utf-8")
    return target


def render(runs: Sequence[RunFiles]) -> str:
    """Make the page of runs in memory.

    Parameters
    ----------
    runs : sequence of RunFiles
        What `hydroml.report.page.read.read_run` read.

    Returns
    -------
    str
        HTML.
    """
    basins = sorted({str(basin) for run in runs for basin in run.scores.index})
    payload, blocks = _payload(runs, basins)
    sections = sections_of(runs)
    style, script = _file("report.css"), _script()
    return Template(_file("report.html")).substitute(
        policy=_policy(script, style),
        title=escape(", ".join(run.name for run in runs)),
        style=style,
        script=script,
        payload=script_json(payload),
        blocks="".join(
            f'<script type="text/plain" id="block-{name}">{text}</script>\n'
            for name, text in blocks.items()
        ),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by hydroml {__version__}",
        **_texts(sections),
    )


def _texts(sections: Sections) -> dict[str, str]:
    return dict(sections.__dict__)


def _payload(runs: Sequence[RunFiles], basins: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    places = _places(runs, basins)
    blocks: dict[str, str] = {}
    shown: list[dict[str, Any]] = []
    for number, run in enumerate(runs):
        about, packed = response_blocks(run, basins, str(number))
        blocks |= packed
        shown.append(
            {
                "name": run.name,
                "period": str(run.summary.get("period", "")),
                "columns": basin_columns(run, basins),
                "climate": climates(run, basins),
                "response": about,
                "losses": _losses(run),
                "synthetic": run.synthetic,
            }
        )
    left = max(ARRAYS_SIZE - sum(map(len, blocks.values())), _SMALLEST_FLOWS) // len(runs)
    for number, run in enumerate(runs):
        shown[number]["flows"], text = flow_block(run, basins, left)
        if text:
            blocks[f"flows-{number}"] = text
    table = {"id": basins, "name": places["name"].tolist()}
    picture = map_picture(places["lat"], places["lon"])
    table |= {axis: picture.pop(axis) for axis in "xy"}
    table |= {axis: short(places[axis], 6) for axis in ("lat", "lon")}
    return {"basins": table, "map": picture, "runs": shown}, blocks


def _places(runs: Sequence[RunFiles], basins: list[str]) -> pd.DataFrame:
    """Name, latitude and longitude of each basin, from the first file that knows them."""
    columns = {"name": "gauge_name", "lat": "gauge_lat", "lon": "gauge_lon"}
    found = pd.DataFrame(index=basins, columns=list(columns), dtype=object)
    for run in runs:
        for source in (run.simulations, run.sensitivity.get("response")):
            if source is None:
                continue
            index = source["basin"].values.astype(str)
            known = {c: source[n].values for c, n in columns.items() if n in source.coords}
            table = pd.DataFrame(known, index=index, dtype=object)
            found = found.fillna(table.reindex(basins))
    found["name"] = [str(n) if isinstance(n, str) else "" for n in found["name"]]
    return found.astype({"lat": np.float64, "lon": np.float64})


def _losses(run: RunFiles) -> dict[str, list[float | None]]:
    """Loss by epoch of each member."""
    curves = {}
    for directory in run.members:
        rows, seeds = directory.read_metrics(), directory.config().seed
        for name, seed in zip(directory.member_names(), seeds, strict=True):
            own = [r["loss"] for r in rows if "loss" in r and r.get("seed", str(seed)) == str(seed)]
            if own:
                curves[name] = short(own)
    return curves


def _script() -> str:
    body = "\n".join(_file(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def _policy(script: str, style: str) -> str:
    """Content security policy: this script, this style, nothing from elsewhere."""
    marks = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
        for text in (script, style)
    ]
    return (
        f"default-src 'none'; script-src 'sha256-{marks[0]}'; style-src 'sha256-{marks[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _file(name: str) -> str:
    return (resources.files("hydroml.report") / "templates" / name).read_text(encoding="utf-8")
