"""What every journal guarantees, whichever database keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from anyio import lowlevel

from upwell.clock import FakeClock
from upwell.errors import ExpectationFailed, JournalBusy, JournalError
from upwell.events import (
    AssetMaterialized,
    Canary,
    DuplicateIgnored,
    Event,
    EventDecided,
    FileChanged,
    PlannedStep,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    WebhookAccepted,
)
from upwell.journal import feed
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.dialects.postgresql import PostgreSQLStore
from upwell.journal.dialects.sqlite import SQLiteStore
from upwell.journal.journal import Progress, Record, StillQueued
from upwell.journal.writer import QueueBounds

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
RUN = RunId("a" * 32)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def journal(journal_url: str, clock: FakeClock) -> AsyncIterator[StoredJournal]:
    async with open_journal(journal_url, clock=clock) as journal:
        yield journal


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with each transaction of the writer."""
    counted: list[None] = []
    for store in (SQLiteStore, PostgreSQLStore):
        original: Any = store.transact

        async def transact(self: Any, transaction: Any, original: Any = original) -> Any:
            counted.append(None)
            return await original(self, transaction)

        monkeypatch.setattr(store, "transact", transact)
    return counted


def order(number: int = 1, **fields: Any) -> WebhookAccepted:
    return WebhookAccepted(source="webhook:orders", data={"order": number}, **fields)


def canary(nonce: object) -> Canary:
    return Canary(nonce=str(nonce))


def requested(run: RunId = RUN) -> RunRequested:
    return RunRequested(run_id=run, lane="a", plan=(PlannedStep(id="a", step="a", assets=("a",)),), reason="a webhook")


async def everything(journal: StoredJournal, after: int = 0) -> list[Record]:
    """All records so far, as a subscriber gets them."""
    found: list[Record] = []
    if journal.head > after:
        async for records in journal.subscribe(after):
            found.extend(records)
            if found[-1].id >= journal.head:
                break
    return found


def nonces(records: Sequence[Record]) -> list[str]:
    return [record.event.nonce for record in records if isinstance(record.event, Canary)]


async def test_ids_count_up_from_one_without_gaps(journal: StoredJournal) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(journal.append, order(number))
    assert [record.id for record in await everything(journal)] == list(range(1, 51))
    assert journal.head == 50


async def test_events_of_one_append_follow_each_other(journal: StoredJournal) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(journal.append, canary(f"{number}a"), canary(f"{number}b"))
    told = nonces(await everything(journal))
    assert [one[:-1] + "b" for one in told[::2]] == told[1::2]


async def test_an_event_comes_back_as_it_was(journal: StoredJournal, clock: FakeClock) -> None:
    event = FileChanged(source="files:*.csv", path="a/ü.csv", captures={"date": "2024-05-01"}, occurred_at=NOW)
    [receipt] = await journal.append(event)
    assert await journal.queries.events_by_id([receipt.id]) == [Record(id=1, at=clock.now(), event=event)]


async def test_many_concurrent_appends_share_few_commits(journal: StoredJournal, commits: list[None]) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(journal.append, order(number))
    assert journal.head == 200
    assert len(commits) <= 20


async def test_an_append_returns_after_the_commit(journal: StoredJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    writing: list[str] = []
    for store in (SQLiteStore, PostgreSQLStore):
        original: Any = store.transact

        async def transact(self: Any, transaction: Any, original: Any = original) -> Any:
            written = await original(self, transaction)
            await anyio.sleep(0.02)
            writing.append("committed")
            return written

        monkeypatch.setattr(store, "transact", transact)
    await journal.append(order())
    writing.append("returned")
    assert writing == ["committed", "returned"]


async def test_posted_and_appended_events_keep_their_order(journal: StoredJournal) -> None:
    for number in range(0, 40, 2):
        journal.post(canary(number))
        await journal.append(canary(number + 1))
    assert nonces(await everything(journal)) == [str(number) for number in range(40)]


async def test_flush_waits_for_everything_posted(journal: StoredJournal) -> None:
    for number in range(30):
        journal.post(canary(number))
    await journal.flush()
    assert journal.head == 30


async def test_what_was_posted_is_on_disk_after_closing(journal_url: str, clock: FakeClock) -> None:
    async with open_journal(journal_url, clock=clock) as journal:
        journal.post(canary("last"))
    async with open_journal(journal_url, clock=clock) as journal:
        assert nonces(await everything(journal)) == ["last"]


async def test_a_cancelled_caller_does_not_cut_the_writing(journal: StoredJournal) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.append, canary("cancelled"))
            await lowlevel.checkpoint()
            scope.cancel()
    await journal.flush()
    assert nonces(await everything(journal)) == ["cancelled"]


async def test_a_cancelled_service_still_writes_what_was_posted(journal_url: str, clock: FakeClock) -> None:
    with anyio.CancelScope() as scope:
        async with open_journal(journal_url, clock=clock) as journal:
            journal.post(canary("ending"))
            scope.cancel()
            await anyio.sleep_forever()
    async with open_journal(journal_url, clock=clock) as journal:
        assert nonces(await everything(journal)) == ["ending"]


