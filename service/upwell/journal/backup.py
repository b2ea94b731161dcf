"""A copy of an SQLite journal, taken while a service goes on writing it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from upwell.errors import JournalUnavailable


def back_up(path: Path, target: Path) -> int:
    """Copy the journal at `path`, as it is at one instant, to the new file `target`; returns its size in bytes.

    The copy appears whole or not at all, and is on disk when this returns.

    Raises:
        JournalUnavailable: `path` cannot be read, or `target` cannot be written or exists.
    """
    if not path.is_file():
        raise JournalUnavailable(f"there is no journal at {path}")
    if target.exists():
        raise JournalUnavailable(f"{target} exists; name a new file")
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        _copy(path, partial)
        _sync(partial)
        partial.rename(target)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise JournalUnavailable(f"{path} cannot be copied to {target}: {error}") from error
    return target.stat().st_size


def _copy(path: Path, partial: Path) -> None:
    # mode=ro: only the service may write or checkpoint. In one step, since in several each commit would begin it anew.
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(partial)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
