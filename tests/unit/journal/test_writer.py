"""The writer over a store that does as the test says: who fails, who waits, who comes first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from anyio import lowlevel
from sqlalchemy.dialects.sqlite import aiosqlite, insert
from structlog.testing import capture_logs

from upwell.clock import FakeClock
from upwell.errors import JournalError, JournalUnavailable
from upwell.events import Canary
from upwell.journal.batch import Entry, entry_of
from upwell.journal.feed import Feed
from upwell.journal.statements import Statements
from upwell.journal.store import Call, Run, drive
from upwell.journal.writer import QueueBounds, Writer

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


class FickleStore:
    """Takes batches in memory; refuses them, holds them up, or chokes on one event when told to."""

    def __init__(self) -> None:
        self.statements = Statements(aiosqlite.dialect(), insert)
        self.batches: list[list[str]] = []
        self.attempts = 0
        self.refuses = False
        self.chokes_on: str | None = None
        self.gate = anyio.Event()
        self.gate.set()
        self._one_at_a_time = anyio.Lock()

    async def transact(self, transaction: Any, *, on_failure: Callable[[], None] | None = None) -> Any:
        async with self._one_at_a_time:
            self.attempts += 1
            try:
                return await self._commit(transaction)
            except Exception:
                if on_failure is not None:
                    on_failure()
                raise

    async def _commit(self, transaction: Any) -> Any:
        told: list[str] = []

        def execute(call: Call) -> Sequence[tuple[Any, ...]]:
            if isinstance(call, Run) and call.statement == self.statements.insert_events:
                told.extend(row[-1] for row in call.rows)
            return [(len([one for batch in self.batches for one in batch]),)]

        written = drive(transaction, execute)
        await self.gate.wait()
        await lowlevel.checkpoint()
        if self.refuses:
            raise JournalUnavailable("the disk is full")
        if any(self.chokes_on is not None and self.chokes_on in body for body in told):
            raise OverflowError("too large for a column")
        if told:
            self.batches.append(told)
        return written

    @property
    def stored(self) -> list[str]:
        return [body.split('"')[3] for batch in self.batches for body in batch]


@asynccontextmanager
async def writing(store: FickleStore, clock: FakeClock) -> AsyncIterator[Writer]:
    writer = Writer(store, Feed(0), clock, QueueBounds())  # type: ignore[arg-type]  # what the writer needs of a store
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        try:
            yield writer
        finally:
            writer.stop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def store() -> FickleStore:
    return FickleStore()


def canary(nonce: str) -> Entry:
    return entry_of((Canary(nonce=nonce),))


async def append(writer: Writer, entry: Entry) -> None:
    await writer.append(entry)


async def test_what_arrives_during_a_commit_makes_the_next_batch(store: FickleStore, clock: FakeClock) -> None:
    async with writing(store, clock) as writer, anyio.create_task_group() as tasks:
        store.gate = anyio.Event()
        tasks.start_soon(append, writer, canary("first"))
        await anyio.wait_all_tasks_blocked()
        for number in range(10):
            tasks.start_soon(append, writer, canary(str(number)))
        await anyio.wait_all_tasks_blocked()
        store.gate.set()
    assert [len(batch) for batch in store.batches] == [1, 10]


async def test_while_the_database_refuses_appends_fail_and_posts_stay_in_order(
    store: FickleStore, clock: FakeClock
) -> None:
    store.refuses = True
    async with writing(store, clock) as writer:
        writer.post(canary("p1"))
        with pytest.raises(JournalUnavailable, match="the disk is full"):
            await writer.append(canary("a1"))
        writer.post(canary("p2"))
        with pytest.raises(JournalUnavailable):
            await writer.append(canary("a2"))
        writer.post(canary("p3"))
        store.refuses = False
        await writer.append(canary("a3"))
    assert store.stored == ["p1", "p2", "p3", "a3"]


async def test_what_was_posted_meanwhile_stays_behind_what_was_refused(store: FickleStore, clock: FakeClock) -> None:
    async with writing(store, clock) as writer:
        store.gate = anyio.Event()
        for nonce in ("p1", "p2"):
            writer.post(canary(nonce))
        await anyio.wait_all_tasks_blocked()
        writer.post(canary("p3"))
        store.refuses = True
        store.gate.set()
        await anyio.wait_all_tasks_blocked()
        store.refuses = False
        await clock.advance(10)
    assert store.stored == ["p1", "p2", "p3"]


async def test_posts_are_tried_again_by_themselves_ever_more_slowly(store: FickleStore, clock: FakeClock) -> None:
    store.refuses = True
    async with writing(store, clock) as writer:
        writer.post(canary("p1"))
        await clock.advance(60)
        assert 10 <= store.attempts <= 20
        writer.post(canary("p2"))
        store.refuses = False
        await clock.advance(6)
        assert store.stored == ["p1", "p2"]


async def test_new_posts_do_not_hurry_a_database_that_refuses(store: FickleStore, clock: FakeClock) -> None:
    store.refuses = True
    async with writing(store, clock) as writer:
        for number in range(50):
            writer.post(canary(str(number)))
            await anyio.wait_all_tasks_blocked()
        assert store.attempts == 1
        store.refuses = False


async def test_flush_waits_until_the_database_takes_it(store: FickleStore, clock: FakeClock) -> None:
    store.refuses = True
    async with writing(store, clock) as writer, anyio.create_task_group() as tasks:
        writer.post(canary("p1"))
        flushed: list[str] = []

        async def flush() -> None:
            await writer.flush()
            flushed.extend(store.stored)

        tasks.start_soon(flush)
        await clock.advance(10)
        assert flushed == []
        store.refuses = False
        await clock.advance(10)
    assert flushed == ["p1"]


async def test_an_idle_flush_returns_at_once(store: FickleStore, clock: FakeClock) -> None:
    async with writing(store, clock) as writer:
        await writer.flush()
    assert store.attempts == 0


async def test_one_event_that_cannot_be_written_is_set_aside_alone(store: FickleStore, clock: FakeClock) -> None:
    store.chokes_on = "poison"
    store.gate = anyio.Event()
    with capture_logs() as logs:
        async with writing(store, clock) as writer:
            writer.post(canary("p1"))
            writer.post(canary("poison"))
            writer.post(canary("p2"))
            store.gate.set()
            await writer.flush()
            with pytest.raises(JournalError, match=r"service.canary cannot be stored: too large"):
                await writer.append(canary("poison again"))
            await writer.append(canary("a1"))
    assert store.stored == ["p1", "p2", "a1"]
    assert [line["event"] for line in logs] == ["journal.event_refused", "journal.event_refused"]


async def test_refusal_and_recovery_are_each_told_once(store: FickleStore, clock: FakeClock) -> None:
    store.refuses = True
    with capture_logs() as logs:
        async with writing(store, clock) as writer:
            writer.post(canary("p1"))
            await clock.advance(30)
            store.refuses = False
            await clock.advance(30)
    assert [line["event"] for line in logs] == ["journal.unavailable", "journal.recovered"]


async def test_what_is_lost_at_the_end_is_told(store: FickleStore, clock: FakeClock) -> None:
    store.refuses = True
    with capture_logs() as logs, anyio.fail_after(5):
        async with writing(store, clock) as writer:
            writer.post(canary("p1"))
            writer.post(canary("p2"))
    assert {"event": "journal.events_lost", "events": 2}.items() <= logs[-1].items()


async def test_nothing_is_taken_after_the_end(store: FickleStore, clock: FakeClock) -> None:
    async with writing(store, clock) as writer:
        pass
    with pytest.raises(JournalUnavailable, match="closed"):
        await writer.append(canary("late"))
    with pytest.raises(JournalUnavailable, match="closed"):
        writer.post(canary("late"))
