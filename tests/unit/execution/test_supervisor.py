from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.errors import JournalBusy
from upwell.events import (
    AssetMaterialized,
    CheckEvaluated,
    ErrorInfo,
    Event,
    EventDecided,
    PlannedStep,
    RunCancelRequested,
    RunId,
    RunRequested,
    WebhookAccepted,
)
from upwell.execution.limits import Limits
from upwell.execution.supervisor import Supervisor
from upwell.journal.database import StoredJournal, open_journal
from upwell.runtime.messages import StepReport, StepTask

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 10, tzinfo=UTC)
BOOM = ErrorInfo(type="KeyError", message="'status'")
DAILY = DailyPartitionsDefinition(start_date="2024-01-01")

Answer = Callable[[StepTask], Awaitable[StepReport]]


@dataclass
class ScriptedExecutor:
    """Answers by script, or with success; counts what runs at once."""

    script: dict[str, Answer] = field(default_factory=dict)
    tasks: list[StepTask] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def run(self, task: StepTask) -> StepReport:
        self.tasks.append(task)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.lowlevel.checkpoint()
            answer = self.script.get(task.step, made)
            return await answer(task)
        except anyio.get_cancelled_exc_class():
            self.killed.append(task.step_id)
            raise
        finally:
            self.running -= 1

    @property
    def steps(self) -> list[str]:
        return [task.step_id for task in self.tasks]


async def made(task: StepTask) -> StepReport:
    results = [
        AssetMaterialized(asset=asset, partition=task.partition, run_id=task.run_id, step_id=task.step_id)
        for asset in task.assets
    ]
    return StepReport(results=tuple(results), duration=0.5)


async def broken(task: StepTask) -> StepReport:
    return StepReport(error=BOOM)


async def hanging(task: StepTask) -> StepReport:
    await anyio.sleep_forever()
    raise AssertionError


def snapshot(*assets: AssetNode, **step: object) -> Snapshot:
    steps = [StepNode(key=node.key, assets=(node.key,), **step) for node in assets if node.step]  # type: ignore[arg-type]
    return Snapshot(location="here", assets=assets, steps=(*steps, StepNode(key="gate", checks=("raw:gate",))))


def asset(key: str, *deps: str, **more: object) -> AssetNode:
    return AssetNode(key=key, step=key, deps=tuple(DepNode(asset=dep) for dep in deps), **more)  # type: ignore[arg-type]


CHAIN = snapshot(asset("raw"), asset("clean", "raw"), asset("mart", "clean"))


def step(key: str, *waits_for: str, **more: object) -> PlannedStep:
    return PlannedStep(id=key, step=key, assets=(key,), waits_for=waits_for, **more)  # type: ignore[arg-type]


CHAIN_PLAN = (step("raw"), step("clean", "raw", asked=False), step("mart", "clean", asked=False))


def requested(name: str, plan: Sequence[PlannedStep] = CHAIN_PLAN, **more: object) -> RunRequested:
    return RunRequested(run_id=RunId(name), lane=str(more.pop("lane", name)), plan=tuple(plan), reason="", **more)  # type: ignore[arg-type]


class Station:
    """A supervisor at work on a real journal, with everything around it under control."""

    def __init__(self, journal: StoredJournal, project: Project, executor: ScriptedExecutor, clock: FakeClock) -> None:
        self.journal = journal
        self.project = project
        self.executor = executor
        self.clock = clock
        self.supervisor: Supervisor

    @asynccontextmanager
    async def at_work(self, limits: Limits | None = None) -> AsyncIterator[Supervisor]:
        self.supervisor = Supervisor(
            self.journal, self.journal.queries, self.project, self.executor, self.clock, limits or Limits()
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.supervisor.run)
            yield self.supervisor
            tasks.cancel_scope.cancel()

    async def until(self, kind: str, run: str, **fields: object) -> Event:
        """Wait for an event of this kind in the journal."""
        with anyio.fail_after(5):
            async for batch in self.journal.subscribe(0):
                for record in batch:
                    event = record.event
                    same = event.kind == kind and event.run_id == run  # type: ignore[union-attr]
                    if same and all(getattr(event, key) == value for key, value in fields.items()):
                        return event
        raise AssertionError(f"no {kind}")

    async def kinds(self, run: str) -> list[str]:
        await self.journal.flush()
        return [record.event.kind for record in await self.journal.queries.events(run=run, newest_first=False)]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    clock = FakeClock(START)
    project = Project()
    project.replace(CHAIN)
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=clock) as journal:
        yield Station(journal, project, ScriptedExecutor(), clock)


