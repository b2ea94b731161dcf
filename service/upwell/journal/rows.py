"""From rows to what queries answer with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter
from pydantic_core import from_json

from upwell.events import ErrorInfo, Lateness, Member, PlannedStep
from upwell.journal.tables import from_micros
from upwell.journal.views import (
    AssetState,
    CheckState,
    DeadLetter,
    DemandRow,
    FailingSource,
    FilterCall,
    FreshnessRow,
    IncidentView,
    LocationView,
    NewestMade,
    PartitionState,
    RunView,
    SensorCall,
    SensorState,
    SilenceView,
    StepView,
    Switch,
    WaitingEvent,
)

# A row by its columns' names; the values are whatever the columns hold.
Row: TypeAlias = Mapping[Any, Any]


@cache
def _plans() -> TypeAdapter[tuple[PlannedStep, ...]]:
    return TypeAdapter(tuple[PlannedStep, ...])


@cache
def _errors() -> TypeAdapter[ErrorInfo]:
    return TypeAdapter(ErrorInfo)


@cache
def _lateness() -> TypeAdapter[Lateness]:
    return TypeAdapter(Lateness)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _error(text: str | None) -> ErrorInfo | None:
    return None if text is None else _errors().validate_json(text)


def _json(text: str | None, default: Any = None) -> Any:  # JSON holds anything
    return default if text is None else from_json(text)


def run_views(rows: Iterable[Row], run_events: Iterable[Row]) -> list[RunView]:
    """Runs from their rows, each with the events it answers."""
    answered: dict[str, list[int]] = {}
    for row in run_events:
        answered.setdefault(row["run_id"], []).append(row["event_id"])
    return [_run_view(row, sorted(answered.get(row["run_id"], ()))) for row in rows]


def _run_view(row: Row, event_ids: Sequence[int]) -> RunView:
    return RunView(
        run_id=row["run_id"],
        status=row["status"],
        lane=row["lane"],
        reason=row["reason"],
        cause=row["cause"],
        plan=_plans().validate_json(row["plan"]),
        requested_at=from_micros(row["requested_at"]),
        requested_id=row["requested_id"],
        roots=tuple(_json(row["roots"], ())),
        partition=row["partition"],
        event_ids=tuple(event_ids),
        config=_json(row["config"]),
        tags=_json(row["tags"], {}),
        retry_of=row["retry_of"],
        job=row["job"],
        sensor=row["sensor"],
        run_key=row["run_key"],
        started_at=_instant(row["started_at"]),
        ended_at=_instant(row["ended_at"]),
        error=row["error"],
        cancel_requested=row["cancel_requested"],
    )


def step_view(row: Row) -> StepView:
    """A step from its row."""
    return StepView(
        run_id=row["run_id"],
        step_id=row["step_id"],
        status=row["status"],
        attempt=row["attempt"],
        started_at=_instant(row["started_at"]),
        ended_at=_instant(row["ended_at"]),
        retry_at=_instant(row["retry_at"]),
        error=_error(row["error"]),
        reason=row["reason"],
        log=row["log"],
    )


def asset_state(row: Row, partitions_materialized: int, partition_data_time: int | None = None) -> AssetState:
    """An asset from its row, the count of its partitions, and up to when the newest of them is complete."""
    return AssetState(
        asset=row["asset"],
        materialized_id=row["materialized_id"],
        materialized_at=_instant(row["materialized_at"]),
        materialized_run=row["materialized_run"],
        materialized_partition=row["materialized_partition"],
        metadata=_json(row["metadata"], {}),
        code_version=row["code_version"],
        data_version=row["data_version"],
        duration=row["duration"],
        failed_id=row["failed_id"],
        failed_at=_instant(row["failed_at"]),
        failed_run=row["failed_run"],
        error=_error(row["error"]),
        started_id=row["started_id"],
        ended_id=row["ended_id"],
        observed_at=_instant(row["observed_at"]),
        partitions_materialized=partitions_materialized,
        reported_at=_instant(row["reported_at"]),
        data_time=_instant(row["data_time"] if partition_data_time is None else partition_data_time),
        data_id=row["data_id"],
    )


def partition_state(row: Row) -> PartitionState:
    """A partition of an asset from its row."""
    return PartitionState(
        asset=row["asset"],
        partition=row["partition"],
        materialized_id=row["materialized_id"],
        materialized_at=_instant(row["materialized_at"]),
        run_id=row["run_id"],
        failed_id=row["failed_id"],
        metadata=_json(row["metadata"], {}),
        data_time=_instant(row["data_time"]),
    )


def check_state(row: Row) -> CheckState:
    """A check from its row."""
    return CheckState(
        asset=row["asset"],
        check=row["name"],
        passed=row["passed"],
        severity=row["severity"],
        blocking=row["blocking"],
        evaluated_at=from_micros(row["evaluated_at"]),
        event_id=row["event_id"],
        partition=row["partition"],
        run_id=row["run_id"],
        metadata=_json(row["metadata"], {}),
        description=row["description"],
    )


def newest_made(row: Sequence[Any]) -> NewestMade:  # what the columns hold, in the order of the query
    """How fresh an asset is, from its columns."""
    asset, made_id, made_at, partition, observed_at, reported_at, data_time, data_id = row
    return NewestMade(
        asset,
        made_id,
        None if made_at is None else from_micros(made_at),
        partition,
        None if observed_at is None else from_micros(observed_at),
        None if reported_at is None else from_micros(reported_at),
        None if data_time is None else from_micros(data_time),
        data_id,
    )


def freshness_row(row: Sequence[Any]) -> FreshnessRow:  # what the columns hold, in the order of the table
    """An asset's freshness from its row."""
    asset, state, changed_at, deadline, last_materialized, cause, known_since = row
    return FreshnessRow(
        asset=asset,
        state=state,
        changed_at=from_micros(changed_at),
        deadline=None if deadline is None else from_micros(deadline),
        last_materialized=None if last_materialized is None else from_micros(last_materialized),
        cause=cause,
        known_since=None if known_since is None else from_micros(known_since),
    )


