"""The figures of a run: what `evaluate` and `train` draw without being asked."""

from pathlib import Path

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from hydroml.errors import RunError
from hydroml.report.distribution import nse_distribution
from hydroml.report.hydrographs import hydrographs
from hydroml.report.losses import losses
from hydroml.report.maps import draw_map
from hydroml.report.style import mark_synthetic, save

__all__ = [
    "draw_evaluation", "draw_losses", "draw_map", "hydrographs", "losses", "mark_synthetic",
    "nse_distribution", "save",
]  # fmt: skip


def draw_evaluation(folder: Path | str) -> list[Path]:
    """Draw the figures of an evaluation into its folder.

    Parameters
    ----------
    folder : path-like
        Holds ``simulations.nc`` (qobs, qsim [mm d-1]; basin coordinates ``gauge_lat``,
        ``gauge_lon``, ``gauge_name`` and variable ``prcp`` if there) and ``metrics.csv``.

    Returns
    -------
    list of pathlib.Path
        ``nse_distribution.png``, ``hydrographs.png`` and, where the places of gauges are
        known, ``nse_map.png``. Data that is synthetic says so in every figure.

    Raises
    ------
    RunError
        One of the two files is missing.
    """
    place = Path(folder)
    for name in ("simulations.nc", "metrics.csv"):
        _require(place / name, "Run 'hydroml evaluate RUN' first.")
    table = read_metrics(place / "metrics.csv")
    with xr.open_dataset(place / "simulations.nc") as dataset:
        drawn = _evaluation_figures(dataset, table)
        if is_synthetic(dataset.attrs):
            drawn = {name: mark_synthetic(figure) for name, figure in drawn.items()}
    return [save(figure, place / f"{name}.png") for name, figure in drawn.items()]


def draw_losses(run_dir: Path | str, *, synthetic: bool = False) -> Path:
    """Draw the training curve of a run from its ``metrics.csv`` to ``losses.png``.

    Parameters
    ----------
    run_dir : path-like
        The run's folder.
    synthetic : bool
        Whether the run was trained on synthetic data; marks the figure.

    Returns
    -------
    pathlib.Path
        ``run_dir/losses.png``.

    Raises
    ------
    RunError
        The run has no ``metrics.csv``.
    """
    place = Path(run_dir)
    _require(place / "metrics.csv", "Train at least one epoch with 'hydroml train'.")
    figure = losses(pd.read_csv(place / "metrics.csv"), title=f"Training of {place.name}")
    return save(mark_synthetic(figure) if synthetic else figure, place / "losses.png")


def read_metrics(path: Path | str) -> pd.DataFrame:
    """Read a table of metrics; gauge ids stay strings, with their leading zeros."""
    return pd.read_csv(path, dtype={"gauge_id": str}).set_index("gauge_id")


def is_synthetic(attributes: dict) -> bool:
    """Tell from a file's global attributes whether its data is synthetic."""
    return str(attributes.get("synthetic", "false")).lower() in ("true", "1")


def _evaluation_figures(dataset: xr.Dataset, table: pd.DataFrame) -> dict[str, Figure]:
    about = ", ".join(str(dataset.attrs[key]) for key in ("run", "period") if key in dataset.attrs)
    suffix = f"\n{about}" if about else ""
    nse = table["NSE"].reindex(dataset["basin"].values.astype(str))
    drawn = {}
    if {"gauge_lat", "gauge_lon"} <= set(dataset.variables):
        drawn["nse_map"] = draw_map(
            nse.to_numpy(float), dataset["gauge_lat"].values, dataset["gauge_lon"].values,
            title=f"NSE per basin{suffix}", label="Nash-Sutcliffe efficiency [-]",
            vmin=0.0, vmax=1.0, failed="NSE ≤ 0",
        )  # fmt: skip
    drawn["nse_distribution"] = nse_distribution(
        {str(dataset.attrs.get("run", "this run")): table},
        title=f"Distribution of NSE over basins{suffix}",
    )
    drawn["hydrographs"] = hydrographs(
        dataset["qobs"], dataset["qsim"], table, prcp=dataset.get("prcp"),
        title=f"Best, median and worst basin{suffix}",
    )  # fmt: skip
    return drawn


def _require(path: Path, remedy: str) -> None:
    if not path.is_file():
        raise RunError(f"There is no {path}.", remedy)
