"""The reactor over a real journal: gates, sensors, run keys, pauses and replays, also over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.partitions.dynamic import DynamicPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, Rate, SourceSpec
from upwell.definitions.snapshot import AssetNode, JobNode, SensorNode, Snapshot, StepNode
from upwell.events import (
    DynamicPartitionsChanged,
    Event,
    EventReplayed,
    FilterEvaluated,
    ListeningPaused,
    ListeningResumed,
    RunStarted,
    RunSucceeded,
    SensorEvaluated,
    WantedRun,
    WebhookAccepted,
)
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.journal import Record
from upwell.journal.listening_queries import RUN_KEYS_KNOWN_FOR
from upwell.journal.views import RunView
from upwell.reactor.reactor import Reactor

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 10, tzinfo=UTC)


def listening(**options: object) -> Snapshot:
    """`raw` listens with the options; sensor `watch` may ask for job `nightly`."""
    on = On(source=SourceSpec(kind="webhook", name="webhook:orders"), **options)  # type: ignore[arg-type]
    return Snapshot(
        location="here",
        assets=(AssetNode(key="raw", step="raw", on=(on,)),),
        steps=(StepNode(key="raw", assets=("raw",)),),
        jobs=(JobNode(name="nightly", assets=("raw",)),),
        sensors=(SensorNode(name="watch", kind="polling", jobs=("nightly",)),),
    )


class Station:
    def __init__(self, journal: StoredJournal, clock: FakeClock) -> None:
        self.journal = journal
        self.clock = clock
        self.project = Project()
        self.reactor: Reactor

    @asynccontextmanager
    async def at_work(self, snapshot: Snapshot) -> AsyncIterator[None]:
        self.project.replace(snapshot)
        self.reactor = Reactor(self.journal, self.journal.queries, self.project, self.clock)
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.reactor.run)
            yield
            tasks.cancel_scope.cancel()

    async def append(self, *events: Event) -> list[int]:
        """Write events, and let the reactor decide on them."""
        receipts = await self.journal.append(*events)
        await self.decided_until(receipts[-1].id)
        return [receipt.id for receipt in receipts]

    async def decided_until(self, event_id: int) -> None:
        with anyio.fail_after(5):
            while await self.journal.queries.progress("reactor") < event_id:
                await anyio.sleep(0.002)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass; what the reactor decides then is on disk when this returns."""
        await self.clock.advance(seconds)
        with anyio.fail_after(5):
            while any(opening <= self.clock.now() for opening in await self.openings()):
                await anyio.sleep(0.002)

    async def nothing_waits(self) -> None:
        """Return once every gate is open."""
        with anyio.fail_after(5):
            while await self.openings():
                await anyio.sleep(0.002)

    async def openings(self) -> list[datetime]:
        """When each gate opens: as its newest event said."""
        waiting = await self.journal.queries.waiting_events()
        return list({one.gate: one.until for one in waiting if one.until is not None}.values())

    async def start_runs(self) -> None:
        """Have every queued run start, so that nothing joins it any more."""
        queued = [run.run_id for run in await self.runs() if run.status == "QUEUED"]
        await self.journal.append(*(RunStarted(run_id=run_id) for run_id in queued))

    async def runs(self) -> list[RunView]:
        return (await self.journal.queries.runs())[::-1]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    clock = FakeClock(START)
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=clock) as journal:
        yield Station(journal, clock)


def post(data: object = None) -> WebhookAccepted:
    return WebhookAccepted(source="webhook:orders", data=data)


async def test_one_run_answers_what_came_before_it_was_quiet(station: Station) -> None:
    async with station.at_work(listening(debounce=2.0)):
        first = await station.append(post())
        await station.pass_time(1.5)
        second = await station.append(post())
        await station.pass_time(1.5)
        assert await station.runs() == []
        await station.pass_time(1)
    [run] = await station.runs()
    assert run.event_ids == (*first, *second)


