"""Follows the journal and keeps the incidents: each change of one is an event, told once whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import anyio
import anyio.abc
import structlog

from upwell.alerts.failures import Failures
from upwell.alerts.incidents import Incidents
from upwell.alerts.lateness import LateAssets, Told
from upwell.alerts.quiet import Maintenance, QuietTimes, Silence
from upwell.alerts.selecting import ProjectSelecting
from upwell.clock import AlarmClock, Clock
from upwell.definitions.project import Project
from upwell.errors import JournalUnavailable
from upwell.events import (
    AlertsSilenced,
    AssetMaterialized,
    FreshnessAtRisk,
    FreshnessChanged,
    IncidentChanged,
    RunId,
    SilenceEnded,
)
from upwell.journal.journal import Journal, Progress, Record
from upwell.journal.patience import LONGEST_PAUSE, until_it_answers
from upwell.journal.views import IncidentView, RunView, SilenceView

CONSUMER = "incidents"

_SAVE_AFTER = 1000  # events that change nothing, after which the position is kept anyway

T = TypeVar("T")

log = structlog.get_logger(__name__)


class IncidentQueries(Protocol):
    """What the keeper asks of the journal."""

    async def progress(self, consumer: str) -> int: ...

    async def open_incidents(self) -> list[IncidentView]: ...

    async def silences(self, now: datetime) -> list[SilenceView]: ...

    async def run(self, run_id: str) -> RunView | None: ...

    async def unfinished_runs(self) -> tuple[int, list[RunView]]: ...


class IncidentKeeper:
    """Decides, event by event, which incidents open, grow and close; the rules are in `lateness` and `failures`.

    Args:
        dwell: seconds for which something has to be well again before that is told. What goes wrong is told at once.
        catch_up_grace: seconds in which an asset may follow the one that it was late because of, before it is told by
            itself; while a run is making it, it has longer.
        sensor_failures: failures in a row that make a sensor an incident.
        quiet: silences and maintenance windows of the settings.
    """

    def __init__(
        self,
        journal: Journal,
        queries: IncidentQueries,
        project: Project,
        clock: Clock,
        *,
        dwell: float = 0.0,
        catch_up_grace: float = 0.0,
        sensor_failures: int = 3,
        quiet: Sequence[Silence | Maintenance] = (),
    ) -> None:
        self._journal = journal
        self._queries = queries
        self._project = project
        self._clock = clock
        self._quiet = QuietTimes(quiet, ProjectSelecting(project))
        self._incidents = Incidents(self._quiet.quiet_for, grace=timedelta(seconds=catch_up_grace))
        self._late = LateAssets(self._incidents, timedelta(seconds=dwell))
        self._failures = Failures(self._incidents, sensor_failures=sensor_failures)
        self._alarm: AlarmClock[str] = AlarmClock(clock)
        self._deciding = anyio.Lock()  # incidents change, and their changes are told, as one
        self._applied = 0
        self._saved = 0

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep them for ever."""
        await self._restore()
        task_status.started()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_up_with_time)
            await self._keep_up_with_journal()
            tasks.cancel_scope.cancel()

    async def _restore(self) -> None:
        self._applied = self._saved = await self._patiently(lambda: self._queries.progress(CONSUMER))
        for silence in await self._patiently(lambda: self._queries.silences(self._clock.now())):
            self._quiet.add(_silence(silence))
        self._incidents.restore(await self._patiently(self._queries.open_incidents))
        self._late.restore()
        self._failures.restore()
        self._set_alarm()

    async def _keep_up_with_journal(self) -> None:
        while True:
            try:
                async for records in self._journal.subscribe(self._applied):
                    async with self._deciding:
                        await self._take(records)
            except JournalUnavailable as error:
                log.warning("incidents.waiting", reason=str(error))
                await self._clock.sleep(LONGEST_PAUSE)
            else:
                return

    async def _take(self, records: Sequence[Record]) -> None:
        changes: list[IncidentChanged] = []
        fresh: list[Told] = []
        for record in records:
            if isinstance(record.event, FreshnessChanged):
                await self._project.until_loaded()  # who is to blame depends on the graph
                fresh.append(Told(event_id=record.id, change=record.event))
                continue
            changes += self._took(fresh)
            fresh = []
            changes += await self._take_one(record)
        changes += self._took(fresh)
        self._applied = records[-1].id
        if changes or self._applied - self._saved >= _SAVE_AFTER:
            await self._tell(changes)
        self._set_alarm()

    def _took(self, fresh: Iterable[Told]) -> list[IncidentChanged]:
        return self._late.take(fresh, self._project.graph)

    async def _take_one(self, record: Record) -> list[IncidentChanged]:
        match record.event:
            case IncidentChanged():
                return []
            case AlertsSilenced() as event:
                self._quiet.add(Silence(id=event.silence, select=event.select, until=event.until, reason=event.reason))
                return []
            case SilenceEnded(silence=silence):
                self._quiet.end(silence)
                return self._incidents.review(self._clock.now())
            case FreshnessAtRisk() as event:
                await self._project.until_loaded()
                return self._late.take_risk(event, record.id, record.at, self._project.graph)
            case AssetMaterialized(asset=asset):
                made = self._late.made(asset, record.at, self._project.graph)
                return [*made, *self._failures.take(record)]
            case _:
                run_id = self._failures.needs_run(record)
                return self._failures.take(record, None if run_id is None else await self._run(run_id))

    async def _run(self, run_id: RunId) -> RunView | None:
        return await self._patiently(lambda: self._queries.run(run_id))

    async def _keep_up_with_time(self) -> None:
        await self._project.until_loaded()  # what a silence is about does, too
        while True:
            await self._alarm.due()
            async with self._deciding:
                now = self._clock.now()
                busy = await self._being_made() if self._incidents.catching_up(now) else frozenset()
                changes = [*self._late.proven(now, self._project.graph), *self._incidents.review(now, busy)]
                if changes:
                    await self._tell(changes)
                self._set_alarm()

    async def _being_made(self) -> frozenset[str]:
        """The assets of all runs that are not over."""
        _, runs = await self._patiently(self._queries.unfinished_runs)
        return frozenset(asset for run in runs for step in run.plan for asset in step.assets)

    def _set_alarm(self) -> None:
        self._alarm.set("next", min(self._late.next_proven(), self._incidents.next_review()))

    async def _tell(self, changes: Sequence[IncidentChanged]) -> None:
        """Append the changes with how far they go, as one, however often the journal refuses."""
        progress = Progress(consumer=CONSUMER, event_id=self._applied)
        await self._patiently(lambda: self._journal.append(*changes, progress=progress))
        self._saved = self._applied

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Do it, again and again while the journal refuses."""
        return await until_it_answers(
            ask, self._clock, lambda error, pause: log.warning("incidents.waiting", reason=str(error))
        )


def _silence(view: SilenceView) -> Silence:
    return Silence(id=view.silence, select=view.select, since=view.since, until=view.until, reason=view.reason)
