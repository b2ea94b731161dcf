"""The event log: one line of the service's log for every event of the journal, for people and for alerting.

Freshness lines are what alerting listens to. They are neither missed nor repeated by a restart: the position behind
the newest line that matters is kept in the journal, and after a restart what matters is told from there on. Plain
lines of the moments before a crash are not told again: the journal has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

import anyio
import anyio.abc
import anyio.to_thread

from upwell import logs
from upwell.errors import JournalUnavailable
from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetObserved,
    AssetSkipped,
    Canary,
    CheckEvaluated,
    DuplicateIgnored,
    ErrorInfo,
    Event,
    EventDecided,
    FileChanged,
    FreshnessChanged,
    Json,
    LocationFailed,
    LocationLoaded,
    MessageReceived,
    ReloadRequested,
    RunCanceled,
    RunCancelRequested,
    RunFailed,
    RunRequested,
    RunStarted,
    RunSubmitted,
    RunSucceeded,
    ServiceStarted,
    ServiceStopping,
    SourceEvent,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
    TimerFired,
    WebhookAccepted,
)
from upwell.journal.journal import Journal, Progress, Record
from upwell.journal.queries import Queries

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
RunChange: TypeAlias = (
    RunSubmitted | RunRequested | RunStarted | RunSucceeded | RunFailed | RunCanceled | RunCancelRequested
)
StepChange: TypeAlias = StepStarted | StepSucceeded | StepFailed | StepSkipped
AssetChange: TypeAlias = AssetMaterialized | AssetObserved | AssetFailed | AssetSkipped
ServiceChange: TypeAlias = LocationLoaded | LocationFailed | ReloadRequested | ServiceStarted | ServiceStopping | Canary

CONSUMER = "event-log"

_SAVE_AFTER = 1_000  # events without a line that matters, after which the position is kept anyway
_ROW_COUNTS = ("num_rows", "row_count", "rows", "dagster/row_count")

log = logs.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line: its level, the name of its event, its fields."""

    level: Level
    event: str
    fields: Mapping[str, Json]

    @property
    def matters(self) -> bool:
        """Whether somebody may be woken by it, so that it must survive a restart."""
        return self.level in ("warning", "error") or self.event == "freshness.recovered"


class EventLog:
    """Follows the journal and writes its lines.

    Args:
        flush: blocks until the lines written so far have left the process; called in a thread before the position is
            kept, so that no crash can lose a line whose position was.
    """

    def __init__(self, journal: Journal, queries: Queries, *, flush: Callable[[], None] = logs.flush) -> None:
        self._journal = journal
        self._queries = queries
        self._flush = flush
        self._saved = 0

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Write a line for every event, until cancelled."""
        self._saved = await self._queries.progress(CONSUMER)
        told_before = self._journal.head
        if told_before and not self._saved:
            # A journal that no event log has followed yet: its past is not news.
            await self._save(told_before)
        task_status.started()
        async for records in self._journal.subscribe(self._saved):
            await self._write(records, told_before)

    async def _write(self, records: Sequence[Record], told_before: int) -> None:
        mattered = False
        for record in records:
            line = line_of(record)
            if record.id > told_before or line.matters:
                getattr(log, line.level)(line.event, **line.fields)
            mattered = mattered or line.matters
        last = records[-1].id
        if mattered:
            await anyio.to_thread.run_sync(self._flush)
        if mattered or not self._saved or last - self._saved >= _SAVE_AFTER:
            await self._save(last)

    async def _save(self, position: int) -> None:
        """Keep the position. One write for each event would double the journal's work; see the module's docstring."""
        try:
            await self._journal.append(progress=Progress(consumer=CONSUMER, event_id=position))
        except JournalUnavailable:
            return  # the disk refuses; lines go on, and the next one that matters tries again
        self._saved = position


def line_of(record: Record) -> LogLine:
    """The line that tells an event."""
    match record.event:
        case WebhookAccepted() | FileChanged() | TimerFired() | MessageReceived() as event:
            return _source_line(record.id, event)
        case DuplicateIgnored() as event:
            return _line(
                "info",
                event,
                source=event.source,
                event_id=record.id,
                delivery_id=event.delivery_id,
                first_event_id=event.first_event_id,
            )
        case EventDecided() as event:
            return _decision_line(event)
        case (
            RunSubmitted()
            | RunRequested()
            | RunStarted()
            | RunSucceeded()
            | RunFailed()
            | RunCanceled()
            | RunCancelRequested() as event
        ):
            return _run_line(event)
        case StepStarted() | StepSucceeded() | StepFailed() | StepSkipped() as event:
            return _step_line(event)
        case AssetMaterialized() | AssetObserved() | AssetFailed() | AssetSkipped() as event:
            return _asset_line(event)
        case CheckEvaluated() as event:
            return _check_line(event)
        case FreshnessChanged() as event:
            return _freshness_line(event)
        case (
            LocationLoaded()
            | LocationFailed()
            | ReloadRequested()
            | ServiceStarted()
            | ServiceStopping()
            | Canary() as event
        ):
            return _service_line(event)
        case _:
            assert_never(record.event)


def _line(level: Level, event: Event, **fields: Json) -> LogLine:
    """A line named after the event's kind; fields without a value are left out."""
    return LogLine(level=level, event=event.kind, fields={key: v for key, v in fields.items() if v not in (None, ())})


def _source_line(event_id: int, event: SourceEvent) -> LogLine:
    return _line(
        "info",
        event,
        source=event.source,
        event_id=event_id,
        path=event.path,
        change=event.change if isinstance(event, FileChanged) else None,
        delivery_id=event.delivery_id,
        caught_up=event.caught_up or None,
    )


