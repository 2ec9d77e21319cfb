"""The formats hydroml reads, and which of them lies at a path."""

from collections.abc import Callable, Sequence
from pathlib import Path

from hydroml.data.archives import list_members, require_path
from hydroml.data.camels_us import open_camels_us
from hydroml.data.caravan import open_caravan
from hydroml.data.netcdf import open_netcdf
from hydroml.data.source import Source
from hydroml.errors import ConfigError, SourceError, nearest
from hydroml.units import TARGET


def open_source(
    paths: Sequence[Path | str],
    dataset: str | None = None,
    *,
    forcing: Sequence[str] = (),
    discharge: str | None = None,
) -> Source:
    """Open data of a known format.

    Parameters
    ----------
    paths : sequence of path-like
        Archives, folders or files of one dataset.
    dataset : str, optional
        One of `DATASETS`; default is what `detect_dataset` finds.
    forcing : sequence of str
        Forcing products (CAMELS-US only).
    discharge : str, optional
        Name of the discharge (own data only).

    Returns
    -------
    Source
        Ready for `hydroml.data.prepare.prepare_store`.

    Raises
    ------
    SourceError
        Nothing there that hydroml reads.
    ConfigError
        Unknown dataset, or an option that does not go with it.
    """
    kind = dataset or detect_dataset(paths)
    if kind not in DATASETS:
        raise ConfigError(f"Unknown dataset {kind!r}.", nearest(kind, DATASETS))
    if forcing and kind != "camels-us":
        raise ConfigError(f"A forcing product cannot be chosen for {kind}.", "Drop --forcing.")
    if discharge and kind != "netcdf":
        raise ConfigError(f"The discharge of {kind} has a fixed name.", "Drop --discharge.")
    return DATASETS[kind](paths, list(forcing), discharge or TARGET)


def detect_dataset(paths: Sequence[Path | str]) -> str:
    """Tell which dataset lies at some paths.

    Returns
    -------
    str
        ``camels-us``, ``caravan`` or ``netcdf``.

    Raises
    ------
    SourceError
        None of them.
    """
    first = require_path(paths[0])
    if _is_own_data(first):
        return "netcdf"
    if first.is_dir() and any(_holds_caravan(p) for p in (first, *_subfolders(first))):
        return "caravan"
    for path in paths:
        found = list_members(path)
        marks = ("_forcing_leap.txt", "_streamflow_qc.txt")
        archives = ("basin_timeseries", "camels_attributes")
        for member in found:
            file = member.name.rsplit("/", 1)[-1]
            if file.endswith(marks) or (file.startswith(archives) and file.endswith(".zip")):
                return "camels-us"
    raise SourceError(
        f"{first} is no dataset hydroml knows: neither CAMELS-US (basin_mean_forcing/, "
        "usgs_streamflow/ or the official zip archives) nor Caravan (timeseries/netcdf/) nor a "
        "NetCDF file or Zarr folder.",
        "Give the folder or archive as it was downloaded.",
    )


def _is_own_data(path: Path) -> bool:
    if path.is_dir():
        return any((path / f).is_file() for f in ("zarr.json", ".zgroup", ".zmetadata"))
    return path.suffix.lower() in (".nc", ".nc4", ".cdf", ".h5", ".hdf5")


def _holds_caravan(path: Path) -> bool:
    return any((path / "timeseries" / kind).is_dir() for kind in ("netcdf", "csv"))


def _subfolders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir())


def _one(paths: Sequence[Path | str], what: str) -> Path | str:
    if len(paths) != 1:
        raise ConfigError(f"{what} is one folder or file, not {len(paths)}.", "Give one path.")
    return paths[0]


DATASETS: dict[str, Callable[[Sequence[Path | str], list[str], str], Source]] = {
    "camels-us": lambda paths, forcing, _: open_camels_us(paths, forcing or None),
    "caravan": lambda paths, *_: open_caravan(_one(paths, "Caravan")),
    "netcdf": lambda paths, _, discharge: open_netcdf(_one(paths, "Own data"), discharge),
}
"""How each format is opened, by its name on the command line."""
