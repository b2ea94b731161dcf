"""What an event changes in the present state: a pure function from a record to row changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never
from zlib import crc32

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
    Event,
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
    ListeningPaused,
    ListeningResumed,
    LocationFailed,
    LocationLoaded,
    MessageReceived,
    ReloadRequested,
    RunCanceled,
    RunCancelRequested,
    RunFailed,
    RunId,
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
from upwell.journal import alerting, listening, tables
from upwell.journal.changes import (
    Change,
    Remove,
    RunAssetsEnded,
    StepAssetsEnded,
    StepAssetsStarted,
    Upsert,
    Value,
    as_text,
    optional_text,
)
from upwell.journal.journal import Record
from upwell.journal.tables import to_micros
from upwell.journal.views import RunStatus

DURATIONS_KEPT = 50
"""Of how many runs of a step it is known how long it took."""


def project(record: Record) -> Iterator[Change]:
    """Every change of state that the event makes."""
    event = record.event
    for asset in assets_of(event):
        yield Upsert(tables.event_assets, (asset, record.id))
    match event:
        case WebhookAccepted() | FileChanged() | TimerFired() | MessageReceived():
            yield from _source_event(record, event)
        case SourceAdvanced():
            yield from _cursor(event)
        case (
            EventReplayed()
            | EventDeadLettered()
            | ListeningPaused()
            | ListeningResumed()
            | FilterRequested()
            | FilterEvaluated()
            | SensorTriggered()
            | SensorEvaluated()
            | SensorFailed()
            | RunKeysSuppressed()
            | DynamicPartitionsChanged()
            | SourceFailing()
            | SourceWorking()
        ):
            yield from listening.project(record, event)
        case EventDecided() | RunRequested() | RunStarted() | RunCancelRequested():
            yield from _run(record, event)
        case RunSucceeded() | RunFailed() | RunCanceled():
            yield from _run_ended(record, event)
        case StepStarted() | StepSucceeded() | StepFailed() | StepSkipped():
            yield from _step(record, event)
        case AssetMaterialized():
            yield from _materialized(record, event)
        case AssetFailed():
            yield from _failed(record, event)
        case AssetObserved():
            yield from _observed(record, event)
        case CheckEvaluated():
            yield _check(record, event)
        case FreshnessChanged():
            yield _freshness(event)
        case FreshnessDemanded() | FreshnessAtRisk():
            yield from _deadlines(record, event)
        case IncidentChanged() | AlertDelivered() | AlertsSilenced() | SilenceEnded():
            yield from alerting.project(record, event)
        case LocationLoaded() | LocationFailed():
            yield _location(record, event)
        case (
            DuplicateIgnored()
            | RunSubmitted()
            | AssetSkipped()
            | ReloadRequested()
            | ServiceStarted()
            | ServiceStopping()
            | AlertFailed()
            | Canary()
        ):
            return
        case _:
            assert_never(event)


def assets_of(event: Event) -> tuple[str, ...]:
    """The assets that an event is about, under which the catalogue finds it."""
    match event:
        case (
            AssetMaterialized(asset=asset)
            | AssetObserved(asset=asset)
            | AssetFailed(asset=asset)
            | AssetSkipped(asset=asset)
            | CheckEvaluated(asset=asset)
            | FreshnessChanged(asset=asset)
            | FreshnessAtRisk(asset=asset)
        ):
            return (asset,)
        case FreshnessDemanded(demands=demands):
            return tuple(dict.fromkeys(demand.asset for demand in demands))
        case (
            EventDecided(assets=assets)
            | RunSubmitted(assets=assets)
            | RunRequested(roots=assets)
            | IncidentChanged(assets=assets)
        ):
            return assets
        case _:
            return ()


def run_of(event: Event) -> RunId | None:
    """The run that an event belongs to."""
    return getattr(event, "run_id", None)


def source_of(event: Event) -> str | None:
    """The source that an event came from."""
    match event:
        case SensorTriggered() | SensorEvaluated() | SensorFailed() | RunKeysSuppressed():
            return f"sensor:{event.sensor}"
        case _:
            return getattr(event, "source", None)


def run_status_after(event: Event) -> RunStatus | None:
    """The status that an event gives to its run, or None when it changes none."""
    match event:
        case RunRequested():
            return "QUEUED"
        case RunStarted():
            return "STARTED"
        case RunSucceeded():
            return "SUCCESS"
        case RunFailed():
            return "FAILURE"
        case RunCanceled():
            return "CANCELED"
        case _:
            return None


def _source_event(record: Record, event: SourceEvent) -> Iterator[Change]:
    if event.delivery_id is not None:
        first = {"event_id": record.id, "at": to_micros(record.at)}
        yield Upsert(tables.deliveries, (event.source, event.delivery_id), first)
    yield from _cursor(event)


def _cursor(event: SourceEvent | SourceAdvanced) -> Iterator[Change]:
    for item, value in event.cursor.items():
        key = (event.source, item)
        yield (
            Remove(tables.source_cursors, key)
            if value is None
            else Upsert(tables.source_cursors, key, {"value": as_text(value)})
        )


def _run(record: Record, event: EventDecided | RunRequested | RunStarted | RunCancelRequested) -> Iterator[Change]:
    match event:
        case EventDecided():
            if event.outcome in ("requested", "joined") and event.run_id is not None:
                yield from (Upsert(tables.run_events, (event.run_id, event_id)) for event_id in event.event_ids)
            yield from listening.project_decided(event)
        case RunRequested():
            yield from _requested(record, event)
        case RunStarted():
            yield Upsert(tables.runs, (event.run_id,), {"status": "STARTED", "started_at": to_micros(record.at)})
        case RunCancelRequested():
            yield Upsert(tables.runs, (event.run_id,), {"cancel_requested": True})
        case _:
            assert_never(event)


def _requested(record: Record, event: RunRequested) -> Iterator[Change]:
    yield Upsert(
        tables.runs,
        (event.run_id,),
        {
            "requested_id": record.id,
            "requested_at": to_micros(record.at),
            "status": "QUEUED",
            "lane": event.lane,
            "reason": event.reason,
            "cause": event.cause,
            "plan": as_text(event.plan),
            "roots": as_text(event.roots),
            "partition": event.partition,
            "config": optional_text(event.config),
            "tags": as_text(event.tags),
            "retry_of": event.retry_of,
            "job": event.job,
            "sensor": event.sensor,
            "run_key": event.run_key,
        },
    )
    yield from listening.project_requested(record, event)
    for event_id in event.event_ids:
        yield Upsert(tables.run_events, (event.run_id, event_id))
    for step in event.plan:
        for asset in step.assets:
            yield Upsert(tables.plan_assets, (event.run_id, step.id, asset), {"requested_id": record.id})
            yield Upsert(tables.assets, (asset,))


def _run_ended(record: Record, event: RunSucceeded | RunFailed | RunCanceled) -> Iterator[Change]:
    error = None if isinstance(event, RunSucceeded) else event.reason
    ended = {"status": run_status_after(event), "ended_at": to_micros(record.at), "error": error}
    yield Upsert(tables.runs, (event.run_id,), ended)
    if not isinstance(event, RunSucceeded):
        yield RunAssetsEnded(event.run_id, record.id)


def _step(record: Record, event: StepStarted | StepSucceeded | StepFailed | StepSkipped) -> Iterator[Change]:
    at = to_micros(record.at)
    values: dict[str, Value]
    match event:
        case StepStarted():
            values = {"status": "STARTED", "attempt": event.attempt, "started_at": at, "log": event.log}
            values |= {"ended_at": None, "retry_at": None, "error": None, "reason": None}
            yield StepAssetsStarted(event.run_id, event.step_id, record.id)
        case StepSucceeded():
            values = {"status": "SUCCESS", "attempt": event.attempt, "ended_at": at, "retry_at": None, "error": None}
            yield StepAssetsEnded(event.run_id, event.step_id, record.id)
            yield _duration(record, event)
        case StepFailed():
            retry_at = None if event.retry_at is None else to_micros(event.retry_at)
            values = {"status": "FAILURE" if retry_at is None else "RETRYING", "attempt": event.attempt}
            values |= {"ended_at": at, "retry_at": retry_at, "error": as_text(event.error)}
            if retry_at is None:
                yield StepAssetsEnded(event.run_id, event.step_id, record.id)
        case StepSkipped():
            values = {"status": "SKIPPED", "ended_at": at, "reason": event.reason}
            yield StepAssetsEnded(event.run_id, event.step_id, record.id)
        case _:
            assert_never(event)
    yield Upsert(tables.steps, (event.run_id, event.step_id), values)


def _materialized(record: Record, event: AssetMaterialized) -> Iterator[Change]:
    at, metadata = to_micros(event.made_at(record.at)), as_text(event.metadata)
    data_time = None if event.data_time is None else to_micros(event.data_time)
    yield Upsert(
        tables.assets,
        (event.asset,),
        {
            "materialized_id": record.id,
            "materialized_at": at,
            "materialized_run": event.run_id,
            "materialized_partition": event.partition,
            "metadata": metadata,
            "code_version": event.code_version,
            "data_version": event.data_version,
            "duration": event.duration,
            "reported_at": None if event.materialized_at is None else to_micros(record.at),
            "data_id": record.id,
            # Of an asset with partitions it is the newest of them that counts: each keeps its own.
            **({"data_time": data_time} if event.partition is None else {}),
        },
    )
    if event.partition is not None:
        newest = {"materialized_id": record.id, "materialized_at": at, "run_id": event.run_id, "metadata": metadata}
        yield Upsert(tables.asset_partitions, (event.asset, event.partition), {**newest, "data_time": data_time})


def _observed(record: Record, event: AssetObserved) -> Iterator[Change]:
    values: dict[str, Value] = {"observed_at": to_micros(record.at)}
    if event.data_time is not None and event.partition is None:
        values |= {"data_time": to_micros(event.data_time), "data_id": record.id}
    yield Upsert(tables.assets, (event.asset,), values)


def _failed(record: Record, event: AssetFailed) -> Iterator[Change]:
    newest = {"failed_id": record.id, "failed_at": to_micros(record.at), "failed_run": event.run_id}
    yield Upsert(tables.assets, (event.asset,), {**newest, "error": as_text(event.error)})
    if event.partition is not None:
        yield Upsert(tables.asset_partitions, (event.asset, event.partition), {"failed_id": record.id})


def _check(record: Record, event: CheckEvaluated) -> Upsert:
    return Upsert(
        tables.checks,
        (event.asset, event.check),
        {
            "passed": event.passed,
            "severity": event.severity,
            "blocking": event.blocking,
            "evaluated_at": to_micros(record.at),
            "event_id": record.id,
            "partition": event.partition,
            "run_id": event.run_id,
            "metadata": as_text(event.metadata),
            "description": event.description,
        },
    )


def _freshness(event: FreshnessChanged) -> Upsert:
    known = event.last_materialized
    # Before its first change an asset had no policy.
    first = {"known_since": to_micros(event.changed_at)} if event.previous_state == "NOT_APPLICABLE" else {}
    return Upsert(
        tables.freshness,
        (event.asset,),
        {
            "state": event.state,
            "changed_at": to_micros(event.changed_at),
            "deadline": None if event.deadline is None else to_micros(event.deadline),
            "last_materialized": None if known is None else to_micros(known),
            "cause": event.cause,
            **first,
        },
    )


def _deadlines(record: Record, event: FreshnessDemanded | FreshnessAtRisk) -> Iterator[Upsert]:
    if isinstance(event, FreshnessAtRisk):
        yield Upsert(tables.demands, (event.asset,), {"risk_deadline": to_micros(event.deadline)})
        return
    for demand in event.demands:
        yield Upsert(
            tables.demands,
            (demand.asset,),
            {
                "deadline": to_micros(demand.deadline),
                "partition": demand.partition,
                "attempt": demand.attempt,
                "demand_id": record.id,
                "demanded_at": to_micros(record.at),
            },
        )


def _duration(record: Record, event: StepSucceeded) -> Upsert:
    # A slot by chance, though always the same one for an event: each newer run takes the place of some older one, so
    # that nothing has to be counted or removed.
    slot = crc32(f"{event.run_id} {event.step_id}".encode()) % DURATIONS_KEPT
    return Upsert(tables.durations, (step_key(event.step_id), slot), {"seconds": event.duration, "event_id": record.id})


def step_key(step_id: str) -> str:
    """The computation of a planned step, whatever its partition."""
    return step_id.partition("@")[0]


def _location(record: Record, event: LocationLoaded | LocationFailed) -> Upsert:
    at = to_micros(record.at)
    if isinstance(event, LocationFailed):
        return Upsert(tables.locations, (event.location,), {"error": as_text(event.error), "failed_at": at})
    loaded = {"generation": event.generation, "code_hash": event.code_hash, "assets": event.assets}
    return Upsert(tables.locations, (event.location,), {**loaded, "loaded_at": at, "error": None, "failed_at": None})
