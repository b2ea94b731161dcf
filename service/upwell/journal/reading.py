"""Reading a journal without being its service: what the command line does while no service answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread

from upwell.errors import JournalError, JournalUnavailable
from upwell.journal.dialects import sqlite
from upwell.journal.queries import Queries
from upwell.journal.schema import HEAD, revision_of


@asynccontextmanager
async def read_journal(path: Path) -> AsyncIterator[Queries]:
    """The queries of the journal in an SQLite file, which is neither made, nor upgraded, nor written.

    Raises:
        JournalUnavailable: there is no such file, or it cannot be read.
        JournalError: its schema is not the one of this version.
    """
    if not await to_thread.run_sync(path.is_file):
        raise JournalUnavailable(f"there is no journal at {path}")
    async with sqlite.open_reader(path) as store:
        async with store.reading() as connection:
            revision = await connection.run_sync(revision_of)
        if revision != HEAD:
            raise JournalError(f"{path} has schema {revision}, this version reads {HEAD}; say `upwell db upgrade`")
        yield Queries(store)
