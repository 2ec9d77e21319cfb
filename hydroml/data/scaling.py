"""Standardisation: statistics of the training period and basins, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.atomic import atomic_path
from hydroml.data.moments import joint_mean_std, row_moments
from hydroml.data.series import Series
from hydroml.data.validity import BASINS_AT_ONCE
from hydroml.errors import RunError


@dataclass(frozen=True)
class Scaler:
    """Means and standard deviations of a run's inputs and target.

    Parameters
    ----------
    dynamic, static : tuple of str
        Names of inputs, in the model's order.
    dynamic_mean, dynamic_std : ndarray
        (F,), in the inputs' units; ddof 0.
    static_mean, static_std : ndarray
        (S,); ddof 1, as in the reference experiment.
    target_mean, target_std : float
        Of discharge [mm d-1]; ddof 0.
    basins : tuple of str
        Training basins.
    basin_std : ndarray
        Standard deviation of each training basin's discharge [mm d-1], ddof 0, (B,).
    """

    dynamic: tuple[str, ...]
    static: tuple[str, ...]
    dynamic_mean: NDArray[np.float64]
    dynamic_std: NDArray[np.float64]
    static_mean: NDArray[np.float64]
    static_std: NDArray[np.float64]
    target_mean: float
    target_std: float
    basins: tuple[str, ...]
    basin_std: NDArray[np.float64]

    def scale_dynamic(self, x_d: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise (..., F) in place; what is missing becomes 0, the mean."""
        for f in range(x_d.shape[-1]):
            x_d[..., f] -= self.dynamic_mean[f]
            x_d[..., f] /= self.dynamic_std[f]
        return np.nan_to_num(x_d, copy=False, nan=0.0)

    def scale_static(self, x_s: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise attributes (B, S)."""
        return ((x_s - self.static_mean) / self.static_std).astype("float32")

    def scale_target(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Discharge [mm d-1] to standard deviations."""
        return ((y - self.target_mean) / self.target_std).astype("float32")

    def unscale_target(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn standard deviations into discharge [mm d-1]."""
        return (y * self.target_std + self.target_mean).astype("float32")


def fit_scaler(
    series: Series, valid: NDArray[np.bool_], dynamic: tuple[str, ...], static: tuple[str, ...]
) -> Scaler:
    """Compute the statistics of a training period that is in memory.

    Parameters
    ----------
    series : Series
        Raw training series; its lead days do not count.
    valid : ndarray
        `Series.valid_targets`, (B, T).
    dynamic, static : tuple of str
        Names of the inputs of `series`.

    Raises
    ------
    RunError
        No valid target at all, or an input that does not vary.
    """
    moments = series_moments(series, valid)
    return scaler_of_moments(moments, series.x_s, series.basins, dynamic, static)


def series_moments(series: Series, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute what a scaler needs to know of each basin.

    Parameters
    ----------
    series : Series
        Raw training series, of all basins or of some.
    valid : ndarray
        `Series.valid_targets`, (B, T).

    Returns
    -------
    ndarray
        `row_moments` of each input over the period, then of the valid targets, (B, F + 1, 3).
        Those of a basin do not depend on the others that are in memory with it.
    """
    basins, _, features = series.x_d.shape
    found = np.empty((basins, features + 1, 3))
    for start in range(0, basins, BASINS_AT_ONCE):
        part = slice(start, start + BASINS_AT_ONCE)
        for f in range(features):
            values = series.x_d[part, series.period, f]
            found[part, f] = row_moments(values, ~np.isnan(values))
        counted = valid[part, series.period]
        found[part, features] = row_moments(series.y[part, series.period], counted)
    return found


def scaler_of_moments(
    moments: NDArray[np.float64],
    x_s: NDArray[np.float32],
    basins: Sequence[str],
    dynamic: tuple[str, ...],
    static: tuple[str, ...],
) -> Scaler:
    """Make the scaler of basins whose moments are known.

    Parameters
    ----------
    moments : ndarray
        From `series_moments`, (B, F + 1, 3).
    x_s : ndarray
        Raw attributes, (B, S).
    basins : sequence of str
        Gauge ids.
    dynamic, static : tuple of str
        Names of inputs and attributes.

    Raises
    ------
    RunError
        No valid target at all, or an input that does not vary.
    """
    targets = moments[:, -1]
    if not targets[:, 0].any():
        raise RunError(
            "No day of the training period has both discharge and complete inputs.",
            "Choose another period with --set data.train=FROM..TO; "
            "'hydroml data info STORE' shows what there is.",
        )
    inputs = [joint_mean_std(moments[:, f]) for f in range(len(dynamic))]
    target_mean, target_std = joint_mean_std(targets)
    statics = x_s.astype("float64")
    deviation = statics.std(axis=0, ddof=1) if len(statics) > 1 else np.ones(len(static))
    scaler = Scaler(
        dynamic=dynamic,
        static=static,
        dynamic_mean=np.array([m for m, _ in inputs]),
        dynamic_std=np.array([s for _, s in inputs]),
        static_mean=statics.mean(axis=0),
        # an attribute that is the same everywhere tells nothing: it becomes 0 throughout
        static_std=np.where(deviation > 0, deviation, 1.0),
        target_mean=target_mean,
        target_std=target_std,
        basins=tuple(basins),
        basin_std=np.sqrt(targets[:, 2] / np.maximum(targets[:, 0], 1)),
    )
    for name, (mean, std) in zip(
        (*dynamic, "discharge"), [*inputs, (target_mean, target_std)], strict=True
    ):
        if not std > 1e-12 * abs(mean):  # less is rounding
            raise RunError(
                f"{name} does not vary in the training period (standard deviation {std}).",
                "Leave it out with --set data.dynamic=[...], or choose other basins or dates.",
            )
    return scaler


def save_scaler(scaler: Scaler, path: Path) -> None:
    """Write a scaler as NetCDF, atomically."""
    dataset = xr.Dataset(
        {
            "dynamic_mean": ("dynamic", scaler.dynamic_mean),
            "dynamic_std": ("dynamic", scaler.dynamic_std),
            "static_mean": ("static", scaler.static_mean),
            "static_std": ("static", scaler.static_std),
            "target_mean": ((), scaler.target_mean, {"units": "mm d-1"}),
            "target_std": ((), scaler.target_std, {"units": "mm d-1"}),
            "basin_std": ("basin", scaler.basin_std, {"units": "mm d-1"}),
        },
        coords={
            "dynamic": list(scaler.dynamic),
            "static": np.array(scaler.static, dtype=object),
            "basin": list(scaler.basins),
        },
        attrs={"title": "Standardisation of a hydroml run: (x - mean) / std"},
    )
    with atomic_path(path) as scratch:
        dataset.to_netcdf(scratch, engine="netcdf4")


def load_scaler(path: Path) -> Scaler:
    """Read what `save_scaler` wrote.

    Raises
    ------
    RunError
        There is no such file, or it is no scaler.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4") as found:
            d = found.load()
        return Scaler(
            dynamic=tuple(str(n) for n in d["dynamic"].values),
            static=tuple(str(n) for n in d["static"].values),
            dynamic_mean=d["dynamic_mean"].values,
            dynamic_std=d["dynamic_std"].values,
            static_mean=d["static_mean"].values,
            static_std=d["static_std"].values,
            target_mean=float(d["target_mean"]),
            target_std=float(d["target_std"]),
            basins=tuple(str(b) for b in d["basin"].values),
            basin_std=d["basin_std"].values,
        )
    except (OSError, KeyError, ValueError) as error:
        raise RunError(
            f"The scaler {path} cannot be read ({error}).",
            "The run directory is incomplete; train again.",
        ) from error
