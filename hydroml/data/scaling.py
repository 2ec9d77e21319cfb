"""Standardisation: statistics of the training period and basins, and nothing else."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.atomic import atomic_path
from hydroml.data.series import Series
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
    """Compute the statistics of a training period.

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
    if not valid.any():
        raise RunError(
            "No day of the training period has both discharge and complete inputs.",
            "Choose another period with --set data.train=FROM..TO; "
            "'hydroml data info STORE' shows what there is.",
        )
    inputs = [_mean_std(series.x_d[:, series.period, f]) for f in range(len(dynamic))]
    target = np.where(valid, series.y, np.nan)
    target_mean, target_std = _mean_std(target)
    statics = series.x_s.astype("float64")
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
        basins=tuple(series.basins),
        basin_std=np.array(
            [_mean_std(row)[1] if ok.any() else 0.0 for row, ok in zip(target, valid, strict=True)]
        ),
    )
    for name, std in zip((*dynamic, "discharge"), (*scaler.dynamic_std, target_std), strict=True):
        if not std > 0:
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


def _mean_std(values: NDArray[np.float32]) -> tuple[float, float]:
    present = values[~np.isnan(values)].astype("float64")
    if not present.size:
        return float("nan"), float("nan")
    return float(present.mean()), float(present.std())
