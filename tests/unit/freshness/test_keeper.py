from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, DepNode, JobNode, SensorNode, Snapshot, StepNode
from upwell.events import (
    AssetMaterialized,
    ErrorInfo,
    FreshnessAtRisk,
    FreshnessDemanded,
    RunCanceled,
    RunId,
    RunRequested,
    RunStarted,
    RunSubmitted,
    RunSucceeded,
    StepFailed,
    StepStarted,
    StepSucceeded,
)
from upwell.freshness.keeper import FreshnessKeeper
from upwell.freshness.watcher import FreshnessWatcher
from upwell.reactor.reactor import Reactor
from upwell.testing import MemoryJournal

pytestmark = pytest.mark.anyio

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
NINE = FreshnessPolicy.cron("0 9 * * *")
HOOK = (On(source=SourceSpec(kind="webhook", name="webhook:orders")),)
DAILY = DailyPartitionsDefinition(start_date="2024-02-27")


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def node(key: str, *deps: str, keep: bool = False, **more: Any) -> AssetNode:
    upstream = tuple(DepNode(asset=dep) for dep in deps)
    return AssetNode(key=key, step=key, deps=upstream, automation="keep_fresh" if keep else None, **more)


def project_of(*nodes: AssetNode, sensors: tuple[SensorNode, ...] = (), jobs: tuple[JobNode, ...] = ()) -> Project:
    project = Project()
    project.replace(snapshot(*nodes, sensors=sensors, jobs=jobs))
    return project


def snapshot(*nodes: AssetNode, sensors: tuple[SensorNode, ...] = (), jobs: tuple[JobNode, ...] = ()) -> Snapshot:
    steps = tuple(StepNode(key=one.key, assets=(one.key,)) for one in nodes)
    return Snapshot(location="here", assets=nodes, steps=steps, sensors=sensors, jobs=jobs)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(MIDNIGHT)


@pytest.fixture
def journal(clock: FakeClock) -> MemoryJournal:
    """A journal that has seen every step take an hour."""
    journal = MemoryJournal(clock)
    for step in ("raw", "stg", "mart", "other"):
        journal.post(StepSucceeded(run_id=RunId("old"), step_id=step, attempt=1, duration=3600))
    return journal


ALL: Sequence[Any] = (FreshnessWatcher, Reactor, FreshnessKeeper)


@asynccontextmanager
async def service(
    journal: MemoryJournal, project: Project, clock: FakeClock, stations: Sequence[Any] = ALL
) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for station in stations:
            await tasks.start(station(journal, journal, project, clock).run)
        yield
        await clock.advance(0)
        tasks.cancel_scope.cancel()


def requested(journal: MemoryJournal) -> list[tuple[datetime, tuple[str, ...]]]:
    """When runs were requested to keep something fresh, and their steps."""
    return [
        (record.at, tuple(step.id for step in record.event.plan))
        for record in journal.all_of("run.requested")
        if isinstance(record.event, RunRequested) and record.event.cause == "automation"
    ]


def newest_run(journal: MemoryJournal) -> RunId:
    event = journal.all_of("run.requested")[-1].event
    assert isinstance(event, RunRequested)
    return event.run_id


def demanded(journal: MemoryJournal) -> list[FreshnessDemanded]:
    return [r.event for r in journal.all_of("freshness.demanded") if isinstance(r.event, FreshnessDemanded)]


def risks(journal: MemoryJournal) -> list[tuple[datetime, FreshnessAtRisk]]:
    return [(r.at, r.event) for r in journal.all_of("freshness.at_risk") if isinstance(r.event, FreshnessAtRisk)]


def make(journal: MemoryJournal, *assets: str, **more: Any) -> None:
    for asset in assets:
        journal.post(AssetMaterialized(asset=asset, **more))


def latest(hours: float, path: float, spare: float = 0.5) -> datetime:
    """The latest safe start for a deadline, of a path of so many hours."""
    return at(hours) - timedelta(hours=path) * 1.1 - timedelta(seconds=spare)