async def test_a_requested_run_is_carried_out_step_by_step_and_recorded(station: Station) -> None:
    async with station.at_work():
        await station.journal.append(requested("r"))
        await station.until("run.succeeded", "r")
    assert station.executor.steps == ["raw", "clean", "mart"]
    assert await station.kinds("r") == [
        "run.requested",
        "run.started",
        *["step.started", "asset.materialized", "step.succeeded"] * 3,
        "run.succeeded",
    ]


async def test_a_step_is_told_the_events_that_the_run_answers_joined_ones_included(station: Station) -> None:
    posts = [WebhookAccepted(source="webhook:orders", data={"n": n}, headers={"x": "y"}) for n in range(2)]
    first, second = await station.journal.append(*posts)
    await station.journal.append(requested("r", event_ids=(first.id,)))
    await station.journal.append(EventDecided(event_ids=(second.id,), outcome="joined", reason="", run_id=RunId("r")))
    async with station.at_work():
        done = await station.until("run.succeeded", "r")
    assert [event.data for event in station.executor.tasks[0].events] == [{"n": 0}, {"n": 1}]
    assert done.event_ids == (first.id, second.id)  # type: ignore[union-attr]


async def test_an_event_that_has_just_come_by_is_not_read_again(station: Station) -> None:
    async with station.at_work():
        (receipt,) = await station.journal.append(WebhookAccepted(source="webhook:orders", data=[1]))
        station.journal.queries.events_by_id = None  # type: ignore[method-assign,assignment]
        await station.journal.append(requested("r", event_ids=(receipt.id,)))
        await station.until("run.succeeded", "r")
    assert station.executor.tasks[0].events[0].data == [1]


async def test_a_failure_is_recorded_with_its_reason_and_what_is_below_is_skipped(station: Station) -> None:
    station.executor.script["clean"] = broken
    async with station.at_work():
        await station.journal.append(requested("r"))
        ended = await station.until("run.failed", "r")
    assert ended.reason == "clean failed: KeyError: 'status'"  # type: ignore[union-attr]
    assert station.executor.steps == ["raw", "clean"]
    assert (await station.kinds("r"))[-5:] == [
        "step.failed",
        "asset.failed",
        "step.skipped",
        "asset.skipped",
        "run.failed",
    ]


async def test_a_failed_blocking_check_fails_the_run_but_not_the_asset(station: Station) -> None:
    async def fails(task: StepTask) -> StepReport:
        return StepReport(results=(CheckEvaluated(asset="raw", check="gate", passed=False, blocking=True),))

    station.executor.script["gate"] = fails
    gate = PlannedStep(id="gate", step="gate", checks=("raw:gate",), waits_for=("raw",))
    async with station.at_work():
        await station.journal.append(requested("r", (step("raw"), gate, step("clean", "raw", "gate"))))
        ended = await station.until("run.failed", "r")
    assert ended.reason.startswith("check raw:gate failed")  # type: ignore[union-attr]
    assert "asset.failed" not in await station.kinds("r")
    assert "clean" not in station.executor.steps


async def test_a_retry_waits_for_its_instant(station: Station) -> None:
    station.project.replace(snapshot(asset("raw"), retry=RetryPolicy(max_retries=1, delay=60)))
    station.executor.script["raw"] = broken
    async with station.at_work():
        await station.journal.append(requested("r", [step("raw")]))
        await station.until("step.failed", "r", retry_at=START.replace(minute=1))
        await station.clock.advance(59)
        assert station.executor.steps == ["raw"]
        station.executor.script["raw"] = made
        await station.clock.advance(1)
        await station.until("run.succeeded", "r")
    assert [task.attempt for task in station.executor.tasks] == [1, 2]


