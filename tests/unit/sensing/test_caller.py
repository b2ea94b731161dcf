from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.asset_cursor import AssetCursor, write_cursor
from upwell.definitions.keys import AssetKey
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, SensorNode, Snapshot
from upwell.errors import JournalUnavailable
from upwell.events import (
    AssetMaterialized,
    DynamicPartitionsChanged,
    ErrorInfo,
    Event,
    EventDeadLettered,
    FilterEvaluated,
    FilterRequested,
    ListeningPaused,
    ListeningResumed,
    LocationFailed,
    MessageReceived,
    PartitionsWanted,
    PlannedStep,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    TimerFired,
    WantedRun,
)
from upwell.journal.database import StoredJournal, open_journal
from upwell.runtime.messages import Evaluation, FilterReport, FilterTask, SensorReport, SensorTask
from upwell.sensing.caller import SensorCaller

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
BOOM = ErrorInfo(type="KeyError", message="'status'", traceback="Traceback …")
WEBHOOK = On(source=SourceSpec(kind="webhook", name="webhook:orders"))

Answer = Callable[[Any], Awaitable[Any]]


@dataclass
class ScriptedEvaluator:
    """Answers by script, or that there was nothing to do; remembers what it was asked."""

    script: dict[str, Answer] = field(default_factory=dict)
    tasks: list[Any] = field(default_factory=list)
    under_way: dict[str, int] = field(default_factory=dict)

    async def evaluate(self, task: Evaluation) -> Any:
        self.tasks.append(task)
        name = task.sensor if isinstance(task, SensorTask) else "filter"
        assert isinstance(task, FilterTask) or not self.under_way.get(name), "two calls of one sensor at a time"
        self.under_way[name] = self.under_way.get(name, 0) + 1
        try:
            return await self.script.get(name, nothing)(task)
        finally:
            self.under_way[name] -= 1


async def nothing(task: Evaluation) -> SensorReport | FilterReport:
    if isinstance(task, FilterTask):
        return FilterReport(id=task.id, answers=dict.fromkeys(task.filters, True))
    return SensorReport(id=task.id, skip_reason="nothing new")


async def counting(task: SensorTask) -> SensorReport:
    return SensorReport(id=task.id, cursor=str(int(task.cursor or 0) + 1))


async def failing(task: Evaluation) -> SensorReport | FilterReport:
    return (SensorReport if isinstance(task, SensorTask) else FilterReport)(id=task.id, error=BOOM)


async def hanging(task: Evaluation) -> SensorReport:
    await anyio.sleep_forever()
    raise AssertionError


# The name makes the first call of this one come after 22 s.
def polling(name: str = "rows", **more: Any) -> SensorNode:
    return SensorNode(name=name, kind="polling", **{"interval": 30.0, **more})


def pushed(name: str = "orders", **more: Any) -> SensorNode:
    return SensorNode(name=name, kind="event", on=(WEBHOOK,), **more)


