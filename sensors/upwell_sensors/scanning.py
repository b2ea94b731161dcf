"""The truth about files: what a look at the disk finds, and which of it is new, changed, gone or not yet complete."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from upwell.events import Json
from upwell_sensors.patterns import FilePattern

ChangeKind: TypeAlias = Literal["added", "modified", "deleted"]


class Fingerprint(NamedTuple):
    """Which version of a file this is."""

    size: int
    mtime_ns: int
    inode: int


class Change(NamedTuple):
    """A path (relative to the root) with news, and its fingerprint (the last one, if it is deleted)."""

    path: str
    kind: ChangeKind
    fingerprint: Fingerprint


@dataclass(kw_only=True)
class Found:
    """What a look at (a part of) the tree found; all paths are relative to the root, `""` is the root."""

    files: dict[str, Fingerprint] = field(default_factory=dict)
    looked_at: set[str] = field(default_factory=set)  # what was asked for and could be answered
    folders: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)  # names that match, but no data may come from them


def look(pattern: FilePattern, paths: Iterable[str] = ("",)) -> Found:
    """Look at `paths` and everything below them: the whole tree by default. Blocks; for a thread.

    Links are not followed, and only regular files are data.
    """
    found = Found()
    for path in paths:
        if path and not pattern.matches(path) and not pattern.enters(path):
            continue
        try:
            status = Path(pattern.root, path).stat(follow_symlinks=not path)
        except (FileNotFoundError, NotADirectoryError):
            # A root that is gone says nothing about its files: it may be a mount that comes back.
            (found.looked_at if path else found.unreadable).add(path)
            continue
        except OSError:
            found.unreadable.add(path)
            continue
        found.looked_at.add(path)
        if stat.S_ISDIR(status.st_mode):
            if not path or pattern.enters(path):
                _walk(pattern, path, found)
        elif pattern.matches(path):
            _keep(path, status, found)
    return found


def _walk(pattern: FilePattern, folder: str, found: Found) -> None:
    todo = [folder]
    while todo:
        folder = todo.pop()
        found.folders.add(folder)
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(_absolute(pattern, folder)) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if pattern.matches(path) and not entry.is_dir(follow_symlinks=False):
                        _keep_entry(path, entry, found)
                    elif pattern.recursive and entry.is_dir(follow_symlinks=False) and pattern.enters(path):
                        todo.append(path)
        except FileNotFoundError:
            continue  # gone meanwhile; the next look tells
        except OSError:
            found.unreadable.add(folder)


def _keep_entry(path: str, entry: os.DirEntry[str], found: Found) -> None:
    try:
        _keep(path, entry.stat(follow_symlinks=False), found)
    except FileNotFoundError:
        return  # gone between listing and asking


def _keep(path: str, status: os.stat_result, found: Found) -> None:
    if stat.S_ISREG(status.st_mode) and _is_text(path):
        found.files[path] = Fingerprint(status.st_size, status.st_mtime_ns, status.st_ino)
    else:
        found.refused.add(path)


def _absolute(pattern: FilePattern, path: str) -> str:
    return f"{pattern.root}/{path}" if path else pattern.root


def _is_text(path: str) -> bool:
    """Whether the name can be written down (JSON, databases, logs): some bytes on disk are no UTF-8."""
    if path.isascii():
        return True
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class FileTable:
    """What is known of each file, and what is still being written.

    A file is complete once its size, time and inode have been the same for `settle` seconds, by its own modification
    time or, where that cannot be right (it lies in the future), by when it was first seen so.
    """

    def __init__(self, cursor: Mapping[str, Json], *, settle: float) -> None:
        self._known = {path: Fingerprint(*values) for path, values in cursor.items()}
        self._gone: dict[str, Fingerprint] = {}
        self._unsettled: dict[str, tuple[Fingerprint, float]] = {}
        self._settle = settle

    def due(self, *, now: float, elapsed: float) -> set[str]:
        """Unsettled files that may be complete by now: to be looked at again."""
        return {
            path for path, (print_, seen) in self._unsettled.items() if self._remaining(print_, seen, now, elapsed) <= 0
        }

    def forgotten(self) -> dict[str, None]:
        """Files that are gone and have not been told, for a cursor to forget; each is answered once."""
        gone = dict.fromkeys(self._gone)
        self._gone.clear()
        return gone

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
        changes = [change for path, print_ in news if (change := self._seen(path, print_, now, elapsed))]
        for path in self._absent(found):
            self._unsettled.pop(path, None)
            if path in self._known:
                last = self._known.pop(path)
                if deleted:
                    changes.append(Change(path=path, kind="deleted", fingerprint=last))
                else:
                    self._gone[path] = last
        return sorted(changes, key=lambda change: (change.fingerprint.mtime_ns, change.path))

    def _seen(self, path: str, print_: Fingerprint, now: float, elapsed: float) -> Change | None:
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
        if self._remaining(print_, seen, now, elapsed) > 0:
            self._unsettled[path] = (print_, seen)
            return None
        self._unsettled.pop(path, None)
        self._gone.pop(path, None)
        self._known[path] = print_
        return Change(path=path, kind="added" if known is None else "modified", fingerprint=print_)

    def _remaining(self, print_: Fingerprint, seen: float, now: float, elapsed: float) -> float:
        return min(print_.mtime_ns / 1e9 + self._settle - now, seen + self._settle - elapsed)

    def _absent(self, found: Found) -> Iterator[str]:
        """Files that we know, that lie in what was looked at, and that were not found."""
        folders = {path for path in found.looked_at if path not in found.files and path not in self._known}
        within = tuple(f"{path}/" if path else "" for path in folders)
        blind = tuple(f"{path}/" if path else "" for path in found.unreadable)
        for path in {**self._known, **self._unsettled} if folders else found.looked_at:
            if path in found.files or (blind and path.startswith(blind)):
                continue
            if path in found.looked_at or path.startswith(within):
                yield path
