"""The single consumer that decides: every event from outside is answered, once, in order, with a reason."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.abc
import structlog

from upwell.clock import Clock
from upwell.definitions.project import Project
from upwell.errors import ExpectationFailed, JournalUnavailable
from upwell.events import Event, RunId, RunRequested, RunSubmitted, new_run_id
from upwell.journal.journal import Journal, Progress, Record, StillQueued
from upwell.journal.queries import Queries
from upwell.journal.views import ENDED
from upwell.reactor.condensing import QueueView, condensed
from upwell.reactor.decisions import DECIDABLE, Decision, EarlierRun, Situation, decide, set_aside

CONSUMER = "reactor"
"""The name under which the journal keeps how far the reactor has decided."""

_PAUSES = (0.05, 0.2, 1.0, 5.0)  # seconds between tries while the journal refuses; the last one repeats

log = structlog.get_logger(__name__)


class Reactor:
    """Follows the journal and appends a decision for each event that needs one.

    Decisions and progress are committed together, so an event is decided exactly once whatever happens in between.
    """

    def __init__(self, journal: Journal, queries: Queries, project: Project, clock: Clock) -> None:
        self._journal = journal
        self._queries = queries
        self._project = project
        self._clock = clock
        self._queue = QueueView()
        self._known_until = 0

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Decide for ever. Nothing is decided before the first code location is loaded."""
        await self._project.until_loaded()
        self._known_until, runs = await self._queries.unfinished_runs()
        self._queue.restore(runs)
        decided_until = await self._queries.progress(CONSUMER)
        task_status.started()
        await self._follow(decided_until)

    async def _follow(self, position: int) -> None:
        """Take in everything after `position`; where the journal cannot be read, go on from there later."""
        while True:
            try:
                async for batch in self._journal.subscribe(position):
                    await self._take_in(batch)
                    position = batch[-1].id
            except JournalUnavailable as error:
                log.warning("reactor.waiting", reason=str(error))
                await self._clock.sleep(_PAUSES[-1])
            else:
                return

    async def _take_in(self, batch: Sequence[Record]) -> None:
        """Follow what became of runs, and decide on the rest, in the order of the journal."""
        undecided: list[Record] = []
        for record in batch:
            if isinstance(record.event, DECIDABLE):
                undecided.append(record)
            elif record.id > self._known_until:
                self._queue.apply(record.event)
        if undecided:
            await self._decide_on(undecided)

    async def _decide_on(self, records: Sequence[Record]) -> None:
        """Append the decisions on these events in one transaction, however often the journal refuses."""
        tries = 0
        while not await self._try_to_decide_on(records):
            await self._clock.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    async def _try_to_decide_on(self, records: Sequence[Record]) -> bool:
        """Whether it was done; if not, nothing was written and the queue is as it was before."""
        decisions: list[Decision] = []
        try:
            while True:
                await self._decide(records, decisions)
                try:
                    await self._append(decisions, records[-1].id)
                except ExpectationFailed:
                    self._take_back(decisions)
                    await self._look_again(decisions)
                    decisions = []
                else:
                    return True
        except JournalUnavailable as error:
            self._take_back(decisions)
            log.warning("reactor.waiting", reason=str(error), undecided=len(records))
            return False
        except Exception as error:
            # Something among the decisions cannot be written. Find it, and set that one aside.
            self._take_back(decisions)
            log.exception("reactor.decisions_refused", undecided=len(records))
            await self._decide_apart(records, error)
            return True

    async def _decide_apart(self, records: Sequence[Record], error: Exception) -> None:
        if len(records) > 1:
            for record in records:
                await self._decide_on([record])
        else:
            await self._append([set_aside(records[0], error)], records[0].id)

    async def _decide(self, records: Sequence[Record], decisions: list[Decision]) -> None:
        """Fill in a decision on each; each sees what the ones before it requested."""
        graph, now = self._project.graph, self._clock.now()
        situation = Situation(graph=graph, queue=self._queue, now=now, new_run_id=new_run_id)
        for record in records:
            earlier = await self._earlier_run(record.event)
            try:
                decision = decide(record, situation, earlier)
            except Exception as error:
                log.exception("reactor.event_set_aside", event_id=record.id)
                decision = set_aside(record, error)
            for event in decision.events:
                self._queue.apply(event)
            decisions.append(decision)

    async def _earlier_run(self, event: Event) -> EarlierRun | None:
        if not isinstance(event, RunSubmitted) or event.retry_of is None:
            return None
        return EarlierRun(run=await self._queries.run(event.retry_of), steps=await self._queries.steps(event.retry_of))

    async def _append(self, decisions: Sequence[Decision], last_id: int) -> None:
        events = condensed(event for decision in decisions for event in decision.events)
        fresh = _requested(decisions)
        joined = dict.fromkeys(decision.joins for decision in decisions if decision.joins is not None)
        await self._journal.append(
            *events,
            progress=Progress(consumer=CONSUMER, event_id=last_id),
            expect=[StillQueued(run_id=run_id) for run_id in joined if run_id not in fresh],
        )

    def _take_back(self, decisions: Sequence[Decision]) -> None:
        """Nothing of these decisions was written: forget the runs that they requested."""
        for run_id in _requested(decisions):
            self._queue.forget(run_id)

    async def _look_again(self, decisions: Sequence[Decision]) -> None:
        """A run that events were to join has started meanwhile; learn which."""
        for run_id in {decision.joins for decision in decisions if decision.joins is not None}:
            run = await self._queries.run(run_id)
            if run is None or run.status in ENDED:
                self._queue.forget(run_id)
            elif run.status == "STARTED":
                self._queue.close_to_events((run_id,))


def _requested(decisions: Sequence[Decision]) -> set[RunId]:
    return {event.run_id for decision in decisions for event in decision.events if isinstance(event, RunRequested)}
