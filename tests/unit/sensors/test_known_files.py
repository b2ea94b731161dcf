"""Which file is new, changed, gone or not complete: decided from what looks at the disk found, and two clocks."""

from __future__ import annotations

import pytest

from upwell_sensors.contents import Fingerprint
from upwell_sensors.known_files import Change, FileTable
from upwell_sensors.scanning import Found

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


def test_a_file_that_was_renamed_into_place_need_not_settle() -> None:
    table = Table(settle=3600.0)
    found = Found(files={"a": print_of(at=NOW), "b": print_of(at=NOW)}, looked_at={""}, placed={"a"})
    assert table.saw(found, NOW + 0.1) == [("added", "a")]


def test_one_file_that_cannot_be_read_is_not_taken_for_deleted() -> None:
    table = Table({"a": list(print_of()), "b": list(print_of())})
    assert table.saw(Found(looked_at={""}, unreadable={"a"}), deleted=True) == [("deleted", "b")]


def test_times_of_a_slow_clock_do_not_make_a_file_complete() -> None:
    table = FileTable({}, settle=1.0, skew=3600.0)
    found = everything(a=print_of(at=NOW - 600), b=print_of(at=NOW - 3602))
    assert [change.path for change in table.update(found, now=NOW, elapsed=0)] == ["b"]
    assert table.update(found, now=NOW + 0.9, elapsed=0.9) == []
    assert [change.path for change in table.update(found, now=NOW + 1, elapsed=1.0)] == ["a"]


DIGEST = "d0"


def read(table: Table, found: Found, digest: str) -> list[str]:
    """What is told when every file that changed has this content."""
    changes = table.table.update(found, now=NOW, elapsed=NOW)
    return [change.path for change in changes if table.table.differs(change, digest)]


def test_a_touch_is_no_news_where_content_counts_and_the_cursor_learns_of_it() -> None:
    table = Table({"a": [*print_of(), DIGEST]})
    assert read(table, everything(a=print_of(at=OLD + 1)), DIGEST) == []
    assert table.table.touched() == {"a": [*print_of(at=OLD + 1), DIGEST]}
    assert table.table.touched() == {}


def test_other_content_is_news_and_the_cursor_keeps_its_digest() -> None:
    table = Table({"a": [*print_of(), DIGEST]})
    assert read(table, everything(a=print_of(at=OLD + 1)), "d1") == ["a"]
    assert table.table.remembered("a") == [*print_of(at=OLD + 1), "d1"]


def test_a_file_that_was_known_before_content_counted_is_news_when_it_changes() -> None:
    table = Table({"a": list(print_of())})
    assert read(table, everything(a=print_of(at=OLD + 1)), DIGEST) == ["a"]


def test_a_file_deleted_and_written_again_with_the_same_content_is_no_news() -> None:
    table = Table({"a": [*print_of(), DIGEST]})
    assert table.saw(everything()) == []
    assert read(table, everything(a=print_of(inode=2)), DIGEST) == []
    assert table.saw(everything()) == []
    assert table.table.forgotten() == {"a": None}
    assert read(table, everything(a=print_of(inode=3)), DIGEST) == ["a"]


@pytest.mark.parametrize("cursor", [{}, {"a": list(print_of())}])
def test_a_change_that_is_doubted_is_told_later_as_the_same_kind(cursor: dict[str, list[int]]) -> None:
    table = Table(cursor)
    changed, again = print_of(at=OLD + 1), print_of(at=OLD + 2)
    [change] = table.table.update(everything(a=changed), now=NOW, elapsed=NOW)
    table.table.doubt(change, elapsed=NOW)
    assert table.table.due(now=NOW, elapsed=NOW) == {"a"}
    assert table.saw(everything(a=again)) == [("modified" if cursor else "added", "a")]


def test_the_mark_of_the_first_start_in_a_cursor_is_no_file() -> None:
    table = FileTable({"": "2024-01-01T00:00:00+00:00"}, settle=1.0)
    assert table.update(everything(), now=NOW, elapsed=NOW, deleted=True) == []
    assert Change(path="a", kind="added", fingerprint=print_of()).before is None
