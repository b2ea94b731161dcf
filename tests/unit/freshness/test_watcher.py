from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.freshness.evaluate import evaluate
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import AssetMaterialized, AssetObserved, Canary, FreshnessChanged
from upwell.freshness import standings
from upwell.freshness.watcher import FreshnessWatcher
from upwell.testing import MemoryJournal, temporary_journal

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
MINUTE = FreshnessPolicy.time_window(timedelta(seconds=60), timedelta(seconds=30))


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def node(key: str, policy: Any = MINUTE, *, deps: tuple[str, ...] = (), partitions: Any = None) -> AssetNode:
    upstream = tuple(DepNode(asset=dep) for dep in deps)
    return AssetNode(key=key, step=key, freshness=policy, deps=upstream, partitions=partitions)


def project_of(*nodes: AssetNode) -> Project:
    project = Project()
    project.replace(Snapshot(location="here", assets=nodes))
    return project


def told(journal: MemoryJournal) -> list[FreshnessChanged]:
    return [record.event for record in journal.all_of("freshness.changed")]  # type: ignore[misc]


def states(journal: MemoryJournal, asset: str = "a") -> list[tuple[str, datetime]]:
    return [(change.state, change.changed_at) for change in told(journal) if change.asset == asset]


@asynccontextmanager
async def watching(journal: Any, project: Project, clock: FakeClock) -> AsyncIterator[FreshnessWatcher]:
    watcher = FreshnessWatcher(journal, journal.queries, project, clock)
    async with anyio.create_task_group() as tasks:
        await tasks.start(watcher.run)
        yield watcher
        await clock.advance(0)
        tasks.cancel_scope.cancel()


async def test_an_asset_warns_fails_and_recovers_each_dated_at_its_instant() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    async with watching(journal, project_of(node("a")), clock):
        await clock.advance(10)
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(90)
        journal.post(AssetMaterialized(asset="a"))
    assert states(journal) == [
        ("UNKNOWN", NOON),
        ("PASS", after(10)),
        ("WARN", after(40)),
        ("FAIL", after(70)),
        ("PASS", after(100)),
    ]
    failed, recovered = told(journal)[-2:]
    assert (failed.deadline, failed.last_materialized, failed.previous_state) == (after(70), after(10), "WARN")
    assert (recovered.deadline, recovered.overdue_seconds, recovered.previous_state) == (after(160), 30.0, "FAIL")


async def test_nothing_is_evaluated_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    evaluations: list[datetime] = []

    def counted(policy: Any, known: Any, now: datetime) -> Any:
        evaluations.append(now)
        return evaluate(policy, known, now)

    monkeypatch.setattr(standings, "evaluate", counted)
    async with watching(journal, project_of(*(node(f"a{at}") for at in range(50))), clock):
        evaluations.clear()
        for _ in range(500):
            journal.post(Canary(nonce="n"))
        await clock.advance(59.9)
        assert evaluations == []
        await clock.advance(0.2)
    assert len(evaluations) <= 150


async def test_what_is_committed_before_the_deadline_counts_however_late_it_is_delivered() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    plain = journal.subscribe

    async def slow(after: int) -> AsyncIterator[Any]:
        async for batch in plain(after):
            await anyio.sleep(0.05)  # a reader that lags behind the writer
            yield batch

    journal.subscribe = slow  # type: ignore[method-assign]
    async with watching(journal, project_of(node("a", FreshnessPolicy.time_window(timedelta(seconds=60)))), clock):
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(59)
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(1)
        await anyio.sleep(0.2)
    assert "FAIL" not in [state for state, _ in states(journal)]


async def test_deadlines_that_passed_while_it_was_down_are_told_once_and_say_so() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    project = project_of(node("a"))
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a"))
    clock.jump(after(3600))
    for _ in range(3):
        async with watching(journal, project, clock):
            pass
    assert states(journal)[1:] == [("PASS", NOON), ("FAIL", after(60))]
    assert told(journal)[-1].caught_up
    assert told(journal)[-1].overdue_seconds == 3540.0


