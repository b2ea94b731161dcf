"""What a worker does about sensors and schedules: one call, or one question to users' filters.

Whatever goes wrong in users' code is in the report. Timeouts and cancellation are the caller's.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from upwell.definitions.answers import SensorExecutionData
from upwell.definitions.checks import AssetCheckEvaluation
from upwell.definitions.declarations import Declarations
from upwell.definitions.definitions import Definitions
from upwell.definitions.errors import DagsterUserCodeExecutionError
from upwell.definitions.event_records import DagsterEvent, EventLogRecord
from upwell.definitions.keys import AssetKey
from upwell.definitions.metadata import decode_metadata, encode_metadata
from upwell.definitions.partitions.requests import AddDynamicPartitionsRequest, PartitionsRequest
from upwell.definitions.resolving import Asker
from upwell.definitions.results import AssetMaterialization, AssetObservation
from upwell.definitions.run_requests import AssetEvent
from upwell.definitions.runs import DagsterRun, DagsterRunStatus
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensors import RunStatusSensorDefinition, SensorDefinition
from upwell.definitions.targets import IMPLICIT_JOB
from upwell.events import (
    AssetMaterialized,
    AssetObserved,
    CheckEvaluated,
    ErrorInfo,
    PartitionsWanted,
    decode,
)
from upwell.runtime.blocking import Blocking
from upwell.runtime.call_instance import CallInstance
from upwell.runtime.code import Code
from upwell.runtime.evaluation_context import EvaluationContext, Surroundings
from upwell.runtime.messages import (
    FilterReport,
    FilterTask,
    SensorReport,
    SensorTask,
    StepResult,
    WatchedEvent,
    WatchedRun,
)
from upwell.runtime.resources import with_needed
from upwell.runtime.sensor_contexts import RunStatusSensorContext, ScheduleEvaluationContext, SensorEvaluationContext
from upwell.runtime.ticking import call_about_run, call_schedule, call_sensor
from upwell.runtime.tracebacks import error_info
from upwell.runtime.user_calls import call_plainly


async def evaluate(task: SensorTask, code: Code, *, blocking: Blocking, log: logging.Logger) -> SensorReport:
    """Call a sensor or a schedule, and report what it wants. Never raises for what users' code does."""
    started_at = time.perf_counter()
    try:
        report = await _evaluated(task, code, blocking, log)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever user code raises ends its call and nothing else
        report = SensorReport(id=task.id, error=_users_error(error))
    return replace(report, duration=time.perf_counter() - started_at)


async def answer_filters(task: FilterTask, code: Code, *, blocking: Blocking) -> FilterReport:
    """Ask users' filters about an event. Never raises for what they do."""
    answers = {}
    try:
        for key in task.filters:
            function = code.filter(key)
            answers[key] = bool(await call_plainly(function, (task.event,), blocking))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
        return FilterReport(id=task.id, error=error_info(error))
    return FilterReport(id=task.id, answers=answers)


async def _evaluated(task: SensorTask, code: Code, blocking: Blocking, log: logging.Logger) -> SensorReport:
    definition = code.sensing(task.sensor)
    surroundings = _surroundings(definition, code, task, log)
    if isinstance(definition, ScheduleDefinition):
        context: EvaluationContext = _schedule_context(task, definition, surroundings)
    elif isinstance(definition, RunStatusSensorDefinition):
        context = run_status_context(task, surroundings)
    else:
        context = _sensor_context(task, surroundings)
    try:
        data = await _data(definition, context, blocking)
    finally:
        if surroundings.resources:
            await blocking(context.__exit__, None, None, None)
    return _report(task, data, definition, code.definitions, surroundings.instance.changes)


async def _data(
    definition: SensorDefinition | ScheduleDefinition, context: Any, blocking: Blocking
) -> SensorExecutionData:
    """(`Any`: the context that belongs to the definition.)"""
    if isinstance(definition, ScheduleDefinition):
        tick = await call_schedule(definition, context, blocking)
        return SensorExecutionData(run_requests=tick.run_requests, skip_message=tick.skip_message)
    if isinstance(definition, RunStatusSensorDefinition):
        return await call_about_run(definition, context, blocking)
    return await call_sensor(definition, context, blocking)


def _surroundings(definition: SensingDefinition, code: Code, task: SensorTask, log: logging.Logger) -> Surroundings:
    project = code.definitions
    return Surroundings(
        definitions=project if isinstance(project, Definitions) else None,
        instance=CallInstance(task.dynamic),
        resources=with_needed(project.resources, definition.required_resource_keys, definition.what),
        log=log,
        now=task.now,
    )


def _sensor_context(task: SensorTask, surroundings: Surroundings) -> SensorEvaluationContext:
    records = list(map(record_of, task.watched))

    def records_of(key: AssetKey) -> Sequence[EventLogRecord]:
        return [record for record in records if record.asset_key == key]

    return SensorEvaluationContext(
        surroundings,
        cursor=task.cursor or None,
        sensor_name=task.sensor,
        last_run_key=task.last_run_key,
        last_called_at=task.last_called_at,
        events=task.events,
        records_of=records_of,
    )


