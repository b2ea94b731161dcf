"""What a look at the disk finds, and how much work it is."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from upwell_sensors import scanning
from upwell_sensors.known_files import FileTable
from upwell_sensors.patterns import FilePattern
from upwell_sensors.scanning import look


def test_only_regular_files_that_match_are_found(tmp_path: Path) -> None:
    for name in ("a.csv", "b.txt", ".c.csv", "d.csv.tmp"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.csv")).write_text("x")
    found = look(FilePattern.parse("*.csv", base=str(tmp_path)))
    assert set(found.files) == {"a.csv"}
    assert found.refused == {
        "link.csv": "is a link",
        "pipe.csv": "is no regular file",
        "bad\udcff.csv": "has a name that is no UTF-8",
    }


def test_links_to_folders_are_not_followed_and_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.csv").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    found = look(FilePattern.parse("**/*.csv", base=str(tmp_path)))
    assert set(found.files) == {"real/a.csv"}
    assert found.refused == {"link": "is a link to a folder"}


def test_a_missing_root_is_unreadable_and_a_missing_file_is_not(tmp_path: Path) -> None:
    pattern = FilePattern.parse("landing/*.csv", base=str(tmp_path))
    assert look(pattern).unreadable == {""}
    (tmp_path / "landing").mkdir()
    found = look(pattern, ["a.csv"])
    assert (found.looked_at, found.unreadable) == ({"a.csv"}, set())


class Work:
    """Counts what a look asks the operating system."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._plain = os.scandir

    @contextmanager
    def scandir(self, folder: str) -> Iterator[Iterator[Any]]:
        self.asked["list"] += 1
        with self._plain(folder) as entries:
            yield (CountedEntry(entry, self.asked) for entry in entries)


class CountedEntry:
    def __init__(self, entry: os.DirEntry[str], asked: Counter[str]) -> None:
        self._entry, self._asked = entry, asked

    def __getattr__(self, name: str) -> Any:
        if name == "stat":
            self._asked["stat"] += 1
        return getattr(self._entry, name)


def tree(root: Path, *, folders: int, files: int, age: float = 3600.0) -> None:
    for folder in range(folders):
        (root / f"d{folder}").mkdir()
        for number in range(files):
            for name in (f"{number}.csv", f"{number}.txt"):
                os.close(os.open(root / f"d{folder}" / name, os.O_CREAT))
                os.utime(root / f"d{folder}" / name, (time.time() - age,) * 2)


def test_a_look_lists_each_folder_once_and_asks_once_for_each_file_that_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, folders=20, files=50)
    work = Work()
    monkeypatch.setattr(scanning.os, "scandir", work.scandir)
    monkeypatch.setattr(scanning, "is_put_into_place", lambda *_: pytest.fail("asked of an old file"))
    found = look(FilePattern.parse("{day}/*.csv", base=str(tmp_path)), young_after=time.time() - 60)
    assert len(found.files) == 1000
    assert work.asked == {"list": 21, "stat": 1000}


def test_a_tree_that_is_known_is_compared_without_a_change_or_anything_to_wait_for(tmp_path: Path) -> None:
    tree(tmp_path, folders=10, files=100)
    pattern, cursor = FilePattern.parse("{day}/*.csv", base=str(tmp_path)), {}
    table = FileTable({}, settle=1)
    for change in table.update(look(pattern), now=time.time(), elapsed=0):
        cursor[change.path] = table.remembered(change.path)
    again = FileTable(cursor, settle=1)
    assert again.update(look(pattern), now=time.time(), elapsed=0) == []
    assert again.settles_in(now=time.time(), elapsed=0) == float("inf")


def test_one_file_that_cannot_be_asked_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, folders=1, files=3)
    plain = scanning.fingerprint
    asked: list[int] = []

    def fails_once(status: os.stat_result) -> Any:
        asked.append(1)
        if len(asked) == 1:
            raise OSError(5, "Input/output error")
        return plain(status)

    monkeypatch.setattr(scanning, "fingerprint", fails_once)
    found = look(FilePattern.parse("{day}/*.csv", base=str(tmp_path)))
    assert (len(found.files), len(found.unreadable)) == (2, 1)
    assert found.files.keys().isdisjoint(found.unreadable)
