"""The store: one Zarr folder with every basin's forcing, discharge and attributes.

Dimensions are (basin, time); a chunk holds 64 basins and all time. ``manifest.json`` in the
folder lists each file with its size and SHA-256 hash: a store that was cut short is noticed
when it is opened, a damaged one by `damaged_files`.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from hydroml.atomic import atomic_path
from hydroml.errors import StoreError
from hydroml.version import __version__

BASINS_PER_CHUNK = 64
MANIFEST = "manifest.json"
# attributes of the store that tell what it is, in the order `data info` shows them
PROVENANCE = ("source", "forcing", "created", "hydroml_version", "fingerprint", "synthetic")


def write_store(
    dataset: xr.Dataset,
    path: Path | str,
    *,
    extra_files: Mapping[str, str] | None = None,
) -> Path:
    """Write a dataset as a complete store, atomically.

    Parameters
    ----------
    dataset : xarray.Dataset
        Dimensions ``basin`` (gauge ids, strings) and ``time`` (daily, ascending), float
        variables (basin, time), attributes (basin), global attributes ``source``, ``forcing``
        and ``synthetic``. May be lazy: it is written one chunk of basins at a time.
    path : path-like
        The store's folder; replaced if it is already a store.
    extra_files : mapping of str to str, optional
        File name to text, placed beside the manifest (for example ``report.json``).

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    StoreError
        The dataset breaks the schema, or `path` holds something that is not a store.
    HydromlError
        The disk is full.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> ds = xr.Dataset(
    ...     {"prcp": (("basin", "time"), np.ones((1, 3), "float32"))},
    ...     coords={"basin": ["01022500"], "time": pd.date_range("2000-01-01", periods=3)},
    ...     attrs={"source": "example", "forcing": "none", "synthetic": True},
    ... )
    >>> store = write_store(ds, tempfile.mkdtemp() + "/store.zarr")
    >>> open_store(store).prcp.sel(basin="01022500").values
    array([1., 1., 1.], dtype=float32)
    """
    target = Path(path)
    _refuse_foreign_folder(target)
    _check_schema(dataset)
    with atomic_path(target) as scratch:
        _write_arrays(dataset, scratch)
        manifest = _manifest_of(scratch)
        _finish_metadata(scratch, _fingerprint(manifest))
        for name, text in (extra_files or {}).items():
            (scratch / name).write_text(text, encoding="utf-8")
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=0), encoding="utf-8")
    return target


def open_store(path: Path | str) -> xr.Dataset:
    """Open a store lazily (dask arrays, one chunk of 64 basins and all time each).

    Parameters
    ----------
    path : path-like
        The store's folder.

    Returns
    -------
    xarray.Dataset
        Variables (basin, time) and (basin); basin ids are Python strings.

    Raises
    ------
    StoreError
        There is no store, it is incomplete, or one of its files was cut short.
    """
    target = Path(path)
    _refuse_missing(target)
    _refuse_cut_short(target)
    dataset = xr.open_zarr(target, consolidated=True, chunks={})
    # zarr gives NumPy's StringDType, which NetCDF writers and torch's world do not know
    text = {n: v.astype(object) for n, v in dataset.variables.items() if v.dtype.kind == "T"}
    return dataset.assign_coords({n: v for n, v in text.items() if n in dataset.coords}).assign(
        {n: v for n, v in text.items() if n in dataset.data_vars}
    )


def damaged_files(path: Path | str) -> list[str]:
    """Compare every file of a store with the hash in its manifest.

    Returns
    -------
    list of str
        Names of files whose content differs; empty for a sound store.
    """
    target = Path(path)
    manifest = _read_manifest(target)
    return [name for name, (_, digest) in manifest.items() if _digest(target / name) != digest]


def is_store(path: Path | str) -> bool:
    """Tell whether a folder looks like a hydroml store (complete or damaged)."""
    return (Path(path) / MANIFEST).is_file() and (Path(path) / "zarr.json").is_file()


def dynamic_variables(dataset: xr.Dataset) -> list[str]:
    """Names of the (basin, time) variables."""
    return [str(n) for n, v in dataset.data_vars.items() if set(v.dims) == {"basin", "time"}]


def static_attributes(dataset: xr.Dataset, *, numeric_only: bool = True) -> list[str]:
    """Names of the (basin) variables, by default the numeric ones."""
    return [
        str(n)
        for n, v in dataset.data_vars.items()
        if v.dims == ("basin",) and (v.dtype.kind in "fiu" or not numeric_only)
    ]


def _write_arrays(dataset: xr.Dataset, scratch: Path) -> None:
    prepared = dataset.copy()
    days = dataset.sizes.get("time", 1)
    encoding = {}
    for name in dynamic_variables(dataset):
        prepared[name] = dataset[name].transpose("basin", "time").astype("float32")
        encoding[name] = {
            "chunks": (BASINS_PER_CHUNK, days),
            "compressors": BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
            "_FillValue": np.float32(np.nan),
        }
        if prepared[name].chunks:
            prepared[name] = prepared[name].chunk(basin=BASINS_PER_CHUNK, time=-1)
    for name in map(str, list(prepared.variables)):
        if name not in encoding:  # small: one value a basin, and text that cannot be lazy
            prepared[name] = prepared[name].compute()
        for inherited in ("chunks", "preferred_chunks", "compressors", "filters", "shards"):
            prepared[name].encoding.pop(inherited, None)
        if prepared[name].dtype.kind in "UT":
            prepared[name] = prepared[name].astype(object)
    # a chunk that is all missing is written all the same: an absent file means damage
    with zarr.config.set({"array.write_empty_chunks": True}):
        prepared.to_zarr(scratch, mode="w", encoding=encoding, zarr_format=3, consolidated=False)


def _finish_metadata(scratch: Path, fingerprint: str) -> None:
    with warnings.catch_warnings():
        # zarr warns of files that are not its own, and that version 3 has yet to standardise
        # consolidated metadata; with them a reader need not list the folder at all
        warnings.simplefilter("ignore", UserWarning)
        zarr.open_group(scratch, mode="r+", zarr_format=3).attrs.update(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            hydroml_version=__version__,
            fingerprint=fingerprint,
        )
        zarr.consolidate_metadata(scratch, zarr_format=3)


def _check_schema(dataset: xr.Dataset) -> None:
    if "basin" not in dataset.coords or "time" not in dataset.coords:
        raise StoreError(
            f"A store needs coordinates 'basin' and 'time'; got {list(dataset.coords)}.",
            "Rename the dimensions of the dataset.",
        )
    ids = dataset["basin"].values
    if len(set(ids.tolist())) != len(ids):
        twice = sorted({i for i in ids.tolist() if (ids == i).sum() > 1})[:5]
        raise StoreError(f"Gauge ids stand twice: {twice}.", "Keep one row a basin.")
    steps = np.diff(dataset["time"].values)
    if not (steps == np.timedelta64(1, "D")).all():
        where = dataset["time"].values[int(np.argmax(steps != np.timedelta64(1, "D")))]
        raise StoreError(
            f"Time is not daily and ascending: irregular after {str(where)[:10]}.",
            "Sort the dates, drop duplicates and fill gaps with NaN.",
        )
    missing = [a for a in ("source", "forcing", "synthetic") if a not in dataset.attrs]
    if missing:
        raise StoreError(f"Global attributes are missing: {missing}.", "Add them to dataset.attrs.")


def _refuse_foreign_folder(target: Path) -> None:
    if target.exists() and not is_store(target):
        raise StoreError(
            f"{target} exists and is not a hydroml store; it is left as it was.",
            "Choose another --out, or remove it yourself.",
        )


def _refuse_missing(target: Path) -> None:
    if is_store(target):
        return
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        raise StoreError(
            f"The store {target} is not finished; its build was interrupted.",
            "Run the same 'hydroml data prepare' again: it goes on where it stopped.",
        )
    if target.exists():
        raise StoreError(
            f"{target} is not a hydroml store (no {MANIFEST} in it).",
            "Give the folder that 'hydroml data prepare' or 'hydroml data synth' wrote.",
        )
    raise StoreError(
        f"There is no store at {target}.",
        "Make one with 'hydroml data synth --out STORE' (synthetic), or with "
        "'hydroml data prepare CAMELS_FOLDER --out STORE' (real data), or name another one "
        "with --data or the environment variable HYDROML_DATA.",
    )


def _refuse_cut_short(target: Path) -> None:
    for name, (size, _) in _read_manifest(target).items():
        file = target / name
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise StoreError(
                f"The store {target} is damaged: its file {name} {state}.",
                "Copy the store again, or make it anew with 'hydroml data prepare'.",
            )


def _read_manifest(target: Path) -> dict[str, tuple[int, str]]:
    try:
        found = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        return {str(name): (int(size), str(digest)) for name, (size, digest) in found.items()}
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise StoreError(
            f"The manifest of the store {target} cannot be read ({error}).",
            "Copy the store again, or make it anew with 'hydroml data prepare'.",
        ) from error


def _manifest_of(folder: Path) -> dict[str, tuple[int, str]]:
    # the root's own zarr.json carries the fingerprint and so cannot be part of it
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / "zarr.json")
    return {p.relative_to(folder).as_posix(): (p.stat().st_size, _digest(p)) for p in files}


def _fingerprint(manifest: Mapping[str, tuple[int, str]]) -> str:
    text = "".join(f"{name}:{digest}\n" for name, (_, digest) in sorted(manifest.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(file: Path) -> str:
    if not file.is_file():
        return ""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
