from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeGuard

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.clock import SystemClock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, Rate, SourceSpec
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.errors import ExpectationFailed, JournalUnavailable
from upwell.events import (
    AssetMaterialized,
    Event,
    EventDecided,
    RunCanceled,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    RunSucceeded,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
    WebhookAccepted,
)
from upwell.execution.limits import Limits
from upwell.execution.supervisor import Supervisor
from upwell.journal.journal import Progress, Receipt, Record, StillQueued
from upwell.journal.views import AssetState, RunStatus, RunView, StepView, Switch, WaitingEvent
from upwell.reactor.reactor import Reactor
from upwell.runtime.messages import StepReport, StepTask

START = datetime(2024, 1, 10, tzinfo=UTC)
SOURCES = ("webhook:a", "webhook:b", "webhook:c")


class MemoryJournal:
    """A journal whose disk is a list, and which loses its power after `commits_left` commits."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self.draw = draw
        self.records: list[Record] = []
        self.posted: list[Event] = []
        self.decided_until = 0
        self.commits_left = 10**6
        self.queries = MemoryQueries(self)
        self._changed = anyio.Event()
        self.cut = anyio.Event()

    @property
    def head(self) -> int:
        return len(self.records)

    async def append(
        self, *events: Event, progress: Progress | None = None, expect: Sequence[StillQueued] = ()
    ) -> tuple[Receipt, ...]:
        if progress is not None and self.draw(st.integers(0, 7)) == 7:
            raise JournalUnavailable("full")
        await anyio.sleep(0)
        self.write_posted()
        if any(self.queries.status(guard.run_id) != "QUEUED" for guard in expect):
            raise ExpectationFailed("started")
        return self.commit(*events, progress=progress)

    def commit(self, *events: Event, progress: Progress | None = None) -> tuple[Receipt, ...]:
        """All of it, or nothing when the power fails."""
        self.commits_left -= 1
        if self.commits_left == 0:
            self.cut.set()
        if self.commits_left <= 0:
            return ()
        new = [Record(id=self.head + n, at=START, event=event) for n, event in enumerate(events, 1)]
        self.records += new
        if progress is not None:
            self.decided_until = progress.event_id
        self._changed.set()
        self._changed = anyio.Event()
        return tuple(Receipt(id=record.id, at=record.at) for record in new)

    def post(self, *events: Event) -> None:
        self.posted += events
        self._changed.set()
        self._changed = anyio.Event()

    def write_posted(self) -> None:
        while self.posted:
            self.commit(self.posted.pop(0))

    async def flush(self) -> None:
        await anyio.sleep(0)
        self.write_posted()

    async def subscribe(self, after: int) -> AsyncIterator[Sequence[Record]]:
        while True:
            await anyio.sleep(0)
            self.write_posted()
            if self.head > after:
                batch = self.records[after : after + self.draw(st.integers(1, 5))]
                after = batch[-1].id
                yield batch
            else:
                await self._changed.wait()

    def power_returns(self) -> None:
        """What had not been written is lost."""
        self.posted.clear()
        self.cut = anyio.Event()


class MemoryQueries:
    """Answers by going through everything."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal

    def events(self) -> list[Event]:
        return [record.event for record in self._journal.records]

    def status(self, run_id: RunId) -> RunStatus:
        status: RunStatus = "QUEUED"
        for event in self.events():
            match event:
                case RunStarted(run_id=other) if other == run_id:
                    status = "STARTED"
                case RunSucceeded(run_id=other) if other == run_id:
                    status = "SUCCESS"
                case RunFailed(run_id=other) if other == run_id:
                    status = "FAILURE"
                case RunCanceled(run_id=other) if other == run_id:
                    status = "CANCELED"
                case _:
                    pass
        return status

    def views(self) -> list[RunView]:
        found = []
        for record in self._journal.records:
            event = record.event
            if isinstance(event, RunRequested):
                joined = [
                    event_id
                    for other in self.events()
                    if isinstance(other, EventDecided) and other.run_id == event.run_id and other.outcome == "joined"
                    for event_id in other.event_ids
                ]
                found.append(
                    RunView(
                        run_id=event.run_id,
                        status=self.status(event.run_id),
                        lane=event.lane,
                        reason=event.reason,
                        cause=event.cause,
                        plan=event.plan,
                        requested_at=record.at,
                        requested_id=record.id,
                        roots=event.roots,
                        event_ids=(*event.event_ids, *joined),
                    )
                )
        return found

    async def run(self, run_id: str) -> RunView | None:
        return next((view for view in self.views() if view.run_id == run_id), None)

    async def unfinished_runs(self) -> tuple[int, list[RunView]]:
        return self._journal.head, [view for view in self.views() if view.status in ("QUEUED", "STARTED")]

    async def steps(self, run_id: str) -> list[StepView]:
        found: dict[str, StepView] = {}
        for event in self.events():
            match event:
                case StepStarted(run_id=other, step_id=step, attempt=attempt) if other == run_id:
                    found[step] = StepView(run_id=other, step_id=step, status="STARTED", attempt=attempt)
                case StepSucceeded(run_id=other, step_id=step, attempt=attempt) if other == run_id:
                    found[step] = StepView(run_id=other, step_id=step, status="SUCCESS", attempt=attempt)
                case StepFailed(run_id=other, step_id=step, attempt=attempt) if other == run_id:
                    found[step] = StepView(run_id=other, step_id=step, status="FAILURE", attempt=attempt)
                case StepSkipped(run_id=other, step_id=step) if other == run_id:
                    found[step] = StepView(run_id=other, step_id=step, status="SKIPPED")
                case _:
                    pass
        return list(found.values())

    async def events_by_id(self, ids: Sequence[int]) -> list[Record]:
        return [self._journal.records[event_id - 1] for event_id in ids]

    async def materialized(self, pairs: Sequence[tuple[str, str | None]]) -> set[tuple[str, str | None]]:
        made = {event.asset for event in self.events() if isinstance(event, AssetMaterialized)}
        return {(asset, partition) for asset, partition in pairs if asset in made}

    async def progress(self, consumer: str) -> int:
        return self._journal.decided_until

    async def asset_states(self) -> dict[str, AssetState]:
        return {}

    async def switches(self) -> list[Switch]:
        return []

    async def waiting_events(self) -> list[WaitingEvent]:
        waiting: dict[tuple[str, int], None] = {}
        for event in self.events():
            if isinstance(event, EventDecided) and event.waits is not None:
                for event_id in event.event_ids:
                    if event.outcome == "waiting":
                        waiting[event.waits, event_id] = None
                    else:
                        del waiting[event.waits, event_id]
        return [WaitingEvent(gate=gate, event_id=event_id) for gate, event_id in waiting]


