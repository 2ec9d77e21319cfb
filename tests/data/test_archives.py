"""Folders and zips are read alike; what is damaged or unsafe is refused by name."""

import os
import zipfile
from pathlib import Path

import pytest

from hydroml.data.archives import list_members
from hydroml.errors import SourceError
from tests.data.camels_files import damage


def make_zip(path: Path, entries: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in entries.items():
            packed.writestr(name, text)
    return path


def test_zip_and_folder_list_the_same(tmp_path: Path) -> None:
    entries = {"a/b.txt": "x", "c.txt": "y"}
    folder = tmp_path / "tree"
    for name, text in entries.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    archive = make_zip(tmp_path / "t.zip", entries)
    for container in (folder, archive):
        assert {m.name: m.read().decode() for m in list_members(container)} == entries


def test_hidden_and_macos_files_are_left_out(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "t.zip", {"__MACOSX/a.txt": "", "b/.DS_Store": "", "c/": ""})
    assert list_members(archive) == []


def test_linked_folder_is_followed_and_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "tree")
    assert [m.name for m in list_members(tmp_path / "tree")] == ["link/a.txt"]


def test_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        list_members(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_truncated_zip_is_refused(tmp_path: Path, keep: float) -> None:
    archive = damage(make_zip(tmp_path / "t.zip", {"a.txt": "x" * 5000}), keep)
    with pytest.raises(SourceError, match=r"t\.zip cannot be read: it is truncated"):
        list_members(archive)


def test_no_archive_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.tar.gz").write_bytes(b"not a zip")
    with pytest.raises(SourceError, match="no zip archive"):
        list_members(tmp_path / "t.tar.gz")


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/passwd", "a/../../b", "C:/x", "a\\..\\b"])
def test_escaping_entry_is_refused(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "t.zip", {"a.txt": "", name: ""})
    with pytest.raises(SourceError, match=r"t\.zip holds an entry that escapes its folder"):
        list_members(archive)


def test_entry_with_flipped_bytes_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "t.zip", {"a.txt": "x" * 1000})
    content = bytearray(archive.read_bytes())
    content[100] ^= 0xFF  # within the stored text; the list of entries stays whole
    archive.write_bytes(content)
    (member,) = list_members(archive)
    with pytest.raises(SourceError, match=r"at its entry a\.txt"):
        member.read()


def test_file_that_vanished_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (member,) = list_members(tmp_path)
    os.remove(tmp_path / "a.txt")  # noqa: PTH107
    with pytest.raises(SourceError, match=r"a\.txt cannot be read"):
        member.read()
