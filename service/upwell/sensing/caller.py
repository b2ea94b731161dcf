"""Calls sensors, schedules and users' filters, in workers, and appends what they answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import anyio
import anyio.abc
import structlog

from upwell.clock import AlarmClock, Clock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import SensorNode
from upwell.errors import JournalUnavailable
from upwell.events import (
    DynamicPartitionsChanged,
    ErrorInfo,
    Event,
    FilterRequested,
    Listening,
    ListeningPaused,
    ListeningResumed,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
)
from upwell.journal.journal import Journal, Record
from upwell.journal.queries import Queries
from upwell.journal.views import SensorCall
from upwell.runtime.messages import SensorReport
from upwell.sensing.dynamic_keys import dynamic_keys, without_repeats
from upwell.sensing.evaluator import Evaluator
from upwell.sensing.filters import Filters, Question
from upwell.sensing.lanes import Lane, Memory
from upwell.sensing.material import Material
from upwell.sensing.outcomes import LONGEST_PAUSE, Call, outcome
from upwell.sensing.recent import Recent
from upwell.sensing.steady_clock import SteadyClock
from upwell.sensing.turns import Turns

MOST_CALLS = 256
"""Calls of sensors under way at a time."""

_MOST_QUESTIONS = 64
"""Questions to filters under way at a time: no event waits for a sensor that takes its time."""

_GRACE = 5.0  # seconds that calls have to end when the service stops; what does not is called again after the restart
_PAUSES = (0.05, 0.2, 1.0, 5.0)  # seconds between tries while the journal refuses; the last one repeats

Ended = tuple[tuple[Event, ...], SensorEvaluated | SensorFailed]

log = structlog.get_logger(__name__)


class SensorCaller:
    """Follows the graph, the journal and the clock.

    Each sensor has its calls made one after the other; different sensors are called at the same time. What a call asks
    for, its cursor and that it was made are appended as one; until that is on disk the call is not over, and after a
    crash it is made again.
    """

    def __init__(
        self, journal: Journal, queries: Queries, project: Project, evaluator: Evaluator, clock: Clock
    ) -> None:
        self._journal = journal
        self._queries = queries
        self._project = project
        self._evaluator = evaluator
        self._clock = clock
        self._steady = SteadyClock(clock)
        self._alarms: AlarmClock[str | Question] = AlarmClock(self._steady)
        self._recent = Recent()
        self._material = Material(queries, self._recent, clock)
        self._filters = Filters(evaluator, self._material, queries, append=self._append, later=self._ask_later)
        self._calls, self._questions = Turns(MOST_CALLS), Turns(_MOST_QUESTIONS)
        self._lanes: dict[str, Lane] = {}
        self._switches: dict[tuple[Listening, str], bool] = {}
        self._graph_changed = anyio.Event()
        self._restored = anyio.Event()
        self._position = 0

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Take up the calls that were not over, then call what is due, for ever."""
        await self._project.until_loaded()
        async with anyio.create_task_group() as tasks:
            await self._restore()
            self._project.watch(lambda graph: self._graph_changed.set())
            self._follow_graph()
            self._restored.set()
            self._calls.begin(tasks)
            self._questions.begin(tasks)
            tasks.start_soon(self._keep_up_with_graph)
            tasks.start_soon(self._keep_up_with_time)
            task_status.started()
            await self._follow_journal()

    async def drain(self) -> None:
        """Begin nothing new, and give what is under way a short time to end."""
        with anyio.move_on_after(_GRACE):
            async with anyio.create_task_group() as both:
                both.start_soon(self._calls.stop)
                both.start_soon(self._questions.stop)

    async def preview(
        self, name: str, cursor: str | None = None, *, event_ids: Sequence[int] = ()
    ) -> tuple[Event, ...]:
        """Call a sensor as it would be called now, and tell what would be appended; nothing is.

        Without a `cursor` it has its own; without events, one that is called about events has the newest such.

        Raises:
            LookupError: no loaded code defines a sensor of this name.
        """
        graph = self._project.graph
        node = graph.sensors.get(name)
        if node is None:
            known = ", ".join(sorted(graph.sensors)) or "none"
            raise LookupError(f"there is no sensor or schedule {name!r}; there are: {known}")
        await self._restored.wait()
        ids = tuple(event_ids) or await self._material.newest(node)
        lane = self._lanes.get(name)
        memory = lane.memory if lane is not None else Memory()
        if cursor is not None:
            memory = Memory(cursor=cursor, run_key=memory.run_key, called_at=memory.called_at)
        call = Call(due_at=self._steady.now(), event_ids=ids)
        events, _ = await self._make(node, graph.location_of_sensor[name], memory, call)
        return events

    # What there is to do.

    async def _restore(self) -> None:
        await self._journal.flush()
        self._position = self._journal.head  # who triggers calls starts after us, so nothing falls in between
        read = self._material.read
        for state in (await read(self._queries.sensor_states)).values():
            self._lane(state.sensor).restore(state)
        for call in await read(self._queries.sensor_calls):
            self._lane(call.sensor).waiting.append(self._remembered(call))
        for switch in await read(self._queries.switches):
            self._switches[switch.what, switch.name] = switch.active
        for asked in await read(self._queries.filter_calls):
            self._ask(Question(event_id=asked.event_id, filters=asked.filters))

    def _remembered(self, call: SensorCall) -> Call:
        pause = 0.0
        if call.retry_at is not None:  # however the wall clock was set since
            pause = min(max(0.0, (call.retry_at - self._clock.now()).total_seconds()), LONGEST_PAUSE)
        return Call(
            due_at=self._steady.now() + timedelta(seconds=pause),
            trigger_id=call.trigger_id,
            event_ids=call.event_ids,
            attempt=call.attempt + 1,
        )

    async def _follow_journal(self) -> None:
        while True:
            try:
                async for records in self._journal.subscribe(self._position):
                    for record in records:
                        self._take_in(record)
                    self._position = records[-1].id
            except JournalUnavailable as error:
                log.warning("sensing.waiting", reason=str(error))
                await self._clock.sleep(_PAUSES[-1])
            else:
                return

    def _take_in(self, record: Record) -> None:
        match record.event:
            case SensorTriggered(sensor=sensor, event_ids=event_ids):
                lane = self._lane(sensor)
                lane.waiting.append(Call(due_at=self._steady.now(), trigger_id=record.id, event_ids=event_ids))
                self._arrange(lane)
            case FilterRequested(event_id=event_id, filters=filters):
                self._ask(Question(event_id=event_id, filters=filters))
            case ListeningPaused(what=what, name=name):
                self._switch(what, name, active=False)
            case ListeningResumed(what=what, name=name):
                self._switch(what, name, active=True)
            case _:
                self._recent.take_in(record)

    def _switch(self, what: Listening, name: str, *, active: bool) -> None:
        self._switches[what, name] = active
        lane = self._lanes.get(name)
        if lane is not None and lane.what == what:
            lane.switch(active, self._steady.now())
            self._arrange(lane)

    async def _keep_up_with_graph(self) -> None:
        while True:
            await self._graph_changed.wait()
            self._graph_changed = anyio.Event()
            self._follow_graph()

    def _follow_graph(self) -> None:
        graph, wall, now = self._project.graph, self._clock.now(), self._steady.now()
        self._recent.follow(graph, self._position)
        hashes = {snapshot.location: snapshot.code_hash for snapshot in graph.snapshots}
        for name in self._lanes.keys() | graph.sensors.keys():
            lane, node = self._lane(name), graph.sensors.get(name)
            location = graph.location_of_sensor.get(name, "")
            switched = self._switches.get(("schedule" if node and node.kind == "schedule" else "sensor", name))
            lane.follow(node, location, hashes.get(location, ""), switched, wall=wall, now=now)
            self._arrange(lane)
        for question in self._filters.follow(graph):
            self._ask(question)

    async def _keep_up_with_time(self) -> None:
        while True:
            for _, due in await self._alarms.due():
                if isinstance(due, Question):
                    self._ask(due)
                else:
                    self._arrange(self._lanes[due])

    def _lane(self, name: str) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name=name)
        return lane

    def _arrange(self, lane: Lane) -> None:
        """Have the lane's next call made now, or when it is due."""
        due_at = lane.due_at()
        if due_at > self._steady.now():
            self._alarms.set(lane.name, due_at)
        elif not lane.queued:
            self._alarms.discard(lane.name)
            lane.queued = True
            self._calls.start(self._call, lane)

    def _ask(self, question: Question) -> None:
        self._questions.start(self._filters.ask, question)

    def _ask_later(self, question: Question, seconds: float) -> None:
        self._alarms.set(question, self._steady.now() + timedelta(seconds=seconds))

    # Doing it.

    async def _call(self, lane: Lane) -> None:
        lane.queued = False
        call, node = lane.take(self._steady.now()), lane.node
        if call is None or node is None:  # switched off, or gone, while it waited for its turn
            self._arrange(lane)
            return
        ended = await self._make(node, lane.location, lane.memory, call)
        ended = await self._record(node, call, ended)
        lane.settle(call, ended[1], wall=self._clock.now(), now=self._steady.now())
        self._arrange(lane)

    async def _make(self, node: SensorNode, location: str, memory: Memory, call: Call) -> Ended:
        """Make a call, and tell what is to be appended."""
        now, started_at = self._clock.now(), self._clock.monotonic()
        try:
            dynamic = dynamic_keys(self._project.graph, node)
            task = await self._material.sensor_task(node, location, memory, call, now, dynamic)
            if task is None:
                report = SensorReport(id=0, skip_reason="an earlier call was about these events, too")
            else:
                report = await self._evaluator.evaluate(task)
        except Exception as error:
            # Our own trouble costs this call; the station and all other calls go on.
            log.exception("sensing.call_failed", sensor=node.name)
            report = _failure(error)
        if not report.duration:  # whoever failed in the worker's place does not know
            report = replace(report, duration=self._clock.monotonic() - started_at)
        events, ended = outcome(node, call, report, now=self._clock.now(), chance=random.random())
        return without_repeats(events, self._project.dynamic), ended

    async def _record(self, node: SensorNode, call: Call, ended: Ended) -> Ended:
        """Append what came of a call; what cannot be written makes it a failure."""
        try:
            await self._append(ended[0])
        except Exception as error:
            log.exception("sensing.answer_refused", sensor=node.name)
            ended = outcome(node, call, _failure(error), now=self._clock.now(), chance=random.random())
            await self._append(ended[0])
        for event in ended[0]:
            if isinstance(event, DynamicPartitionsChanged):  # the next call may come before the reactor has read it
                self._project.dynamic.change(event.name, added=event.added, removed=event.removed)
        return ended

    async def _append(self, events: Sequence[Event]) -> None:
        """Write the events, however long the journal refuses."""
        tries = 0
        while True:
            try:
                await self._journal.append(*events)
                return
            except JournalUnavailable as error:
                log.warning("sensing.waiting", reason=str(error), events=len(events))
            await self._clock.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1


def _failure(error: Exception) -> SensorReport:
    return SensorReport(id=0, error=ErrorInfo(type=type(error).__name__, message=str(error)))
