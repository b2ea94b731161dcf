"""The port to a database: run a transaction on the one connection that writes, lend connections that read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from upwell.errors import JournalUnavailable
from upwell.journal.statements import Statement, Statements

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]  # numbers, strings, booleans and nulls, as the driver takes and gives them


@dataclass(frozen=True, slots=True)
class Run:
    """Execute the statement once a row; nothing comes back."""

    statement: Statement
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Execute the statement; its rows come back."""

    statement: Statement
    row: Row = ()


Call: TypeAlias = Run | Fetch

# A transaction decides what to execute next by what came back so far, and knows nothing of connections. So SQLite can
# run it whole in the database's thread, in one hop, and PostgreSQL call by call.
Transaction: TypeAlias = Generator[Call, Sequence[Row], T]


def drive(transaction: Transaction[T], execute: Callable[[Call], Sequence[Row]]) -> T:
    """Run a transaction's calls by a function that blocks."""
    try:
        call = next(transaction)
        while True:
            call = transaction.send(execute(call))
    except StopIteration as end:
        result: T = end.value
        return result


@contextmanager
def refusals_named(database: str) -> Iterator[None]:
    """Make a failure to read one of the journal's own errors."""
    try:
        yield
    except (OperationalError, InterfaceError, SQLAlchemyTimeout, OSError) as error:
        raise JournalUnavailable(f"{database} cannot be read now: {error}") from error


class Store(Protocol):
    """What the journal needs of a database."""

    @property
    def statements(self) -> Statements:
        """The write statements, compiled for this database's driver."""

    async def transact(self, transaction: Transaction[T]) -> T:
        """Run it whole, durably, before returning; or not at all.

        Transactions run one after the other, never side by side.

        Raises:
            JournalUnavailable: the database refuses for now (full, locked, gone); nothing was written.
            Exception: whatever else the driver raised at something in this transaction; nothing was written.
        """

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that reads; every statement sees the newest commit."""

    def snapshot(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that reads; all statements see the same commit. Keep it short: it holds up checkpoints."""

    async def reclaim(self) -> bool:
        """Give a little of the space of deleted rows back; true when there is more."""
