"""Safe, uniform reading of a folder or a zip archive, without extracting anything."""

import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hydroml.errors import SourceError

MAX_DEPTH = 8
"""Levels of folders that are looked into: enough for any layout, an end for a wrong path."""


@dataclass(frozen=True, order=True)
class Member:
    """One file of a folder or of a zip archive.

    Parameters
    ----------
    container : str
        The folder or the zip archive.
    name : str
        Path inside it, with ``/``.
    """

    container: str
    name: str

    def __str__(self) -> str:
        return f"{self.container}: {self.name}" if self.zipped else str(self.path)

    @property
    def zipped(self) -> bool:
        """Whether the container is a zip archive."""
        return Path(self.container).is_file()

    @property
    def path(self) -> Path:
        """Where the file lies; for a zipped one, where its archive lies."""
        container = Path(self.container)
        return container if self.zipped else container / self.name

    def read(self) -> bytes:
        """Return the content.

        Raises
        ------
        SourceError
            The archive is damaged, or the file cannot be read.
        """
        if self.zipped:
            with _naming(self):
                return _archive(*_signature(Path(self.container))).read(self.name)
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise SourceError(
                f"{self.path} cannot be read ({error.strerror}).",
                "Check that the file is there and that you may read it.",
            ) from error


def list_members(path: Path | str) -> list[Member]:
    """List the files of a folder or a zip archive, sorted by name.

    Parameters
    ----------
    path : path-like
        A folder (looked into `MAX_DEPTH` levels deep, hidden files left out) or a zip archive.

    Returns
    -------
    list of Member
        Every file; nothing is extracted.

    Raises
    ------
    SourceError
        There is no such path, it is neither a folder nor a zip archive, the archive is
        truncated or holds an entry that escapes its folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("x")
    >>> [(m.name, m.read()) for m in list_members(folder)]
    [('a.txt', b'x')]
    """
    container = require_path(path)
    if container.is_dir():
        return sorted(Member(str(container), name) for name in _walk(container))
    with _naming(Member(str(container), "")):
        names = _archive(*_signature(container)).namelist()
    for name in names:
        _refuse_escape(container, name)
    return sorted(Member(str(container), name) for name in names if _is_wanted(name))


def require_path(path: Path | str) -> Path:
    """Return the path, absolute, or refuse one that is not there.

    Raises
    ------
    SourceError
        Nothing lies there.
    """
    found = Path(path).expanduser()
    if not found.exists():
        raise SourceError(f"There is no file or folder {found}.", "Check the path for a typo.")
    return found.resolve()


def signature(path: Path | str) -> tuple[str, int, int]:
    """Path, modification time [ns] and size [bytes]: changes when a file is replaced."""
    return _signature(Path(path))


def _walk(folder: Path) -> Iterator[str]:
    seen: set[str] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        depth = len(Path(where).relative_to(folder).parts)
        real = os.path.realpath(where)
        if real in seen or depth >= MAX_DEPTH:  # a link may lead in a circle
            folders.clear()
        if real in seen:
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in files:
            name = (Path(where) / file).relative_to(folder).as_posix()
            if _is_wanted(name):
                yield name


def _is_wanted(name: str) -> bool:
    hidden = name.rsplit("/", 1)[-1].startswith(".") or name.startswith("__MACOSX/")
    return not (name.endswith("/") or hidden)


def _refuse_escape(archive: Path, name: str) -> None:
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain) or ".." in plain.split("/"):
        raise SourceError(
            f"The archive {archive} holds an entry that escapes its folder: {name!r}.",
            "Do not trust this file; download the archive again from its official place.",
        )


def _signature(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _archive(path: str, modified: int, size: int) -> zipfile.ZipFile:
    # a list of tens of thousands of entries is read once a process, not once a basin
    return zipfile.ZipFile(path)


@contextmanager
def _naming(member: Member) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, KeyError, OSError) as error:
        where = f" at its entry {member.name}" if member.name else ""
        raise SourceError(
            f"The archive {member.container} cannot be read{where}: it is truncated, damaged or "
            f"no zip archive ({error}).",
            "Download it again and compare its size with the official one.",
        ) from error
