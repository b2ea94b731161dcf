"""Tells each change of freshness as an event, at its deadline; asleep in between."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import anyio
import anyio.abc
import structlog

from upwell.clock import AlarmClock, Clock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode
from upwell.events import FreshnessChanged
from upwell.freshness.corrections import corrected
from upwell.freshness.history import History
from upwell.freshness.standings import Fact, Standings, fact_of
from upwell.journal.canary import Stuck
from upwell.journal.journal import Journal, Progress, Record
from upwell.journal.patience import until_it_answers
from upwell.journal.queries import Queries
from upwell.planning.blame import Blame

T = TypeVar("T")

CONSUMER = "freshness"

_CHUNK = 1000  # changes in one append
_LONGEST_LOOK = timedelta(seconds=10)
_RECORDS_BETWEEN_MARKS = 1000  # a restart looks again at no more than about so many events

log = structlog.get_logger(__name__)


class FreshnessWatcher:
    """Follows the graph, the journal and the clock; what it knows it finds again in the journal after a restart.

    A deadline is told only once everything committed before it has been taken in, so a materialisation in time always
    wins; one that comes too late leaves the miss in the history, however soon it comes.
    """

    def __init__(self, journal: Journal, queries: Queries, project: Project, clock: Clock) -> None:
        self._journal = journal
        self._history = History(queries)
        self._project = project
        self._clock = clock
        self._standings = Standings()
        self._alarms: AlarmClock[str] = AlarmClock(clock)
        self._deciding = anyio.Lock()  # standings change, and their changes are told, as one
        self._applied = 0  # events up to this id have been taken in
        self._marked = 0
        self._advanced = anyio.Event()
        self._graph_changed = anyio.Event()

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Watch for ever."""
        await self._journal.flush()
        await self._history.begin(CONSUMER)
        self._applied = self._marked = self._journal.head
        self._project.watch(self._on_graph)
        async with anyio.create_task_group() as tasks:
            with _without_collecting():
                await self._follow_graph()
            tasks.start_soon(self._keep_up_with_graph)
            tasks.start_soon(self._keep_up_with_journal)
            tasks.start_soon(self._keep_up_with_time)
            task_status.started()

    async def prove(self) -> None:
        """Return if every deadline that is over has been looked at.

        Raises:
            Stuck: one has not, for longer than that could take.
        """
        late = self._clock.now() - self._alarms.next()
        if late > _LONGEST_LOOK:
            raise Stuck("freshness", f"A deadline has been over for {late.total_seconds():.0f} s, and nobody looked.")

    def _on_graph(self, graph: AssetGraph) -> None:
        self._graph_changed.set()

    async def _keep_up_with_graph(self) -> None:
        while True:
            await self._graph_changed.wait()
            await self._follow_graph()

    async def _keep_up_with_journal(self) -> None:
        async for records in self._journal.subscribe(self._applied):
            async with self._deciding:
                changes = await self._learn(records)
                self._applied = records[-1].id
                await self._tell(changes)
                if self._applied - self._marked >= _RECORDS_BETWEEN_MARKS:
                    await self._append(())
            self._advanced.set()
            self._advanced = anyio.Event()

    async def _learn(self, records: Sequence[Record]) -> list[FreshnessChanged]:
        changes: list[FreshnessChanged] = []
        now = self._clock.now()
        for record in records:
            fact = fact_of(record, now)
            if fact is None or fact.asset not in self._standings:
                continue
            asset = fact.asset
            if fact.late and fact.at < self._standings[asset].told_at:
                self._applied = record.id - 1
                await self._tell(changes)  # what is corrected is to be in the journal
                changes = await self._corrected(fact, now)
            else:
                changes += self._standings.reported(fact, now) if fact.late else self._standings.learnt(fact)
            self._set_alarm(asset)
        return changes

    async def _corrected(self, fact: Fact, now: datetime) -> list[FreshnessChanged]:
        """Something made in time was told late: what was told of the time since then may be wrong."""
        standing, upto = self._standings[fact.asset], self._journal.head
        past = await self._patiently(lambda: self._history.around(standing, fact.at, upto, now))
        if past is None:
            return self._standings.reported(fact, now)
        changes = corrected(past.standing, past.facts, past.told, now)
        self._standings.admit(past.standing)
        return changes

    async def _keep_up_with_time(self) -> None:
        while True:
            due = [asset for _, asset in await self._alarms.due()]
            await self._take_in_what_came_before()
            async with self._deciding:
                now = self._clock.now()
                changes = self._standings.passed(due, now)
                for asset in due:
                    self._set_alarm(asset)
                await self._tell(changes)

    async def _take_in_what_came_before(self) -> None:
        await self._journal.flush()
        head = self._journal.head
        while self._applied < head:
            await self._advanced.wait()

    def _set_alarm(self, asset: str) -> None:
        self._alarms.set(asset, self._standings.next_change(asset))

    async def _follow_graph(self) -> None:
        async with self._deciding:
            self._graph_changed = anyio.Event()
            graph = self._project.graph
            now = self._clock.now()
            await self._journal.flush()  # what was made by now counts
            nodes = {node.key: node for node in graph.assets.values() if node.freshness is not None}
            changes = [self._standings.dismiss(asset, now) for asset in list(self._standings) if asset not in nodes]
            changes += await self._adapt(nodes.values(), now)
            new = [node for key, node in nodes.items() if key not in self._standings]
            admitted, told_late = await self._admit(new, now)
            changes += admitted
            changes += await self._history.of_removed_policies(graph, now)
            await self._tell(changes)
            for fact in told_late:
                await self._tell(await self._corrected(fact, now))
            for asset in nodes:
                self._set_alarm(asset)

    async def _adapt(self, nodes: Iterable[AssetNode], now: datetime) -> list[FreshnessChanged]:
        """Take over policies that changed: what they say counts from now on."""
        changed = []
        for node in nodes:
            if node.key not in self._standings or node.freshness is None:
                continue
            standing = self._standings[node.key]
            if (standing.policy, standing.partitions) != (node.freshness, node.partitions):
                standing.policy, standing.partitions, standing.told_at = node.freshness, node.partitions, now
                await self._history.cover(standing)
                changed.append(node.key)
        return self._standings.passed(changed, now)

    async def _admit(self, nodes: Collection[AssetNode], now: datetime) -> tuple[list[FreshnessChanged], list[Fact]]:
        """Take in assets that are new to this process, with what the journal knows of them.

        Beside the changes: what was told so late that it may correct what is in the journal.
        """
        changes: list[FreshnessChanged] = []
        told_late: list[Fact] = []
        for standing, since in await self._history.standings(nodes, now):
            self._standings.admit(standing)
            for fact in since:
                if fact.late and fact.at < standing.told_at:
                    told_late.append(fact)
                else:
                    changes += self._standings.learnt(fact, caught_up=True)
            changes += self._standings.passed([standing.asset], now, caught_up=True)
        return changes, told_late

    async def _tell(self, changes: Sequence[FreshnessChanged]) -> None:
        told = _with_blame(self._project.graph, changes, self._standings.late)
        for at in range(0, len(told), _CHUNK):
            await self._append(told[at : at + _CHUNK])

    async def _append(self, changes: Sequence[FreshnessChanged]) -> None:
        await self._patiently(
            lambda: self._journal.append(*changes, progress=Progress(consumer=CONSUMER, event_id=self._applied)),
            changes=len(changes),
        )
        self._marked = self._applied

    async def _patiently(self, call: Callable[[], Awaitable[T]], *, changes: int = 0) -> T:
        """Do it, again and again while the journal refuses; `changes` wait for it."""
        return await until_it_answers(
            call,
            self._clock,
            lambda error, pause: log.warning("freshness.waits", changes=changes, error=str(error), retry_in=pause),
        )


@contextmanager
def _without_collecting() -> Iterator[None]:
    """What is made here stays: to look through it for garbage, again and again, takes as long as to make it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _with_blame(
    graph: AssetGraph, changes: Sequence[FreshnessChanged], late: Mapping[str, datetime]
) -> list[FreshnessChanged]:
    """In the order in which they happened, upstream first, each with the late asset above it and those below."""
    rank = {key: at for at, key in enumerate(graph.in_order({c.asset for c in changes if c.asset in graph.assets}))}
    ordered = sorted(changes, key=lambda change: (change.changed_at, rank.get(change.asset, -1)))
    if not late:
        return ordered
    blame = Blame(graph, late)
    return [_blamed(change, blame) for change in ordered]


def _blamed(change: FreshnessChanged, blame: Blame) -> FreshnessChanged:
    root = blame.cause(change.asset)
    if change.state != "FAIL":
        return change if root is None else replace(change, inherited_from=root)
    return replace(
        change,
        cause=root,
        inherited_from=root,
        affected=blame.affected(change.asset),
        inherited_by=blame.inheritors(change.asset),
    )