def demand_row(row: Row) -> DemandRow:
    """What was demanded for an asset from its row."""
    return DemandRow(
        asset=row["asset"],
        deadline=_instant(row["deadline"]),
        partition=row["partition"],
        attempt=row["attempt"],
        demand_id=row["demand_id"],
        demanded_at=_instant(row["demanded_at"]),
        risk_deadline=_instant(row["risk_deadline"]),
    )


def location_view(row: Row) -> LocationView:
    """A code location from its row."""
    return LocationView(
        location=row["location"],
        generation=row["generation"],
        code_hash=row["code_hash"],
        assets=row["assets"],
        loaded_at=_instant(row["loaded_at"]),
        error=_error(row["error"]),
        failed_at=_instant(row["failed_at"]),
    )


def sensor_state(row: Row) -> SensorState:
    """A sensor from its row."""
    return SensorState(
        sensor=row["sensor"],
        cursor=row["cursor"],
        tick_id=row["tick_id"],
        called_at=_instant(row["called_at"]),
        status=row["status"],
        reason=row["reason"],
        error=_error(row["error"]),
        failures=row["failures"],
        run_key=row["run_key"],
    )


def sensor_call(row: Row) -> SensorCall:
    """A call that is still to be made, from its row."""
    return SensorCall(
        trigger_id=row["trigger_id"],
        sensor=row["sensor"],
        event_ids=tuple(_json(row["event_ids"], ())),
        attempt=row["attempt"],
        retry_at=_instant(row["retry_at"]),
    )


def filter_call(row: Row) -> FilterCall:
    """A question to filters, from its row."""
    return FilterCall(event_id=row["event_id"], filters=tuple(_json(row["filters"], ())))


def waiting_event(row: Row) -> WaitingEvent:
    """What a gate holds back, from its row."""
    return WaitingEvent(gate=row["gate"], event_id=row["event_id"], until=_instant(row["until"]))


def switch(row: Row) -> Switch:
    """A switch from its row."""
    return Switch(
        what=row["what"],
        name=row["name"],
        active=row["active"],
        at=from_micros(row["at"]),
        said_by=row["said_by"],
    )


def failing_source(row: Row) -> FailingSource:
    """A source that fails, from its row."""
    return FailingSource(
        source=row["source"], since=from_micros(row["since"]), error=_errors().validate_json(row["error"])
    )


def dead_letter(row: Row) -> DeadLetter:
    """A dead letter from its row."""
    return DeadLetter(
        event_id=row["event_id"],
        dead_id=row["dead_id"],
        at=from_micros(row["at"]),
        reason=row["reason"],
        error=_error(row["error"]),
        attempts=row["attempts"],
        run_id=row["run_id"],
        sensor=row["sensor"],
    )


def incident_view(row: Row, members: Iterable[Member] = ()) -> IncidentView:
    """An incident from its row and those who are in it."""
    return IncidentView(
        incident=row["incident"],
        number=row["number"],
        trouble=row["trouble"],
        subject=row["subject"],
        severity=row["severity"],
        opened_at=from_micros(row["opened_at"]),
        happened_at=from_micros(row["happened_at"]),
        summary=row["summary"],
        open=row["open"],
        affected=row["affected"],
        assets=tuple(_json(row["assets"], ())),
        lateness=_late(row["lateness"]),
        run_id=row["run_id"],
        step_id=row["step_id"],
        error=_error(row["error"]),
        closes_at=_instant(row["closes_at"]),
        silenced=row["silenced"],
        silenced_until=_instant(row["silenced_until"]),
        merged_into=row["merged_into"],
        members=tuple(members),
    )


def member(row: Row) -> Member:
    """Somebody in an incident, from the row."""
    return Member(
        name=row["name"],
        partition=row["partition"] or None,
        since=from_micros(row["since"]),
        severity=row["severity"],
        lateness=_late(row["lateness"]),
    )


def _late(text: str | None) -> Lateness | None:
    return None if text is None else _lateness().validate_json(text)


def silence_view(row: Row) -> SilenceView:
    """A silence from its row."""
    return SilenceView(
        silence=row["silence"],
        select=row["select"],
        since=from_micros(row["since"]),
        until=from_micros(row["until"]),
        reason=row["reason"],
        silenced_by=row["silenced_by"],
    )