async def test_the_demand_says_why_and_the_decision_names_the_run(journal: MemoryJournal, clock: FakeClock) -> None:
    async with service(journal, project_of(node("raw"), node("mart", "raw", keep=True, freshness=NINE)), clock):
        await clock.advance(to=at(9))
    [demand] = demanded(journal)
    assert demand.reason == (
        "mart has to be made by 2024-03-01 09:00:00 (UTC), which usually takes 2 h (raw 60 min, mart 60 min)"
    )
    assert requested(journal) == [(latest(9, 2), ("raw", "mart"))]
    [decided] = [r.event for r in journal.all_of("event.decided")]
    assert decided.run_id == journal.all_of("run.requested")[0].event.run_id  # type: ignore[union-attr]
    assert decided.assets == ("mart",)  # type: ignore[union-attr]


@pytest.mark.parametrize("by", ["a source", "a schedule", "a condition"])
async def test_what_something_else_makes_in_its_own_time_is_left_to_it(
    journal: MemoryJournal, clock: FakeClock, by: str
) -> None:
    raw = node("raw", on=HOOK) if by == "a source" else node("raw")
    if by == "a condition":
        raw = AssetNode(key="raw", step="raw", automation="on_cron")
    jobs = (JobNode(name="nightly", assets=("raw",)),) if by == "a schedule" else ()
    sensors = (SensorNode(name="nightly", kind="schedule", jobs=("nightly",)),) if jobs else ()
    project = project_of(raw, node("mart", "raw", keep=True, freshness=NINE), sensors=sensors, jobs=jobs)
    async with service(journal, project, clock):
        await clock.advance(to=at(9))
    assert requested(journal) == [(latest(9, 1), ("mart",))]


@pytest.mark.parametrize(("order", "steps"), [(("raw", "stg"), ("mart",)), (("stg", "raw"), ("stg", "mart"))])
async def test_what_is_up_to_date_with_inputs_that_come_by_themselves_is_not_made_again(
    journal: MemoryJournal, clock: FakeClock, order: tuple[str, ...], steps: tuple[str, ...]
) -> None:
    make(journal, *order)
    project = project_of(node("raw", on=HOOK), node("stg", "raw"), node("mart", "stg", keep=True, freshness=NINE))
    async with service(journal, project, clock):
        await clock.advance(to=at(9))
    assert requested(journal) == [(latest(9, len(steps)), steps)]


