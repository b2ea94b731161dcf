"""From what a user's function answered to what its sensor or schedule wants: read, checked, and nothing done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.partitions.requests import AddDynamicPartitionsRequest, PartitionsRequest
from upwell.definitions.run_requests import AssetEvent, RunRequest, SensorResult, SkipReason
from upwell.definitions.runs import DagsterRun, DagsterRunStatus


@dataclass(frozen=True, kw_only=True)
class DagsterRunReaction:
    """A run status sensor was called about a run, and asked for nothing."""

    dagster_run: DagsterRun
    run_status: DagsterRunStatus
    error: BaseException | None = None


@dataclass(frozen=True, kw_only=True)
class SensorExecutionData:
    """What a call of a sensor comes to."""

    run_requests: list[RunRequest] = field(default_factory=list)
    skip_message: str | None = None
    cursor: str | None = None
    dagster_run_reactions: list[DagsterRunReaction] = field(default_factory=list)
    dynamic_partitions_requests: Sequence[PartitionsRequest] = field(default_factory=list)
    asset_events: Sequence[AssetEvent] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ScheduleExecutionData:
    """What a tick of a schedule comes to."""

    run_requests: list[RunRequest] = field(default_factory=list)
    skip_message: str | None = None


def sensor_answer(items: Sequence[Any], what: str, *, cursor: str | None, cursor_updated: bool) -> SensorExecutionData:
    """What a sensor's answers mean. (`Any`: users' functions may answer anything, which is found out here.)

    `cursor` is that of the context after the call; `cursor_updated`, whether the function set it.

    Raises:
        DagsterInvariantViolationError: the answers are of no use, or contradict each other.
    """
    if not items or (len(items) == 1 and items[0] is None):
        return SensorExecutionData(skip_message="Sensor function returned an empty result", cursor=cursor)
    if len(items) == 1 and isinstance(items[0], SensorResult):
        return _of_result(items[0], what, cursor, cursor_updated)
    if any(isinstance(item, SensorResult) for item in items):
        raise DagsterInvariantViolationError(f"{what} answers a SensorResult and more; put everything into the one")
    requests, reasons, reactions = _sorted(items, what, "SkipReason, RunRequest or SensorResult")
    if reasons and len(items) > 1:
        raise DagsterInvariantViolationError(
            f"{what} answers a SkipReason and more; a skip is an answer by itself, without runs"
        )
    message = reasons[0].skip_message if reasons else None
    return SensorExecutionData(
        run_requests=requests, skip_message=message, cursor=cursor, dagster_run_reactions=reactions
    )


def schedule_answer(items: Sequence[Any], what: str) -> ScheduleExecutionData:
    """What a schedule's answers mean. (`Any`: as of `sensor_answer`.)

    Raises:
        DagsterInvariantViolationError: the answers are of no use, or contradict each other.
    """
    if not items or (len(items) == 1 and items[0] is None):
        return ScheduleExecutionData(skip_message="Schedule function returned an empty result")
    requests, reasons, _ = _sorted(items, what, "SkipReason or RunRequest")
    if reasons and len(items) > 1:
        raise DagsterInvariantViolationError(f"{what} answers a SkipReason and more; a skip is an answer by itself")
    if len(requests) > 1 and not all(request.run_key for request in requests):
        raise DagsterInvariantViolationError(
            f"{what} wants several runs; give each RunRequest a run_key, so that none takes place twice for one tick"
        )
    return ScheduleExecutionData(run_requests=requests, skip_message=reasons[0].skip_message if reasons else None)


def check_returned(value: object, what: str) -> None:
    """See that a function returned something that may stand alone.

    Raises:
        DagsterInvariantViolationError: it did not.
    """
    if value is not None and not isinstance(value, SkipReason | RunRequest | SensorResult | DagsterRunReaction):
        raise DagsterInvariantViolationError(
            f"{what} returned {value!r}; return a RunRequest, a list of them, a SkipReason, a SensorResult or nothing"
        )


def _of_result(result: SensorResult, what: str, cursor: str | None, cursor_updated: bool) -> SensorExecutionData:
    if result.cursor and cursor_updated:
        raise DagsterInvariantViolationError(
            f"{what} sets its cursor twice, by context.update_cursor() and by SensorResult(cursor=…); leave one out"
        )
    requests = list(result.run_requests or ())
    message = None if requests else "Sensor function returned an empty result"
    changes = list(result.dynamic_partitions_requests or ())
    _check_partitions_requests(changes, what)
    return SensorExecutionData(
        run_requests=requests,
        skip_message=result.skip_reason.skip_message if result.skip_reason else message,
        cursor=result.cursor or cursor,
        dynamic_partitions_requests=changes,
        asset_events=result.asset_events,
    )


def _sorted(
    items: Sequence[Any], what: str, may_be: str
) -> tuple[list[RunRequest], list[SkipReason], list[DagsterRunReaction]]:
    requests = [item for item in items if isinstance(item, RunRequest)]
    reasons = [item for item in items if isinstance(item, SkipReason)]
    reactions = [item for item in items if isinstance(item, DagsterRunReaction)]
    if len(requests) + len(reasons) + len(reactions) < len(items):
        wrong = next(item for item in items if not isinstance(item, RunRequest | SkipReason | DagsterRunReaction))
        raise DagsterInvariantViolationError(f"{what} answers {wrong!r}, which is no {may_be}")
    return requests, reasons, reactions


def _check_partitions_requests(changes: Iterable[PartitionsRequest], what: str) -> None:
    """Each key comes or goes once."""
    added: dict[str, set[str]] = defaultdict(set)
    removed: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        name, keys = change.partitions_def_name, set(change.partition_keys)
        own, other = (added, removed) if isinstance(change, AddDynamicPartitionsRequest) else (removed, added)
        if both := keys & other[name]:
            raise DagsterInvariantViolationError(
                f"{what} adds and deletes the keys {sorted(both)} of {name!r} at once; ask for one of the two"
            )
        if twice := keys & own[name]:
            raise DagsterInvariantViolationError(f"{what} asks twice for the keys {sorted(twice)} of {name!r}")
        own[name] |= keys