async def test_a_miss_during_an_outage_is_told_although_data_came_before_anyone_looked() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    project = project_of(node("a"))
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a"))
    clock.jump(after(100))
    journal.post(AssetMaterialized(asset="a"))
    clock.jump(after(110))
    async with watching(journal, project, clock):
        pass
    assert states(journal)[2:] == [("FAIL", after(60)), ("PASS", after(100))]
    assert all(change.caught_up for change in told(journal)[2:])


async def test_a_backfill_of_an_old_partition_does_not_make_a_stale_asset_fresh() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    project = project_of(node("a", partitions=DailyPartitionsDefinition(start_date="2024-01-01")))
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a", partition="2024-02-28"))
        await clock.advance(100)
        journal.post(AssetMaterialized(asset="a", partition="2024-01-15"))
        await clock.advance(10)
        assert states(journal)[-1] == ("FAIL", after(60))
    async with watching(journal, project, clock):
        await clock.advance(10)
        assert states(journal)[-1] == ("FAIL", after(60))
        journal.post(AssetMaterialized(asset="a", partition="2024-02-29"))
    assert states(journal)[-1] == ("PASS", after(120))


async def test_a_new_policy_on_an_old_asset_starts_with_its_present_state() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    project = project_of(node("a", None))
    journal.post(AssetMaterialized(asset="a"))
    async with watching(journal, project, clock):
        await clock.advance(45)
        project.replace(Snapshot(location="here", assets=(node("a"),)))
        await clock.advance(20)
    assert states(journal) == [("WARN", after(45)), ("FAIL", after(60))]
    assert told(journal)[0].previous_state == "NOT_APPLICABLE"
    assert not told(journal)[0].caught_up


async def test_a_removed_policy_is_not_applicable_also_when_nobody_saw_it_go() -> None:
    for restarted in (False, True):
        clock = FakeClock(NOON)
        journal = MemoryJournal(clock)
        project = project_of(node("a"))
        without = Snapshot(location="here", assets=(node("a", None),))
        async with watching(journal, project, clock):
            await clock.advance(5)
            if not restarted:
                project.replace(without)
        if restarted:
            project.replace(without)
            async with watching(journal, project, clock):
                pass
        assert states(journal) == [("UNKNOWN", NOON), ("NOT_APPLICABLE", after(5))]


async def test_an_asset_of_a_location_that_is_not_loaded_keeps_its_state() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    async with watching(journal, project_of(node("a")), clock):
        pass
    async with watching(journal, Project(), clock):
        await clock.advance(10)
    assert states(journal) == [("UNKNOWN", NOON)]


async def test_a_policy_that_changes_while_the_asset_is_late_is_judged_anew() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    project = project_of(node("a"))
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(70)
        relaxed = FreshnessPolicy.time_window(timedelta(seconds=100))
        project.replace(Snapshot(location="here", assets=(node("a", relaxed),)))
        await clock.advance(60)
    assert states(journal)[-3:] == [("FAIL", after(60)), ("PASS", after(70)), ("FAIL", after(100))]


async def test_of_assets_that_are_late_together_the_upstream_is_to_blame() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    project = project_of(node("raw"), node("between", None, deps=("raw",)), node("mart", deps=("between",)))
    async with watching(journal, project, clock):
        await clock.advance(61)
    raw, mart = told(journal)[-2:]
    assert (raw.asset, raw.state, raw.cause, raw.affected) == ("raw", "FAIL", None, ("mart",))
    assert (mart.asset, mart.state, mart.cause, mart.affected) == ("mart", "FAIL", "raw", ())


async def test_a_full_disk_delays_the_word_and_loses_none() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    async with watching(journal, project_of(node("a")), clock):
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(20)
        journal.refuses = True
        await clock.advance(300)
        assert states(journal)[-1] == ("PASS", NOON)
        journal.refuses = False
        await clock.advance(10)
    assert states(journal)[-2:] == [("WARN", after(30)), ("FAIL", after(60))]


async def test_a_restart_looks_again_at_no_more_than_about_a_thousand_events() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    async with watching(journal, project_of(node("a")), clock):
        for _ in range(5000):
            journal.post(Canary(nonce="n"))
        await clock.advance(1)
    assert await journal.progress("freshness") > 4000


