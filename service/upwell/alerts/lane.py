"""One sink's way: it has a position in the journal of its own, so that it neither holds up others nor misses anything.

At least once: the position moves together with the event that tells the delivery. Whoever is killed in between tells
the same alert again, under the same id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import anyio
import structlog

from upwell.alerts.alert import Alert, alert_of, summary_of
from upwell.alerts.blotting import blotted
from upwell.alerts.pace import Pace
from upwell.alerts.routing import Knowing, Reader, wants
from upwell.alerts.sinks.sink import AlertRefused, AlertSink, TryLater
from upwell.clock import Clock
from upwell.errors import JournalUnavailable
from upwell.events import AlertDelivered, AlertFailed, ErrorInfo, IncidentChanged
from upwell.journal.journal import Journal, Progress, Record

CONSUMERS = "alert-sink:"
"""What the names of all lanes begin with, where the journal keeps how far each is."""

_MOST_SINGLE = 10  # alerts that wait, up to which each is a message of its own
_SAVE_AFTER = 1000  # events without an alert, after which the position is kept anyway
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0  # seconds between two tries
_TRIES_OF_REFUSED = 5
_TO_SPARE = 5.0  # seconds beyond its own limit that a sink has to keep that
_REFUSED_BY_JOURNAL = 5.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Readers(Protocol):
    """What a lane asks of the journal."""

    async def incident_readers(self, incident: str) -> Mapping[str, str]: ...


@dataclass(frozen=True, kw_only=True)
class Outlet:
    """A sink with what it is told of, and how. `secrets` are blotted out of whatever is kept of its errors."""

    name: str
    sink: AlertSink
    reader: Reader = field(default_factory=Reader)
    rate: int = 30  # messages a minute
    timeout: float = 10.0
    give_up_after: float = 3 * 86_400.0
    secrets: tuple[str, ...] = ()

    @property
    def consumer(self) -> str:
        return CONSUMERS + self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class _Due:
    """An alert that waits, and the event that it tells."""

    alert: Alert
    event_id: int
    since: datetime


class Lane:
    """Tells one sink, in order, whatever it takes."""

    def __init__(
        self,
        outlet: Outlet,
        journal: Journal,
        readers: Readers,
        knowing: Knowing,
        clock: Clock,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._outlet = outlet
        self._journal = journal
        self._readers = readers
        self._knowing = knowing
        self._clock = clock
        self._clean = clean
        self._pace = Pace(outlet.rate, 60.0, clock)
        self._saved = 0

    async def run(self, position: int) -> None:
        """Tell everything after `position`, for ever."""
        self._saved = position
        while True:
            try:
                async for records in self._journal.subscribe(position):
                    await self._take(records)
                    position = records[-1].id
            except JournalUnavailable as error:
                log.warning("alerts.waiting", sink=self._outlet.name, reason=str(error))
                await self._clock.sleep(_REFUSED_BY_JOURNAL)
            else:
                return

    async def _take(self, records: Sequence[Record]) -> None:
        due = await self._due(records)
        if len(due) > _MOST_SINGLE:
            due = [_Due(alert=summary_of([one.alert for one in due]), event_id=due[-1].event_id, since=due[-1].since)]
        for one in due:
            await self._pace.turn()
            await self._deliver(one)
        last = records[-1].id
        if last - self._saved >= _SAVE_AFTER:
            await self._keep(last)

    async def _due(self, records: Sequence[Record]) -> list[_Due]:
        due: list[_Due] = []
        told: set[str] = set()  # in this batch: not delivered yet, but it will have been by then
        for record in records:
            event = record.event
            if not isinstance(event, IncidentChanged):
                continue
            knows = event.incident in told or (
                event.change not in ("opened", "unsilenced") and await self._knows(event)
            )
            if wants(self._outlet.reader, event, self._knowing, told=knows):
                told.add(event.incident)
                due.append(_Due(alert=alert_of(event, self._clean), event_id=record.id, since=record.at))
        return due

    async def _knows(self, event: IncidentChanged) -> bool:
        readers = await self._patiently(lambda: self._readers.incident_readers(event.incident))
        return self._outlet.name in readers

    async def _deliver(self, due: _Due) -> None:
        attempt, refused = 0, 0
        while True:
            attempt += 1
            try:
                with anyio.fail_after(self._outlet.timeout + _TO_SPARE):
                    await self._outlet.sink.send(due.alert)
            except Exception as error:  # noqa: BLE001  # whatever a sink does must not end its lane
                refused += isinstance(error, AlertRefused)
                retry_at = self._retry_at(due, error, attempt, refused)
                await self._failed(due, error, attempt, retry_at)
                if retry_at is None:
                    return
                await self._clock.sleep_until(retry_at)
            else:
                await self._delivered(due, attempt)
                return

    def _retry_at(self, due: _Due, error: Exception, attempt: int, refused: int) -> datetime | None:
        now = self._clock.now()
        if refused >= _TRIES_OF_REFUSED:
            return None
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt - 1, 30))
        if isinstance(error, TryLater):
            pause = max(pause, error.seconds)
        at = now + timedelta(seconds=pause)
        return at if at <= due.since + timedelta(seconds=self._outlet.give_up_after) else None

    async def _delivered(self, due: _Due, attempt: int) -> None:
        event = AlertDelivered(
            sink=self._outlet.name,
            alert=due.alert.id,
            incidents=due.alert.incidents,
            alerts=tuple(one.id for one in due.alert.alerts),
            attempt=attempt,
        )
        await self._keep(due.event_id, event)

    async def _failed(self, due: _Due, error: Exception, attempt: int, retry_at: datetime | None) -> None:
        event = AlertFailed(
            sink=self._outlet.name,
            alert=due.alert.id,
            error=ErrorInfo(type=type(error).__name__, message=self._plain(error)),
            alerts=tuple(one.id for one in due.alert.alerts),
            attempt=attempt,
            retry_at=retry_at,
        )
        if retry_at is None:
            await self._keep(due.event_id, event)
        else:
            await self._patiently(lambda: self._journal.append(event))

    def _plain(self, error: Exception) -> str:
        text = str(error) or "it took too long" if isinstance(error, TimeoutError) else str(error)
        return blotted(text, self._outlet.secrets)[:1000]

    async def _keep(self, position: int, *events: AlertDelivered | AlertFailed) -> None:
        progress = Progress(consumer=self._outlet.consumer, event_id=position)
        await self._patiently(lambda: self._journal.append(*events, progress=progress))
        self._saved = position

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Do it, again and again while the journal refuses."""
        while True:
            try:
                return await ask()
            except JournalUnavailable as error:
                log.warning("alerts.waiting", sink=self._outlet.name, reason=str(error))
            await self._clock.sleep(_REFUSED_BY_JOURNAL)
