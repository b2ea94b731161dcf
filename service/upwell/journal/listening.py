"""What events change in what listens: sensors and their calls, what waits at a gate, switches, dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, assert_never

from upwell.events import (
    DynamicPartitionsChanged,
    EventDeadLettered,
    EventDecided,
    EventReplayed,
    FilterEvaluated,
    FilterRequested,
    ListeningPaused,
    ListeningResumed,
    RunKeysSuppressed,
    RunRequested,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    SourceFailing,
    SourceWorking,
)
from upwell.journal import tables
from upwell.journal.changes import Change, Remove, Upsert, as_text
from upwell.journal.journal import Record
from upwell.journal.tables import to_micros

ListeningEvent: TypeAlias = (
    EventReplayed
    | EventDeadLettered
    | ListeningPaused
    | ListeningResumed
    | FilterRequested
    | FilterEvaluated
    | SensorTriggered
    | SensorEvaluated
    | SensorFailed
    | RunKeysSuppressed
    | DynamicPartitionsChanged
    | SourceFailing
    | SourceWorking
)


def project(record: Record, event: ListeningEvent) -> Iterator[Change]:
    """Every change of state that the event makes."""
    match event:
        case SensorTriggered():
            yield Upsert(
                tables.sensor_calls, (record.id,), {"sensor": event.sensor, "event_ids": as_text(event.event_ids)}
            )
        case SensorEvaluated():
            yield from _evaluated(record, event)
        case SensorFailed():
            yield from _failed(record, event)
        case RunKeysSuppressed():
            for key, run_id in event.taken.items():
                seen = {"run_id": run_id, "at": to_micros(record.at)}
                yield Upsert(tables.run_keys, (event.sensor, key), seen)
        case FilterRequested():
            yield Upsert(tables.filter_calls, (event.event_id,), {"filters": as_text(event.filters)})
        case FilterEvaluated():
            yield Remove(tables.filter_calls, (event.event_id,))
        case EventDeadLettered():
            yield from _dead(record, event)
        case EventReplayed():
            yield from (Remove(tables.dead_letters, (event_id,)) for event_id in event.event_ids)
        case ListeningPaused():
            switched = {"active": False, "at": to_micros(record.at), "said_by": event.paused_by}
            yield Upsert(tables.switches, (event.what, event.name), switched)
        case ListeningResumed():
            switched = {"active": True, "at": to_micros(record.at), "said_by": event.resumed_by}
            yield Upsert(tables.switches, (event.what, event.name), switched)
        case DynamicPartitionsChanged():
            for key in event.removed:
                yield Remove(tables.dynamic_partitions, (event.name, key))
            for place, key in enumerate(event.added):
                yield Upsert(tables.dynamic_partitions, (event.name, key), {"event_id": record.id, "place": place})
        case SourceFailing():
            since = to_micros(event.since or record.at)
            yield Upsert(tables.failing_sources, (event.source,), {"since": since, "error": as_text(event.error)})
        case SourceWorking():
            yield Remove(tables.failing_sources, (event.source,))
        case _:
            assert_never(event)


def project_decided(event: EventDecided) -> Iterator[Change]:
    """What a decision changes at the gate that it names."""
    if event.waits is None:
        return
    for event_id in event.event_ids:
        if event.outcome == "waiting":
            until = None if event.until is None else to_micros(event.until)
            yield Upsert(tables.waiting, (event.waits, event_id), {"until": until})
        else:
            yield Remove(tables.waiting, (event.waits, event_id))


def project_requested(record: Record, event: RunRequested) -> Iterator[Change]:
    """What the request for a run changes beside the run: its key is taken; what it tries again is no dead letter."""
    if event.sensor is not None and event.run_key is not None:
        taken = {"run_id": event.run_id, "at": to_micros(record.at)}
        yield Upsert(tables.run_keys, (event.sensor, event.run_key), taken)
    if event.cause == "retry":
        yield from (Remove(tables.dead_letters, (event_id,)) for event_id in event.event_ids)


def _evaluated(record: Record, event: SensorEvaluated) -> Iterator[Change]:
    keys = [run.run_key for run in event.runs if run.run_key is not None]
    yield Upsert(
        tables.sensors,
        (event.sensor,),
        {
            "tick_id": record.id,
            "called_at": to_micros(record.at),
            "status": "requested" if event.runs else "skipped",
            "reason": event.skip_reason,
            "error": None,
            "failures": 0,
            **({} if event.cursor is None else {"cursor": event.cursor}),
            **({"run_key": keys[-1]} if keys else {}),
        },
    )
    if event.trigger_id is not None:
        yield Remove(tables.sensor_calls, (event.trigger_id,))


def _failed(record: Record, event: SensorFailed) -> Iterator[Change]:
    error = as_text(event.error)
    at = to_micros(record.at)
    failed = {"tick_id": record.id, "called_at": at, "status": "failed", "reason": None, "error": error}
    yield Upsert(tables.sensors, (event.sensor,), {**failed, "failures": event.attempt})
    if event.trigger_id is None:
        return
    if event.retry_at is None:
        yield Remove(tables.sensor_calls, (event.trigger_id,))
    else:
        again = {"attempt": event.attempt, "retry_at": to_micros(event.retry_at)}
        yield Upsert(tables.sensor_calls, (event.trigger_id,), again)


def _dead(record: Record, event: EventDeadLettered) -> Iterator[Change]:
    letter = {
        "dead_id": record.id,
        "at": to_micros(record.at),
        "reason": event.reason,
        "error": None if event.error is None else as_text(event.error),
        "attempts": event.attempts,
        "run_id": event.run_id,
        "sensor": event.sensor,
    }
    for event_id in event.event_ids:
        yield Upsert(tables.dead_letters, (event_id,), letter)
        yield Remove(tables.filter_calls, (event_id,))
