"""The truth about files: what a look at the disk finds."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from upwell_sensors.contents import Fingerprint, fingerprint, is_put_into_place
from upwell_sensors.patterns import FilePattern


@dataclass(kw_only=True)
class Found:
    """What a look at (a part of) the tree found; all paths are relative to the root, `""` is the root."""

    young_after: float = math.inf
    files: dict[str, Fingerprint] = field(default_factory=dict)
    looked_at: set[str] = field(default_factory=set)  # what was asked for and could be answered
    folders: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)  # names that match, and why no data may come from them
    placed: set[str] = field(default_factory=set)  # young files that came by a rename, complete


def look(pattern: FilePattern, paths: Iterable[str] = ("",), *, young_after: float = math.inf) -> Found:
    """Look at `paths` and everything below them: the whole tree by default. Blocks; for a thread.

    Links are not followed, and only regular files are data. Of those written after `young_after` (seconds since 1970)
    it is also found out whether they were put into place complete.
    """
    found = Found(young_after=young_after)
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
            _keep(pattern, path, status, found)
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
                    if entry.is_dir(follow_symlinks=False):
                        if pattern.recursive and pattern.enters(path):
                            todo.append(path)
                    elif pattern.matches(path):
                        _keep_entry(pattern, path, entry, found)
                    elif pattern.recursive and pattern.enters(path) and _is_link_to_folder(entry):
                        found.refused[path] = "is a link to a folder"
        except FileNotFoundError:
            continue  # gone meanwhile; the next look tells
        except OSError:
            found.unreadable.add(folder)


def _is_link_to_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and Path(entry.path).is_dir()


def _keep_entry(pattern: FilePattern, path: str, entry: os.DirEntry[str], found: Found) -> None:
    try:
        _keep(pattern, path, entry.stat(follow_symlinks=False), found)
    except FileNotFoundError:
        return  # gone between listing and asking
    except OSError:
        found.unreadable.add(path)  # one bad file must not hide the rest of its folder


def _keep(pattern: FilePattern, path: str, status: os.stat_result, found: Found) -> None:
    if not stat.S_ISREG(status.st_mode):
        found.refused[path] = "is a link" if stat.S_ISLNK(status.st_mode) else "is no regular file"
    elif not _is_text(path):
        found.refused[path] = "has a name that is no UTF-8"
    else:
        found.files[path] = fingerprint(status)
        if status.st_mtime > found.young_after and is_put_into_place(_absolute(pattern, path), status):
            found.placed.add(path)


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
