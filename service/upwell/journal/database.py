"""Opening the journal: the store for the URL, its schema brought up to date, the writer at work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import anyio
from sqlalchemy import URL, make_url

from upwell.clock import Clock
from upwell.errors import JournalError
from upwell.events import Event
from upwell.journal.batch import entry_of
from upwell.journal.dialects import postgresql, sqlite
from upwell.journal.feed import Feed
from upwell.journal.journal import Progress, Receipt, Record, StillQueued
from upwell.journal.queries import Queries
from upwell.journal.retention import Pruned, prune
from upwell.journal.store import Store
from upwell.journal.writer import QueueBounds, Writer

_PAGE = 512  # records that a subscriber gets at once


class StoredJournal:
    """The journal in a database. `open_journal` makes one."""

    def __init__(self, store: Store, feed: Feed, writer: Writer, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._feed = feed
        self._writer = writer
        self.queries = Queries(store)

    @property
    def head(self) -> int:
        """The id of the newest committed event; 0 when there is none."""
        return self._feed.head

    async def append(
        self, *events: Event, progress: Progress | None = None, expect: Sequence[StillQueued] = ()
    ) -> tuple[Receipt, ...]:
        """See `Journal.append`."""
        return await self._writer.append(entry_of(events, progress, expect))

    def post(self, *events: Event) -> None:
        """See `Journal.post`.

        Raises:
            JournalBusy: far too much waits already, because the database has refused for long.
        """
        self._writer.post(entry_of(events))

    async def flush(self) -> None:
        """See `Journal.flush`."""
        await self._writer.flush()

    async def prune(self, older_than: timedelta) -> Pruned:
        """Forget what is older, in small steps between commits; see `retention`.

        Raises:
            JournalUnavailable: the database refuses; what was removed until then stays removed.
        """
        return await prune(self._store, now=self._clock.now(), older_than=older_than)

    async def subscribe(self, after: int) -> AsyncIterator[Sequence[Record]]:
        """See `Journal.subscribe`. The iteration ends when the journal is closed."""
        position = after
        while True:
            await self._feed.wait_beyond(position)
            if self._feed.head <= position:
                return
            if position + 1 >= self._feed.oldest:
                records = self._feed.after(position, _PAGE)
                position = records[-1].id
            else:
                upto = min(position + _PAGE, self._feed.head)
                records = await self.queries.events_between(position, upto)
                position = upto
            if records:
                yield records


def _store_for(url: URL) -> AbstractAsyncContextManager[Store]:
    match url.drivername:
        case "sqlite+aiosqlite" if url.database and url.database != ":memory:":
            return sqlite.open_store(Path(url.database))
        case "postgresql+asyncpg":
            return postgresql.open_store(url)
        case _:
            raise JournalError(
                f"the database URL {url!r} cannot be used: "
                "use sqlite+aiosqlite:///path/to/upwell.db or postgresql+asyncpg://user@host/database"
            )


@asynccontextmanager
async def open_journal(url: str, *, clock: Clock, bounds: QueueBounds | None = None) -> AsyncIterator[StoredJournal]:
    """The journal at `url`, its schema up to date; only one service at a time may have it open.

    Raises:
        JournalError: it is in use, newer than this version, or no database of Upwell's.
        JournalUnavailable: it cannot be reached or written.
    """
    async with _store_for(make_url(url)) as store:
        queries = Queries(store)
        feed = Feed(await queries.head())
        writer = Writer(store, feed, clock, bounds or QueueBounds())
        with _plain_errors():
            async with anyio.create_task_group() as tasks:
                await tasks.start(writer.run)
                try:
                    yield StoredJournal(store, feed, writer, clock)
                finally:
                    feed.close()
                    writer.stop()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Let an error of the caller's pass as it is: that there is a task group here is nothing to it."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        [error] = group.exceptions
        raise error from error.__cause__