class Station:
    """The caller at work on a real journal, with everything around it under control."""

    def __init__(self, journal: StoredJournal, clock: FakeClock) -> None:
        self.journal = journal
        self.clock = clock
        self.project = Project()
        self.evaluator = ScriptedEvaluator()

    def define(self, *sensors: SensorNode, assets: Sequence[AssetNode] = (), code_hash: str = "1") -> None:
        self.project.replace(Snapshot(location="here", code_hash=code_hash, sensors=sensors, assets=tuple(assets)))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[SensorCaller]:
        caller = SensorCaller(self.journal, self.journal.queries, self.project, self.evaluator, self.clock)
        async with anyio.create_task_group() as tasks:
            await tasks.start(caller.run)
            yield caller
            tasks.cancel_scope.cancel()

    async def told(self, kind: type[Event], count: int = 1) -> list[Any]:
        """The first events of a kind, once there are so many."""
        found: list[Any] = []
        with anyio.fail_after(5):
            async for batch in self.journal.subscribe(0):
                found += [record.event for record in batch if isinstance(record.event, kind)]
                if len(found) >= count:
                    return found
        raise AssertionError

    async def all_of(self, *kinds: type[Event]) -> list[Any]:
        await self.journal.flush()
        records = await self.journal.queries.events(kinds=[kind.kind for kind in kinds], newest_first=False)
        return [record.event for record in records]

    async def told_in_time(self, kind: type[Event], count: int = 1) -> list[Any]:
        """The same, with time passing meanwhile."""
        with anyio.fail_after(5):
            while len(found := await self.all_of(kind)) < count:
                await self.clock.advance(0.5)
        return found

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, a second after the other, and what is due be done."""
        for _ in range(int(seconds)):
            await self.clock.advance(1)
            await self.journal.flush()
        await self.clock.advance(seconds - int(seconds))

    async def deliver(self, *data: Any, sensor: str = "orders") -> list[int]:
        """Events of the webhook, each of which triggers a call."""
        ids = [receipt.id for receipt in await self.journal.append(*(message(one) for one in data))]
        await self.journal.append(*(SensorTriggered(sensor=sensor, event_ids=(id,)) for id in ids))
        return ids


def message(data: Any) -> MessageReceived:
    return MessageReceived(source="webhook:orders", data=data)


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    clock = FakeClock(NOON)
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=clock) as journal:
        yield Station(journal, clock)


async def test_a_call_gets_its_events_and_what_it_answers_is_appended_as_one(station: Station) -> None:
    async def answers(task: SensorTask) -> SensorReport:
        return SensorReport(
            id=task.id,
            runs=(WantedRun(run_key="k"),),
            cursor="c",
            results=(AssetMaterialized(asset="a"),),
            partitions=(PartitionsWanted(name="shops", added=("x",)),),
            duration=0.5,
        )

    station.define(pushed())
    station.evaluator.script["orders"] = answers
    async with station.at_work():
        (event_id,) = await station.deliver({"n": 1})
        [evaluated] = await station.told(SensorEvaluated)
    [task] = station.evaluator.tasks
    assert (task.sensor, task.location, task.attempt, task.events[0].data) == ("orders", "here", 1, {"n": 1})
    appended = (await station.all_of(AssetMaterialized, DynamicPartitionsChanged, SensorEvaluated))[:3]
    assert [type(event) for event in appended] == [AssetMaterialized, DynamicPartitionsChanged, SensorEvaluated]
    assert (evaluated.event_ids, evaluated.runs, evaluated.cursor) == ((event_id,), (WantedRun(run_key="k"),), "c")


async def test_calls_of_one_sensor_take_place_in_order_each_with_the_cursor_of_the_one_before(station: Station) -> None:
    station.define(pushed())
    station.evaluator.script["orders"] = counting
    async with station.at_work():
        ids = await station.deliver(*range(20))
        await station.told(SensorEvaluated, 20)
    assert [task.events[0].id for task in station.evaluator.tasks] == ids
    assert [task.cursor for task in station.evaluator.tasks] == [None, *map(str, range(1, 20))]


async def test_different_sensors_are_called_at_the_same_time(station: Station) -> None:
    station.define(pushed("slow"), pushed("orders"))
    station.evaluator.script["slow"] = hanging
    async with station.at_work():
        await station.deliver(1, sensor="slow")
        await station.deliver(2)
        await station.told(SensorEvaluated)
    assert len(station.evaluator.tasks) == 2


async def test_a_polling_sensor_is_called_in_its_first_interval_and_an_interval_after_each_call(
    station: Station,
) -> None:
    station.define(polling())
    async with station.at_work():
        await station.pass_time(85)
    assert len(station.evaluator.tasks) == 3
    first, second, third = (task.now for task in station.evaluator.tasks)
    assert timedelta(0) <= first - NOON <= timedelta(seconds=30)
    assert all(30 <= (later - earlier).total_seconds() <= 31 for earlier, later in ((first, second), (second, third)))


async def test_polling_sensors_are_spread_over_their_interval(station: Station) -> None:
    station.define(*(polling(f"s{n}") for n in range(50)))
    async with station.at_work():
        await station.pass_time(30)
    instants = {task.now for task in station.evaluator.tasks}
    assert len(station.evaluator.tasks) >= 50 and len(instants) > 20


async def test_nothing_is_called_while_nothing_is_due(station: Station) -> None:
    station.define(pushed(), polling(interval=3600.0))
    async with station.at_work():
        await station.pass_time(60)
        before = len(station.evaluator.tasks)
        await station.clock.advance(3000)
        assert len(station.evaluator.tasks) == before <= 1


async def test_after_a_restart_a_polling_sensor_is_due_when_it_would_have_been(station: Station) -> None:
    station.define(polling(interval=600.0))
    async with station.at_work():
        await station.pass_time(31)
    (called,) = station.evaluator.tasks
    async with station.at_work():
        await station.pass_time(560)
        assert len(station.evaluator.tasks) == 1
        await station.pass_time(40)
    assert 600 <= (station.evaluator.tasks[1].now - called.now).total_seconds() <= 602
    assert station.evaluator.tasks[1].last_called_at == called.now


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_jump_of_the_wall_clock_neither_hastens_nor_delays_a_poll(station: Station, hours: int) -> None:
    station.define(polling())
    async with station.at_work():
        await station.pass_time(31)
        station.clock.jump(station.clock.now() + timedelta(hours=hours))
        await station.pass_time(31)
        assert len(station.evaluator.tasks) == 2
        await station.pass_time(30)
        assert len(station.evaluator.tasks) == 3


async def test_a_clock_that_was_set_back_while_the_service_was_down_delays_no_sensor(station: Station) -> None:
    station.define(polling())
    async with station.at_work():
        await station.pass_time(31)
    station.clock.jump(station.clock.now() - timedelta(days=1))
    async with station.at_work():
        await station.pass_time(31)
    assert len(station.evaluator.tasks) == 2


async def test_a_polling_sensor_that_fails_keeps_its_cursor_and_backs_off(station: Station) -> None:
    station.define(polling())
    station.evaluator.script["rows"] = counting
    async with station.at_work():
        await station.pass_time(31)
        station.evaluator.script["rows"] = failing
        await station.pass_time(3600)
        failures = await station.all_of(SensorFailed)
        station.evaluator.script["rows"] = counting
        await station.pass_time(301)
    assert failures[0].error == BOOM and [failure.attempt for failure in failures] == list(range(1, len(failures) + 1))
    assert 12 < len(failures) < 30  # 120 without backing off
    assert [event.cursor for event in await station.all_of(SensorEvaluated)][:2] == ["1", "2"]
    assert not await station.all_of(EventDeadLettered)


async def test_a_call_about_events_is_tried_three_times_then_they_are_dead_letters_and_the_lane_goes_on(
    station: Station,
) -> None:
    async def fails_on_poison(task: SensorTask) -> SensorReport:
        return await (failing if task.events[0].data == "poison" else counting)(task)

    station.define(pushed())
    station.evaluator.script["orders"] = fails_on_poison
    async with station.at_work():
        poison, _ = await station.deliver("poison", "good")
        await station.told_in_time(SensorEvaluated)
    failures = await station.all_of(SensorFailed)
    assert [(failure.attempt, failure.retry_at is None) for failure in failures] == [(1, False), (2, False), (3, True)]
    [letter] = await station.all_of(EventDeadLettered)
    assert (letter.event_ids, letter.sensor, letter.attempts, letter.error) == ((poison,), "orders", 3, BOOM)
    assert letter.reason == "sensor orders failed 3 times; the last error: KeyError: 'status'"
    assert [task.events[0].data for task in station.evaluator.tasks] == ["poison"] * 3 + ["good"]


async def test_a_sensor_that_always_fails_holds_up_no_other(station: Station) -> None:
    station.define(pushed("bad"), pushed())
    station.evaluator.script["bad"] = failing
    async with station.at_work():
        await station.deliver(*range(10), sensor="bad")
        await station.deliver(*range(10))
        assert {event.sensor for event in await station.told(SensorEvaluated, 10)} == {"orders"}


async def test_attempts_are_counted_over_a_restart(station: Station) -> None:
    station.define(pushed())
    station.evaluator.script["orders"] = failing
    async with station.at_work():
        await station.deliver("poison")
        await station.told(SensorFailed)
    async with station.at_work():
        await station.told_in_time(EventDeadLettered)
    assert [failure.attempt for failure in await station.all_of(SensorFailed)] == [1, 2, 3]


async def test_a_call_that_was_cut_short_is_made_after_the_restart_and_one_that_was_committed_is_not(
    station: Station,
) -> None:
    station.define(pushed())
    station.evaluator.script["orders"] = counting
    async with station.at_work():
        await station.deliver("first")
        await station.told(SensorEvaluated)
        station.evaluator.script["orders"] = hanging
        await station.deliver("second", "third")
        with anyio.fail_after(5):
            while len(station.evaluator.tasks) < 2:
                await anyio.sleep(0.001)
    station.evaluator.script["orders"] = counting
    async with station.at_work():
        await station.told(SensorEvaluated, 3)
    assert [task.events[0].data for task in station.evaluator.tasks] == ["first", "second", "second", "third"]
    assert [event.cursor for event in await station.all_of(SensorEvaluated)] == ["1", "2", "3"]


async def test_a_journal_that_refuses_loses_no_answer_and_repeats_no_call(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.define(pushed())
    append, refusals = station.journal.append, []

    async def refusing(*events: Event, **more: Any) -> Any:
        if isinstance(events[-1], SensorEvaluated) and len(refusals) < 3:
            refusals.append(events)
            raise JournalUnavailable("the disk is full")
        return await append(*events, **more)

    monkeypatch.setattr(station.journal, "append", refusing)
    async with station.at_work():
        await station.deliver(1)
        with anyio.fail_after(5):
            while len(refusals) < 3:
                await station.clock.advance(1)
        await station.clock.advance(10)
        await station.told(SensorEvaluated)
    assert len(station.evaluator.tasks) == 1


async def test_an_answer_that_cannot_be_written_is_a_failure_of_its_call(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.define(pushed())
    append = station.journal.append

    async def refusing(*events: Event, **more: Any) -> Any:
        if isinstance(events[-1], SensorEvaluated):
            raise ValueError("a null character")
        return await append(*events, **more)

    monkeypatch.setattr(station.journal, "append", refusing)
    async with station.at_work():
        await station.deliver(1)
        [failed] = await station.told(SensorFailed)
    assert (failed.error.type, failed.error.message) == ("ValueError", "a null character")


async def test_a_paused_sensor_is_not_called_and_resumed_it_is_called_at_once(station: Station) -> None:
    station.define(polling(), pushed())
    async with station.at_work():
        await station.journal.append(*(ListeningPaused(what="sensor", name=name) for name in ("rows", "orders")))
        await station.deliver(1)
        await station.pass_time(65)
        assert station.evaluator.tasks == []
        await station.journal.append(*(ListeningResumed(what="sensor", name=name) for name in ("rows", "orders")))
        await station.told(SensorEvaluated, 2)
    assert {task.sensor for task in station.evaluator.tasks} == {"rows", "orders"}


async def test_a_switch_holds_over_a_restart_and_over_what_the_code_says(station: Station) -> None:
    station.define(polling("off", active=False), polling("on"))
    await station.journal.append(ListeningResumed(what="sensor", name="off"), ListeningPaused(what="sensor", name="on"))
    async with station.at_work():
        await station.pass_time(31)
    assert {task.sensor for task in station.evaluator.tasks} == {"off"}


async def test_sensors_come_and_go_with_the_code(station: Station) -> None:
    station.define(polling("before"))
    async with station.at_work():
        station.define(polling("after"), code_hash="2")
        await station.deliver(1, sensor="before")
        await station.pass_time(31)
        assert {task.sensor for task in station.evaluator.tasks} == {"after"}
        station.define(polling("before"), code_hash="3")
        await station.told(SensorEvaluated, 2)
    assert "before" in {task.sensor for task in station.evaluator.tasks}


async def test_new_code_is_tried_at_once_where_the_old_failed(station: Station) -> None:
    station.define(pushed())
    station.evaluator.script["orders"] = failing
    async with station.at_work():
        await station.deliver(1)
        await station.told(SensorFailed)
        station.evaluator.script["orders"] = counting
        station.define(pushed(), code_hash="2")
        await station.told(SensorEvaluated)


async def test_a_schedule_is_told_its_tick(station: Station) -> None:
    tick = NOON - timedelta(minutes=5)
    station.define(SensorNode(name="daily", kind="schedule", on=(WEBHOOK,)))
    async with station.at_work():
        (fired,) = await station.journal.append(TimerFired(source="schedule:daily", occurred_at=tick))
        await station.journal.append(SensorTriggered(sensor="daily", event_ids=(fired.id,)))
        await station.told(SensorEvaluated)
    assert station.evaluator.tasks[0].scheduled_at == tick


async def test_an_asset_sensor_gets_the_materialisation(station: Station) -> None:
    station.define(SensorNode(name="after", kind="asset", watched_assets=("a",)))
    async with station.at_work():
        (made,) = await station.journal.append(AssetMaterialized(asset="a", metadata={"rows": 1}))
        await station.journal.append(SensorTriggered(sensor="after", event_ids=(made.id,)))
        await station.told(SensorEvaluated)
    [watched] = station.evaluator.tasks[0].watched
    assert (watched.id, watched.kind, watched.body["metadata"]) == (made.id, "asset.materialized", {"rows": 1})


async def test_a_multi_asset_sensor_gets_what_its_cursor_has_not_passed(station: Station) -> None:
    async def first_only(task: SensorTask) -> SensorReport:
        cursors = {AssetKey.from_user_string(one.body["asset"]): AssetCursor(id=one.id) for one in task.watched[:1]}
        return SensorReport(id=task.id, cursor=write_cursor(cursors))

    station.define(SensorNode(name="both", kind="multi_asset", watched_assets=("a", "b")))
    station.evaluator.script["both"] = first_only
    before = [receipt.id for receipt in await station.journal.append(*(AssetMaterialized(asset="a") for _ in "12"))]
    async with station.at_work():
        (newest,) = await station.journal.append(AssetMaterialized(asset="b"))
        await station.journal.append(*(SensorTriggered(sensor="both", event_ids=(newest.id,)) for _ in "12"))
        await station.told(SensorEvaluated, 2)
    assert [[one.id for one in task.watched] for task in station.evaluator.tasks] == [
        [*before, newest.id],
        [before[1], newest.id],
    ]


async def test_a_multi_asset_sensor_that_has_passed_everything_is_not_called_for_nothing(station: Station) -> None:
    async def everything(task: SensorTask) -> SensorReport:
        return SensorReport(id=task.id, cursor=write_cursor({AssetKey("a"): AssetCursor(id=task.watched[-1].id)}))

    station.define(SensorNode(name="both", kind="multi_asset", watched_assets=("a",)))
    station.evaluator.script["both"] = everything
    async with station.at_work():
        made = await station.journal.append(*(AssetMaterialized(asset="a") for _ in "123"))
        await station.journal.append(*(SensorTriggered(sensor="both", event_ids=(one.id,)) for one in made))
        calls = await station.told(SensorEvaluated, 3)
    assert len(station.evaluator.tasks) == 1
    assert calls[2].skip_reason == "an earlier call was about these events, too"


async def test_a_run_status_sensor_gets_the_run_and_the_errors_of_its_steps(station: Station) -> None:
    run_id = RunId("r")
    plan = (PlannedStep(id="a", step="a", assets=("a",)),)
    station.define(SensorNode(name="failures", kind="run_status", watched_statuses=("FAILURE",)))
    async with station.at_work():
        *_, failed = await station.journal.append(
            RunRequested(run_id=run_id, lane="l", plan=plan, reason="", job="nightly", tags={"team": "shop"}),
            RunStarted(run_id=run_id),
            RunFailed(run_id=run_id, reason="a failed: KeyError"),
        )
        await station.journal.append(SensorTriggered(sensor="failures", event_ids=(failed.id,)))
        await station.told(SensorEvaluated)
    task = station.evaluator.tasks[0]
    assert (task.run.run_id, task.run.status, task.run.job, task.run.assets) == ("r", "FAILURE", "nightly", ("a",))
    assert task.run.error == "a failed: KeyError" and task.watched[0].kind == "run.failed"


async def test_what_has_just_come_by_is_not_read_again(station: Station) -> None:
    station.define(pushed(), SensorNode(name="after", kind="asset", watched_assets=("a",)))
    async with station.at_work():
        station.journal.queries.events_by_id = None  # type: ignore[method-assign,assignment]
        await station.deliver(1)
        (made,) = await station.journal.append(AssetMaterialized(asset="a"))
        await station.journal.append(SensorTriggered(sensor="after", event_ids=(made.id,)))
        await station.told(SensorEvaluated, 2)


async def test_events_that_are_no_longer_kept_fail_their_call_and_say_so(station: Station) -> None:
    station.define(pushed())
    async with station.at_work():
        await station.journal.append(SensorTriggered(sensor="orders", event_ids=(999,)))
        [failed] = await station.told(SensorFailed)
    assert "no longer kept" in failed.error.message and station.evaluator.tasks == []


# Previews.


async def test_a_preview_is_what_a_call_would_append_and_appends_nothing(station: Station) -> None:
    station.define(polling(interval=3600.0))
    station.evaluator.script["rows"] = counting
    async with station.at_work() as caller:
        before = station.journal.head
        [event] = await caller.preview("rows", "7")
        assert isinstance(event, SensorEvaluated) and (event.sensor, event.cursor) == ("rows", "8")
        assert station.journal.head == before
        assert (await caller.preview("rows"))[0].cursor == "1"  # type: ignore[union-attr]


async def test_a_preview_of_a_sensor_that_is_called_about_events_takes_the_newest(station: Station) -> None:
    station.define(pushed())
    async with station.at_work() as caller:
        ids = [receipt.id for receipt in await station.journal.append(message(1), message(2))]
        await caller.preview("orders")
        await caller.preview("orders", event_ids=ids[:1])
    assert [[event.id for event in task.events] for task in station.evaluator.tasks] == [ids[1:], ids[:1]]


async def test_a_preview_of_a_failure_has_its_error(station: Station) -> None:
    station.define(pushed(active=False))
    station.evaluator.script["orders"] = failing
    async with station.at_work() as caller:
        await station.journal.append(message(1))
        [event] = await caller.preview("orders")
    assert isinstance(event, SensorFailed) and event.error == BOOM
    assert await station.all_of(SensorFailed) == []


async def test_a_preview_of_an_unknown_sensor_names_those_there_are(station: Station) -> None:
    station.define(polling("mails"), polling("rows"))
    async with station.at_work() as caller:
        with pytest.raises(LookupError, match=r"no sensor or schedule 'row'; there are: mails, rows"):
            await caller.preview("row")


# Filters.

FILTERED = AssetNode(key="a", step="a", on=(On(source=WEBHOOK.source, filter_call="here:f"),))


async def test_filters_are_asked_about_their_event_and_their_answers_appended(station: Station) -> None:
    station.define(assets=[FILTERED])
    async with station.at_work():
        (event,) = await station.journal.append(message({"n": 1}))
        await station.journal.append(FilterRequested(event_id=event.id, filters=("here:f",)))
        [evaluated] = await station.told(FilterEvaluated)
    assert evaluated == FilterEvaluated(event_id=event.id, answers={"here:f": True})
    [task] = station.evaluator.tasks
    assert (task.location, task.filters, task.event.data) == ("here", ("here:f",), {"n": 1})


async def test_a_filter_that_fails_is_asked_three_times_then_the_event_is_a_dead_letter(station: Station) -> None:
    station.define(assets=[FILTERED])
    station.evaluator.script["filter"] = failing
    async with station.at_work():
        (event,) = await station.journal.append(message(1))
        await station.journal.append(FilterRequested(event_id=event.id, filters=("here:f",)))
        [letter] = await station.told_in_time(EventDeadLettered)
    assert len(station.evaluator.tasks) == 3
    assert (letter.event_ids, letter.attempts, letter.error, letter.sensor) == ((event.id,), 3, BOOM, None)


async def test_a_question_to_filters_that_was_not_answered_is_asked_after_a_restart(station: Station) -> None:
    station.define(assets=[FILTERED])
    (event,) = await station.journal.append(message(1))
    await station.journal.append(FilterRequested(event_id=event.id, filters=("here:f",)))
    async with station.at_work():
        await station.told(FilterEvaluated)
    async with station.at_work():
        await station.clock.advance(1)
    assert len(station.evaluator.tasks) == 1


async def test_a_filter_that_nobody_defines_any_more_lets_nothing_through(station: Station) -> None:
    station.define(assets=[FILTERED])
    async with station.at_work():
        (event,) = await station.journal.append(message(1))
        await station.journal.append(FilterRequested(event_id=event.id, filters=("here:f", "here:gone")))
        [evaluated] = await station.told(FilterEvaluated)
    assert evaluated.answers == {"here:f": True, "here:gone": False}


async def test_a_filter_of_a_location_that_could_not_be_loaded_is_waited_for(station: Station) -> None:
    station.define()
    await station.journal.append(LocationFailed(location="there", error=BOOM))
    async with station.at_work():
        (event,) = await station.journal.append(message(1))
        await station.journal.append(FilterRequested(event_id=event.id, filters=("here:f",)))
        await station.clock.advance(60)
        assert not await station.all_of(FilterEvaluated)
        station.project.replace(Snapshot(location="there", assets=(FILTERED,)))
        await station.told(FilterEvaluated)
    assert station.evaluator.tasks[0].location == "there"


# The end.


async def test_draining_waits_for_calls_and_begins_none(station: Station) -> None:
    opened = anyio.Event()

    async def waits(task: SensorTask) -> SensorReport:
        await opened.wait()
        return SensorReport(id=task.id)

    station.define(pushed())
    station.evaluator.script["orders"] = waits
    async with station.at_work() as caller:
        await station.deliver(1, 2)
        with anyio.fail_after(5):
            while not station.evaluator.tasks:
                await anyio.sleep(0.001)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(caller.drain)
            await anyio.sleep(0.01)
            opened.set()
        assert len(await station.all_of(SensorEvaluated)) == len(station.evaluator.tasks) == 1
