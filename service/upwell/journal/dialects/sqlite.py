"""SQLite: one file, one connection that writes or checkpoints, and readers that cannot.

Two connections that write or checkpoint at the same time can corrupt a WAL database in SQLite 3.7.0 to 3.51.2, so there
is only one, a lock file keeps other services out, and readers open with `mode=ro`: a last connection that may write
checkpoints when it closes.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiosqlite
import anyio
import structlog
from anyio import to_thread
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.dialects.sqlite import aiosqlite as aiosqlite_dialect
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from upwell.errors import JournalError, JournalInUse, JournalUnavailable
from upwell.journal.schema import bring_up_to_date
from upwell.journal.statements import Statement, Statements
from upwell.journal.store import Call, Fetch, Row, Run, Transaction, drive, refusals_named

T = TypeVar("T")

APPLICATION_ID = 0x5570776C  # "Upwl"
_FIXED = (3, 51, 3)
_BACKPORTS = {(3, 50): 7, (3, 44): 6}
_BUSY_TIMEOUT = 0.25  # seconds; nobody else should ever write, and a webhook's sender is waiting
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "trusted_schema = OFF",
    "cache_size = -16000",  # KiB
    "journal_size_limit = 67108864",
)
_VACUUM_STEP = 200  # pages

# The database refuses for now. Every other error is about the statement or its values.
_REFUSALS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}

_log = structlog.get_logger("upwell.journal")


class _WriterConnection(sqlite3.Connection):
    """A connection whose `commit` runs the transaction that waits, from its beginning to its end.

    aiosqlite hands each call to the database's thread and waits for the answer, which costs more than most statements,
    and much more while the event loop is busy. With the whole transaction behind `commit`, a batch costs one such hop.
    """

    def __init__(self, waiting: deque[Callable[[sqlite3.Connection], None]], database: str) -> None:
        super().__init__(database, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True)
        self._waiting = waiting

    def commit(self) -> None:
        transaction = self._waiting.popleft()
        self.execute("BEGIN IMMEDIATE")
        try:
            transaction(self)
            super().commit()
        except BaseException:
            # Also after a commit that failed: the transaction is still open then.
            self.rollback()
            raise


def _execute(connection: sqlite3.Connection, call: Call) -> Sequence[Row]:
    if isinstance(call, Run):
        connection.executemany(call.statement.sql, call.rows)
        return ()
    return connection.execute(call.statement.sql, call.row).fetchall()


class SQLiteStore:
    """The journal in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[Callable[[sqlite3.Connection], None]] = deque()
        self._writer = aiosqlite.Connection(lambda: _WriterConnection(self._waiting, _uri(path)), iter_chunk_size=64)
        self._readers = create_async_engine(engine_url(path, mode="ro"), pool_size=4, max_overflow=12)
        self.statements = Statements(aiosqlite_dialect.dialect(), insert)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[SQLiteStore]:
        """Hold the writing connection open meanwhile."""
        writer = await self._writer
        try:
            await self._configure()
            # The readers end first, so that the writer's end is a complete checkpoint.
            async with self.reading_only():
                yield self
        finally:
            with anyio.CancelScope(shield=True):  # the lock file is given back next, cancelled or not
                await writer.close()

    @asynccontextmanager
    async def reading_only(self) -> AsyncIterator[SQLiteStore]:
        """Lend connections that read meanwhile."""
        try:
            yield self
        finally:
            with anyio.CancelScope(shield=True):
                await self._readers.dispose()

    async def _configure(self) -> None:
        try:
            for pragma in _PRAGMAS:
                await self._writer.execute_fetchall(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            raise JournalUnavailable(f"{self._path} cannot be opened: {error}") from error

    async def transact(self, transaction: Transaction[T]) -> T:
        results: list[T] = []
        self._waiting.append(lambda c: results.append(drive(transaction, lambda call: _execute(c, call))))
        try:
            await self._writer.commit()
        except sqlite3.DatabaseError as error:
            if not _is_refusal(error):
                raise
            raise JournalUnavailable(f"{self._path} cannot be written now: {error}") from error
        return results[0]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        with refusals_named(str(self._path)):
            async with self._readers.connect() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        async with self.reading() as connection:
            await connection.exec_driver_sql("BEGIN")
            yield connection

    async def reclaim(self) -> bool:
        return await self.transact(_vacuum_a_little())


def _vacuum_a_little() -> Transaction[bool]:
    [[free]] = yield Fetch(Statement("PRAGMA freelist_count", ()))
    if free:
        yield Fetch(Statement(f"PRAGMA incremental_vacuum({_VACUUM_STEP})", ()))
    return bool(free > _VACUUM_STEP)


def _is_refusal(error: sqlite3.DatabaseError) -> bool:
    code: int | None = getattr(error, "sqlite_errorcode", None)  # the sqlite3 module raises a few without one
    return code is not None and code & 0xFF in _REFUSALS


def _uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=rw"


def engine_url(path: Path, *, mode: str) -> URL:
    """SQLAlchemy's address of the file, opened with a mode of SQLite's (`ro`, `rw`)."""
    return URL.create("sqlite+aiosqlite", database=path.absolute().as_uri(), query={"mode": mode, "uri": "true"})


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[SQLiteStore]:
    """The database file, made if there is none; nobody else may have it open for writing.

    Raises:
        JournalError: another service has it open, it is no journal, or a newer version's.
        JournalUnavailable: it cannot be opened or written now.
    """
    _warn_of_old_library()
    lock = await to_thread.run_sync(_lock, path)
    try:
        await to_thread.run_sync(_prepare, path)
        async with SQLiteStore(path).opened() as store:
            yield store
    finally:
        os.close(lock)


def _warn_of_old_library() -> None:
    version = sqlite3.sqlite_version_info
    if version < _FIXED and version[2] < _BACKPORTS.get(version[:2], version[2] + 1):
        _log.info("journal.sqlite_is_old", version=sqlite3.sqlite_version, fixed_in="3.51.3")


def _lock(path: Path) -> int:
    """Take the lock beside the database, until its descriptor is closed or the process ends."""
    file = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalUnavailable(f"{file} cannot be opened: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise JournalInUse(
            f"{path} is in use by process {owner}; stop that service first, or give this one a database of its own"
        ) from None
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _prepare(path: Path) -> None:
    """Make the file if there is none, and bring its schema up to date."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise JournalUnavailable(f"{path} cannot be opened: {error}") from error
    engine = create_engine("sqlite://", creator=lambda: _plain_connection(path), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            _require_journal(connection, path)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            bring_up_to_date(connection)
            connection.commit()
    except DatabaseError as error:
        raise JournalUnavailable(f"{path} cannot be opened: {error.orig}") from error
    finally:
        engine.dispose()


def _plain_connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(_uri(path), uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None)


def _require_journal(connection: Connection, path: Path) -> None:
    """Tell a new file from a journal and a journal from everything else; give a new one what must come first."""
    try:
        application_id = connection.exec_driver_sql("PRAGMA application_id").scalar()
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    except DatabaseError as error:
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
            raise
        raise JournalError(f"{path} is no SQLite database; move it away or name another file") from error
    if application_id != APPLICATION_ID and pages:
        raise JournalError(f"{path} is a database of another application; move it away or name another file")
    if not pages:
        # In this order: the first write fixes whether pages can be given back later.
        connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def open_reader(path: Path) -> AbstractAsyncContextManager[SQLiteStore]:
    """The database file for reading only, also while a service has it open: never made, upgraded or checkpointed."""
    return SQLiteStore(path).reading_only()
