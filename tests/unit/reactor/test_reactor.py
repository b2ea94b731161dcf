from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, Snapshot, StepNode
from upwell.errors import JournalUnavailable
from upwell.events import (
    Canary,
    Event,
    EventDecided,
    RunId,
    RunStarted,
    RunSubmitted,
    RunSucceeded,
    WebhookAccepted,
)
from upwell.journal.database import StoredJournal, open_journal
from upwell.reactor import reactor as reactor_module
from upwell.reactor.decisions import Decision
from upwell.reactor.reactor import Reactor

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 10, tzinfo=UTC)
SNAPSHOT = Snapshot(
    location="here",
    assets=(AssetNode(key="raw", step="raw", on=(On(source=SourceSpec(kind="webhook", name="webhook:orders")),)),),
    steps=(StepNode(key="raw", assets=("raw",)),),
)


def post(**more: object) -> WebhookAccepted:
    return WebhookAccepted(source="webhook:orders", **more)  # type: ignore[arg-type]


class Station:
    def __init__(self, journal: StoredJournal, clock: FakeClock) -> None:
        self.journal = journal
        self.clock = clock
        self.project = Project()
        self.project.replace(SNAPSHOT)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        reactor = Reactor(self.journal, self.journal.queries, self.project, self.clock)
        async with anyio.create_task_group() as tasks:
            await tasks.start(reactor.run)
            yield
            tasks.cancel_scope.cancel()

    async def send(self, event: Event) -> EventDecided:
        """Append an event, and wait for the decision on it."""
        (receipt,) = await self.journal.append(event)
        return await self.decision(receipt.id)

    async def decision(self, event_id: int) -> EventDecided:
        with anyio.fail_after(5):
            async for batch in self.journal.subscribe(event_id):
                for record in batch:
                    if isinstance(record.event, EventDecided) and event_id in record.event.event_ids:
                        return record.event
        raise AssertionError("the journal was closed")

    async def decisions(self) -> list[EventDecided]:
        records = await self.journal.queries.events(kinds=["event.decided"], newest_first=False)
        return [record.event for record in records]  # type: ignore[misc]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    clock = FakeClock(START)
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=clock) as journal:
        yield Station(journal, clock)


async def test_an_event_is_answered_with_a_run_and_its_reason(station: Station) -> None:
    async with station.at_work():
        decided = await station.send(post())
    assert decided.outcome == "requested"
    assert decided.run_id is not None
    run = await station.journal.queries.run(decided.run_id)
    assert run is not None
    assert run.status == "QUEUED"


async def test_events_join_until_the_run_starts_and_then_one_follows(station: Station) -> None:
    async with station.at_work():
        first = await station.send(post())
        assert first.run_id is not None
        joined = await station.send(post())
        await station.journal.append(RunStarted(run_id=first.run_id))
        follows = await station.send(post())
        joins_that = await station.send(post())
        await station.journal.append(RunSucceeded(run_id=first.run_id))
    assert [joined.outcome, follows.outcome, joins_that.outcome] == ["joined", "follows", "joined"]
    assert joined.run_id == first.run_id
    assert joins_that.run_id == follows.run_id != first.run_id


async def test_events_of_one_batch_share_one_run(station: Station) -> None:
    receipts = await station.journal.append(post(), post(), post())
    async with station.at_work():
        decided = [await station.decision(receipt.id) for receipt in receipts]
    assert [one.outcome for one in decided] == ["requested", "joined", "joined"]
    assert len({one.run_id for one in decided}) == 1
    assert decided[0].run_id is not None
    run = await station.journal.queries.run(decided[0].run_id)
    assert run is not None
    assert run.event_ids == tuple(receipt.id for receipt in receipts)


async def test_a_run_that_starts_between_decision_and_append_is_followed_instead(station: Station) -> None:
    append = station.journal.append

    async def starts_first(*events: Event, **guards: object) -> object:
        if guards.get("expect"):
            station.journal.append = append  # type: ignore[method-assign]
            await append(RunStarted(run_id=first.run_id))
        return await append(*events, **guards)  # type: ignore[arg-type]

    async with station.at_work():
        first = await station.send(post())
        assert first.run_id is not None
        station.journal.append = starts_first  # type: ignore[method-assign,assignment]
        decided = await station.send(post())
    assert decided.outcome == "follows"
    assert decided.run_id != first.run_id


