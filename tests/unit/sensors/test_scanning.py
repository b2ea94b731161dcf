"""Which file is new, changed, gone or not complete: decided from what looks at the disk found, and two clocks."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from upwell_sensors.contents import Fingerprint
from upwell_sensors.known_files import FileTable
from upwell_sensors.patterns import FilePattern
from upwell_sensors.scanning import Found, look

OLD = 1_000
NOW = 2_000.0


def print_of(size: int = 1, at: float = OLD, inode: int = 1) -> Fingerprint:
    return Fingerprint(size, int(at * 1e9), inode)


def everything(**files: Fingerprint) -> Found:
    return Found(files=dict(files), looked_at={""})


class Table:
    """A table with its clocks."""

    def __init__(self, cursor: dict[str, list[int]] | None = None, settle: float = 1.0) -> None:
        self.table = FileTable(cursor or {}, settle=settle)

    def saw(self, found: Found, at: float = NOW, *, deleted: bool = False) -> list[tuple[str, str]]:
        changes = self.table.update(found, now=at, elapsed=at, deleted=deleted)
        return [(change.kind, change.path) for change in changes]


def test_an_old_file_is_complete_at_once_and_told_once() -> None:
    table = Table()
    assert table.saw(everything(a=print_of())) == [("added", "a")]
    assert table.saw(everything(a=print_of())) == []


def test_a_file_in_the_cursor_is_news_only_if_it_has_changed() -> None:
    table = Table({"a": list(print_of()), "b": list(print_of())})
    assert table.saw(everything(a=print_of(), b=print_of(size=2))) == [("modified", "b")]


@pytest.mark.parametrize("changed", [print_of(size=2), print_of(at=OLD + 1), print_of(inode=2)])
def test_size_time_and_inode_each_make_another_version(changed: Fingerprint) -> None:
    assert Table({"a": list(print_of())}).saw(everything(a=changed)) == [("modified", "a")]


def test_a_file_is_told_only_once_it_has_settled() -> None:
    table = Table(settle=1.0)
    assert table.saw(everything(a=print_of(at=NOW)), NOW + 0.1) == []
    assert table.saw(everything(a=print_of(size=2, at=NOW + 0.9)), NOW + 1.0) == []
    assert table.table.settles_in(now=NOW + 1.0, elapsed=NOW + 1.0) == pytest.approx(0.9)
    assert table.saw(everything(a=print_of(size=2, at=NOW + 0.9)), NOW + 1.9) == [("added", "a")]


def test_a_time_in_the_future_does_not_keep_a_file_back_for_ever() -> None:
    table = Table(settle=1.0)
    future = print_of(at=NOW + 10_000)
    assert table.saw(everything(a=future), NOW) == []
    assert table.saw(everything(a=future), NOW + 0.9) == []
    assert table.saw(everything(a=future), NOW + 1.0) == [("added", "a")]


def test_changes_come_oldest_first() -> None:
    found = everything(x=print_of(at=30), y=print_of(at=10), z=print_of(at=20))
    assert [path for _, path in Table().saw(found)] == ["y", "z", "x"]


def test_a_file_that_is_gone_is_forgotten_with_the_next_event() -> None:
    table = Table({"a": list(print_of()), "b": list(print_of())})
    assert table.saw(everything(b=print_of())) == []
    assert table.table.forgotten() == {"a": None}
    assert table.table.forgotten() == {}
    assert table.saw(everything(a=print_of(), b=print_of())) == [("added", "a")]


def test_a_folder_that_comes_back_unchanged_is_no_news() -> None:
    table = Table({"a": list(print_of())})
    assert table.saw(everything()) == []
    assert table.saw(everything(a=print_of())) == []
    assert table.table.forgotten() == {}


def test_deletions_are_told_where_they_are_asked_for() -> None:
    table = Table({"a": list(print_of())})
    assert table.saw(everything(), deleted=True) == [("deleted", "a")]
    assert table.saw(everything(), deleted=True) == []


def test_what_cannot_be_read_is_not_taken_for_deleted() -> None:
    table = Table({"x/a": list(print_of()), "y/b": list(print_of())})
    found = Found(looked_at={""}, unreadable={"x"})
    assert table.saw(found, deleted=True) == [("deleted", "y/b")]
    assert table.saw(Found(unreadable={""}), deleted=True) == []


def test_a_look_at_one_folder_says_nothing_about_another() -> None:
    table = Table({"x/a": list(print_of()), "xy/b": list(print_of())})
    assert table.saw(Found(looked_at={"x"}), deleted=True) == [("deleted", "x/a")]


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


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.csv").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert set(look(FilePattern.parse("**/*.csv", base=str(tmp_path))).files) == {"real/a.csv"}


def test_a_missing_root_is_unreadable_and_a_missing_file_is_not(tmp_path: Path) -> None:
    pattern = FilePattern.parse("landing/*.csv", base=str(tmp_path))
    assert look(pattern).unreadable == {""}
    (tmp_path / "landing").mkdir()
    found = look(pattern, ["a.csv"])
    assert (found.looked_at, found.unreadable) == ({"a.csv"}, set())


def test_ten_thousand_files_are_scanned_in_a_fraction_of_a_second(tmp_path: Path) -> None:
    for folder in range(100):
        (tmp_path / f"d{folder}").mkdir()
        for number in range(100):
            os.close(os.open(tmp_path / f"d{folder}" / f"{number}.csv", os.O_CREAT))
    pattern = FilePattern.parse("{day}/*.csv", base=str(tmp_path))
    started = time.perf_counter()
    found = look(pattern)
    FileTable({}, settle=0).update(found, now=time.time(), elapsed=0)
    assert len(found.files) == 10_000
    assert time.perf_counter() - started < 1.0