def _decision_line(event: EventDecided) -> LogLine:
    return _line(
        "warning" if event.outcome == "rejected" else "debug",
        event,
        event_ids=event.event_ids,
        outcome=event.outcome,
        reason=event.reason,
        assets=event.assets,
        partition=event.partition,
        run_id=event.run_id,
    )


def _run_line(event: RunChange) -> LogLine:
    match event:
        case RunSubmitted():
            return _line("debug", event, run_id=event.run_id, assets=event.assets, partition=event.partition)
        case RunRequested():
            return _line(
                "info",
                event,
                run_id=event.run_id,
                cause=event.cause,
                reason=event.reason,
                partition=event.partition,
                steps=len(event.plan),
                event_ids=event.event_ids,
            )
        case RunStarted():
            return _line("info", event, run_id=event.run_id)
        case RunSucceeded():
            return _line("info", event, run_id=event.run_id, event_ids=event.event_ids, duration=event.duration)
        case RunFailed():
            return _line(
                "error",
                event,
                run_id=event.run_id,
                reason=event.reason,
                event_ids=event.event_ids,
                duration=event.duration,
            )
        case RunCanceled():
            return _line("warning", event, run_id=event.run_id, reason=event.reason, event_ids=event.event_ids)
        case RunCancelRequested():
            return _line("info", event, run_id=event.run_id, requested_by=event.requested_by)
        case _:
            assert_never(event)


def _step_line(event: StepChange) -> LogLine:
    match event:
        case StepStarted():
            return _line("debug", event, run_id=event.run_id, step_id=event.step_id, attempt=event.attempt)
        case StepSucceeded():
            return _line(
                "debug",
                event,
                run_id=event.run_id,
                step_id=event.step_id,
                attempt=event.attempt,
                duration=event.duration,
            )
        case StepFailed():
            return _line(
                "debug",
                event,
                run_id=event.run_id,
                step_id=event.step_id,
                attempt=event.attempt,
                error=_sentence(event.error),
                retry_at=event.retry_at,
                duration=event.duration,
            )
        case StepSkipped():
            return _line("debug", event, run_id=event.run_id, step_id=event.step_id, reason=event.reason)
        case _:
            assert_never(event)


def _asset_line(event: AssetChange) -> LogLine:
    about = {"asset": event.asset, "partition": event.partition, "run_id": event.run_id}
    match event:
        case AssetMaterialized():
            return _line("info", event, **about, rows=_rows(event.metadata), duration=event.duration)
        case AssetObserved():
            return _line("info", event, **about)
        case AssetFailed():
            return _line("error", event, **about, error=_sentence(event.error), traceback=event.error.traceback)
        case AssetSkipped():
            return _line("info", event, **about, reason=event.reason)
        case _:
            assert_never(event)


def _check_line(event: CheckEvaluated) -> LogLine:
    failed: Level = "error" if event.severity == "ERROR" else "warning"
    line = _line(
        "info" if event.passed else failed,
        event,
        asset=event.asset,
        partition=event.partition,
        run_id=event.run_id,
        check=event.check,
        severity=event.severity,
        blocking=event.blocking,
        description=event.description,
    )
    return LogLine(level=line.level, event="check.passed" if event.passed else "check.failed", fields=line.fields)


def _freshness_line(event: FreshnessChanged) -> LogLine:
    level, name = _alarm(event)
    # Every field is there on every line, null or not: alerting rules are written against them.
    fields = {
        "asset": event.asset,
        "state": event.state,
        "previous_state": event.previous_state,
        "deadline": event.deadline,
        "last_materialized": event.last_materialized,
        "overdue_seconds": event.overdue_seconds,
        "cause": event.cause,
        "affected": list(event.affected),
    }
    return LogLine(level=level, event=name, fields=fields)


def _alarm(event: FreshnessChanged) -> tuple[Level, str]:
    match event.state:
        case "WARN":
            return "warning", "freshness.warned"
        case "FAIL":
            return "error", "freshness.violated"
        case "PASS" if event.previous_state in ("WARN", "FAIL"):
            return "info", "freshness.recovered"
        case "PASS" | "UNKNOWN" | "NOT_APPLICABLE":
            return "debug", event.kind
        case _:
            assert_never(event.state)


def _service_line(event: ServiceChange) -> LogLine:
    match event:
        case LocationLoaded():
            return _line(
                "info",
                event,
                location=event.location,
                generation=event.generation,
                assets=event.assets,
                code_hash=event.code_hash,
                duration=event.duration,
            )
        case LocationFailed():
            return _line(
                "error",
                event,
                location=event.location,
                error=_sentence(event.error),
                traceback=event.error.traceback,
            )
        case ReloadRequested():
            return _line("info", event, location=event.location, requested_by=event.requested_by)
        case ServiceStarted():
            return _line("debug", event, version=event.version)
        case ServiceStopping():
            return _line("info", event, reason=event.reason)
        case Canary():
            return _line("debug", event)
        case _:
            assert_never(event)


def _sentence(error: ErrorInfo) -> str:
    return f"{error.type}: {error.message}" if error.message else error.type


def _rows(metadata: Mapping[str, Json]) -> int | None:
    """The number of rows, when the asset told it."""
    for name in _ROW_COUNTS:
        value = metadata.get(name)
        number = value.get("value") if isinstance(value, Mapping) else value
        if isinstance(number, int) and not isinstance(number, bool):
            return number
    return None
