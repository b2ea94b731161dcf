"""Contexts for tests: what `build_sensor_context` and its kin make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from upwell.definitions.answers import (
    DagsterRunReaction,
    ScheduleExecutionData,
    SensorExecutionData,
    sensor_answer,
)
from upwell.definitions.asset_cursor import AssetCursor, write_cursor
from upwell.definitions.definitions import Definitions
from upwell.definitions.errors import DagsterInvalidInvocationError, DagsterInvariantViolationError
from upwell.definitions.event_records import DagsterEvent
from upwell.definitions.keys import AssetKey
from upwell.definitions.run_requests import SkipReason
from upwell.definitions.runs import DagsterRun
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.selection import AssetSelection, select
from upwell.definitions.sensors import RunStatusSensorDefinition, SensorDefinition
from upwell.runtime.evaluation_context import Surroundings
from upwell.runtime.messages import TriggerEvent
from upwell.runtime.multi_asset_context import MultiAssetSensorEvaluationContext
from upwell.runtime.sensor_contexts import RunStatusSensorContext, ScheduleEvaluationContext, SensorEvaluationContext
from upwell.runtime.ticking import answers, call_about_run, call_schedule, call_sensor
from upwell.runtime.user_calls import run_now


def build_sensor_context(
    instance: Any = None,
    cursor: str | None = None,
    repository_name: str | None = None,
    repository_def: Definitions | None = None,
    sensor_name: str | None = None,
    resources: Mapping[str, object] | None = None,
    definitions: Definitions | None = None,
    last_sensor_start_time: float | None = None,
    events: Sequence[TriggerEvent] = (),
) -> SensorEvaluationContext:
    """A context to call a sensor with in a test, or to `evaluate_tick`.

    `instance` is a `DagsterInstance`: for sensors of assets and runs, what it remembers is what happened. `definitions`
    (or `repository_def`) are needed where run requests name assets or partitions. `events` are those of an event-driven
    sensor (Upwell's own).
    """
    return SensorEvaluationContext(
        _surroundings(definitions or repository_def, instance, resources),
        cursor=_text(cursor),
        sensor_name=sensor_name,
        started_at=last_sensor_start_time,
        events=tuple(events),
        repository_name=repository_name,
    )


def build_multi_asset_sensor_context(
    *,
    monitored_assets: Sequence[AssetKey] | AssetSelection,
    repository_def: Definitions | None = None,
    instance: Any = None,
    cursor: str | None = None,
    repository_name: str | None = None,
    cursor_from_latest_materializations: bool = False,
    resources: Mapping[str, object] | None = None,
    definitions: Definitions | None = None,
    last_sensor_start_time: float | None = None,
) -> MultiAssetSensorEvaluationContext:
    """A context to call a multi-asset sensor with in a test.

    `cursor_from_latest_materializations` has it begin after everything that the instance remembers.
    """
    project = definitions or repository_def
    if project is None:
        raise TypeError("build_multi_asset_sensor_context needs the definitions of the assets: definitions=…")
    if isinstance(monitored_assets, AssetSelection):
        chosen = project.graph.in_order(select(project.graph, monitored_assets))
        keys = [AssetKey.from_user_string(key) for key in chosen]
    else:
        keys = list(monitored_assets)
    if cursor_from_latest_materializations:
        if cursor or instance is None:
            raise DagsterInvalidInvocationError(
                "cursor_from_latest_materializations takes an instance, and no cursor beside"
            )
        cursor = _after_everything(keys, instance)
    return MultiAssetSensorEvaluationContext(
        _surroundings(project, instance, resources),
        monitored=keys,
        cursor=_text(cursor),
        started_at=last_sensor_start_time,
        repository_name=repository_name,
    )


def build_run_status_sensor_context(
    sensor_name: str,
    dagster_event: DagsterEvent,
    dagster_instance: Any,
    dagster_run: DagsterRun,
    context: SensorEvaluationContext | None = None,
    resources: Mapping[str, object] | None = None,
    partition_key: str | None = None,
    *,
    repository_def: Definitions | None = None,
) -> RunStatusSensorContext:
    """A context to call a run status or run failure sensor with in a test."""
    if not isinstance(dagster_run, DagsterRun) or not isinstance(dagster_event, DagsterEvent):
        raise TypeError("build_run_status_sensor_context takes dagster_run= and dagster_event= of a result")
    return RunStatusSensorContext(
        _surroundings(repository_def, dagster_instance, resources),
        sensor_name=sensor_name,
        dagster_run=dagster_run,
        dagster_event=dagster_event,
        partition_key=partition_key,
        step_failures=dagster_instance.step_failures_of(dagster_run.run_id),
    )


def build_schedule_context(
    instance: Any = None,
    scheduled_execution_time: datetime | None = None,
    resources: Mapping[str, object] | None = None,
    repository_def: Definitions | None = None,
) -> ScheduleEvaluationContext:
    """A context to call a schedule with in a test, or to `evaluate_tick`, for one tick."""
    if scheduled_execution_time is not None and not isinstance(scheduled_execution_time, datetime):
        raise TypeError(f"scheduled_execution_time is a datetime, not {scheduled_execution_time!r}")
    return ScheduleEvaluationContext(
        _surroundings(repository_def, instance, resources), scheduled_execution_time=scheduled_execution_time
    )


class _Evaluator:
    """Calls definitions here and now. (`Any`: which context belongs to which definition is found out here.)"""

    def tick(self, definition: Any, context: Any) -> SensorExecutionData | ScheduleExecutionData:
        if isinstance(definition, ScheduleDefinition):
            _check(context, ScheduleEvaluationContext, "build_schedule_context", definition.what)
            return run_now(lambda blocking: call_schedule(definition, context, blocking), definition.called.style)
        _check(context, SensorEvaluationContext, "build_sensor_context", definition.what)
        if isinstance(definition, RunStatusSensorDefinition):
            return _about_runs(definition, context)
        return run_now(lambda blocking: call_sensor(definition, context, blocking), definition.called.style)

    def answers(self, definition: SensorDefinition, context: SensorEvaluationContext) -> Sequence[Any]:
        return run_now(lambda blocking: answers(definition, context, blocking), definition.called.style)


def _check(context: object, kind: type, made_by: str, what: str) -> None:
    if not isinstance(context, kind):
        raise TypeError(f"{what} is evaluated with a context of {made_by}(…), not with {context!r}")


def _about_runs(sensor: RunStatusSensorDefinition, context: SensorEvaluationContext) -> SensorExecutionData:
    """Call a run status sensor about the runs that the instance remembers after the cursor, until it answers something.

    The first call only notes where it begins, as Dagster's do. (The service calls it about each run, from the start.)
    """
    changes = [change for change in context.instance.run_changes() if change.run.status is sensor.run_status]
    if context.cursor is None or not context.cursor.lstrip("-").isdigit():
        context.update_cursor(str(changes[-1].storage_id if changes else -1))
        reason = SkipReason(f"{sensor.what} begins after event {context.cursor}")
        return sensor_answer([reason], sensor.what, cursor=context.cursor, cursor_updated=True)
    since, names = int(context.cursor), [job.name for job in sensor.monitored_jobs]
    reactions: list[DagsterRunReaction] = []
    for change in changes:
        if change.storage_id <= since:
            continue
        context.update_cursor(str(change.storage_id))
        if names and change.run.job_name not in names:
            continue
        data, error = _about_run(sensor, context, change.run, change.event)
        if data is not None and (data.run_requests or data.skip_message):
            return SensorExecutionData(
                run_requests=data.run_requests,
                skip_message=data.skip_message,
                cursor=context.cursor,
                dagster_run_reactions=reactions,
            )
        reactions.append(DagsterRunReaction(dagster_run=change.run, run_status=sensor.run_status, error=error))
    if not reactions:
        return sensor_answer([], sensor.what, cursor=context.cursor, cursor_updated=True)
    return SensorExecutionData(cursor=context.cursor, dagster_run_reactions=reactions)


def _about_run(
    sensor: RunStatusSensorDefinition, context: SensorEvaluationContext, run: DagsterRun, event: DagsterEvent
) -> tuple[SensorExecutionData | None, BaseException | None]:
    told = RunStatusSensorContext(
        context.surroundings,
        sensor_name=sensor.name,
        dagster_run=run,
        dagster_event=event,
        partition_key=run.tags.get("dagster/partition"),
        step_failures=context.instance.step_failures_of(run.run_id),
    )
    try:
        return run_now(lambda blocking: call_about_run(sensor, told, blocking), sensor.called.style), None
    except DagsterInvariantViolationError:
        raise
    except Exception as error:  # noqa: BLE001 - the next run is told all the same
        return None, error


def _surroundings(project: Definitions | None, instance: Any, resources: Mapping[str, object] | None) -> Surroundings:
    given = {**(project.resources if project is not None else {}), **(resources or {})}
    return Surroundings(definitions=project, instance=instance, resources=given, evaluator=_Evaluator())


def _after_everything(keys: Sequence[AssetKey], instance: Any) -> str:
    newest = {key: records[-1] for key in keys if (records := instance.materializations_of(key))}
    return write_cursor(
        {key: AssetCursor(partition=record.partition_key, id=record.storage_id) for key, record in newest.items()}
    )


def _text(cursor: object) -> str | None:
    if cursor is not None and not isinstance(cursor, str):
        raise TypeError(f"a cursor is text, not {cursor!r}")
    return cursor