async def test_what_waits_is_answered_after_a_restart_at_its_instant(station: Station) -> None:
    snapshot = listening(debounce=60.0)
    async with station.at_work(snapshot):
        ids = await station.append(post(), post())
        await station.clock.advance(30)
    async with station.at_work(snapshot):
        await station.clock.advance(29)
        assert await station.runs() == []
        await station.pass_time(1)
    [run] = await station.runs()
    assert run.event_ids == tuple(ids)


async def test_what_should_have_been_answered_while_the_service_was_down_is_at_its_start(station: Station) -> None:
    snapshot = listening(batch=60.0)
    async with station.at_work(snapshot):
        ids = await station.append(post(), post())
    await station.clock.advance(3600)
    async with station.at_work(snapshot):
        await station.pass_time(0)
    [run] = await station.runs()
    assert run.event_ids == tuple(ids)


async def test_what_waits_when_the_code_no_longer_gathers_is_answered_at_once(station: Station) -> None:
    async with station.at_work(listening(debounce=3600.0)):
        ids = await station.append(post())
    async with station.at_work(listening()):
        await station.nothing_waits()
    [run] = await station.runs()
    assert run.event_ids == tuple(ids)


async def test_what_waits_for_an_asset_that_is_gone_is_told_so(station: Station) -> None:
    async with station.at_work(listening(debounce=3600.0)):
        await station.append(post())
    async with station.at_work(Snapshot(location="here", assets=(AssetNode(key="other", step=None),))):
        await station.nothing_waits()
    assert await station.runs() == []
    [newest] = await station.journal.queries.events(kinds=["event.decided"], limit=1)
    assert "is no longer defined" in newest.event.reason  # type: ignore[union-attr]
    assert await station.journal.queries.waiting_events() == []


async def test_a_burst_over_the_rate_is_answered_by_the_runs_that_the_rate_allows(station: Station) -> None:
    async with station.at_work(listening(throttle=Rate(count=1, seconds=60))):
        ids = await station.append(post())
        await station.start_runs()
        ids += [event_id for _ in range(2) for event_id in await station.append(post())]
        await station.pass_time(60)
    runs = await station.runs()
    assert [run.event_ids for run in runs] == [(ids[0],), (ids[1], ids[2])]


async def test_a_run_key_is_known_over_restarts_and_forgotten_after_its_horizon(station: Station) -> None:
    tick = SensorEvaluated(sensor="watch", runs=(WantedRun(job="nightly", run_key="k"),))
    async with station.at_work(listening()):
        await station.append(tick, tick)
    async with station.at_work(listening()):
        await station.append(tick)
    assert len(await station.runs()) == 1
    await station.clock.advance(to=START + RUN_KEYS_KNOWN_FOR + timedelta(days=1))
    async with station.at_work(listening()):
        await station.append(tick)
    assert [run.run_key for run in await station.runs()] == ["k", "k"]


async def test_a_key_that_goes_on_being_asked_for_is_never_forgotten(station: Station) -> None:
    tick = SensorEvaluated(sensor="watch", runs=(WantedRun(job="nightly", run_key="k"),))
    async with station.at_work(listening()):
        for _ in range(10):
            await station.append(tick)
            await station.clock.advance(RUN_KEYS_KNOWN_FOR.total_seconds() / 3)
    assert len(await station.runs()) == 1


async def test_a_pause_counts_from_its_place_in_the_journal_and_over_a_restart(station: Station) -> None:
    async with station.at_work(listening()):
        before, _, during = await station.journal.append(
            post(), ListeningPaused(what="source", name="webhook:orders"), post()
        )
        await station.decided_until(during.id)
        await station.start_runs()
    async with station.at_work(listening()):
        [still] = await station.append(post())
        _, after = await station.append(ListeningResumed(what="source", name="webhook:orders"), post())
    assert [run.event_ids for run in await station.runs()] == [(before.id,), (after,)]
    decided = await station.journal.queries.events(kinds=["event.decided"], newest_first=False)
    paused = [one.event.event_ids for one in decided if one.event.outcome == "paused"]  # type: ignore[union-attr]
    assert paused == [(during.id,), (still,)]


