"""What there is in an object store, and how it differs from what was known."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from upwell.events import Json
from upwell_sensors.patterns import FilePattern
from upwell_sensors.rhythm import Trouble

_HASHES = ("ETag", "md5Hash", "etag")  # of S3, of Google, of others
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


class FileSystem(Protocol):
    """What is needed of a file system of fsspec."""

    def ls(self, path: str, detail: Literal[True]) -> list[dict[str, Any]]:
        """What is directly below a folder."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object as it was listed."""

    name: str  # as the file system has it
    fingerprint: Json
    size: int | None
    changed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """How an object differs from what was known; `found` is null when it is gone."""

    kind: Literal["added", "modified", "deleted"]
    path: str  # relative to the root of the pattern
    found: Found | None


class Stopped(Exception):
    """Whoever wanted to know does so no longer."""


def look(files: FileSystem, root: str, pattern: FilePattern, stopped: threading.Event) -> dict[str, Found]:
    """Every object that the pattern matches, by its path below the root.

    Args:
        root: of the pattern, as the file system wants it: most want no slash at its beginning.

    Raises:
        Trouble: the bucket is not there: that is no news of the objects in it.
        Stopped: `stopped` was set meanwhile.
    """
    found: dict[str, Found] = {}
    pending = [""]
    while pending:
        if stopped.is_set():
            raise Stopped
        folder = pending.pop()
        for entry in _listed(files, root, folder):
            path = _below(root, str(entry["name"]))
            if path in ("", folder):
                continue  # the marker that some tools put for a folder
            if entry.get("type") == "directory":
                if pattern.recursive and pattern.enters(path):
                    pending.append(path)
            elif pattern.matches(path):
                found[path] = _found(entry)
    return found


def compare(known: Mapping[str, Json], found: Mapping[str, Found]) -> list[Change]:
    """What is new and what was replaced, oldest first, then what is gone."""
    came = [
        Change(kind="modified" if path in known else "added", path=path, found=each)
        for path, each in found.items()
        if known.get(path) != each.fingerprint
    ]
    gone = [Change(kind="deleted", path=path, found=None) for path in known if path not in found]
    return [*sorted(came, key=_age), *sorted(gone, key=lambda change: change.path)]


def _age(change: Change) -> tuple[float, str]:
    at = change.found.changed_at if change.found is not None else None
    return (at.timestamp() if at is not None else 0.0, change.path)


def _listed(files: FileSystem, root: str, folder: str) -> list[dict[str, Any]]:
    try:
        return files.ls(f"{root.rstrip('/')}/{folder}" if folder else root, detail=True)
    except FileNotFoundError:
        if folder:
            return []  # it went away meanwhile
    # Stores have no empty folders: that a prefix is not there is well, as long as its bucket is.
    bucket = root[: len(root) - len(root.lstrip("/"))] + root.strip("/").partition("/")[0]
    try:
        files.ls(bucket, detail=True)
    except FileNotFoundError:
        raise Trouble("missing", f"{bucket!r} is not there") from None
    return []


def _below(root: str, name: str) -> str:
    return ("/" + name.strip("/")).removeprefix(("/" + root.strip("/")).rstrip("/")).strip("/")


def _found(entry: Mapping[str, Any]) -> Found:
    size, changed_at = entry.get("size"), _changed_at(entry)
    return Found(
        name=str(entry["name"]),
        fingerprint=_hash(entry) or [size, None if changed_at is None else changed_at.isoformat()],
        size=size,
        changed_at=changed_at,
    )


def _hash(entry: Mapping[str, Any]) -> str | None:
    return next((value.strip('"') for name in _HASHES if isinstance(value := entry.get(name), str) and value), None)


def _changed_at(entry: Mapping[str, Any]) -> datetime | None:
    given = next((value for name in _TIMES if (value := entry.get(name)) is not None), None)
    try:
        match given:
            case datetime():
                return given.astimezone(UTC)
            case int() | float():
                return datetime.fromtimestamp(given, UTC)
            case str():
                return datetime.fromisoformat(given).astimezone(UTC)
            case _:
                return None
    except (ValueError, OverflowError, OSError):
        return None
