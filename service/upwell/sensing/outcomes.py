"""What a call of a sensor leads to, as events. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from upwell.definitions.snapshot import SensorNode
from upwell.events import (
    DynamicPartitionsChanged,
    ErrorInfo,
    Event,
    EventDeadLettered,
    SensorEvaluated,
    SensorFailed,
)
from upwell.runtime.messages import SensorReport

MOST_ATTEMPTS = 3
"""Attempts at a call about events, before they become dead letters."""

DEFAULT_INTERVAL = 30.0
"""Seconds between two calls of a polling sensor that does not say."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds after a failure; doubled with each one that follows, up to the longest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call of a sensor: about events that somebody triggered it for, or because its interval has passed.

    `attempt` counts from 1; of a polling sensor, since its last success. `due_at` is an instant of a steady clock.
    """

    due_at: datetime
    trigger_id: int | None = None
    event_ids: tuple[int, ...] = ()
    attempt: int = 1


def outcome(
    node: SensorNode, call: Call, report: SensorReport, *, now: datetime, chance: float
) -> tuple[tuple[Event, ...], SensorEvaluated | SensorFailed]:
    """Everything to append, in order, and that of it which says how the call ended."""
    if report.error is not None:
        return _failed(node, call, report.error, report.duration, now, chance)
    evaluated = SensorEvaluated(
        sensor=node.name,
        trigger_id=call.trigger_id,
        event_ids=call.event_ids,
        runs=report.runs,
        skip_reason=report.skip_reason,
        cursor=report.cursor,
        attempt=call.attempt,
        duration=report.duration,
    )
    changed = (
        DynamicPartitionsChanged(name=wanted.name, added=wanted.added, removed=wanted.removed)
        for wanted in report.partitions
        if wanted.added or wanted.removed
    )
    return (*report.results, *changed, evaluated), evaluated


def _failed(
    node: SensorNode, call: Call, error: ErrorInfo, duration: float, now: datetime, chance: float
) -> tuple[tuple[Event, ...], SensorFailed]:
    pause = pause_after(call.attempt, chance)
    given_up = False
    if node.kind == "polling":
        pause = max(pause, interval_of(node))
    else:
        given_up = call.attempt >= MOST_ATTEMPTS
    failed = SensorFailed(
        sensor=node.name,
        error=error,
        trigger_id=call.trigger_id,
        event_ids=call.event_ids,
        attempt=call.attempt,
        retry_at=None if given_up else now + timedelta(seconds=pause),
        duration=duration,
    )
    if not given_up or not call.event_ids:
        return (failed,), failed
    letter = EventDeadLettered(
        event_ids=call.event_ids,
        reason=f"{_noun(node)} {node.name} failed {times(call.attempt)}; the last error: {in_words(error)}",
        error=error,
        attempts=call.attempt,
        sensor=node.name,
    )
    return (failed, letter), failed


def pause_after(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row; `chance` in [0, 1) spreads them over the upper half."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 30))
    return longest * (0.5 + chance / 2)


def interval_of(node: SensorNode) -> float:
    """Seconds between two calls of a polling sensor."""
    return node.interval if node.interval is not None else DEFAULT_INTERVAL


def times(count: int) -> str:
    """`once`, or `3 times`."""
    return "once" if count == 1 else f"{count} times"


def in_words(error: ErrorInfo) -> str:
    """The error in one line."""
    return f"{error.type}: {error.message}".splitlines()[0]


def _noun(node: SensorNode) -> str:
    return "schedule" if node.kind == "schedule" else "sensor"