async def test_something_made_above_while_it_waits_brings_the_start_forward(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    make(journal, "raw", "stg")
    project = project_of(node("raw", on=HOOK), node("stg", "raw"), node("mart", "stg", keep=True, freshness=NINE))
    async with service(journal, project, clock):
        await clock.advance(to=latest(9, 1) - timedelta(minutes=10))
        assert requested(journal) == []
        make(journal, "raw")
        await clock.advance(1)
    assert requested(journal) == [(latest(9, 1) - timedelta(minutes=10), ("stg", "mart"))]


async def test_an_upstream_that_was_made_in_the_window_is_read_as_it_is(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    project = project_of(node("raw"), node("mart", "raw", keep=True, freshness=NINE))
    async with service(journal, project, clock):
        await clock.advance(to=at(1))
        make(journal, "raw")
        await clock.advance(to=at(9))
    assert requested(journal) == [(latest(9, 1), ("mart",))]


async def test_a_run_under_way_that_will_be_done_in_time_is_enough(journal: MemoryJournal, clock: FakeClock) -> None:
    async with service(journal, project_of(node("mart", keep=True, freshness=NINE)), clock):
        await clock.advance(to=at(7))
        journal.post(RunSubmitted(run_id=RunId("r"), assets=("mart",)))
        await clock.advance(1)
        journal.post(RunStarted(run_id=RunId("r")))
        await clock.advance(to=at(8))
        make(journal, "mart")
        journal.post(StepSucceeded(run_id=RunId("r"), step_id="mart", attempt=1, duration=3600))
        journal.post(RunSucceeded(run_id=RunId("r")))
        await clock.advance(to=at(9.5))
    assert demanded(journal) == []
    assert risks(journal) == []


async def test_when_such_a_run_ends_without_it_the_demand_comes_at_once(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    async with service(journal, project_of(node("mart", keep=True, freshness=NINE)), clock):
        await clock.advance(to=at(7.8))
        journal.post(RunSubmitted(run_id=RunId("r"), assets=("mart",)))
        await clock.advance(to=at(7.95))
        journal.post(RunCanceled(run_id=RunId("r")))
        await clock.advance(1)
    assert requested(journal) == [(at(7.95), ("mart",))]


async def test_a_demanded_run_that_somebody_cancels_is_not_demanded_again_for_this_deadline(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    project = project_of(node("mart", keep=True, freshness=NINE))
    async with service(journal, project, clock):
        await clock.advance(to=at(8.5))
        journal.post(RunCanceled(run_id=newest_run(journal)))
        await clock.advance(to=at(12))
    async with service(journal, project, clock):
        await clock.advance(to=at(33))
    assert [when for when, _ in requested(journal)] == [latest(9, 1), latest(33, 1)]


async def test_of_partitions_those_are_made_that_are_missing_and_of_upstream_those_that_never_were(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    project = project_of(
        node("raw", partitions=DAILY), node("mart", "raw", keep=True, freshness=NINE, partitions=DAILY)
    )
    async with service(journal, project, clock):
        make(journal, "raw", partition="2024-02-29")
        make(journal, "mart", partition="2024-02-28")
        await clock.advance(to=at(8))
        [(when, steps)] = requested(journal)
        assert (when, steps) == (latest(9, 1), ("mart@2024-02-29",))
        make(journal, "mart", partition="2024-02-29")
        journal.post(RunSucceeded(run_id=newest_run(journal)))
        await clock.advance(to=at(33))
    assert requested(journal)[1:] == [(latest(33, 2), ("raw@2024-03-01", "mart@2024-03-01"))]
    assert demanded(journal)[0].demands[0].partition == "2024-02-29"


async def test_of_data_that_come_by_themselves_a_run_waits_for_newer_ones(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    lag = FreshnessPolicy.maximum_lag(timedelta(hours=4))
    project = project_of(node("raw", on=HOOK), node("mart", "raw", keep=True, freshness=lag))
    make(journal, "raw", "mart", data_time=MIDNIGHT)
    async with service(journal, project, clock):
        await clock.advance(to=at(3.5))
        assert requested(journal) == []  # it would read the same
        make(journal, "raw", data_time=at(3.5))
        await clock.advance(1)
    assert requested(journal) == [(at(3.5), ("mart",))]


async def test_it_begins_so_that_it_cannot_end_before_the_window_opens(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    journal.post(StepSucceeded(run_id=RunId("slow"), step_id="mart", attempt=1, duration=4 * 3600))
    policy = FreshnessPolicy.cron("0 9 * * *", timedelta(hours=2))
    async with service(journal, project_of(node("mart", keep=True, freshness=policy)), clock):
        await clock.advance(to=at(9))
    assert [when for when, _ in requested(journal)] == [at(6)]  # the shortest it ever took is an hour


async def test_what_is_due_near_one_another_shares_a_run_and_the_rest_does_not(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    policies = [FreshnessPolicy.cron(f"{minute} {hour} * * *") for hour, minute in ((9, 0), (9, 20), (11, 0))]
    kept = [node(key, keep=True, freshness=one) for key, one in zip(("mart", "stg", "raw"), policies, strict=True)]
    async with service(journal, project_of(*kept), clock):
        await clock.advance(to=at(11))
    assert requested(journal) == [(latest(9, 1), ("mart", "stg")), (latest(11, 1), ("raw",))]


async def test_those_that_need_the_same_for_one_deadline_share_a_run_though_one_takes_longer(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    project = project_of(
        node("raw"),
        node("stg", "raw"),
        node("mart", "stg", keep=True, freshness=NINE),
        node("other", "raw", keep=True, freshness=NINE),
    )
    async with service(journal, project, clock):
        await clock.advance(to=at(9))
    [(when, steps)] = requested(journal)
    assert (when, set(steps)) == (latest(9, 3), {"raw", "stg", "mart", "other"})
    assert [one.asset for one in demanded(journal)[0].demands] == ["mart", "other"]


async def test_what_nobody_keeps_fresh_is_at_risk_when_it_could_no_longer_be_made_in_time(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    async with service(journal, project_of(node("mart", on=HOOK, freshness=NINE)), clock):
        await clock.advance(to=at(9))
    [(when, risk)] = risks(journal)
    assert (when, risk.expected_at, risk.slow_hop, risk.run_id) == (at(8), at(9), "mart", None)
    assert "nobody has begun with it" in risk.reason


async def test_a_step_that_fails_and_is_tried_again_puts_the_deadline_at_risk(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    async with service(journal, project_of(node("mart", on=HOOK, freshness=NINE)), clock):
        await clock.advance(to=at(7))
        journal.post(RunSubmitted(run_id=RunId("r"), assets=("mart",)))
        await clock.advance(1)
        journal.post(RunStarted(run_id=RunId("r")), StepStarted(run_id=RunId("r"), step_id="mart", attempt=1))
        await clock.advance(to=at(7.9))
        error = ErrorInfo(type="OSError", message="gone")
        journal.post(
            StepFailed(
                run_id=RunId("r"), step_id="mart", attempt=1, duration=1, error=error, retry_at=at(8.25)
            )
        )  # fmt: skip
        await clock.advance(1)
    [(when, risk)] = risks(journal)
    assert (when, risk.expected_at, risk.run_id) == (at(7.9), at(9.25), "r")
    assert "mart failed and is tried again at 08:15:00 (UTC)" in risk.reason


async def test_a_run_that_waits_behind_another_of_its_lane_is_expected_after_that(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    async with service(journal, project_of(node("mart", on=HOOK, freshness=NINE)), clock):
        await clock.advance(to=at(7.5))
        journal.post(RunSubmitted(run_id=RunId("r1"), assets=("mart",)))
        await clock.advance(0)
        journal.post(RunStarted(run_id=RunId("r1")))
        await clock.advance(to=at(8.4))
        journal.post(RunSubmitted(run_id=RunId("r2"), assets=("mart",)))
        await clock.advance(60)
    assert risks(journal) == []  # the first of them will be in time


async def test_a_demand_that_the_reactor_has_not_answered_is_not_repeated_by_a_restart(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    project = project_of(node("mart", keep=True, freshness=NINE))
    async with service(journal, project, clock, (FreshnessWatcher, FreshnessKeeper)):
        await clock.advance(to=at(8))
    async with service(journal, project, clock, (FreshnessWatcher, FreshnessKeeper)):
        await clock.advance(to=at(8.5))
    async with service(journal, project, clock):
        await clock.advance(to=at(8.6))
    assert len(demanded(journal)) == len(requested(journal)) == 1


async def test_a_deadline_that_passed_while_it_was_down_is_made_up_for_once(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    project = project_of(node("mart", keep=True, freshness=NINE))
    async with service(journal, project, clock):
        await clock.advance(to=at(1))
    await clock.advance(to=at(10))
    for _ in range(3):
        async with service(journal, project, clock):
            await clock.advance(60)
    assert requested(journal) == [(at(10), ("mart",))]


async def test_a_risk_is_told_once_whatever_the_number_of_restarts(journal: MemoryJournal, clock: FakeClock) -> None:
    project = project_of(node("mart", on=HOOK, freshness=NINE))
    for hours in (8.1, 8.2, 8.3):
        async with service(journal, project, clock):
            await clock.advance(to=at(hours))
    assert len(risks(journal)) == 1


async def test_while_the_journal_refuses_the_demand_waits_and_comes_once(
    journal: MemoryJournal, clock: FakeClock
) -> None:
    async with service(journal, project_of(node("mart", keep=True, freshness=NINE)), clock):
        await clock.advance(to=latest(9, 1) - timedelta(seconds=1))
        journal.refuses = True
        await clock.advance(30)
        journal.refuses = False
        await clock.advance(10)
    assert len(demanded(journal)) == len(requested(journal)) == 1


async def test_a_policy_that_comes_with_new_code_is_acted_on(journal: MemoryJournal, clock: FakeClock) -> None:
    project = project_of(node("mart"))
    async with service(journal, project, clock):
        await clock.advance(to=at(8.5))
        project.replace(snapshot(node("mart", keep=True, freshness=NINE)))
        await clock.advance(1)
        assert requested(journal) == [(at(8.5), ("mart",))]
        project.replace(snapshot(node("mart")))
        await clock.advance(to=at(40))
    assert len(requested(journal)) == 1


async def test_an_asset_without_a_policy_has_no_deadline_to_be_kept(journal: MemoryJournal, clock: FakeClock) -> None:
    async with service(journal, project_of(node("mart", keep=True)), clock):
        await clock.advance(to=at(48))
    assert demanded(journal) == []
