"""What can happen: the closed union of events that the journal orders, and their names.

An event is a frozen dataclass of plain data. Its `kind` is also the name of its log line, so one table
(`KINDS`) ties class, stored kind and log event together. Assets are named by `AssetKey.to_user_string()`,
durations are seconds, instants are aware UTC datetimes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Literal, NewType, TypeAlias, get_args

from pydantic import TypeAdapter

RunId = NewType("RunId", str)

# JSON is recursive, which pydantic and mypy express differently: `Any` stands for "whatever JSON can hold".
Json: TypeAlias = Any

CheckSeverity: TypeAlias = Literal["WARN", "ERROR"]
FreshnessState: TypeAlias = Literal["PASS", "WARN", "FAIL", "UNKNOWN", "NOT_APPLICABLE"]
Outcome: TypeAlias = Literal["requested", "joined", "follows", "ignored", "rejected"]


def new_run_id() -> RunId:
    """A random id for a run; 32 lower-case hex characters."""
    return RunId(uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorInfo:
    """An exception of user code (or the end of its worker) as plain data."""

    type: str
    message: str
    traceback: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStep:
    """One step of a run's plan: which computation, for which assets and partition, after which other steps.

    `waits_for` names steps that must have succeeded before; a step is skipped when one of them failed or
    was skipped. A step that nobody asked for by name (`asked` is false: it lies downstream) is also skipped,
    rather than failed, when an input from outside the run has never been materialised.
    """

    id: str
    step: str
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()  # "asset:name"
    partition: str | None = None
    waits_for: tuple[str, ...] = ()
    asked: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _FromSource:
    """What every event from outside carries.

    `cursor` is merged into the source's durable cursor in the same transaction (a null value removes the
    entry), so an event and the memory of having seen it are never apart. `captures` are the named parts that
    the source took from the name of the thing (`{date}` in a file pattern).
    """

    source: str
    data: Json = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    captures: Mapping[str, str] = field(default_factory=dict)
    delivery_id: str | None = None
    occurred_at: datetime | None = None
    caught_up: bool = False
    cursor: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookAccepted(_FromSource):
    kind: ClassVar[str] = "webhook.accepted"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChanged(_FromSource):
    kind: ClassVar[str] = "file.changed"
    change: Literal["added", "modified", "deleted"] = "added"


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerFired(_FromSource):
    kind: ClassVar[str] = "timer.fired"


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageReceived(_FromSource):
    """From any other source: a broker, a poll, a plugin."""

    kind: ClassVar[str] = "message.received"


@dataclass(frozen=True, kw_only=True, slots=True)
class DuplicateIgnored:
    """A delivery that repeats `first_event_id` was answered, and nothing else."""

    kind: ClassVar[str] = "webhook.duplicate"
    source: str
    delivery_id: str
    first_event_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSubmitted:
    """Somebody asked for a run by name (API, CLI, retry); the reactor plans it.

    `downstream` adds every dependent. `retry_of` asks for the steps of that run that did not succeed.
    """

    kind: ClassVar[str] = "run.submitted"
    run_id: RunId
    assets: tuple[str, ...] = ()
    partition: str | None = None
    downstream: bool = False
    config: Json = None
    tags: Mapping[str, str] = field(default_factory=dict)
    retry_of: RunId | None = None
    submitted_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EventDecided:
    """What the reactor made of an event, and why, as a sentence.

    Events that came one after the other and have the same answer share it: `event_ids` has every one of them.
    """

    kind: ClassVar[str] = "event.decided"
    event_ids: tuple[int, ...]
    outcome: Outcome
    reason: str
    assets: tuple[str, ...] = ()
    partition: str | None = None
    run_id: RunId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequested:
    """A run with its plan. Runs of one lane (same roots and partition) execute one after the other."""

    kind: ClassVar[str] = "run.requested"
    run_id: RunId
    lane: str
    plan: tuple[PlannedStep, ...]
    reason: str
    cause: Literal["event", "manual", "retry", "automation"] = "event"
    roots: tuple[str, ...] = ()
    partition: str | None = None
    event_ids: tuple[int, ...] = ()
    config: Json = None
    tags: Mapping[str, str] = field(default_factory=dict)
    retry_of: RunId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStarted:
    kind: ClassVar[str] = "run.started"
    run_id: RunId


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSucceeded:
    kind: ClassVar[str] = "run.succeeded"
    run_id: RunId
    event_ids: tuple[int, ...] = ()  # every event that the run answered
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFailed:
    kind: ClassVar[str] = "run.failed"
    run_id: RunId
    reason: str
    event_ids: tuple[int, ...] = ()
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCancelRequested:
    kind: ClassVar[str] = "run.cancel_requested"
    run_id: RunId
    requested_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCanceled:
    kind: ClassVar[str] = "run.canceled"
    run_id: RunId
    reason: str = "canceled on request"
    event_ids: tuple[int, ...] = ()
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StepStarted:
    kind: ClassVar[str] = "step.started"
    run_id: RunId
    step_id: str
    attempt: int
    log: str | None = None  # file below UPWELL_HOME/logs


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSucceeded:
    kind: ClassVar[str] = "step.succeeded"
    run_id: RunId
    step_id: str
    attempt: int
    duration: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StepFailed:
    """An attempt failed; `retry_at` says when the next one is due, null when it was the last."""

    kind: ClassVar[str] = "step.failed"
    run_id: RunId
    step_id: str
    attempt: int
    duration: float
    error: ErrorInfo
    retry_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSkipped:
    kind: ClassVar[str] = "step.skipped"
    run_id: RunId
    step_id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetMaterialized:
    """A value was stored, by a step or (run_id null) reported from outside."""

    kind: ClassVar[str] = "asset.materialized"
    asset: str
    partition: str | None = None
    run_id: RunId | None = None
    step_id: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    code_version: str | None = None
    data_version: str | None = None
    duration: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetObserved:
    kind: ClassVar[str] = "asset.observed"
    asset: str
    partition: str | None = None
    run_id: RunId | None = None
    step_id: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    data_version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetFailed:
    kind: ClassVar[str] = "asset.failed"
    asset: str
    error: ErrorInfo
    partition: str | None = None
    run_id: RunId | None = None
    step_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetSkipped:
    kind: ClassVar[str] = "asset.skipped"
    asset: str
    reason: str
    partition: str | None = None
    run_id: RunId | None = None
    step_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckEvaluated:
    """Logged as `check.passed` or `check.failed`."""

    kind: ClassVar[str] = "check.evaluated"
    asset: str
    check: str
    passed: bool
    severity: CheckSeverity = "ERROR"
    blocking: bool = False
    partition: str | None = None
    run_id: RunId | None = None
    step_id: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    description: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshnessChanged:
    """Logged as `freshness.warned`, `.violated` or `.recovered`; dated at the deadline, not when someone looked."""

    kind: ClassVar[str] = "freshness.changed"
    asset: str
    state: FreshnessState
    previous_state: FreshnessState
    changed_at: datetime
    deadline: datetime | None = None
    last_materialized: datetime | None = None
    overdue_seconds: float = 0.0
    cause: str | None = None
    affected: tuple[str, ...] = ()
    caught_up: bool = False  # the deadline passed while the service was down


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationLoaded:
    """A new generation of a code location's workers took over."""

    kind: ClassVar[str] = "location.loaded"
    location: str
    generation: int
    code_hash: str
    assets: int = 0
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationFailed:
    kind: ClassVar[str] = "location.failed"
    location: str
    error: ErrorInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class ReloadRequested:
    """Somebody asked for new code; null means every location."""

    kind: ClassVar[str] = "location.reload_requested"
    location: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStarted:
    kind: ClassVar[str] = "service.started"
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStopping:
    kind: ClassVar[str] = "service.stopping"
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Canary:
    """Sent through journal and reactor by /readyz to prove progress."""

    kind: ClassVar[str] = "service.canary"
    nonce: str