async def test_with_the_real_journal_it_is_the_same() -> None:
    clock = FakeClock(NOON)
    async with temporary_journal(clock) as journal:
        project = project_of(node("a"))
        async with watching(journal, project, clock):
            await journal.append(AssetMaterialized(asset="a"))
            await anyio.sleep(0.1)
        clock.jump(after(3600))
        async with watching(journal, project, clock):
            await anyio.sleep(0.1)
        changes = [record.event for record in await journal.queries.events(kinds=["freshness.changed"])]
        assert [(c.state, c.changed_at) for c in reversed(changes)] == [  # type: ignore[union-attr]
            ("UNKNOWN", NOON),
            ("PASS", NOON),
            ("FAIL", after(60)),
        ]
        assert (await journal.queries.freshness())["a"].state == "FAIL"


def seen(journal: MemoryJournal) -> list[tuple[str, datetime, tuple[int, ...]]]:
    return [(change.state, change.changed_at, change.corrects) for change in told(journal)]


async def test_a_late_report_of_something_made_in_time_corrects_history_visibly() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    async with watching(journal, project_of(node("a", FreshnessPolicy.time_window(timedelta(seconds=60)))), clock):
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(100)
        journal.post(AssetMaterialized(asset="a", materialized_at=after(50)))
        await clock.advance(20)
    wrong = journal.all_of("freshness.changed")[2].id
    assert seen(journal)[2:] == [
        ("FAIL", after(60), ()),
        ("PASS", after(60), (wrong,)),  # it stayed so ...
        ("FAIL", after(110), ()),  # ... up to the deadline of what was told late
    ]


async def test_a_late_report_that_came_while_it_was_down_corrects_what_was_told_before() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    project = project_of(node("a", FreshnessPolicy.time_window(timedelta(seconds=60))))
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(100)
    journal.post(AssetMaterialized(asset="a", materialized_at=after(50)))
    async with watching(journal, project, clock):
        pass
    wrong = journal.all_of("freshness.changed")[2].id
    assert seen(journal)[3:] == [("PASS", after(60), (wrong,))]


async def test_a_report_of_something_made_too_late_corrects_nothing_and_is_dated_when_it_was_made() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    async with watching(journal, project_of(node("a", FreshnessPolicy.time_window(timedelta(seconds=60)))), clock):
        journal.post(AssetMaterialized(asset="a"))
        await clock.advance(100)
        journal.post(AssetMaterialized(asset="a", materialized_at=after(70)))
    assert seen(journal)[2:] == [("FAIL", after(60), ()), ("PASS", after(70), ())]
    assert told(journal)[-1].overdue_seconds == 10.0


async def test_own_lateness_and_that_of_the_input_are_told_apart() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    hours = FreshnessPolicy.time_window(timedelta(hours=1))
    project = project_of(node("raw"), node("mart", hours, deps=("raw",)), node("report", deps=("mart",)))
    async with watching(journal, project, clock):
        for asset in ("raw", "mart"):
            journal.post(AssetMaterialized(asset=asset))
        await clock.advance(61)
        journal.post(AssetMaterialized(asset="report"))
    raw, late, recovered = told(journal)[-3:]
    assert (raw.asset, raw.affected, raw.inherited_by) == ("raw", ("report",), ("mart",))
    assert (late.asset, late.state, late.cause, late.inherited_from) == ("report", "FAIL", "raw", "raw")
    assert (recovered.state, recovered.cause, recovered.inherited_from) == ("PASS", None, "raw")


async def test_a_rebuild_from_old_data_does_not_make_fresh_what_is_judged_by_its_data() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    policy = FreshnessPolicy.time_window(timedelta(days=1), basis="data")
    async with watching(journal, project_of(node("a", policy)), clock):
        await clock.advance(10)
        journal.post(AssetMaterialized(asset="a", data_time=after(-2 * 86400)))
        await clock.advance(10)
        journal.post(AssetMaterialized(asset="a", data_time=after(0)))
    assert states(journal) == [("UNKNOWN", NOON), ("FAIL", after(10)), ("PASS", after(20))]


async def test_an_observation_that_says_a_data_time_keeps_an_external_asset_fresh() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    source = AssetNode(key="a", step=None, freshness=FreshnessPolicy.maximum_lag(timedelta(seconds=60)))
    async with watching(journal, project_of(source), clock):
        journal.post(AssetObserved(asset="a", data_time=NOON))
        await clock.advance(30)
        journal.post(AssetObserved(asset="a"))
        journal.post(AssetObserved(asset="a", data_time=after(20)))
        await clock.advance(60)
    assert states(journal) == [("UNKNOWN", NOON), ("PASS", NOON), ("FAIL", after(80))]