async def test_what_runs_at_once_is_limited_over_all_runs(station: Station) -> None:
    station.project.replace(snapshot(*(asset(f"a{i}") for i in range(8))))
    async with station.at_work(Limits(max_steps=3)):
        for name, keys in (("r1", range(4)), ("r2", range(4, 8))):
            await station.journal.append(requested(name, [step(f"a{i}") for i in keys]))
        await station.until("run.succeeded", "r1")
        await station.until("run.succeeded", "r2")
    assert station.executor.most == 3


async def test_a_pool_limits_its_steps_and_no_others(station: Station) -> None:
    station.project.replace(snapshot(*(asset(f"a{i}") for i in range(4)), pool="db"))
    async with station.at_work(Limits(pools={"db": 1})):
        await station.journal.append(requested("r", [step(f"a{i}") for i in range(4)]))
        await station.until("run.succeeded", "r")
    assert station.executor.most == 1


async def test_two_runs_never_make_one_asset_at_the_same_time(station: Station) -> None:
    async with station.at_work():
        await station.journal.append(requested("r1", [step("raw")]), requested("r2", [step("raw")]))
        await station.until("run.succeeded", "r1")
        await station.until("run.succeeded", "r2")
    assert station.executor.most == 1


async def test_runs_of_one_lane_follow_each_other_and_others_do_not_wait(station: Station) -> None:
    go = anyio.Event()

    async def slow(task: StepTask) -> StepReport:
        await go.wait()
        return await made(task)

    station.project.replace(snapshot(asset("raw"), asset("other")))
    station.executor.script["raw"] = slow
    async with station.at_work():
        await station.journal.append(
            requested("r1", [step("raw")], lane="raw"),
            requested("r2", [step("raw")], lane="raw"),
            requested("o", [step("other")]),
        )
        await station.until("run.succeeded", "o")
        assert await station.kinds("r2") == ["run.requested"]
        go.set()
        await station.until("run.succeeded", "r2")


async def test_no_more_runs_than_allowed_are_under_way(station: Station) -> None:
    station.project.replace(snapshot(*(asset(f"a{i}") for i in range(6))))
    async with station.at_work(Limits(max_runs=2)):
        await station.journal.append(*(requested(f"r{i}", [step(f"a{i}")]) for i in range(6)))
        await station.until("run.succeeded", "r5")
    assert station.executor.most <= 2


async def test_a_queued_run_is_canceled_at_once(station: Station) -> None:
    station.executor.script["raw"] = hanging
    async with station.at_work():
        await station.journal.append(requested("r1", lane="x"), requested("r2", lane="x"))
        await station.until("step.started", "r1")
        await station.journal.append(RunCancelRequested(run_id=RunId("r2")))
        await station.until("run.canceled", "r2")
    assert "run.started" not in await station.kinds("r2")


async def test_a_running_run_is_canceled_once_its_steps_are_dead(station: Station) -> None:
    station.executor.script["raw"] = hanging
    async with station.at_work():
        await station.journal.append(requested("r1", lane="x"), requested("r2", [step("clean")], lane="x"))
        await station.until("step.started", "r1")
        await station.journal.append(RunCancelRequested(run_id=RunId("r1")))
        await station.until("run.canceled", "r1")
        assert station.executor.killed == ["raw"]
        await station.until("run.succeeded", "r2")
    assert station.executor.steps == ["raw", "clean"]


async def test_a_run_canceled_while_it_starts_never_runs_a_step(station: Station) -> None:
    async with station.at_work():
        await station.journal.append(requested("r"), RunCancelRequested(run_id=RunId("r")))
        await station.until("run.canceled", "r")
    assert station.executor.steps == []


async def test_a_retry_of_a_canceled_run_never_comes(station: Station) -> None:
    station.project.replace(snapshot(asset("raw"), retry=RetryPolicy(max_retries=1, delay=60)))
    station.executor.script["raw"] = broken
    async with station.at_work():
        await station.journal.append(requested("r", [step("raw")]))
        await station.until("step.failed", "r")
        await station.journal.append(RunCancelRequested(run_id=RunId("r")))
        await station.until("run.canceled", "r")
        await station.clock.advance(120)
    assert station.executor.steps == ["raw"]


