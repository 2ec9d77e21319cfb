"""From simulations to the files of an evaluation."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from hydroml.atomic import atomic_path
from hydroml.errors import RunError
from hydroml.evaluation.metrics import metrics_table, score, summarise
from hydroml.evaluation.rows import write_rows


def score_simulations(
    simulations: xr.Dataset, flavour: str
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Score simulated discharge per basin.

    Parameters
    ----------
    simulations : xarray.Dataset
        ``qobs`` (basin, time) and ``qsim`` (basin, time[, member]) [mm d-1].
    flavour : str
        ``kratzert2019`` or ``neuralhydrology``.

    Returns
    -------
    table : pandas.DataFrame
        Scores of the run, or of the mean of an ensemble's discharge; index ``gauge_id``.
    members : pandas.DataFrame or None
        Scores of each member, index (``gauge_id``, ``member``); None for a single run.
    """
    sim = simulations["qsim"]
    if "member" not in sim.dims:
        return metrics_table(score(simulations["qobs"], sim, flavour=flavour)), None
    scores = score(simulations["qobs"], sim, flavour=flavour)
    tables = {
        str(m): metrics_table(scores.sel(member=m, drop=True)) for m in scores["member"].values
    }
    members = pd.concat(tables, names=["member"]).swaplevel().sort_index()
    mean = sim.mean("member", skipna=False)
    return metrics_table(score(simulations["qobs"], mean, flavour=flavour)), members


def require_replaceable(
    folder: Path, *, mark: str = "summary.json", what: str = "an evaluation"
) -> None:
    """Refuse to write results over anything but earlier results of the same kind.

    Parameters
    ----------
    folder : pathlib.Path
        Where results are to stand.
    mark : str
        File by which results of the kind are known.
    what : str
        Name of the kind, for the error.

    Raises
    ------
    RunError
        `folder` is a file, or a folder with something else in it.
    """
    if not folder.exists() or (folder / mark).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise RunError(
            f"{folder} exists and is not {what}; it is left as it was.", "Choose another --out."
        )


def write_evaluation(
    folder: Path, parts: Iterable[xr.Dataset], flavour: str, notes: Sequence[str] = ()
) -> pd.DataFrame:
    """Write ``simulations.nc``, ``metrics.csv`` and ``summary.json``, all or nothing.

    Only one part is in memory at a time.

    Parameters
    ----------
    folder : pathlib.Path
        For example ``runs/<name>/test``; replaced if it holds an earlier evaluation.
    parts : iterable of xarray.Dataset
        What `simulate_runs` returned, or `simulate_in_parts` gives.
    flavour : str
        Of the flow-duration metrics.
    notes : sequence of str
        What a reader of the scores has to know, kept in ``summary.json``.

    Returns
    -------
    pandas.DataFrame
        The table in ``metrics.csv``.

    Raises
    ------
    RunError
        `folder` holds something else; see `require_replaceable`.
    """
    require_replaceable(folder)
    facts: dict[str, Any] = {}
    tables: list[pd.DataFrame] = []
    of_members: list[pd.DataFrame] = []

    def scored() -> Iterator[xr.Dataset]:
        for part in parts:
            facts.update({key: part.attrs[key] for key in ("run", "period", "mode", "synthetic")})
            table, members = score_simulations(part, flavour)
            tables.append(table)
            of_members.extend([] if members is None else [members])
            yield part

    with atomic_path(folder) as scratch:
        scratch.mkdir()
        write_rows(scored(), scratch / "simulations.nc")
        table = pd.concat(tables)
        table.to_csv(scratch / "metrics.csv")
        if of_members:
            pd.concat(of_members).sort_index().to_csv(scratch / "members.csv")
        facts |= {"flavour": flavour, "notes": list(notes)}
        (scratch / "summary.json").write_text(json.dumps(facts | summarise(table), indent=1))
    return table