async def test_a_dynamic_key_counts_from_its_place_in_the_journal(station: Station) -> None:
    on = On(source=SourceSpec(kind="webhook", name="webhook:orders"), partition="$.shop")
    shops = DynamicPartitionsDefinition(name="shops")
    sales = AssetNode(key="raw", step="raw", on=(on,), partitions=shops)
    async with station.at_work(Snapshot(location="here", assets=(sales,), steps=(StepNode(key="raw"),))):
        await station.append(post({"shop": "s1"}))
        _, known = await station.append(DynamicPartitionsChanged(name="shops", added=("s1",)), post({"shop": "s1"}))
        await station.append(DynamicPartitionsChanged(name="shops", removed=("s1",)), post({"shop": "s1"}))
    assert [(run.event_ids, run.partition) for run in await station.runs()] == [((known,), "s1")]


async def test_a_sensor_may_ask_for_the_key_that_it_adds(station: Station) -> None:
    sales = AssetNode(key="raw", step="raw", partitions=DynamicPartitionsDefinition(name="shops"))
    watch = SensorNode(name="watch", kind="polling", assets=("raw",))
    snapshot = Snapshot(location="here", assets=(sales,), steps=(StepNode(key="raw"),), sensors=(watch,))
    wanted = tuple(WantedRun(run_key=key, assets=("raw",), partition=key) for key in ("s1", "s2"))
    async with station.at_work(snapshot):
        await station.append(
            DynamicPartitionsChanged(name="shops", added=("s1",)), SensorEvaluated(sensor="watch", runs=wanted)
        )
    assert [run.partition for run in await station.runs()] == ["s1"]
    [refused] = [
        one.event
        for one in await station.journal.queries.events(kinds=["event.decided"])
        if one.event.outcome == "rejected"  # type: ignore[union-attr]
    ]
    assert "raw has no partition 's2'" in refused.reason  # type: ignore[union-attr]


async def test_a_replay_answers_a_dead_letter_again(station: Station) -> None:
    async with station.at_work(listening()):
        [event_id] = await station.append(post())
        await station.append(EventReplayed(event_ids=(event_id,)))
    assert {run.event_ids for run in await station.runs()} == {(event_id,)}


async def test_a_replay_has_a_sensor_called_again_about_the_run_that_it_watches(station: Station) -> None:
    watch = SensorNode(name="after", kind="run_status", watched_statuses=("SUCCESS",))
    async with station.at_work(replace(listening(), sensors=(watch,))):
        await station.append(post())
        [run] = await station.runs()
        [ended] = await station.append(RunSucceeded(run_id=run.run_id))
        await station.append(EventReplayed(event_ids=(ended,)))
    calls = await station.journal.queries.sensor_calls()
    assert [(call.sensor, call.event_ids) for call in calls] == [("after", (ended,)), ("after", (ended,))]


async def test_the_answers_of_filters_let_an_event_go_on(station: Station) -> None:
    async with station.at_work(listening(filter_call="shop.big:3")):
        small, big = await station.append(post({"total": 1}), post({"total": 100}))
        await station.append(
            FilterEvaluated(event_id=small, answers={"shop.big:3": False}),
            FilterEvaluated(event_id=big, answers={"shop.big:3": True}),
        )
    [run] = await station.runs()
    assert run.event_ids == (big,)


async def test_a_preview_decides_and_changes_nothing(station: Station) -> None:
    async with station.at_work(listening()):
        [event_id] = await station.append(post())
        head = station.journal.head
        tick = SensorEvaluated(sensor="watch", runs=(WantedRun(job="nightly"),))
        stored = await station.journal.queries.events_by_id([event_id])
        found = await station.reactor.preview([*stored, Record(id=head + 1, at=START, event=tick)])
        assert [event.kind for event in found] == ["event.decided", "event.decided", "run.requested"]
        [joins] = [event for event in found if getattr(event, "outcome", "") == "joined"]
        assert joins.run_id == (await station.runs())[0].run_id  # type: ignore[union-attr]
    assert station.journal.head == head
