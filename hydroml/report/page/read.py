"""What a page is made from: the files of one run, or of an ensemble's folder."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import xarray as xr

from hydroml.errors import RunError
from hydroml.training.rundir import RunDirectory

T = TypeVar("T")

_RESPONSE = (
    "change", "value", "regime", "title", "scenario_set", "temperature_change",
    "precipitation_factor", "statistic_title", "statistic_units", "change_units", "month",
    "member", "basin",
)  # fmt: skip
_NEEDED: dict[str, tuple[str, ...]] = {
    "metrics.csv": ("gauge_id", "NSE"),
    "simulations.nc": ("qobs", "qsim", "basin", "time"),
    "response.nc": _RESPONSE,
    "response_recomputed.nc": _RESPONSE,
    "gradients.nc": ("importance", "kind", "attribute", "member"),
    "elasticity.csv": ("gauge_id", "statistic", "change_units", "per_percent_precipitation",
                       "per_degree", "agreement_precipitation", "agreement_temperature",
                       "nonlinear_precipitation", "nonlinear_temperature"),
    "plausibility.csv": ("gauge_id",),
    "truth.csv": ("statistic", "rank_correlation", "sign_agreement", "bias", "mae"),
}  # fmt: skip


@dataclass(frozen=True)
class RunFiles:
    """The content of a run's files; what is not there is None or empty.

    Parameters
    ----------
    path : pathlib.Path
        Run, or folder of an ensemble.
    folder : str
        Name of the evaluation within it.
    summary : dict
        ``summary.json``.
    scores : pandas.DataFrame
        ``metrics.csv`` of the evaluation, index ``gauge_id``.
    simulations : xarray.Dataset or None
        ``simulations.nc``, in memory, the mean of members.
    members : tuple of RunDirectory
        The run itself, or those members of the ensemble that lie beside it.
    sensitivity : dict of str to xarray.Dataset
        ``response``, ``response_recomputed``, ``gradients``.
    tables : dict of str to pandas.DataFrame
        ``elasticity``, ``plausibility``, ``truth``; gauge ids are texts.
    """

    path: Path
    folder: str
    summary: dict[str, Any]
    scores: pd.DataFrame
    simulations: xr.Dataset | None
    members: tuple[RunDirectory, ...]
    sensitivity: dict[str, xr.Dataset]
    tables: dict[str, pd.DataFrame]

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def synthetic(self) -> bool:
        """Whether any of the files says that the data is synthetic."""
        marks = [self.summary.get("synthetic")]
        marks += [d.attrs.get("synthetic") for d in self.sensitivity.values()]
        return any(str(mark).lower() == "true" for mark in marks)


def read_run(path: Path | str) -> RunFiles:
    """Read the files of a run that a page shows.

    Parameters
    ----------
    path : path-like
        A folder that ``hydroml train`` made, or the folder of an ensemble.

    Returns
    -------
    RunFiles
        Everything in memory; no file stays open.

    Raises
    ------
    RunError
        No such folder, nothing evaluated in it, or a file that cannot be read.
    """
    place = Path(path)
    if place.name in ("", ".."):
        place = place.resolve()
    if not place.is_dir():
        raise RunError(f"{place} is missing.", "Give a folder that 'hydroml train' made.")
    folder = _evaluation(place)
    summary = _read(folder / "summary.json", lambda file: dict(json.loads(file.read_text())))
    side = place / "sensitivity"
    tables = {name: _table(side / f"{name}.csv") for name in ("elasticity", "plausibility")}
    tables["truth"] = _table(side / "truth.csv")
    cubes = {
        n: _dataset(side / f"{n}.nc") for n in ("response", "response_recomputed", "gradients")
    }
    scores = _table(folder / "metrics.csv")
    if scores is None:
        raise RunError(f"{folder / 'metrics.csv'} is missing.", _again(place))
    return RunFiles(
        path=place,
        folder=folder.name,
        summary=summary,
        scores=scores.set_index("gauge_id"),
        simulations=_dataset(folder / "simulations.nc"),
        members=_members(place, summary),
        sensitivity={name: cube for name, cube in cubes.items() if cube is not None},
        tables={name: table for name, table in tables.items() if table is not None},
    )


def _evaluation(place: Path) -> Path:
    """Find ``test``, or else the newest evaluation."""
    found = {file.parent.name: file for file in place.glob("*/summary.json")}
    if not found:
        what = "has not been evaluated" if (place / "config.yaml").is_file() else "is no run"
        raise RunError(
            f"{place} {what}: there is no summary.json in any of its folders.", _again(place)
        )
    chosen = found.get("test") or max(found.values(), key=lambda file: file.stat().st_mtime)
    return chosen.parent


def _again(place: Path) -> str:
    return f"Evaluate the run first: hydroml evaluate {place}"


def _members(place: Path, summary: dict[str, Any]) -> tuple[RunDirectory, ...]:
    if (place / "config.yaml").is_file():
        return (RunDirectory(place),)
    beside = [place.parent / name for name in str(summary.get("run", "")).split(", ") if name]
    return tuple(RunDirectory(p) for p in beside if (p / "config.yaml").is_file())


def _table(file: Path) -> pd.DataFrame | None:
    if not file.is_file():
        return None
    return _read(file, lambda f: pd.read_csv(f, dtype={"gauge_id": str, "basin": str}))


def _dataset(file: Path) -> xr.Dataset | None:
    if not file.is_file():
        return None

    def load(path: Path) -> xr.Dataset:
        with xr.open_dataset(path, decode_timedelta=False) as opened:
            lazy = opened
            if "qsim" in lazy and "member" in lazy["qsim"].dims:
                count = lazy.sizes["member"]
                lazy = lazy.mean("member", skipna=False, keep_attrs=True)
                lazy = lazy.assign_attrs(members=count)
            return lazy.assign_coords(basin=lazy["basin"].astype(str)).load()

    return _read(file, load)


def _read(file: Path, how: Callable[[Path], T]) -> T:
    try:
        found = how(file)
        for name in _NEEDED.get(file.name, ()):
            if name not in found:  # type: ignore[operator]
                raise ValueError(f"it holds no {name!r}")
        return found
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RunError(
            f"{file} cannot be read ({error}).", "Make it again with the command that wrote it."
        ) from error