async def test_partitions_that_are_due_are_asked_for_also_after_a_restart() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    policy = FreshnessPolicy.cron("0 9 * * *")
    project = project_of(node("a", policy, partitions=DailyPartitionsDefinition(start_date="2024-01-01")))
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a", partition="2024-02-29"))
        await clock.advance(to=NOON + timedelta(days=1, hours=-6))
        journal.post(AssetMaterialized(asset="a", partition="2024-03-01"))
        await clock.advance(1)
        journal.post(AssetMaterialized(asset="a", partition="2024-01-15"))  # a backfill
    deadline = datetime(2024, 3, 3, 9, tzinfo=UTC)
    async with watching(journal, project, clock):
        await clock.advance(to=deadline + timedelta(minutes=1))
        journal.post(AssetMaterialized(asset="a", partition="2024-01-16"))
        await clock.advance(60)
    assert states(journal) == [("UNKNOWN", NOON), ("PASS", NOON), ("FAIL", deadline)]


async def test_thousands_of_deadlines_that_passed_while_it_was_down_are_told_once_each_in_few_writes() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    hourly = FreshnessPolicy.cron("0 * * * *")
    nodes = [node("root", hourly), *(node(f"a{at}", hourly, deps=("root",)) for at in range(2000))]
    async with watching(journal, project_of(*nodes), clock):
        journal.post(*(AssetMaterialized(asset=one.key) for one in nodes))
        await clock.advance(1)
    clock.jump(NOON + timedelta(hours=26))
    before, appends = len(told(journal)), journal.appends
    async with watching(journal, project_of(*nodes), clock):
        pass
    missed = told(journal)[before:]
    assert len(missed) == 2001 and journal.appends - appends <= 4
    assert {(m.state, m.caught_up, m.changed_at) for m in missed} == {("FAIL", True, NOON + timedelta(hours=2))}
    assert (missed[0].asset, len(missed[0].affected)) == ("root", 2000)
    assert {m.cause for m in missed[1:]} == {"root"}


async def test_a_partition_that_was_made_in_time_and_told_late_was_never_missing() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    policy = FreshnessPolicy.cron("0 9 * * *")
    project = project_of(node("a", policy, partitions=DailyPartitionsDefinition(start_date="2024-01-01")))
    deadline = datetime(2024, 3, 2, 9, tzinfo=UTC)
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a", partition="2024-02-29"))
        await clock.advance(to=deadline + timedelta(hours=1))
        made_at = deadline - timedelta(hours=2)
        journal.post(AssetMaterialized(asset="a", partition="2024-03-01", materialized_at=made_at))
        await clock.advance(to=deadline + timedelta(days=2))
    failed = journal.all_of("freshness.changed")[2]
    assert seen(journal)[2:] == [
        ("FAIL", deadline, ()),
        ("PASS", deadline, (failed.id,)),
        ("FAIL", deadline + timedelta(days=1), ()),
    ]


async def test_partitions_that_the_definition_no_longer_has_are_no_longer_asked_for() -> None:
    clock = FakeClock(NOON)
    journal = MemoryJournal(clock)
    policy = FreshnessPolicy.time_window(timedelta(hours=1), per="partition")
    days = DailyPartitionsDefinition(start_date="2024-01-01")
    project = project_of(node("a", policy, partitions=days))
    async with watching(journal, project, clock):
        journal.post(AssetMaterialized(asset="a", partition="2024-02-29"))
        await clock.advance(to=NOON + timedelta(days=1))
        ended = DailyPartitionsDefinition(start_date="2024-01-01", end_date="2024-03-01")
        project.replace(Snapshot(location="here", assets=(node("a", policy, partitions=ended),)))
        await clock.advance(to=NOON + timedelta(days=9))
    late = datetime(2024, 3, 2, 1, tzinfo=UTC)
    assert states(journal)[1:] == [("PASS", NOON), ("FAIL", late), ("PASS", NOON + timedelta(days=1))]