class Clock(SystemClock):
    """Waiting takes no time."""

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(0)


def listeners(name: str) -> st.SearchStrategy[On]:
    gathers = st.sampled_from([{}, {}, {"debounce": 0.0}, {"batch": 0.0}, {"throttle": Rate(count=1, seconds=0.0)}])
    return gathers.map(lambda options: On(source=SourceSpec(kind="webhook", name=name), **options))  # type: ignore[arg-type]


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    assets = []
    for index in range(draw(st.integers(1, 6))):
        deps = draw(st.sets(st.integers(0, index - 1), max_size=2)) if index else set()
        heard = draw(st.sets(st.sampled_from(SOURCES), max_size=2))
        assets.append(
            AssetNode(
                key=f"a{index}",
                step=f"a{index}",
                deps=tuple(DepNode(asset=f"a{dep}") for dep in sorted(deps)),
                on=tuple(draw(listeners(name)) for name in sorted(heard)),
            )
        )
    steps = tuple(StepNode(key=asset.key, assets=(asset.key,)) for asset in assets)
    return Snapshot(location="here", assets=tuple(assets), steps=steps)


class Executor:
    """Takes a moment, and makes what it was asked for unless chance has it fail."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self.draw = draw
        self.under_way: Counter[str] = Counter()

    async def run(self, task: StepTask) -> StepReport:
        self.under_way[task.step] += 1
        assert self.under_way[task.step] == 1, "one asset was made twice at the same time"
        try:
            for _ in range(self.draw(st.integers(0, 3))):
                await anyio.sleep(0)
        finally:
            self.under_way[task.step] -= 1
        return StepReport(
            results=tuple(
                AssetMaterialized(asset=asset, run_id=task.run_id, step_id=task.step_id) for asset in task.assets
            )
        )


async def one_life(journal: MemoryJournal, project: Project, todo: list[WebhookAccepted], draw: st.DrawFn) -> None:
    """Reactor and supervisor at work, and somebody who posts, until the power fails or all is quiet."""
    executor = Executor(draw)
    reactor = Reactor(journal, journal.queries, project, Clock())  # type: ignore[arg-type]
    supervisor = Supervisor(journal, journal.queries, project, executor, Clock(), Limits(max_runs=2))  # type: ignore[arg-type]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reactor.run)
        tasks.start_soon(supervisor.run)
        tasks.start_soon(post_all, journal, todo, draw)
        while not journal.cut.is_set() and not quiet(journal, todo):
            await anyio.sleep(0)
        tasks.cancel_scope.cancel()


async def post_all(journal: MemoryJournal, todo: list[WebhookAccepted], draw: st.DrawFn) -> None:
    while todo:
        if journal.commit(todo[0]):
            todo.pop(0)
        for _ in range(draw(st.integers(0, 4))):
            await anyio.sleep(0)
        await anyio.sleep(0)


def quiet(journal: MemoryJournal, todo: list[WebhookAccepted]) -> bool:
    if todo or journal.posted:
        return False
    decided = {id for event in journal.queries.events() if isinstance(event, EventDecided) for id in event.event_ids}
    waiting = decisions_that(journal, "waiting") - decisions_let_go(journal)
    posted = sum(isinstance(event, WebhookAccepted) for event in journal.queries.events())
    ended = all(view.status not in ("QUEUED", "STARTED") for view in journal.queries.views())
    return len(decided) == posted and not waiting and ended


def decisions_that(journal: MemoryJournal, outcome: str) -> Counter[tuple[str, int]]:
    """By gate and event."""
    found = [event for event in journal.queries.events() if isinstance(event, EventDecided) and event.waits]
    return Counter((event.waits or "", id) for event in found if event.outcome == outcome for id in event.event_ids)


def decisions_let_go(journal: MemoryJournal) -> Counter[tuple[str, int]]:
    outcomes = ("requested", "joined", "follows", "ignored")
    return sum((decisions_that(journal, outcome) for outcome in outcomes), Counter())


async def whole_story(journal: MemoryJournal, project: Project, todo: list[WebhookAccepted], draw: st.DrawFn) -> None:
    for deaths_left in range(3, -1, -1):
        journal.commits_left = draw(st.integers(1, 25)) if deaths_left else 10**6
        with anyio.fail_after(20):
            await one_life(journal, project, todo, draw)
        journal.power_returns()


@settings(max_examples=60, deadline=None)
@given(snapshot=snapshots(), sources=st.lists(st.sampled_from(SOURCES), max_size=8), data=st.data())
def test_every_event_is_decided_once_and_answered_by_one_ended_run_however_often_the_power_fails(
    snapshot: Snapshot, sources: list[str], data: st.DataObject
) -> None:
    project = Project()
    project.replace(snapshot)

    async def story() -> MemoryJournal:
        journal = MemoryJournal(data.draw)
        todo = [WebhookAccepted(source=source) for source in sources]
        await whole_story(journal, project, todo, data.draw)  # type: ignore[arg-type]
        return journal

    journal = anyio.run(story)
    assert_decided_once(journal, project)
    assert_answered_once(journal)
    assert_lanes_in_turn(journal)


def assert_decided_once(journal: MemoryJournal, project: Project) -> None:
    """Each listener (several that wait alike are one) has its decision on each event; each wait has its end."""
    for record in journal.records:
        if isinstance(record.event, WebhookAccepted):
            about = [event for event in journal.queries.events() if is_about(event, record.id)]
            at_once = [event for event in about if event.waits is None]
            gates = [event.waits for event in about if event.outcome == "waiting"]
            assert len(at_once) + len(gates) == answers_to(project.graph, record.event.source)
            assert len(set(gates)) == len(gates), "an event waits at a gate once"
    assert decisions_that(journal, "waiting") == decisions_let_go(journal)


def is_about(event: Event, event_id: int) -> TypeGuard[EventDecided]:
    return isinstance(event, EventDecided) and event_id in event.event_ids


def answers_to(graph: AssetGraph, source: str) -> int:
    listeners = graph.listeners.get(source, ())
    return len({(on.debounce, on.batch, on.throttle) for _, on in listeners}) or 1  # nothing listens: one decision


def assert_answered_once(journal: MemoryJournal) -> None:
    answered: Counter[int] = Counter()
    for event in journal.queries.events():
        if isinstance(event, RunSucceeded | RunFailed | RunCanceled):
            answered.update(event.event_ids)
    acted: Counter[int] = Counter()
    for event in journal.queries.events():
        if isinstance(event, EventDecided):
            assert event.reason
            if event.outcome in ("requested", "joined", "follows"):
                acted.update(event.event_ids)
    assert answered == acted


def assert_lanes_in_turn(journal: MemoryJournal) -> None:
    lane_of = {view.run_id: view.lane for view in journal.queries.views()}
    under_way: dict[str, RunId] = {}
    accepted: set[tuple[RunId, str]] = set()
    for event in journal.queries.events():
        match event:
            case RunStarted(run_id=run_id):
                assert lane_of[run_id] not in under_way, "two runs of a lane were under way at once"
                under_way[lane_of[run_id]] = run_id
            case RunSucceeded(run_id=run_id) | RunFailed(run_id=run_id) | RunCanceled(run_id=run_id):
                assert under_way.pop(lane_of[run_id]) == run_id
            case StepStarted(run_id=run_id, step_id=step):
                assert (run_id, step) not in accepted, "a finished step was repeated"
            case StepSucceeded(run_id=run_id, step_id=step):
                accepted.add((run_id, step))
            case _:
                pass