async def test_nothing_is_lost_or_decided_twice_while_the_journal_refuses(station: Station) -> None:
    append, refusals = station.journal.append, 3

    async def refuses(*events: Event, **guards: object) -> object:
        nonlocal refusals
        if guards.get("progress") and refusals:
            refusals -= 1
            raise JournalUnavailable("disk full")
        return await append(*events, **guards)  # type: ignore[arg-type]

    station.journal.append = refuses  # type: ignore[method-assign,assignment]
    receipts = [(await append(post()))[0] for _ in range(3)]
    async with station.at_work():
        await station.clock.advance(60)
        await station.decision(receipts[-1].id)
    assert refusals == 0
    decisions = await station.decisions()
    assert sorted(id for one in decisions for id in one.event_ids) == [receipt.id for receipt in receipts]
    assert len({one.run_id for one in decisions}) == 1


async def test_a_restart_goes_on_where_it_was(station: Station) -> None:
    async with station.at_work():
        first = await station.send(post())
    (receipt,) = await station.journal.append(post())
    async with station.at_work():
        second = await station.decision(receipt.id)
    assert second.outcome == "joined"
    assert second.run_id == first.run_id
    assert len(await station.decisions()) == 2


async def test_a_run_that_ended_while_the_reactor_was_away_is_not_joined(station: Station) -> None:
    async with station.at_work():
        first = await station.send(post())
    assert first.run_id is not None
    await station.journal.append(RunStarted(run_id=first.run_id), RunSucceeded(run_id=first.run_id), post())
    async with station.at_work():
        decided = await station.decision(station.journal.head)
    assert decided.outcome == "requested"


async def test_a_poison_event_is_set_aside_and_those_behind_it_go_on(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide: Callable[..., Decision] = reactor_module.decide

    def choke(record: object, *rest: object) -> Decision:
        if record.event.data == "poison":
            raise ZeroDivisionError("no way")
        return decide(record, *rest)

    monkeypatch.setattr(reactor_module, "decide", choke)
    receipts = await station.journal.append(post(data="poison"), post())
    async with station.at_work():
        poison, healthy = [await station.decision(receipt.id) for receipt in receipts]
    assert poison.outcome == "rejected"
    assert "ZeroDivisionError: no way" in poison.reason
    assert healthy.outcome == "requested"


async def test_an_event_whose_decision_cannot_be_written_is_set_aside_and_its_batch_goes_on(station: Station) -> None:
    append = station.journal.append
    receipts = await append(post(), post(), post())

    async def refuses(*events: Event, **guards: object) -> object:
        about_poison = any(isinstance(event, EventDecided) and receipts[1].id in event.event_ids for event in events)
        if about_poison and "TypeError" not in events[0].reason:  # type: ignore[union-attr]
            raise TypeError("this cannot be written")
        return await append(*events, **guards)  # type: ignore[arg-type]

    station.journal.append = refuses  # type: ignore[method-assign,assignment]
    async with station.at_work():
        first, poison, last = [await station.decision(receipt.id) for receipt in receipts]
    assert [first.outcome, poison.outcome, last.outcome] == ["requested", "rejected", "joined"]
    assert "TypeError: this cannot be written" in poison.reason


async def test_a_rejected_submission_is_a_failed_run_with_its_reason(station: Station) -> None:
    async with station.at_work():
        decided = await station.send(RunSubmitted(run_id=RunId("mine"), assets=("nope",)))
    assert decided.outcome == "rejected"
    failed = await station.journal.queries.events(kinds=["run.failed"], run="mine")
    assert failed[0].event.reason == "there is no asset 'nope'"  # type: ignore[union-attr]


async def test_a_retry_reads_what_became_of_the_first_run(station: Station) -> None:
    async with station.at_work():
        first = await station.send(post())
        assert first.run_id is not None
        await station.journal.append(RunStarted(run_id=first.run_id), RunSucceeded(run_id=first.run_id))
        await station.send(RunSubmitted(run_id=RunId("again"), retry_of=first.run_id))
    again = await station.journal.queries.run("again")
    assert again is not None
    assert again.retry_of == first.run_id
    assert [step.id for step in again.plan] == ["raw"]


async def test_a_canary_comes_through(station: Station) -> None:
    async with station.at_work():
        assert (await station.send(Canary(nonce="n"))).reason == "canary"


async def test_nothing_is_decided_before_any_code_is_loaded(station: Station) -> None:
    station.project = Project()
    reactor = Reactor(station.journal, station.journal.queries, station.project, station.clock)
    (receipt,) = await station.journal.append(post())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reactor.run)
        await anyio.wait_all_tasks_blocked()
        assert await station.decisions() == []
        station.project.replace(SNAPSHOT)
        assert (await station.decision(receipt.id)).outcome == "requested"
        tasks.cancel_scope.cancel()
