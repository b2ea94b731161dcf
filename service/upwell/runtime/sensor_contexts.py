"""`context`, as functions of sensors get it, under Dagster's names."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from typing import Any

from upwell.definitions.definitions import Definitions
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.event_records import DagsterEvent, EventLogRecord
from upwell.definitions.keys import AssetKey
from upwell.definitions.runs import DagsterRun
from upwell.runtime.evaluation_context import EvaluationContext, Surroundings
from upwell.runtime.messages import TriggerEvent


class SensorEvaluationContext(EvaluationContext):
    """What the function of a sensor is told.

    `records_of` answers with the materialisations of an asset that are known here, oldest first.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        cursor: str | None = None,
        sensor_name: str | None = None,
        last_run_key: str | None = None,
        last_called_at: datetime | None = None,
        started_at: float | None = None,
        events: Sequence[TriggerEvent] = (),
        records_of: Callable[[AssetKey], Sequence[EventLogRecord]] | None = None,
        repository_name: str | None = None,
    ) -> None:
        super().__init__(surroundings)
        self._cursor = cursor
        self._sensor_name = sensor_name
        self._records_of = records_of
        self.cursor_updated = False
        self.last_run_key = last_run_key
        self.last_called_at = last_called_at
        self.last_sensor_start_time = started_at
        self.events: Sequence[TriggerEvent] = events
        self.repository_name = repository_name

    @property
    def cursor(self) -> str | None:
        """What an earlier call left for this one."""
        return self._cursor

    def update_cursor(self, cursor: str | None) -> None:
        """Leave something for the next call; it counts only if this one succeeds."""
        if cursor is not None and not isinstance(cursor, str):
            raise TypeError(f"a cursor is text, not {cursor!r}: update_cursor(str(…))")
        self._cursor = cursor
        self.cursor_updated = True

    @property
    def sensor_name(self) -> str:
        """The name of the sensor.

        Raises:
            LookupError: it was not given, in a test.
        """
        if self._sensor_name is None:
            raise LookupError("the context does not know which sensor it is for: build_sensor_context(sensor_name=…)")
        return self._sensor_name

    @property
    def last_tick_completion_time(self) -> float | None:
        """When the sensor was called before, in seconds since the epoch."""
        return None if self.last_called_at is None else self.last_called_at.timestamp()

    last_completion_time = last_tick_completion_time

    @property
    def is_first_tick_since_sensor_start(self) -> bool:
        """Whether it was not called since it was switched on."""
        before, start = self.last_tick_completion_time, self.last_sensor_start_time
        return not before or (start is not None and start > before)

    def records_of(self, asset_key: AssetKey) -> Sequence[EventLogRecord]:
        """The materialisations of an asset that are known here, oldest first."""
        if self._records_of is not None:
            return self._records_of(asset_key)
        found: Sequence[EventLogRecord] = self.instance.materializations_of(asset_key)
        return found

    def answers_of(self, sensor: Any) -> Generator[Any, None, None]:
        """The answers of an asset sensor that is called directly with this context. (`Any`: see there.)"""
        yield from self.evaluator.answers(sensor, self)


class RunStatusSensorContext(EvaluationContext):
    """What the function of a run status sensor is told: a run, and the event that it reached the status."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        sensor_name: str,
        dagster_run: DagsterRun,
        dagster_event: DagsterEvent,
        partition_key: str | None = None,
        step_failures: Sequence[DagsterEvent] = (),
    ) -> None:
        super().__init__(surroundings)
        self.sensor_name = sensor_name
        self.dagster_run = dagster_run
        self.dagster_event = dagster_event
        self.partition_key = partition_key
        self._step_failures = step_failures

    def for_run_failure(self) -> RunFailureSensorContext:
        """The same for a function that wants to know more of a failure."""
        return RunFailureSensorContext(
            self.surroundings,
            sensor_name=self.sensor_name,
            dagster_run=self.dagster_run,
            dagster_event=self.dagster_event,
            partition_key=self.partition_key,
            step_failures=self._step_failures,
        )


class RunFailureSensorContext(RunStatusSensorContext):
    """What the function of a run failure sensor is told."""

    @property
    def failure_event(self) -> DagsterEvent:
        """The event that the run failed."""
        return self.dagster_event

    def get_step_failure_events(self) -> Sequence[DagsterEvent]:
        """One for each step that failed, with its error."""
        return list(self._step_failures)


class ScheduleEvaluationContext(EvaluationContext):
    """What the functions of a schedule are told."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        scheduled_execution_time: datetime | None = None,
        schedule_name: str | None = None,
    ) -> None:
        super().__init__(surroundings)
        self._scheduled_execution_time = scheduled_execution_time
        self.schedule_name = schedule_name

    @property
    def scheduled_execution_time(self) -> datetime:
        """The tick that is answered, in the time zone of the schedule; the call may come a little later.

        Raises:
            LookupError: it was not given, in a test.
        """
        if self._scheduled_execution_time is None:
            raise LookupError(
                "the context does not know which tick it is for: build_schedule_context(scheduled_execution_time=…)"
            )
        return self._scheduled_execution_time

    @property
    def repository_def(self) -> Definitions:
        """The definitions that the schedule belongs to.

        Raises:
            DagsterInvariantViolationError: they were not given, in a test.
        """
        if self.surroundings.definitions is None:
            raise DagsterInvariantViolationError(
                "the context knows of no definitions: build_schedule_context(repository_def=defs.get_repository_def())"
            )
        return self.surroundings.definitions

    @property
    def tick(self) -> datetime | None:
        """The same, or none."""
        return self._scheduled_execution_time
