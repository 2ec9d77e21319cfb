"""Cell states against snow, wetness, high and low flow, from Python: files and a figure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.api.opening import PathLike, named_period, open_subject
from hydroml.atomic import atomic_path
from hydroml.evaluation.ensemble import result_header
from hydroml.evaluation.evaluate import require_replaceable
from hydroml.explanation.labels import LABELS
from hydroml.explanation.states import StatesRequest, classify, count_sources
from hydroml.explanation.states_table import basin_table, states_table, summary
from hydroml.progress import progress_bar
from hydroml.report.states import draw_states
from hydroml.training.assemble import as_days


def classify_states(
    run: PathLike,
    *,
    period: str = "test",
    data: PathLike | None = None,
    basins: str | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> pd.DataFrame:
    """Ask which cells of a run tell snow, wetness, high and low flow; write files and a figure.

    Parameters
    ----------
    run : path-like
        Run directory; each of its seeds is a member.
    period : str
        ``test``, ``validation`` or ``FROM..TO``: years in which cells are scored. They are chosen
        in the run's training years.
    data : path-like, optional
        Another store than the run's, which has the training years, too.
    basins : str, optional
        By default the run's own.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    out : path-like, optional
        Folder to write to, by default ``<run>/states``.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute.

    Returns
    -------
    pandas.DataFrame
        A row for each label and network; see `hydroml.explanation.states_table.states_table`.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    table, _ = classify_states_into(
        run, period=period, data=data, basins=basins, device=device, out=out,
        allow_missing=allow_missing,
    )  # fmt: skip
    return table


def classify_states_into(
    run: PathLike,
    *,
    period: str = "test",
    data: PathLike | None = None,
    basins: str | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> tuple[pd.DataFrame, Path]:
    """Do what `classify_states` does; return the table and the folder written to."""
    subject = open_subject(
        run, period=period, data=data, basins=basins, device=device, allow_missing=allow_missing
    )
    (opened,) = subject.runs
    learned = named_period(opened.config(), "train")
    learned.require_inside(subject.dataset)
    folder = Path(out) if out is not None else subject.folder("states")
    require_replaceable(folder, mark="states.nc", what="an analysis of cell states")
    request = StatesRequest(
        subject.basins, as_days((learned.start, learned.end)), subject.numpy_days
    )
    total = len(subject.basins) * count_sources(opened)
    with progress_bar("Reading cell states", total, "basins") as advance:
        found = classify(opened, subject.dataset, request, subject.device, on_progress=advance)
    overlap = subject.days.start <= learned.end and learned.start <= subject.days.end
    found.attrs |= {
        **result_header([opened], subject.dataset, "Cell states as classifiers", "classified"),
        "period": f"{request.report[0]}..{request.report[1]}",
        "chosen_in": f"{request.choose[0]}..{request.choose[1]}",
        "note": "cells are chosen and scored on shared days" if overlap else "",
    }
    table = states_table(found)
    with atomic_path(folder) as scratch:
        scratch.mkdir()
        _write_netcdf(found, scratch / "states.nc")
        table.to_csv(scratch / "states.csv", index=False)
        basin_table(found).to_csv(scratch / "basins.csv", index=False)
        facts: dict[str, Any] = {**found.attrs, "labels": LABELS, **summary(table)}
        (scratch / "summary.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        draw_states(scratch)
    return table, folder


def _write_netcdf(found: xr.Dataset, path: Path) -> None:
    text = {n: v.astype(object) for n, v in found.variables.items() if v.dtype.kind in "UT"}
    kept = found.assign({n: v for n, v in text.items() if n in found.data_vars})
    kept = kept.assign_coords({n: v for n, v in text.items() if n in found.coords})
    floats = [n for n, v in kept.data_vars.items() if np.issubdtype(v.dtype, np.floating)]
    encoding = {n: {"dtype": "float32", "zlib": True} for n in floats}
    kept.to_netcdf(path, engine="netcdf4", encoding=encoding)
