"""PostgreSQL: one connection that writes and holds an advisory lock as long as it lives; readers in autocommit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from upwell.errors import JournalError, JournalInUse, JournalUnavailable
from upwell.journal.schema import bring_up_to_date
from upwell.journal.statements import Statements
from upwell.journal.store import Call, Row, Run, Transaction, refusals_named

if TYPE_CHECKING:
    from asyncpg import Connection

T = TypeVar("T")

_LOCK = 0x557077656C6C  # "Upwell"; advisory locks are per database
_CONNECT_TIMEOUT = 5.0  # seconds
_COMMAND_TIMEOUT = 30.0
_SETTLE_FOR = 10.0  # seconds to find out what became of a commit whose answer was lost
_SETTINGS = {
    "application_name": "upwell journal",
    "synchronous_commit": "on",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "60s",
}


class PostgreSQLStore:
    """The journal in a PostgreSQL database."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._one_at_a_time = anyio.Lock()
        # Autocommit: a statement sees the newest commit, and no reader keeps a transaction open.
        self._readers = create_async_engine(
            url, pool_size=4, max_overflow=12, pool_pre_ping=True, isolation_level="AUTOCOMMIT"
        )
        self.statements = Statements(_dialect(), insert)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[PostgreSQLStore]:
        """Hold the writing connection open meanwhile, and the lock that keeps other services out."""
        try:
            await self._writer()
            async with self._readers.connect() as connection:
                await connection.execution_options(isolation_level="READ COMMITTED")
                await connection.run_sync(bring_up_to_date)
                await connection.commit()
            yield self
        finally:
            with anyio.CancelScope(shield=True):  # a service that is being cancelled still gives the lock back
                await self._readers.dispose()
                await self._disconnect()

    async def transact(self, transaction: Transaction[T]) -> T:
        async with self._one_at_a_time:
            try:
                return await self._run(await self._writer(), transaction)
            except Exception as error:
                # Another service may have taken the lock while the connection was lost: a reason to wait, too.
                if not _is_refusal(error) and not isinstance(error, JournalError):
                    raise
                raise JournalUnavailable(f"{_shown(self._url)} cannot be written now: {error}") from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        with refusals_named(_shown(self._url)):
            async with self._readers.connect() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        async with self.reading() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    async def reclaim(self) -> bool:
        return False  # autovacuum does

    async def _run(self, connection: Connection, transaction: Transaction[T]) -> T:
        open_transaction = connection.transaction()
        await open_transaction.start()
        try:
            # The session's lock keeps others out; this one keeps ids gapless even where a proxy changes our session.
            xid = await connection.fetchval("SELECT pg_current_xact_id()::text FROM pg_advisory_xact_lock($1)", _LOCK)
            result = await _drive(transaction, connection)
        except BaseException:
            if not connection.is_closed():
                await open_transaction.rollback()
            raise
        try:
            await open_transaction.commit()
        except Exception as error:
            connection.terminate()
            if not await self._was_committed(xid):
                raise JournalUnavailable(f"{_shown(self._url)} did not commit: {error}") from error
        return result

    async def _was_committed(self, xid: str) -> bool:
        """Ask, over a new connection, what became of a commit whose answer was lost with the old one."""
        with anyio.move_on_after(_SETTLE_FOR):
            while True:
                try:
                    connection = await self._writer()
                    status = await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid)
                except JournalError:
                    status = None
                except Exception as error:
                    if not _is_refusal(error):
                        raise
                    status = None
                if status in ("committed", "aborted"):
                    return bool(status == "committed")
                await anyio.sleep(_SETTLE_FOR / 20)
        return False

    async def _writer(self) -> Connection:
        """The writing connection, made anew where the last one has broken."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is None or self._connection.is_closed():
            return
        # The server notices a closed connection a moment later, and a service that restarts wants the lock at once.
        await self._connection.execute("SELECT pg_advisory_unlock_all()")
        await self._connection.close(timeout=_CONNECT_TIMEOUT)

    async def _connect(self) -> Connection:
        asyncpg = _driver()
        _, options = _dialect().create_connect_args(self._url)
        try:
            connection = await asyncpg.connect(
                **options, timeout=_CONNECT_TIMEOUT, command_timeout=_COMMAND_TIMEOUT, server_settings=_SETTINGS
            )
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                return connection
            owner = await connection.fetchval(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND (classid::bigint << 32) + objid::bigint = $1"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                _LOCK,
            )
            await connection.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise JournalUnavailable(f"{_shown(self._url)} cannot be reached: {error}") from error
        raise JournalInUse(
            f"{_shown(self._url)} is in use by another service (server process {owner}); "
            "stop that service first, or give this one a database of its own"
        )


def open_store(url: URL) -> AbstractAsyncContextManager[PostgreSQLStore]:
    """The database at `url`; nobody else may have it open for writing.

    Raises:
        JournalError: another service has it open, or a newer version made its schema.
        JournalUnavailable: it cannot be reached now.
    """
    return PostgreSQLStore(url).opened()


def _dialect() -> Any:  # a class without types
    make: Any = asyncpg_dialect.dialect
    return make()


def _driver() -> Any:  # the module, which has no types
    # An optional extra, and not wanted in a service that uses SQLite.
    try:
        import asyncpg
    except ImportError as error:
        raise JournalError("PostgreSQL needs the extra: pip install 'upwell[postgres]'") from error
    return asyncpg


async def _drive(transaction: Transaction[T], connection: Connection) -> T:
    try:
        call = next(transaction)
        while True:
            call = transaction.send(await _execute(connection, call))
    except StopIteration as end:
        result: T = end.value
        return result


async def _execute(connection: Connection, call: Call) -> Sequence[Row]:
    if isinstance(call, Run):
        await connection.executemany(call.statement.sql, call.rows)
        return ()
    return [tuple(row) for row in await connection.fetch(call.statement.sql, *call.row)]


def _is_refusal(error: Exception) -> bool:
    """Whether the database refuses for now; every other error is about the statement or its values."""
    # A value that asyncpg itself cannot encode is an InterfaceError too, and a ValueError.
    return isinstance(error, _refusals()) and not isinstance(error, ValueError)


def _refusals() -> tuple[type[Exception], ...]:
    asyncpg = _driver()
    return (
        OSError,
        TimeoutError,
        asyncpg.InterfaceError,
        asyncpg.PostgresConnectionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.OperatorInterventionError,
        asyncpg.LockNotAvailableError,
        asyncpg.PostgresSystemError,
        asyncpg.ReadOnlySQLTransactionError,
        asyncpg.TransactionRollbackError,
    )


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