SourceEvent: TypeAlias = WebhookAccepted | FileChanged | TimerFired | MessageReceived
RunEnded: TypeAlias = RunSucceeded | RunFailed | RunCanceled
Event: TypeAlias = (
    SourceEvent
    | DuplicateIgnored
    | RunSubmitted
    | EventDecided
    | RunRequested
    | RunStarted
    | RunEnded
    | RunCancelRequested
    | StepStarted
    | StepSucceeded
    | StepFailed
    | StepSkipped
    | AssetMaterialized
    | AssetObserved
    | AssetFailed
    | AssetSkipped
    | CheckEvaluated
    | FreshnessChanged
    | LocationLoaded
    | LocationFailed
    | ReloadRequested
    | ServiceStarted
    | ServiceStopping
    | Canary
)

KINDS: dict[str, type[Event]] = {cls.kind: cls for cls in get_args(Event)}


@cache
def _adapter(kind: str) -> TypeAdapter[Event]:
    return TypeAdapter(KINDS[kind])


def encode(event: Event) -> bytes:
    """The event's fields as JSON, without its kind."""
    return _adapter(event.kind).dump_json(event, exclude_defaults=True)


def decode(kind: str, body: bytes | str) -> Event:
    """The event that `encode` wrote.

    Raises:
        KeyError: no event of this kind is known (the journal was written by a newer version).
    """
    return _adapter(kind).validate_json(body)
