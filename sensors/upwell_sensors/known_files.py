"""Which file is new, changed, gone or not complete yet: from what looks at the disk find, and two clocks. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from upwell.events import Json
from upwell_sensors.contents import Fingerprint
from upwell_sensors.scanning import Found

ChangeKind: TypeAlias = Literal["added", "modified", "deleted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """News of a path (relative to the root); the fingerprint is the last one where it is deleted."""

    path: str
    kind: ChangeKind
    fingerprint: Fingerprint
    before: Fingerprint | None = None


class FileTable:
    """What is known of each file, and what is still being written.

    A file is complete once its size, time and inode have been the same for `settle` seconds, by its own modification
    time or, where that cannot be right (it lies in the future), by when it was first seen so; or at once, if it was
    put into place by a rename. Modification times may be by a clock that is `skew` seconds slow.
    """

    def __init__(self, cursor: Mapping[str, Json], *, settle: float, skew: float = 0.0) -> None:
        self._known = {path: Fingerprint(*values[:3]) for path, values in cursor.items() if path}
        self._digests = {path: str(values[3]) for path, values in cursor.items() if path and len(values) > 3}
        self._gone: dict[str, Fingerprint] = {}
        self._touched: set[str] = set()
        self._unsettled: dict[str, tuple[Fingerprint, float]] = {}
        self._settle = settle
        self._skew = skew

    def due(self, *, now: float, elapsed: float) -> set[str]:
        """Unsettled files that may be complete by now: to be looked at again."""
        return {
            path for path, (print_, seen) in self._unsettled.items() if self._remaining(print_, seen, now, elapsed) <= 0
        }

    def settles_in(self, *, now: float, elapsed: float) -> float:
        """Seconds until a file may be complete; infinite when nothing is unsettled."""
        waits = [self._remaining(print_, seen, now, elapsed) for print_, seen in self._unsettled.values()]
        return max(0.0, min(waits, default=math.inf))

    def update(self, found: Found, *, now: float, elapsed: float, deleted: bool = False) -> list[Change]:
        """Take in what a look found; answer with what is complete and new, oldest first.

        Args:
            now: the wall clock's seconds since 1970.
            elapsed: seconds that never go back.
            deleted: whether files that are gone are news, too.
        """
        news = [
            item for item in found.files.items() if self._known.get(item[0]) != item[1] or item[0] in self._unsettled
        ]
        changes = [
            change for path, print_ in news if (change := self._seen(path, print_, now, elapsed, path in found.placed))
        ]
        for path in self._absent(found):
            self._unsettled.pop(path, None)
            if path in self._known:
                last = self._known.pop(path)
                if deleted:
                    self._digests.pop(path, None)
                    changes.append(Change(path=path, kind="deleted", fingerprint=last))
                else:
                    self._gone[path] = last
        return sorted(changes, key=lambda change: (change.fingerprint.mtime_ns, change.path))

    def differs(self, change: Change, digest: str) -> bool:
        """Whether the content is another than that of the version before; remembers it."""
        same = self._digests.get(change.path) == digest
        self._digests[change.path] = digest
        if same:
            self._touched.add(change.path)
        return not same

    def doubt(self, change: Change, *, elapsed: float) -> None:
        """Take back a change whose file is another already; it is looked at again."""
        if change.before is None:
            del self._known[change.path]
        else:
            self._known[change.path] = change.before
        self._unsettled[change.path] = (change.fingerprint, elapsed)

    def remembered(self, path: str) -> Json:
        """What a cursor keeps of a file; null when there is none."""
        if path not in self._known:
            return None
        return [*self._known[path], *([self._digests[path]] if path in self._digests else [])]

    def forgotten(self) -> dict[str, None]:
        """Files that are gone and have not been told, for a cursor to forget; each is answered once."""
        gone = dict.fromkeys(self._gone)
        self._gone.clear()
        for path in gone:
            self._digests.pop(path, None)
        return gone

    def touched(self) -> dict[str, Json]:
        """What a cursor keeps of files with a new fingerprint and their old content; each is answered once."""
        touched = {path: self.remembered(path) for path in self._touched}
        self._touched.clear()
        return touched

    def _seen(self, path: str, print_: Fingerprint, now: float, elapsed: float, placed: bool) -> Change | None:
        known = self._known.get(path)
        if known == print_:
            self._unsettled.pop(path, None)
            return None
        if self._gone.get(path) == print_:
            self._known[path] = self._gone.pop(path)  # a folder that was moved away, or unmounted, is back
            return None
        waiting, seen = self._unsettled.get(path, (None, elapsed))
        if waiting != print_:
            seen = elapsed
        if not placed and self._remaining(print_, seen, now, elapsed) > 0:
            self._unsettled[path] = (print_, seen)
            return None
        self._unsettled.pop(path, None)
        self._gone.pop(path, None)
        self._known[path] = print_
        return Change(path=path, kind="added" if known is None else "modified", fingerprint=print_, before=known)

    def _remaining(self, print_: Fingerprint, seen: float, now: float, elapsed: float) -> float:
        return min(print_.mtime_ns / 1e9 + self._skew + self._settle - now, seen + self._settle - elapsed)

    def _absent(self, found: Found) -> Iterator[str]:
        """Files that we know, that lie in what was looked at, and that were not found."""
        folders = {path for path in found.looked_at if path not in found.files and path not in self._known}
        within = tuple(f"{path}/" if path else "" for path in folders)
        blind = tuple(f"{path}/" if path else "" for path in found.unreadable)
        for path in {**self._known, **self._unsettled} if folders else found.looked_at:
            if path in found.files or path in found.unreadable or (blind and path.startswith(blind)):
                continue
            if path in found.looked_at or path.startswith(within):
                yield path