async def test_a_downstream_step_is_skipped_when_an_input_from_outside_was_never_made(station: Station) -> None:
    station.project.replace(snapshot(asset("raw"), asset("rates"), asset("priced", "raw", "rates")))
    plan = (step("raw"), step("priced", "raw", asked=False))
    async with station.at_work():
        await station.journal.append(requested("r1", plan))
        await station.until("asset.skipped", "r1", reason="priced reads rates, which was never materialised")
        await station.until("run.succeeded", "r1")
        await station.journal.append(AssetMaterialized(asset="rates"))
        await station.journal.append(requested("r2", plan))
        await station.until("run.succeeded", "r2")
    assert station.executor.steps == ["raw", "raw", "priced"]


async def test_the_missing_partition_is_the_one_that_is_read(station: Station) -> None:
    rates = asset("rates", partitions=DAILY)
    station.project.replace(
        snapshot(asset("raw", partitions=DAILY), rates, asset("priced", "raw", "rates", partitions=DAILY))
    )
    day = "2024-01-02"
    plan = (step("raw", partition=day), step("priced", "raw", partition=day, asked=False))
    async with station.at_work():
        await station.journal.append(AssetMaterialized(asset="rates", partition="2024-01-03"))
        await station.journal.append(requested("r", plan))
        await station.until(
            "step.skipped", "r", reason=f"priced reads partition {day} of rates, which was never materialised"
        )


async def test_what_was_asked_for_by_name_and_external_inputs_are_not_held_back(station: Station) -> None:
    given = AssetNode(key="given", step=None)
    station.project.replace(snapshot(given, asset("rates"), asset("asked", "rates"), asset("below", "given", "asked")))
    async with station.at_work():
        await station.journal.append(requested("r", (step("asked"), step("below", "asked", asked=False))))
        await station.until("run.succeeded", "r")
    assert station.executor.steps == ["asked", "below"]


async def test_an_executor_that_raises_costs_the_step_and_not_the_station(station: Station) -> None:
    async def raises(task: StepTask) -> StepReport:
        raise OSError("no more processes")

    station.executor.script["raw"] = raises
    async with station.at_work():
        await station.journal.append(requested("r1", [step("raw")]))
        ended = await station.until("run.failed", "r1")
        assert ended.reason == "raw failed: OSError: no more processes"  # type: ignore[union-attr]
        await station.journal.append(requested("r2", [step("clean")]))
        await station.until("run.succeeded", "r2")


async def test_a_run_that_does_not_fit_the_code_any_more_fails_alone(station: Station) -> None:
    rates = asset("rates", partitions=DAILY)
    station.project.replace(snapshot(asset("raw"), rates, asset("priced", "raw", "rates", partitions=DAILY)))
    plan = (step("raw"), step("priced", "raw", partition="a key of older code", asked=False))
    async with station.at_work():
        await station.journal.append(requested("r1", plan))
        ended = await station.until("run.failed", "r1")
        assert ended.reason.startswith("the run could not go on: ")  # type: ignore[union-attr]
        await station.journal.append(requested("r2", [step("raw")]))
        await station.until("run.succeeded", "r2")


async def test_a_step_that_no_code_defines_any_more_fails_with_that_reason(station: Station) -> None:
    async with station.at_work():
        await station.journal.append(requested("r", [step("gone")]))
        ended = await station.until("run.failed", "r")
    assert "no loaded code location defines gone any more" in ended.reason  # type: ignore[union-attr]


async def test_a_journal_that_takes_no_more_delays_what_happened_and_loses_nothing(station: Station) -> None:
    post, refusals = station.journal.post, 3

    def refuses(*events: Event) -> None:
        nonlocal refusals
        if events[0].kind == "asset.materialized" and refusals:
            refusals -= 1
            raise JournalBusy("full")
        post(*events)

    station.journal.post = refuses  # type: ignore[method-assign]
    async with station.at_work():
        await station.journal.append(requested("r"))
        await station.until("run.succeeded", "r")
    assert (await station.kinds("r")).count("asset.materialized") == 3


