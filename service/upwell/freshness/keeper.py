"""Has runs begin as late as is still safe for their deadlines, and warns of those that will not be kept.

What it decides are events: the reactor answers a `FreshnessDemanded` with a run. It sleeps until the earliest instant
at which something may have to begin or be told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import TypeVar

import anyio
import anyio.abc
import anyio.lowlevel
import structlog

from upwell.clock import AlarmClock, Clock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.errors import JournalUnavailable
from upwell.events import Event, EventDecided
from upwell.freshness.history import History
from upwell.freshness.occasions import Demanded
from upwell.freshness.outlook import Look, Outlook, Want
from upwell.freshness.progress import RunProgress
from upwell.freshness.watcher import CONSUMER
from upwell.journal.journal import Journal, Record
from upwell.journal.patience import LONGEST_PAUSE, until_it_answers
from upwell.journal.queries import Queries
from upwell.journal.views import DemandRow
from upwell.planning.durations import Durations
from upwell.planning.upkeep import Made

T = TypeVar("T")

_LOOKS_BETWEEN_TURNS = 500  # of the event loop

log = structlog.get_logger(__name__)


class FreshnessKeeper:
    """Follows the graph, the journal and the clock; what was demanded and told is found again after a restart.

    Nothing is demanded before everything committed earlier has been taken in, so what was made or begun in time counts.
    """

    def __init__(self, journal: Journal, queries: Queries, project: Project, clock: Clock) -> None:
        self._journal = journal
        self._queries = queries
        self._project = project
        self._clock = clock
        self._history = History(queries)
        self._outlook = Outlook()
        self._alarms: AlarmClock[str] = AlarmClock(clock)
        self._deciding = anyio.Lock()
        self._applied = 0
        self._advanced = anyio.Event()
        self._graph_changed = anyio.Event()

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep watch for ever."""
        await self._remember()
        self._project.watch(self._on_graph)
        async with anyio.create_task_group() as tasks:
            await self._follow_graph()
            tasks.start_soon(self._keep_up_with_graph)
            tasks.start_soon(self._keep_up_with_journal)
            tasks.start_soon(self._keep_up_with_time)
            task_status.started()

    async def _remember(self) -> None:
        """Take in what the journal knows, up to the newest event."""
        await self._journal.flush()
        durations = Durations(await self._queries.durations())
        self._applied, views = await self._queries.unfinished_runs()
        self._outlook = Outlook(durations=durations)
        for view in views:
            steps = await self._queries.steps(view.run_id)
            self._outlook.take_in_run(RunProgress.of_view(view, steps))
        for state in (await self._queries.asset_states()).values():
            if state.materialized_id and state.materialized_at is not None:
                self._outlook.made[state.asset] = Made(
                    id=state.materialized_id,
                    at=state.materialized_at,
                    run_id=state.materialized_run,
                    data_time=state.data_time,
                )
        for row in (await self._queries.demands()).values():
            if row.risk_deadline is not None:
                self._outlook.told[row.asset] = row.risk_deadline
            if row.deadline is not None and row.demanded_at is not None:
                self._outlook.demanded[row.asset] = await self._demanded(row, row.deadline, row.demanded_at)

    async def _demanded(self, row: DemandRow, deadline: datetime, at: datetime) -> Demanded:
        """What was demanded last, and what the reactor and the run have made of it."""
        demanded = Demanded(
            deadline=deadline, at=at, id=row.demand_id, partition=row.partition, attempt=row.attempt, pending=True
        )
        answers = await self._queries.events(
            asset=row.asset, kinds=[EventDecided.kind], after=row.demand_id, newest_first=False
        )
        for record in answers:
            answer = record.event
            if not isinstance(answer, EventDecided) or row.demand_id not in answer.event_ids:
                continue
            if record.id > self._applied:
                break  # it is still to come
            run = await self._queries.run(answer.run_id) if answer.run_id is not None else None
            consumed = run is not None and run.status in ("SUCCESS", "CANCELED")
            return Demanded(
                deadline=deadline,
                at=at,
                id=row.demand_id,
                partition=row.partition,
                attempt=row.attempt,
                run_id=answer.run_id,
                consumed=consumed,
            )
        return demanded

    def _on_graph(self, graph: AssetGraph) -> None:
        self._graph_changed.set()

    async def _keep_up_with_graph(self) -> None:
        while True:
            await self._graph_changed.wait()
            await self._follow_graph()

    async def _follow_graph(self) -> None:
        async with self._deciding:
            self._graph_changed = anyio.Event()
            graph, standings = self._project.graph, self._outlook.standings
            nodes = [node for node in graph.assets.values() if node.freshness is not None]
            known = {key for key, one in standings.items()}
            gone = known - {node.key for node in nodes}
            changed = [
                node
                for node in nodes
                if node.key not in known
                or (standings[node.key].policy, standings[node.key].partitions) != (node.freshness, node.partitions)
            ]
            await self._history.begin(CONSUMER)
            for standing, since in await self._history.standings(changed, self._clock.now()):
                for fact in since:
                    standing.take(fact)
                standings[standing.asset] = standing
            for asset in gone:
                del standings[asset]
                self._alarms.discard(asset)
            self._outlook.adopt(graph)
            await self._look_at(list(standings))

    async def _keep_up_with_journal(self) -> None:
        while True:
            try:
                async for records in self._journal.subscribe(self._applied):
                    await self._take_in(records)
            except JournalUnavailable as error:
                log.warning("freshness.waits", error=str(error), retry_in=LONGEST_PAUSE)
                await self._clock.sleep(LONGEST_PAUSE)
            else:
                return

    async def _take_in(self, records: Sequence[Record]) -> None:
        async with self._deciding:
            now = self._clock.now()
            touched = {asset for record in records for asset in self._outlook.learn(record, now)}
            # What is to be begun or told because of these has to wait for those that were committed since.
            for asset in sorted(touched | self._outlook.slowed_down()):
                self._alarms.set(asset, now)
            self._applied = records[-1].id
        self._advanced.set()
        self._advanced = anyio.Event()

    async def _keep_up_with_time(self) -> None:
        while True:
            due = [asset for _, asset in await self._alarms.due()]
            await self._take_in_what_came_before()
            async with self._deciding:
                await self._look_at(due)

    async def _take_in_what_came_before(self) -> None:
        await self._journal.flush()
        head = self._journal.head
        while self._applied < head:
            await self._advanced.wait()

    async def _look_at(self, assets: Collection[str]) -> None:
        """Look at these, and have written what follows from it."""
        now = self._clock.now()
        due: list[Want] = []
        events: list[Event] = []
        for number, asset in enumerate(assets):
            if number % _LOOKS_BETWEEN_TURNS == 0:
                await anyio.lowlevel.checkpoint()
            look = await self._look(asset, now)
            self._alarms.set(asset, look.at)
            if look.risk is not None:
                events.append(look.risk)
                self._outlook.told[asset] = look.risk.deadline
            if look.want is not None:
                due.append(look.want)
        if due:
            demand = self._outlook.gather(due, now)
            events.append(demand)
            # What is demanded is not demanded again before it comes by in the journal.
            self._outlook.note_demand(demand, now)
            for one in demand.demands:
                self._alarms.discard(one.asset)
        if events:
            await self._until_it_answers(lambda: self._journal.append(*events))

    async def _look(self, asset: str, now: datetime) -> Look:
        look = self._outlook.look(asset, now)
        while look.asks:
            asked = look.asks
            there = await self._until_it_answers(lambda: self._queries.materialized(asked))  # noqa: B023 (called at once)
            self._outlook.know_partitions(asked, there)
            look = self._outlook.look(asset, now)
        return look

    async def _until_it_answers(self, call: Callable[[], Awaitable[T]]) -> T:
        return await until_it_answers(
            call, self._clock, lambda error, pause: log.warning("freshness.waits", error=str(error), retry_in=pause)
        )
