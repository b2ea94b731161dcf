"""Files against a model of a disk: whatever happens, each version is told once, complete, and over restarts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from upwell_sensors.contents import Fingerprint
from upwell_sensors.known_files import Change, FileTable
from upwell_sensors.patterns import FilePattern
from upwell_sensors.scanning import Found

SETTLE = 1.0
PATHS = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a"])


class Disk(RuleBasedStateMachine):
    """Files that come, grow, are touched and go, and a table that looks now and then and is restarted."""

    @initialize(deleted=st.booleans(), content=st.booleans())
    def begin(self, deleted: bool, content: bool) -> None:
        self.deleted, self.content = deleted, content
        self.now, self.number = 1_000_000.0, 0
        self.files: dict[str, Fingerprint] = {}
        self.bytes: dict[str, int] = {}
        self.placed: set[str] = set()
        self.told: Counter[tuple[str, Fingerprint]] = Counter()
        self.last: dict[str, int] = {}
        self.cursor: dict[str, Any] = {}
        self.restart()

    @rule()
    def restart(self) -> None:
        self.table = FileTable(dict(self.cursor), settle=SETTLE)

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(path=PATHS, content=st.integers(0, 2))
    def write(self, path: str, content: int) -> None:
        self._change(path, content, self.now)
        self.placed.discard(path)

    @rule(path=PATHS, content=st.integers(0, 2), age=st.sampled_from([0.0, 0.5, 100.0]))
    def rename_into_place(self, path: str, content: int, age: float) -> None:
        self._change(path, content, self.now - age)
        self.placed.add(path)

    @rule(path=PATHS)
    def touch(self, path: str) -> None:
        if path in self.files:
            self._change(path, self.bytes[path], self.now)
            self.placed.discard(path)

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        self.files.pop(path, None)

    @rule()
    def look_at_everything(self) -> None:
        self._look("", self.files)

    @rule(path=PATHS)
    def look_at_one(self, path: str) -> None:
        self._look(path, {path: self.files[path]} if path in self.files else {})

    @rule()
    def look_at_a_folder(self) -> None:
        self._look("d", {path: print_ for path, print_ in self.files.items() if path.startswith("d/")})

    @invariant()
    def no_version_is_told_twice(self) -> None:
        assert not [version for version, times in getattr(self, "told", {}).items() if times > 1]

    @precondition(lambda self: hasattr(self, "table"))
    @invariant()
    def the_cursor_is_what_was_told(self) -> None:
        for path, value in self.cursor.items():
            assert self.content or (path, Fingerprint(*value[:3])) in self.told

    def teardown(self) -> None:
        """In the end, when everything has settled, every file that is there has been told as it is."""
        if not hasattr(self, "table"):
            return
        self.now += 2 * SETTLE
        self.look_at_everything()
        if self.content:
            assert {path: self.last.get(path) for path in self.files} == {path: self.bytes[path] for path in self.files}
        else:
            assert all((path, print_) in self.told for path, print_ in self.files.items())
        assert self.table.settles_in(now=self.now, elapsed=self.now) == float("inf")

    def _change(self, path: str, content: int, mtime: float) -> None:
        self.number += 1
        self.files[path] = Fingerprint(content, int(mtime * 1e9), self.number)
        self.bytes[path] = content

    def _look(self, where: str, files: dict[str, Fingerprint]) -> None:
        found = Found(files=dict(files), looked_at={where}, placed=self.placed & files.keys())
        for change in self.table.update(found, now=self.now, elapsed=self.now, deleted=self.deleted):
            self._take(change)
        self._keep(self.table.touched())

    def _take(self, change: Change) -> None:
        path, print_ = change.path, change.fingerprint
        if change.kind == "deleted":
            assert self.deleted
            assert path not in self.files
            self.last.pop(path, None)
        else:
            complete = print_.mtime_ns / 1e9 + SETTLE <= self.now + 1e-6
            assert complete or path in self.placed, "half-written"
            if self.content and not self.table.differs(change, f"{self.bytes[path]}"):
                assert self.last[path] == self.bytes[path]
                return
            self.told[path, print_] += 1
            self.last[path] = self.bytes[path]
        self._keep({**self.table.forgotten(), path: self.table.remembered(path)})

    def _keep(self, news: dict[str, Any]) -> None:
        self.cursor = {name: value for name, value in {**self.cursor, **news}.items() if value is not None}


TestDisk = Disk.TestCase

SEGMENTS = st.sampled_from(["*", "**", "a", "b*", "{x}", "[ab]", "?", ".h", "a-{y}.csv", "*.csv"])
NAMES = st.sampled_from(["a", "b", "bc", ".h", "c", "a-1.csv", "x.csv", "x.csv.tmp", "a~"])


@given(st.lists(SEGMENTS, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4))
def test_every_folder_on_the_way_to_a_file_that_matches_is_entered(segments: list[str], names: list[str]) -> None:
    pattern = FilePattern(root="/", segments=tuple(segments))
    path = "/".join(names)
    if segments.count("{x}") <= 1 and pattern.matches(path):
        assert all(pattern.enters("/".join(names[:depth])) for depth in range(1, len(names)))
        assert pattern.match(path) is not None