async def test_a_subscriber_catches_up_and_goes_on_live_without_a_gap(journal: StoredJournal) -> None:
    await journal.append(*(canary(number) for number in range(10)))
    heard: list[Record] = []

    async def listen() -> None:
        async for records in journal.subscribe(4):
            heard.extend(records)
            if heard[-1].id == 30:
                return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        for number in range(10, 30):
            await journal.append(canary(number))
    assert [record.id for record in heard] == list(range(5, 31))


async def test_a_slow_subscriber_misses_nothing_and_holds_nobody_up(
    journal: StoredJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_MAX_RECORDS", 16)
    subscription = journal.subscribe(0)
    await journal.append(canary(0))
    heard = [*await anext(subscription)]
    for number in range(1, 100):
        await journal.append(canary(number))
    while len(heard) < 100:
        heard += await anext(subscription)
    assert nonces(heard) == [str(number) for number in range(100)]


async def test_a_subscriber_after_a_restart_gets_what_is_only_on_disk(journal_url: str, clock: FakeClock) -> None:
    async with open_journal(journal_url, clock=clock) as journal:
        await journal.append(canary("before"))
    async with open_journal(journal_url, clock=clock) as journal:
        await journal.append(canary("after"))
        assert nonces(await everything(journal)) == ["before", "after"]


async def test_a_subscription_ends_when_the_journal_closes(journal_url: str, clock: FakeClock) -> None:
    async with anyio.create_task_group() as tasks, open_journal(journal_url, clock=clock) as journal:
        tasks.start_soon(everything_for_ever, journal)
        await journal.append(canary(1))


async def everything_for_ever(journal: StoredJournal) -> None:
    async for _ in journal.subscribe(0):
        pass


async def test_a_repeated_delivery_is_answered_with_the_first_and_leaves_a_record(journal: StoredJournal) -> None:
    [first] = await journal.append(order(delivery_id="d1"))
    [second] = await journal.append(order(delivery_id="d1"))
    assert (second.id, second.at, second.duplicate) == (first.id, first.at, True)
    assert [record.event for record in await everything(journal, after=first.id)] == [
        DuplicateIgnored(source="webhook:orders", delivery_id="d1", first_event_id=first.id)
    ]


async def test_repeats_in_one_commit_are_recognised(journal: StoredJournal) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(journal.append, order(delivery_id="d1"))
    kinds = [record.event.kind for record in await everything(journal)]
    assert kinds == ["webhook.accepted"] + ["webhook.duplicate"] * 19


async def test_deliveries_are_told_apart_by_their_source(journal: StoredJournal) -> None:
    receipts = await journal.append(
        WebhookAccepted(source="webhook:a", delivery_id="d1"), WebhookAccepted(source="webhook:b", delivery_id="d1")
    )
    assert [receipt.duplicate for receipt in receipts] == [False, False]


async def test_a_delivery_is_known_for_seven_days_across_restarts(journal_url: str, clock: FakeClock) -> None:
    async def deliver() -> bool:
        async with open_journal(journal_url, clock=clock) as journal:
            [receipt] = await journal.append(order(delivery_id="d1"))
        return receipt.duplicate

    assert not await deliver()
    clock.jump(NOW + timedelta(days=7) - timedelta(seconds=1))
    assert await deliver()
    clock.jump(NOW + timedelta(days=7))
    assert not await deliver()
    assert await deliver()


async def test_many_deliveries_at_once_are_each_looked_up(journal: StoredJournal) -> None:
    await journal.append(*(order(number, delivery_id=str(number)) for number in range(0, 150, 2)))
    receipts = await journal.append(*(order(number, delivery_id=str(number)) for number in range(150)))
    assert [receipt.duplicate for receipt in receipts] == [number % 2 == 0 for number in range(150)]


async def test_cursor_entries_are_merged_and_nulls_remove(journal: StoredJournal) -> None:
    def file(cursor: dict[str, Any]) -> FileChanged:
        return FileChanged(source="files:*", cursor=cursor)

    await journal.append(file({"a": {"size": 1}, "b": 2}), file({"c": [3]}))
    await journal.append(file({"a": {"size": 9}, "b": None}))
    assert await journal.queries.source_cursor("files:*") == {"a": {"size": 9}, "c": [3]}
    await journal.append(file({"a": None}), file({"a": 1}), file({"c": 1}), file({"c": None}))
    assert await journal.queries.source_cursor("files:*") == {"a": 1}
    assert await journal.queries.source_cursor("files:other") == {}


async def test_a_guarded_append_takes_place_while_the_run_is_queued(journal: StoredJournal) -> None:
    await journal.append(requested())
    await journal.append(decided(), expect=[StillQueued(run_id=RUN)])
    assert journal.head == 2


@pytest.mark.parametrize(
    "since", [(), (requested(), RunStarted(run_id=RUN)), (requested(), RunFailed(run_id=RUN, reason=""))]
)
async def test_a_guarded_append_writes_nothing_otherwise(journal: StoredJournal, since: tuple[Event, ...]) -> None:
    await journal.append(*since, canary("before"))
    with pytest.raises(ExpectationFailed, match=RUN):
        await journal.append(
            decided(), expect=[StillQueued(run_id=RUN)], progress=Progress(consumer="reactor", event_id=7)
        )
    assert await journal.queries.progress("reactor") == 0
    await journal.append(canary("after"))
    assert nonces(await everything(journal))[-2:] == ["before", "after"]
    assert journal.head == len(since) + 2


async def test_a_guard_sees_what_was_posted_just_before(journal: StoredJournal, commits: list[None]) -> None:
    journal.post(requested())
    await journal.append(decided(), expect=[StillQueued(run_id=RUN)])
    assert len(commits) == 1
    journal.post(RunStarted(run_id=RUN))
    with pytest.raises(ExpectationFailed):
        await journal.append(decided(), expect=[StillQueued(run_id=RUN)])
    assert len(commits) == 2


def decided() -> EventDecided:
    return EventDecided(event_ids=(1,), outcome="joined", reason="the run is still queued", run_id=RUN)


async def test_a_failed_guard_harms_no_neighbour(journal: StoredJournal) -> None:
    outcomes: list[str] = []

    async def append(number: int) -> None:
        try:
            await journal.append(canary(number), expect=[StillQueued(run_id=RUN)] if number % 2 else [])
            outcomes.append(f"{number} written")
        except ExpectationFailed:
            outcomes.append(f"{number} refused")

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(append, number)
    assert sorted(outcomes) == ["0 written", "1 refused", "2 written", "3 refused"]
    assert nonces(await everything(journal)) == ["0", "2"]


async def test_progress_is_kept_with_the_events(journal_url: str, clock: FakeClock) -> None:
    async with open_journal(journal_url, clock=clock) as journal:
        await journal.append(canary(1), progress=Progress(consumer="reactor", event_id=1))
        await journal.append(progress=Progress(consumer="reactor", event_id=5))
    async with open_journal(journal_url, clock=clock) as journal:
        assert await journal.queries.progress("reactor") == 5
        assert await journal.queries.progress("freshness") == 0
        assert journal.head == 1


async def test_an_event_that_the_database_cannot_hold_fails_alone(journal: StoredJournal) -> None:
    failed: list[str] = []

    async def append(nonce: str, event: Event) -> None:
        try:
            await journal.append(event)
        except JournalError:
            failed.append(nonce)

    too_large = EventDecided(event_ids=(2**70,), outcome="joined", reason="", run_id=RUN)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(append, "1", canary(1))
        tasks.start_soon(append, "poison", too_large)
        tasks.start_soon(append, "2", canary(2))
    journal.post(too_large)
    await journal.append(canary(3))
    assert failed == ["poison"]
    assert nonces(await everything(journal)) == ["1", "2", "3"]
    assert journal.head == 3


async def test_what_cannot_be_encoded_is_the_callers_error(journal: StoredJournal) -> None:
    with pytest.raises(ValueError):  # pydantic's, about the value
        await journal.append(order(object()))  # type: ignore[arg-type]  # what a careless caller does
    await journal.append(canary(1))
    assert journal.head == 1


async def test_appends_are_refused_when_too_many_wait(journal_url: str, clock: FakeClock) -> None:
    outcomes: list[str] = []

    async def append(journal: StoredJournal, number: int) -> None:
        try:
            await journal.append(canary(number))
            outcomes.append("written")
        except JournalBusy:
            outcomes.append("busy")

    async with open_journal(journal_url, clock=clock, bounds=QueueBounds(events=10)) as journal:
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(append, journal, number)
        await journal.append(canary("later"))
    assert outcomes.count("busy") == 90
    assert outcomes.count("written") == 10


async def test_large_appends_are_bounded_by_their_size(journal_url: str, clock: FakeClock) -> None:
    async with open_journal(journal_url, clock=clock, bounds=QueueBounds(characters=1000)) as journal:
        journal.post(order(1, headers={"x": "y" * 2000}))
        with pytest.raises(JournalBusy):
            await journal.append(order(2))
        await journal.flush()
        await journal.append(order(3, headers={"x": "y" * 2000}))
        assert journal.head == 2


async def test_a_second_service_is_refused_with_the_mend(journal_url: str, clock: FakeClock) -> None:
    async with open_journal(journal_url, clock=clock) as journal:
        with pytest.raises(JournalError, match=r"in use by .*process \d+.*stop that service"):
            async with open_journal(journal_url, clock=clock):
                pass
        await journal.append(canary("still here"))
    async with open_journal(journal_url, clock=clock) as journal:
        assert journal.head == 1


async def test_the_head_is_known_when_subscribers_hear(journal: StoredJournal) -> None:
    subscription = journal.subscribe(0)
    await journal.append(AssetMaterialized(asset="a"))
    [record] = await anext(subscription)
    assert record.id == journal.head == 1
