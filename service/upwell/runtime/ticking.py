"""One call of a sensor, or one tick of a schedule: which arguments, and what its answers come to.

The service and `evaluate_tick` share it; they differ in the context that they give, and in where a plain function runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from upwell.definitions.answers import (
    ScheduleExecutionData,
    SensorExecutionData,
    check_returned,
    schedule_answer,
    sensor_answer,
)
from upwell.definitions.calling import called_function
from upwell.definitions.errors import (
    DagsterInvalidDefinitionError,
    DagsterInvariantViolationError,
    DagsterUserCodeExecutionError,
)
from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.dynamic import keys_after
from upwell.definitions.resolving import Asker
from upwell.definitions.run_requests import RunRequest, SensorResult, SkipReason
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensor_nodes import assets_watched
from upwell.definitions.sensors import (
    AssetSensorDefinition,
    MultiAssetSensorDefinition,
    RunStatusSensorDefinition,
    SensorDefinition,
)
from upwell.runtime.blocking import Blocking
from upwell.runtime.evaluation_context import EvaluationContext
from upwell.runtime.multi_asset_context import MultiAssetSensorEvaluationContext
from upwell.runtime.sensor_contexts import RunStatusSensorContext, ScheduleEvaluationContext, SensorEvaluationContext
from upwell.runtime.user_calls import Answer, call, call_plainly


async def call_sensor(
    sensor: SensorDefinition, context: SensorEvaluationContext, blocking: Blocking
) -> SensorExecutionData:
    """What a sensor wants, that is called by its interval, by events, or by materialisations."""
    items = await answers(sensor, context, blocking)
    data = sensor_answer(items, sensor.what, cursor=context.cursor, cursor_updated=context.cursor_updated)
    keys = keys_after(context.surroundings.instance, data.dynamic_partitions_requests)
    asker = Asker(sensor, context.surroundings.definitions, context.now, keys)
    return replace(data, run_requests=asker.resolved(data.run_requests))


async def answers(sensor: SensorDefinition, context: SensorEvaluationContext, blocking: Blocking) -> Sequence[Any]:
    """What its function answers; the cursor of the context is that after the call. (`Any`: see `answers`.)"""
    if isinstance(sensor, AssetSensorDefinition):
        return await _of_asset(sensor, context, blocking)
    if isinstance(sensor, MultiAssetSensorDefinition):
        return await _of_several_assets(sensor, context, blocking)
    answer = await _called(sensor, (context,), blocking)
    if answer.items is None:
        check_returned(answer.value, sensor.what)
    return answer.all_items


async def call_about_run(
    sensor: RunStatusSensorDefinition, context: RunStatusSensorContext, blocking: Blocking
) -> SensorExecutionData:
    """What a run status sensor wants, called about one run."""
    told = context.for_run_failure() if sensor.for_failures else context
    answer = await _called(sensor, (told,), blocking)
    _refuse_cursor(answer.value, sensor)
    data = sensor_answer(answer.all_items, sensor.what, cursor=None, cursor_updated=False)
    keys = keys_after(context.surroundings.instance, data.dynamic_partitions_requests)
    requests = Asker(sensor, context.surroundings.definitions, context.now, keys).resolved(data.run_requests)
    return replace(data, run_requests=requests, skip_message=data.skip_message if answer.all_items else None)


async def call_schedule(
    schedule: ScheduleDefinition, context: ScheduleEvaluationContext, blocking: Blocking
) -> ScheduleExecutionData:
    """What a schedule wants at a tick."""
    data = schedule_answer(await _at_tick(schedule, context, blocking), schedule.what)
    surroundings = context.surroundings
    requests = Asker(schedule, surroundings.definitions, context.tick, surroundings.instance).resolved(
        data.run_requests
    )
    return replace(data, run_requests=requests)


async def _called(definition: SensingDefinition, given: tuple[Any, ...], blocking: Blocking) -> Answer:
    """Call the function with as many of `given` as it takes, and with resources. The first is the context."""
    found = await _resources(definition, given[0], blocking)
    return await call(definition.called, {**_arguments(definition, given), **found}, blocking)


def _arguments(definition: SensingDefinition, given: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(definition.called.arguments, given, strict=False))


async def _resources(definition: SensingDefinition, context: EvaluationContext, blocking: Blocking) -> dict[str, Any]:
    if not definition.called.resources:
        return {}
    return await blocking(definition.called.with_resources, context.resources, definition.noun, definition.name)


async def _of_asset(
    sensor: AssetSensorDefinition, context: SensorEvaluationContext, blocking: Blocking
) -> Sequence[Any]:
    """Called about the newest materialisation that the cursor has not passed; the cursor moves by itself."""
    seen = int(context.cursor) if context.cursor and context.cursor.isdigit() else 0
    new = [record for record in context.records_of(sensor.asset_key) if record.storage_id > seen]
    if not new:
        return [SkipReason(f"{sensor.asset_key.to_user_string()!r} was not materialised since the last call")]
    answer = await _called(sensor, (context, new[-1].event_log_entry), blocking)
    _refuse_cursor(answer.value, sensor)
    if answer.items is None:
        check_returned(answer.value, sensor.what)
    context.update_cursor(str(new[-1].storage_id))
    return answer.all_items


async def _of_several_assets(
    sensor: MultiAssetSensorDefinition, context: SensorEvaluationContext, blocking: Blocking
) -> Sequence[Any]:
    own = context_of_several_assets(sensor, context)
    answer = await _called(sensor, (own,), blocking)
    if answer.items is not None and any(isinstance(item, SensorResult) for item in answer.items):
        raise DagsterInvariantViolationError(f"{sensor.what} yields a SensorResult; return it, alone")
    _refuse_cursor(answer.value, sensor)
    if answer.all_items or answer.items is not None:
        if _wants_runs(answer) and not own.cursor_updated:
            raise DagsterInvalidDefinitionError(
                f"{sensor.what} wants runs and says of no materialisation that it was used, so that the next call "
                "would want them once more; call context.advance_cursor(…) or context.advance_all_cursors()"
            )
        own.update_cursor_after_evaluation()
        context.update_cursor(own.cursor)
    return answer.all_items


def context_of_several_assets(
    sensor: MultiAssetSensorDefinition, context: SensorEvaluationContext
) -> MultiAssetSensorEvaluationContext:
    """The context that the function of such a sensor gets.

    Raises:
        DagsterInvariantViolationError: the assets are chosen by a selection, and no definitions are known.
    """
    definitions = context.surroundings.definitions
    if definitions is None:
        raise DagsterInvariantViolationError(
            f"{sensor.what} watches assets of a project; give the context definitions= or repository_def="
        )
    watched = [AssetKey.from_user_string(key) for key in assets_watched(sensor, definitions.graph)]
    return MultiAssetSensorEvaluationContext.beside(context, watched)


def _wants_runs(answer: Answer) -> bool:
    if isinstance(answer.value, SensorResult):
        return bool(answer.value.run_requests)
    return any(isinstance(item, RunRequest) for item in answer.all_items)


def _refuse_cursor(value: object, sensor: SensorDefinition) -> None:
    if isinstance(value, SensorResult) and value.cursor:
        raise DagsterInvariantViolationError(
            f"{sensor.what} answers a SensorResult with a cursor, but its cursor moves by itself; leave cursor= out"
        )


async def _at_tick(
    schedule: ScheduleDefinition, context: ScheduleEvaluationContext, blocking: Blocking
) -> Sequence[Any]:
    if schedule.should_execute is not None and not await _asked(
        schedule, "should_execute", schedule.should_execute, context, blocking
    ):
        return [SkipReason(f"should_execute function for {schedule.name} returned false.")]
    if schedule.execution_fn is None:
        config = schedule.run_config
        if schedule.run_config_fn is not None:
            config = await _asked(schedule, "run_config_fn", schedule.run_config_fn, context, blocking)
        return [RunRequest(run_config=config, tags=await _tags(schedule, context, blocking))]
    found = await _resources(schedule, context, blocking)
    try:
        answer = await call(schedule.called, {**_arguments(schedule, (context,)), **found}, blocking)
    except Exception as error:
        if not schedule.decorated:
            raise
        raise DagsterUserCodeExecutionError(f"{schedule.what} raised {type(error).__name__}: {error}") from error
    if not schedule.decorated:
        return answer.all_items
    if isinstance(answer.value, dict):
        return [RunRequest(run_config=answer.value, tags=await _tags(schedule, context, blocking))]
    return answer.all_items if answer.items is None else answer.items  # as in Dagster, what it returns then is lost


async def _tags(
    schedule: ScheduleDefinition, context: ScheduleEvaluationContext, blocking: Blocking
) -> Mapping[str, Any]:
    if schedule.tags_fn is None:
        return schedule.tags
    return await _asked(schedule, "tags_fn", schedule.tags_fn, context, blocking) or {}


async def _asked(
    schedule: ScheduleDefinition, what: str, function: Any, context: ScheduleEvaluationContext, blocking: Blocking
) -> Any:
    """What one of a schedule's further functions says; it may leave out the argument for the context."""
    try:
        takes = called_function(function).arguments
        return await call_plainly(function, (context,) if takes else (), blocking)
    except Exception as error:
        raise DagsterUserCodeExecutionError(
            f"{what} of {schedule.what} raised {type(error).__name__}: {error}"
        ) from error
