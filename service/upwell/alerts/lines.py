"""Which line tells an event: its level, its name and its fields, for every kind there is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, assert_never

from upwell.alerts.incident_lines import alert_line, incident_line
from upwell.alerts.line import Level, LogLine, few, line, sentence
from upwell.alerts.listening_lines import listening_line, sensor_line
from upwell.events import (
    AlertDelivered,
    AlertFailed,
    AlertsSilenced,
    AssetFailed,
    AssetMaterialized,
    AssetObserved,
    AssetSkipped,
    Canary,
    CheckEvaluated,
    DuplicateIgnored,
    DynamicPartitionsChanged,
    EventDeadLettered,
    EventDecided,
    EventReplayed,
    FileChanged,
    FilterEvaluated,
    FilterRequested,
    FreshnessAtRisk,
    FreshnessChanged,
    FreshnessDemanded,
    IncidentChanged,
    Json,
    ListeningPaused,
    ListeningResumed,
    LocationFailed,
    LocationLoaded,
    MessageReceived,
    ReloadRequested,
    RunCanceled,
    RunCancelRequested,
    RunFailed,
    RunKeysSuppressed,
    RunRequested,
    RunStarted,
    RunSubmitted,
    RunSucceeded,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    ServiceStarted,
    ServiceStopping,
    SilenceEnded,
    SourceAdvanced,
    SourceEvent,
    SourceFailing,
    SourceWorking,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
    TimerFired,
    WebhookAccepted,
)
from upwell.journal.journal import Record

RunChange: TypeAlias = (
    RunSubmitted | RunRequested | RunStarted | RunSucceeded | RunFailed | RunCanceled | RunCancelRequested
)
StepChange: TypeAlias = StepStarted | StepSucceeded | StepFailed | StepSkipped
AssetChange: TypeAlias = AssetMaterialized | AssetObserved | AssetFailed | AssetSkipped
ServiceChange: TypeAlias = LocationLoaded | LocationFailed | ReloadRequested | ServiceStarted | ServiceStopping | Canary

_ROW_COUNTS = ("num_rows", "row_count", "rows", "dagster/row_count")


def line_of(record: Record) -> LogLine:
    """The line that tells an event."""
    match record.event:
        case WebhookAccepted() | FileChanged() | TimerFired() | MessageReceived() as event:
            return _source_line(record.id, event)
        case SensorTriggered() | SensorEvaluated() | SensorFailed() | RunKeysSuppressed() as event:
            return sensor_line(record, event)
        case (
            SourceAdvanced()
            | SourceFailing()
            | SourceWorking()
            | DuplicateIgnored()
            | EventReplayed()
            | EventDeadLettered()
            | ListeningPaused()
            | ListeningResumed()
            | FilterRequested()
            | FilterEvaluated()
            | DynamicPartitionsChanged() as event
        ):
            return listening_line(record, event)
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
        case IncidentChanged() as event:
            return incident_line(event)
        case AlertDelivered() | AlertFailed() | AlertsSilenced() | SilenceEnded() as event:
            return alert_line(event)
        case FreshnessDemanded() | FreshnessAtRisk() as event:
            return _deadline_line(event)
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


def _source_line(event_id: int, event: SourceEvent) -> LogLine:
    return line(
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
    return line(
        "warning" if event.outcome == "rejected" else "debug",
        event,
        event_ids=event.event_ids,
        outcome=event.outcome,
        reason=event.reason,
        assets=event.assets,
        partition=event.partition,
        run_id=event.run_id,
        sensor=event.sensor,
        waits=event.waits,
        until=event.until,
    )


def _run_line(event: RunChange) -> LogLine:
    match event:
        case RunSubmitted():
            return line(
                "debug",
                event,
                run_id=event.run_id,
                assets=event.assets,
                checks=event.checks,
                partition=event.partition,
            )
        case RunRequested():
            return line(
                "info",
                event,
                run_id=event.run_id,
                cause=event.cause,
                reason=event.reason,
                job=event.job,
                sensor=event.sensor,
                run_key=event.run_key,
                partition=event.partition,
                steps=len(event.plan),
                event_ids=event.event_ids,
            )
        case RunStarted():
            return line("info", event, run_id=event.run_id)
        case RunSucceeded():
            return line("info", event, run_id=event.run_id, event_ids=event.event_ids, duration=event.duration)
        case RunFailed():
            return line(
                "error",
                event,
                run_id=event.run_id,
                reason=event.reason,
                event_ids=event.event_ids,
                duration=event.duration,
            )
        case RunCanceled():
            return line("warning", event, run_id=event.run_id, reason=event.reason, event_ids=event.event_ids)
        case RunCancelRequested():
            return line("info", event, run_id=event.run_id, requested_by=event.requested_by)
        case _:
            assert_never(event)


def _step_line(event: StepChange) -> LogLine:
    match event:
        case StepStarted():
            return line("debug", event, run_id=event.run_id, step_id=event.step_id, attempt=event.attempt)
        case StepSucceeded():
            return line(
                "debug",
                event,
                run_id=event.run_id,
                step_id=event.step_id,
                attempt=event.attempt,
                duration=event.duration,
            )
        case StepFailed():
            return line(
                "debug",
                event,
                run_id=event.run_id,
                step_id=event.step_id,
                attempt=event.attempt,
                error=sentence(event.error),
                retry_at=event.retry_at,
                duration=event.duration,
            )
        case StepSkipped():
            return line("debug", event, run_id=event.run_id, step_id=event.step_id, reason=event.reason)
        case _:
            assert_never(event)


def _asset_line(event: AssetChange) -> LogLine:
    about = {"asset": event.asset, "partition": event.partition, "run_id": event.run_id}
    match event:
        case AssetMaterialized():
            return line("info", event, **about, rows=_rows(event.metadata), duration=event.duration)
        case AssetObserved():
            return line("info", event, **about)
        case AssetFailed():
            return line("error", event, **about, error=sentence(event.error), traceback=event.error.traceback)
        case AssetSkipped():
            return line("info", event, **about, reason=event.reason)
        case _:
            assert_never(event)


def _check_line(event: CheckEvaluated) -> LogLine:
    failed: Level = "error" if event.severity == "ERROR" else "warning"
    told = line(
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
    return LogLine(level=told.level, event="check.passed" if event.passed else "check.failed", fields=told.fields)


def _freshness_line(event: FreshnessChanged) -> LogLine:
    """Of each asset; what people are to know is told of the incident that it is part of."""
    return line(
        "debug",
        event,
        asset=event.asset,
        state=event.state,
        previous_state=event.previous_state,
        deadline=event.deadline,
        last_materialized=event.last_materialized,
        overdue_seconds=event.overdue_seconds,
        cause=event.cause,
        inherited_from=event.inherited_from,
        caught_up=event.caught_up or None,
    )


def _deadline_line(event: FreshnessDemanded | FreshnessAtRisk) -> LogLine:
    match event:
        case FreshnessDemanded():
            return line(
                "info",
                event,
                assets=few([demand.asset for demand in event.demands]),
                deadline=min((demand.deadline for demand in event.demands), default=None),
                targets=few(tuple(event.targets)),
                reason=event.reason,
            )
        case FreshnessAtRisk():
            return line(
                "warning",
                event,
                asset=event.asset,
                deadline=event.deadline,
                expected_at=event.expected_at,
                slow_hop=event.slow_hop,
                reason=event.reason,
                run_id=event.run_id,
            )
        case _:
            assert_never(event)


def _service_line(event: ServiceChange) -> LogLine:
    match event:
        case LocationLoaded():
            return line(
                "info",
                event,
                location=event.location,
                generation=event.generation,
                assets=event.assets,
                code_hash=event.code_hash,
                duration=event.duration,
            )
        case LocationFailed():
            return line(
                "error",
                event,
                location=event.location,
                error=sentence(event.error),
                traceback=event.error.traceback,
            )
        case ReloadRequested():
            return line("info", event, location=event.location, requested_by=event.requested_by)
        case ServiceStarted():
            return line("debug", event, version=event.version)
        case ServiceStopping():
            return line("info", event, reason=event.reason)
        case Canary():
            return line("debug", event)
        case _:
            assert_never(event)


def _rows(metadata: Mapping[str, Json]) -> int | None:
    """The number of rows, when the asset told it."""
    for name in _ROW_COUNTS:
        value = metadata.get(name)
        number = value.get("value") if isinstance(value, Mapping) else value
        if isinstance(number, int) and not isinstance(number, bool):
            return number
    return None
