"""Keeping assets fresh on simulated days: in time, as late as is safe, in as few runs as possible."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.abc
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.clock import FakeClock
from upwell.definitions.freshness.model import AnyFreshnessPolicy, FreshnessPolicy
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.events import (
    AssetMaterialized,
    ErrorInfo,
    FreshnessAtRisk,
    PlannedStep,
    RunFailed,
    RunRequested,
    RunStarted,
    RunSucceeded,
    StepFailed,
    StepStarted,
    StepSucceeded,
)
from upwell.freshness.keeper import FreshnessKeeper
from upwell.freshness.watcher import FreshnessWatcher
from upwell.reactor.reactor import Reactor
from upwell.testing import MemoryJournal

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
NINE = FreshnessPolicy.cron("0 9 * * *")
DAY = timedelta(days=1)

Graph = Mapping[str, Collection[str]]  # asset -> what it reads
Takes = Callable[[str], float]  # step -> seconds; after as many negative ones it fails


@dataclass
class Hands:
    """Carries out every run at once, each step as soon as it may, for as long as it is said to take."""

    journal: MemoryJournal
    clock: FakeClock
    takes: Takes
    tasks: anyio.abc.TaskGroup = field(init=False)
    failed: set[str] = field(default_factory=set)

    async def work(self, after: int) -> None:
        async with anyio.create_task_group() as self.tasks:
            async for batch in self.journal.subscribe(after):
                for record in batch:
                    if isinstance(record.event, RunRequested):
                        self.tasks.start_soon(self.carry_out, record.event)

    async def carry_out(self, run: RunRequested) -> None:
        self.journal.post(RunStarted(run_id=run.run_id))
        done = {step.id: anyio.Event() for step in run.plan}
        async with anyio.create_task_group() as steps:
            for step in run.plan:
                steps.start_soon(self.make, run, step, done)
            for one in done.values():
                await one.wait()
                if run.run_id in self.failed:
                    self.journal.post(RunFailed(run_id=run.run_id, reason="no"))
                    steps.cancel_scope.cancel()
                    return
        self.journal.post(RunSucceeded(run_id=run.run_id))

    async def make(self, run: RunRequested, step: PlannedStep, done: Mapping[str, anyio.Event]) -> None:
        for wait in step.waits_for:
            await done[wait].wait()
        self.journal.post(StepStarted(run_id=run.run_id, step_id=step.id, attempt=1))
        seconds = self.takes(step.step)
        await self.clock.sleep(abs(seconds))
        if seconds < 0:
            self.failed.add(run.run_id)
            error = ErrorInfo(type="ValueError", message="no")
            self.journal.post(StepFailed(run_id=run.run_id, step_id=step.id, attempt=1, duration=-seconds, error=error))
            done[step.id].set()
            return
        for asset in step.assets:
            self.journal.post(AssetMaterialized(asset=asset, partition=step.partition, run_id=run.run_id))
        self.journal.post(StepSucceeded(run_id=run.run_id, step_id=step.id, attempt=1, duration=seconds))
        done[step.id].set()


def project_of(graph: Graph, policies: Mapping[str, AnyFreshnessPolicy], kept: Collection[str]) -> Project:
    nodes = tuple(
        AssetNode(
            key=key,
            step=key,
            deps=tuple(DepNode(asset=dep) for dep in deps),
            freshness=policies.get(key),
            automation="keep_fresh" if key in kept else None,
        )
        for key, deps in graph.items()
    )
    project = Project()
    steps = tuple(StepNode(key=key, assets=(key,)) for key in graph)
    project.replace(Snapshot(location="here", assets=nodes, steps=steps))
    return project


@asynccontextmanager
async def service(journal: MemoryJournal, project: Project, clock: FakeClock) -> Any:
    stations: Any = (FreshnessWatcher, Reactor, FreshnessKeeper)
    async with anyio.create_task_group() as tasks:
        for station in stations:
            await tasks.start(station(journal, journal, project, clock).run)
        yield
        tasks.cancel_scope.cancel()


def know(journal: MemoryJournal, durations: Mapping[str, Collection[float]]) -> None:
    """Let the journal have seen these steps."""
    for step, seconds in durations.items():
        for number, one in enumerate(seconds):
            journal.post(StepSucceeded(run_id=f"{number}", step_id=step, attempt=1, duration=one))  # type: ignore[arg-type]


def made_at(journal: MemoryJournal, asset: str) -> list[datetime]:
    return [r.at for r in journal.all_of("asset.materialized") if r.event.asset == asset]  # type: ignore[union-attr]


def late(journal: MemoryJournal) -> list[str]:
    """Assets that missed a deadline."""
    return [
        r.event.asset  # type: ignore[union-attr]
        for r in journal.all_of("freshness.changed")
        if r.event.state == "FAIL"  # type: ignore[union-attr]
    ]


def ways_to(graph: Graph, asset: str, takes: Mapping[str, float]) -> Iterator[float]:
    """How long each way from a root down to the asset takes: the oracle."""
    for dep in graph[asset]:
        for way in ways_to(graph, dep, takes):
            yield way + takes[asset]
    if not graph[asset]:
        yield takes[asset]


def above(graph: Graph, asset: str) -> set[str]:
    return {asset}.union(*(above(graph, dep) for dep in graph[asset]))


def groups(graph: Graph, kept: Collection[str]) -> list[set[str]]:
    """The kept assets, those together that share something above them."""
    found: list[tuple[set[str], set[str]]] = []
    for key in kept:
        members, lineage = {key}, above(graph, key)
        apart = []
        for other in found:
            if other[1] & lineage:
                members |= other[0]
                lineage |= other[1]
            else:
                apart.append(other)
        found = [*apart, (members, lineage)]
    return [members for members, _ in found]


def safe(seconds: float) -> timedelta:
    return timedelta(seconds=seconds) * 1.1 + timedelta(seconds=0.5)


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"a{n}" for n in range(draw(st.integers(1, 7)))]
    return {
        name: sorted(draw(st.sets(st.sampled_from(names[:at]), max_size=3))) if at else []
        for at, name in enumerate(names)
    }


@st.composite
def kept_dags(draw: st.DrawFn) -> tuple[dict[str, list[str]], list[str], dict[str, float]]:
    graph = draw(dags())
    kept = sorted(draw(st.sets(st.sampled_from(sorted(graph)), min_size=1)))
    takes = {key: float(draw(st.integers(1, 3600))) for key in graph}
    return graph, kept, takes


async def days(
    graph: Graph,
    kept: Collection[str],
    known: Mapping[str, Collection[float]],
    takes: Takes,
    number: int = 3,
    policy: AnyFreshnessPolicy = NINE,
    policies: Mapping[str, AnyFreshnessPolicy] | None = None,
) -> MemoryJournal:
    clock = FakeClock(MIDNIGHT)
    journal = MemoryJournal(clock)
    know(journal, known)
    project = project_of(graph, policies or dict.fromkeys(kept, policy), kept)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Hands(journal, clock, takes).work, journal.head)
        async with service(journal, project, clock):
            await clock.advance(to=MIDNIGHT + number * DAY)
        tasks.cancel_scope.cancel()
    return journal


@settings(deadline=None, max_examples=15)
@given(kept_dags())
def test_every_deadline_is_kept_by_runs_that_begin_as_late_as_is_safe(
    case: tuple[dict[str, list[str]], list[str], dict[str, float]],
) -> None:
    graph, kept, takes = case
    journal = anyio.run(days, graph, kept, {key: [one] for key, one in takes.items()}, takes.__getitem__)
    assert late(journal) == []
    assert journal.all_of("freshness.at_risk") == []
    starts = {
        MIDNIGHT + day * DAY + timedelta(hours=9) - max(safe(max(ways_to(graph, key, takes))) for key in group)
        for day in range(3)
        for group in groups(graph, kept)
    }
    starting = begun(journal)
    assert set(starting) <= starts  # those that are due near one another share a run, which begins for the first
    assert {
        MIDNIGHT + day * DAY + timedelta(hours=9) - max(safe(max(ways_to(graph, key, takes))) for key in kept)
        for day in range(3)
    } <= set(starting)
    assert len(starting) <= 3 * len(groups(graph, kept))


@settings(deadline=None, max_examples=10)
@given(kept_dags())
def test_upstream_is_made_first_and_each_asset_once_a_deadline(
    case: tuple[dict[str, list[str]], list[str], dict[str, float]],
) -> None:
    graph, kept, takes = case
    journal = anyio.run(days, graph, kept, {key: [one] for key, one in takes.items()}, takes.__getitem__)
    for key in {key for one in kept for key in above(graph, one)}:
        assert len(made_at(journal, key)) == 3, key
        for dep in graph[key]:
            assert all(up < down for up, down in zip(made_at(journal, dep), made_at(journal, key), strict=True))


@settings(deadline=None, max_examples=8)
@given(kept_dags(), st.randoms(use_true_random=False))
def test_whatever_the_steps_take_up_to_the_quantile_every_deadline_is_kept(
    case: tuple[dict[str, list[str]], list[str], dict[str, float]], chance: random.Random
) -> None:
    graph, kept, usual = case
    known = {key: [one * (n + 1) / 20 for n in range(20)] for key, one in usual.items()}
    journal = anyio.run(days, graph, kept, known, lambda step: usual[step] * chance.uniform(0.05, 0.95))
    assert late(journal) == []


@settings(deadline=None, max_examples=10)
@given(kept_dags(), st.integers(2, 12))
def test_a_window_is_kept_in_one_run_a_window(
    case: tuple[dict[str, list[str]], list[str], dict[str, float]], hours: int
) -> None:
    graph, _, takes = case
    last = sorted(graph)[-1]
    way = max(ways_to(graph, last, takes))
    window = timedelta(hours=hours) + safe(way)
    journal = anyio.run(
        days, graph, [last], {key: [one] for key, one in takes.items()}, takes.__getitem__, 3,
        FreshnessPolicy.time_window(window),
    )  # fmt: skip
    assert late(journal) == []
    period = window - safe(way) + timedelta(seconds=way)
    starting = begun(journal)
    assert starting[0] == MIDNIGHT + window - safe(way)
    assert all(after - before == period for before, after in itertools.pairwise(starting))


def test_what_was_never_timed_is_begun_as_soon_as_it_counts_and_then_as_late_as_is_safe() -> None:
    graph: Graph = {"raw": [], "mart": ["raw"]}
    policy = FreshnessPolicy.cron("0 9 * * *", timedelta(hours=3))
    journal = anyio.run(days, graph, ["mart"], {}, lambda _: 600.0, 3, policy)
    starting = [at - MIDNIGHT for at in begun(journal)]
    nine = timedelta(hours=9)
    assert starting == [timedelta(hours=6), DAY + nine - safe(1200), 2 * DAY + nine - safe(1200)]
    assert late(journal) == []


CHAIN: Graph = {"raw": [], "stg": ["raw"], "mart": ["stg"]}
TWENTY = {key: [1200.0] for key in CHAIN}


def at_nine(day: int) -> datetime:
    return MIDNIGHT + day * DAY + timedelta(hours=9)


def risks(journal: MemoryJournal) -> list[tuple[datetime, FreshnessAtRisk]]:
    return [(r.at, r.event) for r in journal.all_of("freshness.at_risk") if isinstance(r.event, FreshnessAtRisk)]


def begun(journal: MemoryJournal) -> list[datetime]:
    return [record.at for record in journal.all_of("run.requested")]


def test_a_slow_upstream_is_told_the_moment_it_has_used_up_its_time() -> None:
    slow = iter([1200.0, 1800.0])
    journal = anyio.run(days, CHAIN, ["mart"], TWENTY, lambda step: next(slow) if step == "raw" else 1200.0, 2)
    [(told_at, risk)] = risks(journal)
    # What comes after it takes 40 minutes; who is over its time is expected to need a tenth more than it has had.
    started = at_nine(1) - safe(3600)
    assert told_at == started + (at_nine(1) - timedelta(minutes=40) - started) / 1.1
    assert (risk.asset, risk.slow_hop, risk.deadline) == ("mart", "raw", at_nine(1))
    assert risk.expected_at == at_nine(1)
    assert risk.run_id is not None
    assert "raw has taken 23.6 min, where 20 min is usual" in risk.reason
    assert late(journal) == ["mart"]


def test_a_run_that_fails_is_demanded_three_times_and_then_not_before_the_next_deadline() -> None:
    fails = iter([-60.0, -60.0, -60.0])
    journal = anyio.run(days, CHAIN, ["mart"], TWENTY, lambda step: next(fails, 1200.0) if step == "raw" else 1200.0, 2)
    first = at_nine(0) - safe(3600)
    minute = timedelta(minutes=1)
    assert begun(journal) == [first, first + minute, first + 2 * minute, at_nine(1) - safe(3600)]
    attempts = [record.event.demands[0].attempt for record in journal.all_of("freshness.demanded")]  # type: ignore[union-attr]
    assert attempts == [1, 2, 3, 1]
    assert [risk.deadline for _, risk in risks(journal)] == [at_nine(0)]
    assert late(journal) == ["mart"]


def test_in_a_simulated_month_hardly_any_warning_is_false_and_no_miss_comes_without_one() -> None:
    chains = {
        f"{step}{chain}": [f"{'abcd'[at - 1]}{chain}"] if at else []
        for chain in range(8)
        for at, step in enumerate("abcd")
    }
    chance = random.Random(7)

    def takes(_: str) -> float:
        return chance.lognormvariate(6.0, 0.35) * (6.0 if chance.random() < 0.01 else 1.0)

    known = {step: [takes(step) for _ in range(30)] for step in chains}
    journal = anyio.run(days, chains, [key for key in chains if key[0] == "d"], known, takes, 30)
    deadlines = 30 * 8
    missed = {(r.event.asset, r.event.deadline) for r in journal.all_of("freshness.changed") if r.event.state == "FAIL"}  # type: ignore[union-attr]
    told = {(risk.asset, risk.deadline) for _, risk in risks(journal)}
    assert missed, "else this shows nothing"
    assert missed <= told
    assert len(told) == len(risks(journal))
    assert all(at < risk.deadline for at, risk in risks(journal))
    assert len(told - missed) < 0.02 * deadlines
    assert len(begun(journal)) <= deadlines


async def with_outages(outages: Collection[tuple[datetime, datetime]], until: datetime) -> MemoryJournal:
    """The stations are killed and started again; runs go on."""
    clock = FakeClock(MIDNIGHT)
    journal = MemoryJournal(clock)
    know(journal, TWENTY)
    project = project_of(CHAIN, {"mart": NINE}, ["mart"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Hands(journal, clock, lambda _: 1200.0).work, journal.head)
        for down, up in (*outages, (until, until)):
            async with service(journal, project, clock):
                await clock.advance(to=down)
            await clock.advance(to=up)
        tasks.cancel_scope.cancel()
    return journal


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 3 * 24 * 60 - 30), min_size=2, max_size=8, unique=True).map(sorted))
def test_whenever_it_is_killed_nothing_is_demanded_twice_and_nothing_is_missed(minutes: list[int]) -> None:
    instants = [MIDNIGHT + timedelta(minutes=one) for one in minutes]
    outages = list(zip(instants[::2], instants[1::2], strict=False))
    journal = anyio.run(with_outages, outages, MIDNIGHT + 3 * DAY)
    wanted, day = [], 0
    while day < 3:
        start = at_nine(day) - safe(3600)
        wanted.append(next((up for down, up in outages if down <= start < up), start))
        made = wanted[-1] + timedelta(hours=1)
        day = next(later for later in range(day, 9) if at_nine(later) > made) + 1  # that deadline it is in time for
    assert begun(journal) == wanted
