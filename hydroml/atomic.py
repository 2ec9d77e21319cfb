"""Atomic writes: a file or folder appears complete under its name, or not at all."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydroml.errors import HydromlError

_UNFINISHED = ".unfinished"


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block succeeds.

    Works for a file and for a folder. A folder that is already there is replaced; a block
    that fails leaves what was there as it was and removes its own leftovers.

    Parameters
    ----------
    path : path-like
        Where the result shall stand. Missing parent folders are made.

    Yields
    ------
    pathlib.Path
        Where to write.

    Raises
    ------
    HydromlError
        The disk is full.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic_path(target) as scratch:
    ...     _ = scratch.write_text("done")
    >>> target.read_text()
    'done'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(_UNFINISHED, f".{target.name}.", target.parent))
    scratch = folder / target.name
    try:
        with naming_full_disk(target):
            yield scratch
            _replace(scratch, target, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_leftovers(folder: Path | str) -> None:
    """Remove what `atomic_path` left below a folder when its process was killed.

    Not while another process writes there.
    """
    for leftover in Path(folder).rglob(f".*{_UNFINISHED}"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def naming_full_disk(path: Path | str) -> Iterator[None]:
    """Turn "no space left on device" within the block into an error that names `path`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if _tells_of_full_disk(error, Path(path)):
            raise HydromlError(
                f"The disk is full: could not write {path}.",
                "Free some space, or choose another place, and run the same command again.",
            ) from error
        raise


def _tells_of_full_disk(error: Exception, path: Path) -> bool:
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
        return True
    # netCDF4 says no more than this
    return "HDF error" in str(error) and shutil.disk_usage(path.parent).free < 2**20


def _replace(scratch: Path, target: Path, folder: Path) -> None:
    if scratch.is_file():
        with scratch.open("rb") as written:
            os.fsync(written.fileno())
    elif target.is_dir():
        target.rename(folder / "old")  # a folder cannot be renamed onto a full one
    scratch.replace(target)