def _schedule_context(
    task: SensorTask, schedule: ScheduleDefinition, surroundings: Surroundings
) -> ScheduleEvaluationContext:
    zone = ZoneInfo(schedule.execution_timezone or "UTC")
    tick: datetime = (task.scheduled_at or task.now).astimezone(zone)
    return ScheduleEvaluationContext(surroundings, scheduled_execution_time=tick, schedule_name=schedule.name)


def run_status_context(task: SensorTask, surroundings: Surroundings) -> RunStatusSensorContext:
    """The context of a call about a run.

    Raises:
        ValueError: the task has no run.
    """
    if task.run is None:
        raise ValueError(f"sensor {task.sensor!r} is to be called about a run, and was called about none")
    run = task.run
    error = None if run.error is None else ErrorInfo(type="RunFailed", message=run.error)
    event = DagsterEvent(
        event_type_value=_EVENT_TYPES[DagsterRunStatus(run.status)],
        job_name=run.job,
        message=run.error or f"run {run.run_id} is {run.status}",
        error=error,
    )
    failures = [
        DagsterEvent(event_type_value="STEP_FAILURE", step_key=step, message=failure.message, error=failure)
        for step, failure in run.step_errors.items()
    ]
    return RunStatusSensorContext(
        surroundings,
        sensor_name=task.sensor,
        dagster_run=_dagster_run(run),
        dagster_event=event,
        partition_key=run.partition,
        step_failures=failures,
    )


_EVENT_TYPES: Mapping[DagsterRunStatus, str] = {
    DagsterRunStatus.QUEUED: "PIPELINE_ENQUEUED",
    DagsterRunStatus.STARTED: "PIPELINE_START",
    DagsterRunStatus.SUCCESS: "PIPELINE_SUCCESS",
    DagsterRunStatus.FAILURE: "PIPELINE_FAILURE",
    DagsterRunStatus.CANCELED: "PIPELINE_CANCELED",
}


def _dagster_run(run: WatchedRun) -> DagsterRun:
    return DagsterRun(
        run_id=run.run_id,
        status=DagsterRunStatus(run.status),
        tags=run.tags,
        run_config=run.config,
        job_name=run.job or IMPLICIT_JOB,
        asset_selection=frozenset(map(AssetKey.from_user_string, run.assets)),
    )


def record_of(event: WatchedEvent) -> EventLogRecord:
    """A materialisation of the journal as user code knows it."""
    told = decode(event.kind, json.dumps(event.body))
    if not isinstance(told, AssetMaterialized):
        raise ValueError(f"event {event.id} is no materialisation but {event.kind}")
    materialization = AssetMaterialization(
        AssetKey.from_user_string(told.asset),
        description=told.description,
        metadata=decode_metadata(told.metadata),
        partition=told.partition,
        tags=told.tags,
    )
    return EventLogRecord(
        storage_id=event.id,
        timestamp=event.at.timestamp(),
        run_id=told.run_id,
        asset_materialization=materialization,
    )


def _report(
    task: SensorTask,
    data: SensorExecutionData,
    definition: SensingDefinition,
    project: Declarations,
    changes: Sequence[PartitionsWanted],
) -> SensorReport:
    cursor = data.cursor if data.cursor != (task.cursor or None) else None
    keeps_cursor = not isinstance(definition, ScheduleDefinition | RunStatusSensorDefinition)
    if keeps_cursor and data.cursor is None and task.cursor:
        cursor = ""  # the function set it to none; that is a change, too
    asker = Asker(definition, project, task.now)
    return SensorReport(
        id=task.id,
        runs=tuple(map(asker.wanted_run, data.run_requests)),
        skip_reason=data.skip_message,
        cursor=cursor,
        results=tuple(map(_result, data.asset_events)),
        partitions=(*changes, *_partitions_wanted(data.dynamic_partitions_requests)),
    )


def _result(event: AssetEvent) -> StepResult:
    asset, metadata = event.asset_key.to_user_string(), encode_metadata(event.metadata)
    match event:
        case AssetCheckEvaluation():
            return CheckEvaluated(
                asset=asset,
                check=event.check_name,
                passed=event.passed,
                severity=event.severity.value,
                blocking=bool(event.blocking),
                partition=event.partition,
                metadata=metadata,
                description=event.description,
            )
        case AssetObservation():
            kind: type[AssetObserved] | type[AssetMaterialized] = AssetObserved
        case _:
            kind = AssetMaterialized
    return kind(
        asset=asset,
        partition=event.partition,
        metadata=metadata,
        description=event.description,
        tags=dict(event.tags),
    )


def _partitions_wanted(changes: Iterable[PartitionsRequest]) -> Iterable[PartitionsWanted]:
    for change in changes:
        keys = tuple(change.partition_keys)
        if isinstance(change, AddDynamicPartitionsRequest):
            yield PartitionsWanted(name=change.partitions_def_name, added=keys)
        else:
            yield PartitionsWanted(name=change.partitions_def_name, removed=keys)


def _users_error(error: BaseException) -> ErrorInfo:
    """The error that the user's function raised, where ours only says which function it was."""
    own = isinstance(error, DagsterUserCodeExecutionError) and error.__cause__ is not None
    return error_info(error.__cause__ if own and error.__cause__ is not None else error)
