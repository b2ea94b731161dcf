"""The single consumer that decides: every event from outside is answered, once, in order, with a reason."""

from __future__ import annotations

import copy
from collections.abc import Sequence, Set
from dataclasses import replace

import anyio
import anyio.abc
import structlog

from upwell.clock import AlarmClock, Clock
from upwell.definitions.project import Project
from upwell.errors import ExpectationFailed, JournalUnavailable
from upwell.events import (
    DynamicPartitionsChanged,
    Event,
    EventReplayed,
    FilterEvaluated,
    ListeningPaused,
    ListeningResumed,
    LocationLoaded,
    RunId,
    RunRequested,
    RunSubmitted,
    SensorEvaluated,
    new_run_id,
)
from upwell.journal.journal import Journal, Progress, Record, StillQueued
from upwell.journal.projections import run_of
from upwell.journal.queries import Queries
from upwell.journal.views import ENDED
from upwell.reactor.answering import Decision, Situation, open_gate
from upwell.reactor.condensing import QueueView, condensed
from upwell.reactor.decisions import DECIDABLE, SOURCE_EVENTS, decide, gate_set_aside, set_aside
from upwell.reactor.gates import Gates
from upwell.reactor.knowledge import Known
from upwell.reactor.switches import Switches
from upwell.reactor.waiting import gates_of
from upwell.reactor.watching import watchers

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
        self._gates = Gates()
        self._switches = Switches()
        self._known_until = 0
        self._alarm: AlarmClock[str] = AlarmClock(clock)
        self._deciding = anyio.Lock(fast_acquire=True)  # whoever decides has the queue and the gates to himself

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Decide for ever. Nothing is decided before the first code location is loaded."""
        await self._project.until_loaded()
        self._known_until, runs = await self._queries.unfinished_runs()
        self._queue.restore(runs)
        self._switches = Switches(await self._queries.switches())
        await self._restore_gates()
        decided_until = await self._queries.progress(CONSUMER)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._open_gates)
            task_status.started()
            await self._follow(decided_until)
            tasks.cancel_scope.cancel()

    async def preview(self, records: Sequence[Record]) -> Sequence[Event]:
        """What would be appended for these events by the present rules; nothing is written or remembered."""
        queue = copy.deepcopy(self._queue)
        situation = replace(self._situation(), queue=queue, gates=Gates())
        found: list[Event] = []
        for record in records:
            decision = decide(record, situation, await self._known(record.event))
            for event in decision.events:
                queue.apply(event)
            found.extend(decision.events)
        return condensed(found)

    async def _follow(self, position: int) -> None:
        """Take in everything after `position`; where the journal cannot be read, go on from there later."""
        while True:
            try:
                async for batch in self._journal.subscribe(position):
                    async with self._deciding:
                        await self._take_in(batch)
                    position = batch[-1].id
            except JournalUnavailable as error:
                log.warning("reactor.waiting", reason=str(error))
                await self._clock.sleep(_PAUSES[-1])
            else:
                return

    async def _take_in(self, batch: Sequence[Record]) -> None:
        """Follow what became of runs and switches, and decide on the rest, in the order of the journal."""
        undecided: list[Record] = []
        for record in batch:
            event = record.event
            if isinstance(event, DECIDABLE):
                undecided.append(record)
                continue
            if record.id > self._known_until:
                self._queue.apply(event)
            if isinstance(event, ListeningPaused | ListeningResumed | LocationLoaded | DynamicPartitionsChanged):
                # What came before it is decided by what was so before.
                await self._decide_on(undecided, upto=record.id)
                undecided = []
                if isinstance(event, DynamicPartitionsChanged):
                    self._project.dynamic.change(event.name, added=event.added, removed=event.removed)
                else:
                    self._switches.apply(event)
            elif watchers(event, self._project.graph):
                undecided.append(record)
        if undecided:
            await self._decide_on(undecided, upto=undecided[-1].id)

    async def _restore_gates(self) -> None:
        """Have the events that gates held back at the last stop wait again."""
        waiting = await self._queries.waiting_events()
        records = await self._queries.events_by_id({one.event_id for one in waiting}) if waiting else ()
        for gate, record, source, answer in gates_of(waiting, records, self._situation()):
            self._gates.restore(gate, source, answer, record.id, record.at, self._clock.now())
        self._gates.written()
        self._alarm.set("gates", self._gates.next_opening())

    async def _open_gates(self) -> None:
        """Answer what waits at a gate at the instant when it opens."""
        while True:
            await self._alarm.due()
            async with self._deciding:
                await self._decide_on([], upto=None)

    async def _decide_on(self, records: Sequence[Record], *, upto: int | None) -> None:
        """Append the decisions on these events, and on gates that open, in one transaction, however often the journal
        refuses; with them, that everything up to `upto` is decided."""
        tries = 0
        while not await self._try_to_decide_on(records, upto):
            await self._clock.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
        self._gates.written()
        self._alarm.set("gates", self._gates.next_opening())

    async def _try_to_decide_on(self, records: Sequence[Record], upto: int | None) -> bool:
        """Whether it was done; if not, nothing was written and queue and gates are as they were before."""
        decisions: list[Decision] = []
        try:
            while True:
                await self._decide(records, decisions)
                try:
                    await self._append(decisions, upto)
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
            await self._decide_apart(records, upto, error)
            return True

    async def _decide_apart(self, records: Sequence[Record], upto: int | None, error: Exception) -> None:
        if len(records) > 1:
            for record in records:
                await self._decide_on([record], upto=record.id)
        elif records:
            await self._append([set_aside(records[0], error)], records[0].id)
        else:
            opened = self._gates.open(self._clock.now())
            await self._append([gate_set_aside(key, ids, error) for key, _, ids in opened], upto)

    async def _decide(self, records: Sequence[Record], decisions: list[Decision]) -> None:
        """Fill in a decision on each gate that opens and each event; each sees what the ones before it requested."""
        situation = self._situation()
        for key, held, ids in self._gates.open(situation.now):
            try:
                self._decided(open_gate(key, held, ids, situation), decisions)
            except Exception as error:
                log.exception("reactor.event_set_aside", event_id=ids[0])
                self._decided(gate_set_aside(key, ids, error), decisions)
        for record in records:
            known = None if isinstance(record.event, SOURCE_EVENTS) else await self._known(record.event, decisions)
            try:
                decision = decide(record, situation, known)
            except Exception as error:
                log.exception("reactor.event_set_aside", event_id=record.id)
                decision = set_aside(record, error)
            self._decided(decision, decisions)

    def _decided(self, decision: Decision, decisions: list[Decision]) -> None:
        for event in decision.events:
            self._queue.apply(event)
        decisions.append(decision)

    def _situation(self) -> Situation:
        return Situation(
            graph=self._project.graph,
            queue=self._queue,
            gates=self._gates,
            switches=self._switches,
            now=self._clock.now(),
            new_run_id=new_run_id,
        )

    async def _known(self, event: Event, decisions: Sequence[Decision] = ()) -> Known:
        """Look up what the event names; `decisions` are not written yet, and count too."""
        match event:
            case RunSubmitted(retry_of=retry_of) if retry_of is not None:
                return Known(run=await self._queries.run(retry_of), steps=await self._queries.steps(retry_of))
            case FilterEvaluated(event_id=event_id):
                return Known(records=_by_id(await self._queries.events_by_id([event_id])))
            case EventReplayed(event_ids=event_ids):
                records = await self._queries.events_by_id(event_ids)
                about = {run_id for each in records if (run_id := run_of(each.event)) is not None}
                runs = {run_id: run for run_id in about if (run := await self._queries.run(run_id)) is not None}
                return Known(records=_by_id(records), runs=runs)
            case SensorEvaluated(runs=runs):
                keys = {run.run_key for run in runs if run.run_key is not None}
                return await self._known_keys(event.sensor, keys, decisions) if keys else Known()
            case _ if (run_id := run_of(event)) is not None and watchers(event, self._project.graph):
                return Known(run=await self._queries.run(run_id))
            case _:
                return Known()

    async def _known_keys(self, sensor: str, keys: Set[str], decisions: Sequence[Decision]) -> Known:
        now = self._clock.now()
        taken = await self._queries.run_keys(sensor, keys, now)
        for event in (event for decision in decisions for event in decision.events):
            if isinstance(event, RunRequested) and event.sensor == sensor and event.run_key in keys:
                taken[event.run_key or ""] = (event.run_id, now)
        return Known(taken=taken)

    async def _append(self, decisions: Sequence[Decision], upto: int | None) -> None:
        events = condensed(event for decision in decisions for event in decision.events)
        if not events and upto is None:
            return
        fresh = _requested(decisions)
        joined = dict.fromkeys(run_id for decision in decisions for run_id in decision.joins)
        await self._journal.append(
            *events,
            progress=None if upto is None else Progress(consumer=CONSUMER, event_id=upto),
            expect=[StillQueued(run_id=run_id) for run_id in joined if run_id not in fresh],
        )

    def _take_back(self, decisions: Sequence[Decision]) -> None:
        """Nothing of these decisions was written: forget the runs that they requested, and shut the gates again."""
        for run_id in _requested(decisions):
            self._queue.forget(run_id)
        self._gates.take_back()

    async def _look_again(self, decisions: Sequence[Decision]) -> None:
        """A run that events were to join has started meanwhile; learn which."""
        for run_id in {run_id for decision in decisions for run_id in decision.joins}:
            run = await self._queries.run(run_id)
            if run is None or run.status in ENDED:
                self._queue.forget(run_id)
            elif run.status == "STARTED":
                self._queue.close_to_events((run_id,))


def _by_id(records: Sequence[Record]) -> dict[int, Record]:
    return {record.id: record for record in records}


def _requested(decisions: Sequence[Decision]) -> set[RunId]:
    return {event.run_id for decision in decisions for event in decision.events if isinstance(event, RunRequested)}