async def test_an_interrupted_run_is_resumed_and_finished_steps_are_not_repeated(station: Station) -> None:
    station.executor.script["clean"] = hanging
    async with station.at_work():
        await station.journal.append(requested("r"))
        await station.until("step.started", "r", step_id="clean")
    assert station.executor.killed == ["clean"]
    del station.executor.script["clean"]
    async with station.at_work():
        await station.until("run.succeeded", "r")
    assert [(task.step_id, task.attempt) for task in station.executor.tasks] == [
        ("raw", 1),
        ("clean", 1),
        ("clean", 1),
        ("mart", 1),
    ]
    assert (await station.kinds("r")).count("run.started") == 1


async def test_queued_runs_survive_a_restart_in_their_order(station: Station) -> None:
    await station.journal.append(requested("r1", lane="x"), requested("r2", lane="x"))
    async with station.at_work():
        await station.until("run.succeeded", "r2")
    assert [task.run_id for task in station.executor.tasks] == ["r1"] * 3 + ["r2"] * 3


async def test_a_cancel_that_came_while_the_service_was_down_is_carried_out(station: Station) -> None:
    station.executor.script["raw"] = hanging
    async with station.at_work():
        await station.journal.append(requested("r"))
        await station.until("step.started", "r")
    await station.journal.append(RunCancelRequested(run_id=RunId("r")))
    async with station.at_work():
        await station.until("run.canceled", "r")
    assert station.executor.steps == ["raw"]


async def test_draining_lets_running_steps_end_and_starts_nothing_new(station: Station) -> None:
    go = anyio.Event()

    async def slow(task: StepTask) -> StepReport:
        await go.wait()
        return await made(task)

    station.executor.script["raw"] = slow
    async with station.at_work() as supervisor, anyio.create_task_group() as tasks:
        await station.journal.append(requested("r"))
        await station.until("step.started", "r")
        tasks.start_soon(supervisor.drain, 10.0)
        await anyio.wait_all_tasks_blocked()
        await station.journal.append(requested("late"))
        go.set()
    assert station.executor.steps == ["raw"]
    assert (await station.kinds("r"))[-1] == "step.succeeded"
    assert await station.kinds("late") == ["run.requested"]


async def test_draining_kills_what_outlives_its_grace_and_the_next_start_resumes_it(station: Station) -> None:
    station.executor.script["raw"] = hanging
    async with station.at_work() as supervisor, anyio.create_task_group() as tasks:
        await station.journal.append(requested("r"))
        await station.until("step.started", "r")
        tasks.start_soon(supervisor.drain, 10.0)
        await station.clock.advance(9)
        assert station.executor.killed == []
        await station.clock.advance(1)
    assert station.executor.killed == ["raw"]
    assert (await station.kinds("r"))[-1] == "step.started"
    station.executor.script.clear()
    async with station.at_work():
        await station.until("run.succeeded", "r")


async def test_nothing_starts_before_any_code_is_loaded(station: Station) -> None:
    station.project = Project()
    supervisor = Supervisor(
        station.journal, station.journal.queries, station.project, station.executor, station.clock, Limits()
    )
    await station.journal.append(requested("r"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        await anyio.wait_all_tasks_blocked()
        assert await station.kinds("r") == ["run.requested"]
        station.project.replace(CHAIN)
        await station.until("run.succeeded", "r")
        tasks.cancel_scope.cancel()


async def test_the_events_of_a_run_that_failed_for_good_are_dead_letters(station: Station) -> None:
    station.executor.script["raw"] = broken
    async with station.at_work():
        await station.journal.append(requested("r", event_ids=(7, 8)))
        await station.until("run.failed", "r")
    await station.journal.flush()
    letters = await station.journal.queries.dead_letters()
    assert [(one.event_id, one.run_id, one.attempts, one.error) for one in letters] == [
        (8, "r", 1, BOOM),
        (7, "r", 1, BOOM),
    ]


async def test_a_run_that_answers_no_event_makes_no_dead_letter(station: Station) -> None:
    station.executor.script["raw"] = broken
    async with station.at_work():
        await station.journal.append(requested("r"))
        await station.until("run.failed", "r")
    assert await station.journal.queries.dead_letters() == []
