"""The lines of what listens: sensors and their calls, filters, switches, replays and dead letters."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from upwell.alerts.line import LogLine, few, line, sentence
from upwell.events import (
    DuplicateIgnored,
    DynamicPartitionsChanged,
    EventDeadLettered,
    EventReplayed,
    FilterEvaluated,
    FilterRequested,
    ListeningPaused,
    ListeningResumed,
    RunKeysSuppressed,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    SourceAdvanced,
    SourceFailing,
    SourceWorking,
)
from upwell.journal.journal import Record

SensorCalled: TypeAlias = SensorTriggered | SensorEvaluated | SensorFailed | RunKeysSuppressed
ListeningChange: TypeAlias = (
    SourceAdvanced
    | SourceFailing
    | SourceWorking
    | DuplicateIgnored
    | EventReplayed
    | EventDeadLettered
    | ListeningPaused
    | ListeningResumed
    | FilterRequested
    | FilterEvaluated
    | DynamicPartitionsChanged
)


def sensor_line(record: Record, event: SensorCalled) -> LogLine:
    """The line of a sensor's call; that it was asked in vain by its interval, and says nothing, is no news."""
    match event:
        case SensorTriggered():
            return line("debug", event, sensor=event.sensor, event_ids=few(event.event_ids))
        case SensorEvaluated():
            news = event.runs or event.skip_reason or event.trigger_id is not None
            return line(
                "info" if news else "debug",
                event,
                sensor=event.sensor,
                event_id=record.id,
                runs=len(event.runs),
                reason=event.skip_reason,
                event_ids=few(event.event_ids),
                attempt=event.attempt,
                duration=event.duration,
            )
        case SensorFailed():
            return line(
                "error",
                event,
                sensor=event.sensor,
                event_id=record.id,
                error=sentence(event.error),
                event_ids=few(event.event_ids),
                attempt=event.attempt,
                retry_at=event.retry_at,
                duration=event.duration,
                traceback=event.error.traceback,
            )
        case RunKeysSuppressed():
            return line("debug", event, sensor=event.sensor, run_keys=few(tuple(event.taken)))
        case _:
            assert_never(event)


def listening_line(record: Record, event: ListeningChange) -> LogLine:
    """The line of what happened around sources, filters, switches and dead letters."""
    match event:
        case SourceAdvanced():
            return line("debug", event, source=event.source)
        case SourceFailing():
            # Whoever found it has just said so, as `source.failed` or `source.unreachable`.
            return line("debug", event, source=event.source, error=sentence(event.error), since=event.since)
        case SourceWorking():
            return line("debug", event, source=event.source)
        case DuplicateIgnored():
            return line(
                "info",
                event,
                source=event.source,
                event_id=record.id,
                delivery_id=event.delivery_id,
                first_event_id=event.first_event_id,
            )
        case EventReplayed():
            return line("info", event, event_ids=few(event.event_ids), replayed_by=event.replayed_by)
        case EventDeadLettered():
            return _dead_letter_line(event)
        case ListeningPaused():
            return line("info", event, **{event.what: event.name}, paused_by=event.paused_by)
        case ListeningResumed():
            return line("info", event, **{event.what: event.name}, resumed_by=event.resumed_by)
        case FilterRequested():
            return line("debug", event, event_ids=(event.event_id,), filters=event.filters)
        case FilterEvaluated():
            return line("debug", event, event_ids=(event.event_id,), answers=dict(event.answers))
        case DynamicPartitionsChanged():
            return line("info", event, partitions=event.name, added=few(event.added), removed=few(event.removed))
        case _:
            assert_never(event)


def _dead_letter_line(event: EventDeadLettered) -> LogLine:
    # The line of the asset or the sensor that failed has just shown the traceback.
    shown = event.run_id is not None or event.sensor is not None
    return line(
        "error",
        event,
        event_ids=few(event.event_ids),
        sensor=event.sensor,
        run_id=event.run_id,
        reason=event.reason,
        attempts=event.attempts,
        error=None if event.error is None else sentence(event.error),
        traceback=None if event.error is None or shown else event.error.traceback,
    )
