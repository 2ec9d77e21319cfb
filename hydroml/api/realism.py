"""Realism of simulated years: what ``hydroml evaluate --realism`` adds to an evaluation."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hydroml.api.opening import Subject
from hydroml.atomic import atomic_path
from hydroml.evaluation.realism import STEPS, Reader, Realism, fit_reader, hydrograph_distance
from hydroml.progress import progress_bar
from hydroml.report.realism import draw_realism

FILE = "realism.json"


def teach_reader(subject: Subject) -> Reader:
    """Teach a network what observed years of a subject's basins look like.

    Parameters
    ----------
    subject : Subject
        What is evaluated; its period is left out.

    Raises
    ------
    ConfigError
        Too few years.
    """
    target = subject.runs[0].config().data.target
    with progress_bar("Reading observed years", STEPS, "steps") as advance:
        return fit_reader(
            subject.dataset, subject.basins, target, subject.days, on_progress=advance
        )


def write_realism(folder: Path, reader: Reader) -> dict[str, Any]:
    """Measure the realism of an evaluation's simulations, and add it to its folder.

    Parameters
    ----------
    folder : pathlib.Path
        With ``simulations.nc`` and ``summary.json``.
    reader : Reader
        Of `teach_reader`.

    Returns
    -------
    dict
        What ``realism.json`` holds.
    """
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    with xr.open_dataset(folder / "simulations.nc") as file:
        names = file["basin"].values.astype(str)
        place = [int(np.flatnonzero(names == basin)[0]) for basin in reader.basins]
        chosen = file[["qobs", "qsim"]].isel(basin=place)
        time = file["time"].values.astype("datetime64[D]")
        found = hydrograph_distance(reader, time, chosen["qobs"].values, _simulations(chosen))
    told = _told(found, summary)
    with atomic_path(folder / FILE) as scratch:
        scratch.write_text(json.dumps(told, indent=1), encoding="utf-8")
    draw_realism(told, folder / "realism.png")
    return told


def _simulations(chosen: xr.Dataset) -> dict[str, np.ndarray]:
    qsim = chosen["qsim"]
    if "member" not in qsim.dims:
        return {"simulated": qsim.transpose("basin", "time").values}
    members = {
        str(m): qsim.sel(member=m).transpose("basin", "time").values for m in qsim["member"].values
    }
    mean = qsim.mean("member", skipna=False).transpose("basin", "time").values
    return {"mean of the ensemble": mean, **members}


def _told(found: Realism, summary: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: summary[key] for key in ("run", "period", "mode", "synthetic")},
        "score": "Frechet hydrograph distance",
        **dataclasses.asdict(found),
    }
