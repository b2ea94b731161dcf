"""Starts runs and their steps, and records what came of them: the hands of `RunState`.

It learns of everything through the journal: a run begins when its own `RunStarted` has come back, for by then every
event that joined it has come by, too.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar, assert_never

import anyio
import anyio.abc
import structlog

from upwell.clock import AlarmClock, Clock
from upwell.definitions.project import Project
from upwell.definitions.retry_policy import RetryPolicy
from upwell.errors import JournalUnavailable
from upwell.events import (
    AssetMaterialized,
    AssetObserved,
    ErrorInfo,
    Event,
    EventDeadLettered,
    EventDecided,
    FileChanged,
    MessageReceived,
    PlannedStep,
    RunCanceled,
    RunCancelRequested,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    RunSucceeded,
    StepStarted,
    TimerFired,
    WebhookAccepted,
)
from upwell.execution import step_events
from upwell.execution.executors.executor import Executor
from upwell.execution.inputs import OutsideInput, Pair, dynamic_keys, outside_inputs
from upwell.execution.limits import Limits, RunQueue, StepSlots, Ticket
from upwell.execution.outbox import Outbox
from upwell.execution.run_state import (
    AcceptStep,
    FailStep,
    Finish,
    InputsMissing,
    Instruction,
    RetryAt,
    RetryDue,
    SkipStep,
    StartStep,
    StepEnded,
)
from upwell.execution.run_under_way import RunPhase, RunUnderWay, log_path
from upwell.execution.updates import answered
from upwell.journal.journal import Journal, Record
from upwell.journal.queries import Queries
from upwell.journal.views import StepView
from upwell.planning.data_times import DataTimes
from upwell.runtime.messages import StepReport, trigger_events

T = TypeVar("T")

_RECENT_EVENTS = 256  # source events kept in memory, so that the run which answers them need not read them
_KNOWN_INPUTS = 100_000  # partitions known to exist, before the memory is cleared
_PAUSE = 0.5  # seconds between tries to read while the journal cannot be read

log = structlog.get_logger(__name__)


class Supervisor:
    """Carries out runs: queues them by lane, starts steps within the limits, retries, cancels and resumes them."""

    def __init__(
        self,
        journal: Journal,
        queries: Queries,
        project: Project,
        executor: Executor,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._journal = journal
        self._queries = queries
        self._project = project
        self._executor = executor
        self._clock = clock
        self._outbox = Outbox(journal)
        self._queue = RunQueue(limits.max_runs)
        self._slots = StepSlots(limits)
        self._alarm: AlarmClock[tuple[RunId, str]] = AlarmClock(clock)
        self._runs: dict[RunId, RunUnderWay] = {}
        self._recent: OrderedDict[int, Record] = OrderedDict()
        self._known: set[Pair] = set()
        self._data_times = DataTimes()
        self._attempts_running = 0
        self._idle = anyio.Event()
        self._draining = False

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Resume what was unfinished, then carry out what the journal asks for, for ever."""
        await self._project.until_loaded()
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._retry_when_due)
            tasks.start_soon(self._keep_outbox_empty)
            await self._remember_data_times()
            position = await self._resume()
            task_status.started()
            await self._follow(position)

    async def drain(self, grace: float) -> None:
        """Start nothing new; give running steps `grace` seconds, then kill them.

        Runs that have not ended stay so in the journal, to be resumed at the next start.
        """
        self._draining = True
        if not self._attempts_running:
            return
        self._idle = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._kill_after, grace)
            await self._idle.wait()
            tasks.cancel_scope.cancel()

    async def _kill_after(self, grace: float) -> None:
        await self._clock.sleep(grace)
        for run in self._runs.values():
            for scope in run.running.values():
                scope.cancel()

    # Following the journal.

    async def _remember_data_times(self) -> None:
        states = await self._read(self._queries.asset_states)
        self._data_times = DataTimes({state.asset: state.data_time for state in states.values()})

    async def _resume(self) -> int:
        """Take up the runs that had not ended; return the id up to which that is the whole truth."""
        position, views = await self._read(self._queries.unfinished_runs)
        for view in views:
            run = RunUnderWay.remembered(view, self._policy_of)
            self._runs[run.run_id] = run
            if run.phase is RunPhase.STARTED:
                self._queue.occupy(run.run_id, run.lane)
                steps = await self._read(partial(self._queries.steps, run.run_id))
                self._tasks.start_soon(self._begin, run, steps)
            else:
                self._queue.add(run.run_id, run.lane, run.order)
            if view.cancel_requested:
                self._stop(run)
        self._start_runs()
        return position

    async def _follow(self, position: int) -> None:
        while True:
            try:
                async for batch in self._journal.subscribe(position):
                    for record in batch:
                        self._take_in(record)
                    position = batch[-1].id
            except JournalUnavailable as error:
                log.warning("supervisor.waiting", reason=str(error))
                await self._clock.sleep(_PAUSE)
            else:
                return

    def _take_in(self, record: Record) -> None:
        match record.event:
            case WebhookAccepted() | FileChanged() | TimerFired() | MessageReceived():
                self._recent[record.id] = record
                if len(self._recent) > _RECENT_EVENTS:
                    self._recent.popitem(last=False)
            case EventDecided(outcome="joined", run_id=run_id, event_ids=event_ids) if run_id in self._runs:
                self._runs[run_id].event_ids.update(dict.fromkeys(event_ids))
            case RunRequested() as requested if requested.run_id not in self._runs:
                run = RunUnderWay.requested(record.id, requested, self._policy_of)
                self._runs[run.run_id] = run
                self._queue.add(run.run_id, run.lane, run.order)
                self._start_runs()
            case RunStarted(run_id=run_id) if run_id in self._runs:
                self._started(self._runs[run_id], record)
            case RunCancelRequested(run_id=run_id) if run_id in self._runs:
                self._stop(self._runs[run_id])
            case AssetMaterialized(run_id=None) | AssetObserved(run_id=None) as reported:
                self._data_times.learn(reported)
            case _:
                pass

    # Runs.

    def _start_runs(self) -> None:
        while not self._draining and (run_id := self._queue.start_next()) is not None:
            self._runs[run_id].phase = RunPhase.STARTING
            self._outbox.post(RunStarted(run_id=run_id))

    def _started(self, run: RunUnderWay, record: Record) -> None:
        run.started_at = record.at
        if run.phase is RunPhase.STOPPING:
            self._end_stopped(run)
        elif run.phase is RunPhase.STARTING:
            run.phase = RunPhase.STARTED
            if run.event_ids.keys() <= self._recent.keys():
                self._go(run, (), [self._recent[event_id] for event_id in sorted(run.event_ids)])
            else:
                self._tasks.start_soon(self._begin, run, ())

    async def _begin(self, run: RunUnderWay, known: Sequence[StepView]) -> None:
        """Start the steps of a run after reading the events that it answers."""
        records = await self._read(lambda: self._queries.events_by_id(list(run.event_ids)))
        if run.phase is RunPhase.STARTED:
            self._go(run, known, records)

    def _go(self, run: RunUnderWay, known: Sequence[StepView], records: Sequence[Record]) -> None:
        run.events = trigger_events(records)
        with self._or_give_up(run):
            self._carry_out(run, run.state.begin(known))

    @contextmanager
    def _or_give_up(self, run: RunUnderWay) -> Iterator[None]:
        """A run that cannot be carried out (its plan does not fit the code any more) must not stop all others."""
        try:
            yield
        except Exception as error:
            log.exception("supervisor.run_given_up", run_id=run.run_id)
            run.trouble = f"the run could not go on: {type(error).__name__}: {error}"
            self._stop(run)

    def _stop(self, run: RunUnderWay) -> None:
        """End a run early: at once, or when its running steps are dead."""
        match run.phase:
            case RunPhase.QUEUED:
                self._end_stopped(run)
            case RunPhase.STARTING:
                run.phase = RunPhase.STOPPING
            case RunPhase.STARTED:
                run.phase = RunPhase.STOPPING
                for ticket in run.waiting.values():
                    self._slots.discard(ticket)
                run.waiting.clear()
                for scope in run.running.values():
                    scope.cancel()
                if not run.running:
                    self._end_stopped(run)
            case RunPhase.STOPPING | RunPhase.ENDED:
                pass
            case _:
                assert_never(run.phase)

    def _end_stopped(self, run: RunUnderWay) -> None:
        event_ids, duration = tuple(run.event_ids), run.duration(self._clock.now())
        if run.trouble is None:
            self._end(run, RunCanceled(run_id=run.run_id, event_ids=event_ids, duration=duration))
        else:
            self._fail(run, run.trouble)

    def _fail(self, run: RunUnderWay, reason: str) -> None:
        """End a run that failed; the events that it was to answer are dead letters."""
        event_ids, duration = tuple(run.event_ids), run.duration(self._clock.now())
        failed = RunFailed(run_id=run.run_id, reason=reason, event_ids=event_ids, duration=duration)
        if not event_ids:
            self._end(run, failed)
            return
        error, attempts = run.newest_failure or (None, 1)
        letter = EventDeadLettered(
            event_ids=event_ids, reason=reason, error=error, attempts=attempts, run_id=run.run_id
        )
        self._end(run, failed, letter)

    def _end(self, run: RunUnderWay, *events: Event) -> None:
        run.phase = RunPhase.ENDED
        self._outbox.post(*events)
        del self._runs[run.run_id]
        self._queue.remove(run.run_id)
        self._start_runs()

    # Steps.

    def _carry_out(
        self, run: RunUnderWay, instructions: Sequence[Instruction], report: StepReport | None = None
    ) -> None:
        """Record what the instructions say, in one write, then do it. `report` is what they answer, if they do."""
        self._outbox.post(*step_events.recorded(run.run_id, run.state, instructions, report or StepReport()))
        for instruction in instructions:
            match instruction:
                case StartStep(step_id=step_id, attempt=attempt):
                    self._make_ready(run, run.state.step(step_id), attempt)
                case RetryAt(step_id=step_id, instant=instant):
                    self._alarm.set((run.run_id, step_id), instant)
                case Finish():
                    self._finish(run, instruction)
                case FailStep(error=error, attempt=attempt):
                    run.newest_failure = (error, attempt)
                case AcceptStep() | SkipStep():
                    pass
                case _:
                    assert_never(instruction)

    def _finish(self, run: RunUnderWay, finish: Finish) -> None:
        if finish.status == "SUCCESS":
            event_ids, duration = tuple(run.event_ids), run.duration(self._clock.now())
            self._end(run, RunSucceeded(run_id=run.run_id, event_ids=event_ids, duration=duration))
        else:
            self._fail(run, finish.reason)

    def _make_ready(self, run: RunUnderWay, step: PlannedStep, attempt: int) -> None:
        if not step.asked:
            needed = self._unknown_inputs(run, step)
            if needed:
                self._tasks.start_soon(self._check_inputs, run, step, attempt, needed)
                return
        self._offer(run, step, attempt)

    def _unknown_inputs(self, run: RunUnderWay, step: PlannedStep) -> list[OutsideInput]:
        found = outside_inputs(self._project.graph, step, run.planned, self._clock.now())
        return [needed for needed in found if self._known.isdisjoint(needed.any_of)]

    async def _check_inputs(
        self, run: RunUnderWay, step: PlannedStep, attempt: int, needed: Sequence[OutsideInput]
    ) -> None:
        """Start the step, or skip it when something that it reads has never been made."""
        await self._journal.flush()  # what other runs just materialised counts
        pairs = [pair for outside in needed for pair in outside.any_of]
        found = await self._read(lambda: self._queries.materialized(pairs))
        if len(self._known) > _KNOWN_INPUTS:
            self._known.clear()
        self._known |= found
        if run.phase is not RunPhase.STARTED:
            return
        with self._or_give_up(run):
            missing = next((outside for outside in needed if found.isdisjoint(outside.any_of)), None)
            if missing is None:
                self._offer(run, step, attempt)
            else:
                skip = InputsMissing(step_id=step.id, reason=missing.missing_reason)
                self._carry_out(run, run.state.handle(skip))

    def _offer(self, run: RunUnderWay, step: PlannedStep, attempt: int) -> None:
        """Let the step wait for its turn, and take it at once if it can."""
        node = self._project.graph.steps.get(step.step)
        ticket = self._slots.ticket(
            run.run_id,
            step.id,
            attempt,
            pool=node.pool if node is not None else None,
            writes=((asset, step.partition) for asset in step.assets),
        )
        run.waiting[step.id] = ticket
        if not self._draining and self._slots.take(ticket):
            self._launch(ticket)

    def _launch(self, ticket: Ticket) -> None:
        run, step_id = self._runs[ticket.run_id], ticket.step_id
        del run.waiting[step_id]
        scope = run.running[step_id] = anyio.CancelScope()
        self._attempts_running += 1
        self._outbox.post(
            StepStarted(
                run_id=run.run_id,
                step_id=step_id,
                attempt=ticket.attempt,
                log=log_path(run.run_id, step_id, ticket.attempt),
            )
        )
        self._tasks.start_soon(self._attempt, run, ticket, scope)

    async def _attempt(self, run: RunUnderWay, ticket: Ticket, scope: anyio.CancelScope) -> None:
        report: StepReport | None = None
        with scope:
            report = await self._execute(run, ticket)
        self._attempts_running -= 1
        del run.running[ticket.step_id]
        granted = self._slots.release(ticket)
        if run.phase is RunPhase.STOPPING:
            self._outbox.post(*(report.results if report is not None else ()))
            if not run.running:
                self._end_stopped(run)
        elif report is not None:
            ended = StepEnded(step_id=ticket.step_id, report=report, at=self._clock.now(), chance=random.random())
            with self._or_give_up(run):
                self._carry_out(run, run.state.handle(ended), report)
        if not self._draining:
            for next_ticket in granted:
                self._launch(next_ticket)
        if not self._attempts_running:
            self._idle.set()

    async def _execute(self, run: RunUnderWay, ticket: Ticket) -> StepReport:
        graph, step = self._project.graph, run.state.step(ticket.step_id)
        node = graph.steps.get(step.step)
        if node is None:
            message = f"no loaded code location defines {step.step} any more"
            return StepReport(error=ErrorInfo(type="StepNotDefined", message=message))
        now = self._clock.now()
        reading = self._data_times.reading(graph, step.assets, now)
        try:
            dynamic = dynamic_keys(graph, step, now)
            task = run.task(step, node, graph.location_of_step[step.step], ticket.attempt, now, dynamic)
            if node.asks:
                await self._journal.flush()  # what this run just made counts
                task = replace(task, updates=await self._read(partial(answered, self._queries, graph, node.asks, now)))
            report = await self._executor.run(task)
        except Exception as error:
            # The executor's own trouble costs this attempt; the station and all other steps go on.
            log.exception("supervisor.executor_error", run_id=run.run_id, step_id=step.id)
            return StepReport(error=ErrorInfo(type=type(error).__name__, message=str(error)))
        return replace(report, results=self._data_times.stamped(reading, report.results))

    # In the background.

    async def _retry_when_due(self) -> None:
        while True:
            for _, (run_id, step_id) in await self._alarm.due():
                run = self._runs.get(run_id)
                if run is not None and run.phase is RunPhase.STARTED:
                    with self._or_give_up(run):
                        self._carry_out(run, run.state.handle(RetryDue(step_id=step_id)))

    async def _keep_outbox_empty(self) -> None:
        while True:
            await self._outbox.wait_filled()
            await self._outbox.empty()

    async def _read(self, query: Callable[[], Awaitable[T]]) -> T:
        """Ask until the journal answers."""
        while True:
            try:
                return await query()
            except JournalUnavailable as error:
                log.warning("supervisor.waiting", reason=str(error))
                await self._clock.sleep(_PAUSE)

    def _policy_of(self, step: str) -> RetryPolicy | None:
        node = self._project.graph.steps.get(step)
        return node.retry if node is not None else None
