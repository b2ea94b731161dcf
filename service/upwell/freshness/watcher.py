"""Tells each change of freshness as an event, at its deadline; asleep in between."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import anyio
import anyio.abc
import structlog

from upwell.clock import AlarmClock, Clock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode
from upwell.errors import JournalUnavailable
from upwell.events import AssetMaterialized, FreshnessChanged
from upwell.freshness.blame import Blame
from upwell.freshness.history import History
from upwell.freshness.standings import Standing, Standings
from upwell.journal.journal import Journal, Progress, Record
from upwell.journal.queries import Queries

CONSUMER = "freshness"

_CHUNK = 1000  # changes in one append
_RECORDS_BETWEEN_MARKS = 1000  # a restart looks again at no more than about so many events
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0  # seconds

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
            await self._follow_graph()
            tasks.start_soon(self._keep_up_with_graph)
            tasks.start_soon(self._keep_up_with_journal)
            tasks.start_soon(self._keep_up_with_time)
            task_status.started()

    def _on_graph(self, graph: AssetGraph) -> None:
        self._graph_changed.set()

    async def _keep_up_with_graph(self) -> None:
        while True:
            await self._graph_changed.wait()
            await self._follow_graph()

    async def _keep_up_with_journal(self) -> None:
        async for records in self._journal.subscribe(self._applied):
            async with self._deciding:
                changes = [change for record in records for change in self._materialized(record)]
                self._applied = records[-1].id
                await self._tell(changes)
                if self._applied - self._marked >= _RECORDS_BETWEEN_MARKS:
                    await self._append(())
            self._advanced.set()
            self._advanced = anyio.Event()

    def _materialized(self, record: Record) -> list[FreshnessChanged]:
        event = record.event
        if not isinstance(event, AssetMaterialized) or event.asset not in self._standings:
            return []
        # The journal's clock is ours: an instant after now was written before the clock was set back.
        at = min(record.at, self._clock.now())
        changes = self._standings.materialized(event.asset, at, record.id, event.partition)
        self._set_alarm(event.asset, at)
        return changes

    async def _keep_up_with_time(self) -> None:
        while True:
            due = [asset for _, asset in await self._alarms.due()]
            await self._take_in_what_came_before()
            async with self._deciding:
                now = self._clock.now()
                changes = self._standings.passed(due, now)
                for asset in due:
                    self._set_alarm(asset, now)
                await self._tell(changes)

    async def _take_in_what_came_before(self) -> None:
        await self._journal.flush()
        head = self._journal.head
        while self._applied < head:
            await self._advanced.wait()

    def _set_alarm(self, asset: str, now: datetime) -> None:
        self._alarms.set(asset, self._standings.next_change(asset, now))

    async def _follow_graph(self) -> None:
        async with self._deciding:
            self._graph_changed = anyio.Event()
            graph = self._project.graph
            now = self._clock.now()
            await self._journal.flush()  # what was made by now counts
            nodes = {node.key: node for node in graph.assets.values() if node.freshness is not None}
            changes = [self._standings.dismiss(asset, now) for asset in list(self._standings) if asset not in nodes]
            changes += self._adapt(nodes.values(), now)
            changes += await self._admit([node for key, node in nodes.items() if key not in self._standings], now)
            changes += await self._history.of_removed_policies(graph, now)
            for asset in nodes:
                self._set_alarm(asset, now)
            await self._tell(changes)

    def _adapt(self, nodes: Iterable[AssetNode], now: datetime) -> list[FreshnessChanged]:
        """Take over policies that changed: what they say counts from now on."""
        changed = []
        for node in nodes:
            if node.key in self._standings:
                standing = self._standings[node.key]
                standing.partitions = node.partitions
                if node.freshness is not None and standing.policy != node.freshness:
                    standing.policy, standing.told_at = node.freshness, now
                    changed.append(node.key)
        return self._standings.passed(changed, now)

    async def _admit(self, nodes: Collection[AssetNode], now: datetime) -> list[FreshnessChanged]:
        """Take in assets that are new to this process, with what the journal knows of them."""
        changes: list[FreshnessChanged] = []
        for standing, since in await self._history.standings(nodes, now):
            self._standings.admit(standing)
            for record in since:
                changes += self._caught_up(standing, record, now)
            changes += self._standings.passed([standing.asset], now, caught_up=True)
        return changes

    def _caught_up(self, standing: Standing, record: Record, now: datetime) -> list[FreshnessChanged]:
        assert isinstance(record.event, AssetMaterialized)
        at, partition = min(record.at, now), record.event.partition
        return self._standings.materialized(standing.asset, at, record.id, partition, caught_up=True)

    async def _tell(self, changes: Sequence[FreshnessChanged]) -> None:
        told = _with_blame(self._project.graph, changes, self._standings.late)
        for at in range(0, len(told), _CHUNK):
            await self._append(told[at : at + _CHUNK])

    async def _append(self, changes: Sequence[FreshnessChanged]) -> None:
        pause = _FIRST_RETRY
        while True:
            try:
                await self._journal.append(*changes, progress=Progress(consumer=CONSUMER, event_id=self._applied))
                break
            except JournalUnavailable as error:
                log.warning("freshness.waits", changes=len(changes), error=str(error), retry_in=pause)
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_RETRY)
        self._marked = self._applied


def _with_blame(
    graph: AssetGraph, changes: Sequence[FreshnessChanged], late: Mapping[str, datetime]
) -> list[FreshnessChanged]:
    """In the order in which they happened, upstream first, and each failure with its cause."""
    blame = Blame(graph, late)
    rank = {key: at for at, key in enumerate(graph.in_order({c.asset for c in changes if c.asset in graph.assets}))}
    ordered = sorted(changes, key=lambda change: (change.changed_at, rank.get(change.asset, -1)))
    return [
        replace(change, cause=blame.cause(change.asset), affected=blame.affected(change.asset))
        if change.state == "FAIL"
        else change
        for change in ordered
    ]
