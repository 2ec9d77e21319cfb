"""From simulations to the files of an evaluation."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from hydroml.atomic import atomic_path
from hydroml.errors import RunError
from hydroml.evaluation.metrics import metrics_table, score, summarise


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
    folder: Path, simulations: xr.Dataset, flavour: str, notes: Sequence[str] = ()
) -> pd.DataFrame:
    """Write ``simulations.nc``, ``metrics.csv`` and ``summary.json``, all or nothing.

    Parameters
    ----------
    folder : pathlib.Path
        For example ``runs/<name>/test``; replaced if it holds an earlier evaluation.
    simulations : xarray.Dataset
        What `simulate_runs` returned.
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
    table, members = score_simulations(simulations, flavour)
    facts = {key: simulations.attrs[key] for key in ("run", "period", "mode", "synthetic")} | {
        "flavour": flavour,
        "notes": list(notes),
    }
    with atomic_path(folder) as scratch:
        scratch.mkdir()
        encoding = {name: {"zlib": True, "complevel": 1} for name in simulations.data_vars}
        simulations.to_netcdf(scratch / "simulations.nc", engine="netcdf4", encoding=encoding)
        table.to_csv(scratch / "metrics.csv")
        if members is not None:
            members.to_csv(scratch / "members.csv")
        (scratch / "summary.json").write_text(json.dumps(facts | summarise(table), indent=1))
    return table
