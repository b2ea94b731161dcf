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
Outcome: TypeAlias = Literal[
    "requested",  # a run
    "joined",  # a run that had not started
    "follows",  # a run that was under way
    "called",  # a sensor
    "waiting",  # for quiet, for the end of a batch, for a turn under the rate
    "asked",  # the user's filter, in a worker
    "filtered",
    "paused",
    "replayed",  # each of the events that were asked for has a decision of its own
    "ignored",
    "rejected",
]
Listening: TypeAlias = Literal["source", "sensor", "schedule"]
Trouble: TypeAlias = Literal["freshness", "asset", "check", "run", "sensor", "location", "dead_letter"]
Severity: TypeAlias = Literal["warning", "error"]
IncidentStep: TypeAlias = Literal[
    "opened",
    "worsened",  # from a warning to an error
    "eased",  # and back
    "changed",  # who is in it
    "recovering",  # over, unless it comes again before `closes_at`
    "unsilenced",  # still there when the silence ended
    "closed",
]


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
class SourceAdvanced:
    """The source has something to remember and nothing to tell: an ETag, where a first look began."""

    kind: ClassVar[str] = "source.advanced"
    source: str
    cursor: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFailing:
    """A source begins to fail, or fails for another reason than before; told once, however often it is tried again.

    A source that goes on trying by itself may yield this, and `SourceWorking` when it is over. `since` is when it began
    to fail: whoever runs the source says so.
    """

    kind: ClassVar[str] = "source.failing"
    source: str
    error: ErrorInfo
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceWorking:
    """A source that was failing works again."""

    kind: ClassVar[str] = "source.working"
    source: str


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

    It is of `assets` and `checks` (`asset:name`, without their assets), by default those of `job`. `downstream` adds
    every dependent. `retry_of` asks for the steps of that run that did not succeed.
    """

    kind: ClassVar[str] = "run.submitted"
    run_id: RunId
    job: str | None = None
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
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
    sensor: str | None = None
    waits: str | None = None  # the gate at which it waits; the decision that lets it go names that again
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EventReplayed:
    """Somebody asked for these events to be decided on once more, by the present rules."""

    kind: ClassVar[str] = "event.replayed"
    event_ids: tuple[int, ...]
    replayed_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EventDeadLettered:
    """What these events led to failed to the last; they are kept apart, to be looked at and replayed."""

    kind: ClassVar[str] = "event.dead_lettered"
    event_ids: tuple[int, ...]
    reason: str
    error: ErrorInfo | None = None
    attempts: int = 1
    run_id: RunId | None = None
    sensor: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListeningPaused:
    """Somebody had a source, a sensor or a schedule rest."""

    kind: ClassVar[str] = "listening.paused"
    what: Listening
    name: str
    paused_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListeningResumed:
    kind: ClassVar[str] = "listening.resumed"
    what: Listening
    name: str
    resumed_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterRequested:
    """An event waits for the answers of users' filters."""

    kind: ClassVar[str] = "filter.requested"
    event_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterEvaluated:
    """What users' filters answered on an event: by the key of the filter, whether the event counts."""

    kind: ClassVar[str] = "filter.evaluated"
    event_id: int
    answers: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedRun:
    """A run as a sensor or a schedule asks for it: of a job, of assets, of checks, or of what the sensor is for."""

    run_key: str | None = None
    job: str | None = None
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    partition: str | None = None
    config: Json = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionsWanted:
    """A change to the keys of dynamic partitions, as a sensor asks for it."""

    name: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorTriggered:
    """A sensor is to be called about these events, in one call; calls of one sensor take place one after the other."""

    kind: ClassVar[str] = "sensor.triggered"
    sensor: str
    event_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorEvaluated:
    """One call of a sensor or a schedule: what it asks for, and what it wants to remember.

    `trigger_id` is the `SensorTriggered` that it answers; null for a sensor that is called by its interval.
    `cursor` is null where it did not change.
    """

    kind: ClassVar[str] = "sensor.evaluated"
    sensor: str
    trigger_id: int | None = None
    event_ids: tuple[int, ...] = ()
    runs: tuple[WantedRun, ...] = ()
    skip_reason: str | None = None
    cursor: str | None = None
    attempt: int = 1
    duration: float = 0.0
    log: str | None = None  # file below UPWELL_HOME/logs


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorFailed:
    """A call of a sensor failed, and left its cursor alone. `retry_at` is null when it is given up."""

    kind: ClassVar[str] = "sensor.failed"
    sensor: str
    error: ErrorInfo
    trigger_id: int | None = None
    event_ids: tuple[int, ...] = ()
    attempt: int = 1
    retry_at: datetime | None = None
    duration: float = 0.0
    log: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKeysSuppressed:
    """Runs that were not requested because their keys had been before; `taken` has the run of each key."""

    kind: ClassVar[str] = "sensor.runs_suppressed"
    sensor: str
    taken: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamicPartitionsChanged:
    """Keys of dynamic partitions came and went."""

    kind: ClassVar[str] = "partitions.changed"
    name: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequested:
    """A run with its plan. Runs of one lane (same roots and partition) execute one after the other."""

    kind: ClassVar[str] = "run.requested"
    run_id: RunId
    lane: str
    plan: tuple[PlannedStep, ...]
    reason: str
    cause: Literal["event", "manual", "retry", "automation", "sensor", "schedule"] = "event"
    job: str | None = None
    sensor: str | None = None  # the sensor or schedule that asked for it ...
    run_key: str | None = None  # ... under this key
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
    """A value was stored, by a step or (run_id null) reported from outside.

    `data_time` is up to when its data are complete; null where nobody knows. `materialized_at` is when it was made, if
    that was told later.
    """

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
    data_time: datetime | None = None
    materialized_at: datetime | None = None

    def made_at(self, recorded_at: datetime) -> datetime:
        """When it was made: as was claimed, but never after it was recorded."""
        return recorded_at if self.materialized_at is None else min(self.materialized_at, recorded_at)


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
    data_time: datetime | None = None


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
    """Logged as `freshness.warned`, `.violated` or `.recovered`; dated at the deadline, not when someone looked.

    `state` is the asset's own. Whether its input is late is another matter: `inherited_from` is the late asset above it
    that is to blame, whatever its own state, and `cause` is the same of an asset that fails. Of an asset that fails,
    `affected` are those below that fail because of it, `inherited_by` those below that are themselves on time.

    `corrects` are the ids of changes that turned out to be wrong, as something made in time was reported late: from
    `changed_at` on this change, and those that follow it, hold in their place.
    """

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
    inherited_from: str | None = None
    inherited_by: tuple[str, ...] = ()
    data_time: datetime | None = None
    corrects: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lateness:
    """What was told last of the freshness of an asset in trouble.

    `risk` says why the deadline will not be kept, and `slow_hop` what takes the time, while it has not passed yet.
    """

    state: FreshnessState
    previous_state: FreshnessState
    deadline: datetime | None = None
    last_materialized: datetime | None = None
    overdue_seconds: float = 0.0
    caught_up: bool = False  # it was so while the service was down
    risk: str | None = None
    slow_hop: str | None = None

    @property
    def only_at_risk(self) -> bool:
        """Whether nothing is late: it will be."""
        return self.risk is not None and self.state == "PASS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """Who is in trouble in an incident: an asset (or what its `trouble` is about), and which partition of it."""

    name: str
    since: datetime
    partition: str | None = None
    severity: Severity = "error"
    lateness: Lateness | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentChanged:
    """Something went wrong, grew, or is over. All that has one cause is one incident.

    `subject` is what is to blame: an asset, `asset:check`, a sensor, a location, a job or the assets of a run. `number`
    counts the changes of the incident: with its id it makes the id of an alert. `happened_at` is when it was so, not
    when somebody looked. `affected` counts who is in it beside the subject. `silenced` is why nobody is told.

    Of lateness, `lateness` is what the asset to blame was told to be last; `merged_into` is the incident that this one
    turned out to be part of.
    """

    kind: ClassVar[str] = "incident.changed"
    incident: str
    number: int
    change: IncidentStep
    trouble: Trouble
    subject: str
    severity: Severity
    opened_at: datetime
    happened_at: datetime
    summary: str
    joined: tuple[Member, ...] = ()
    left: tuple[Member, ...] = ()
    affected: int = 0
    assets: tuple[str, ...] = ()  # to blame; by these an alert finds its readers
    lateness: Lateness | None = None
    run_id: RunId | None = None
    step_id: str | None = None
    error: ErrorInfo | None = None
    closes_at: datetime | None = None
    silenced: str | None = None
    silenced_until: datetime | None = None
    merged_into: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertDelivered:
    """A sink took an alert; `alerts` are the ids of all that went in one summary."""

    kind: ClassVar[str] = "alert.delivered"
    sink: str
    alert: str
    incidents: tuple[str, ...]
    alerts: tuple[str, ...] = ()
    attempt: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFailed:
    """A sink did not take an alert. `retry_at` is null when it is given up."""

    kind: ClassVar[str] = "alert.failed"
    sink: str
    alert: str
    error: ErrorInfo
    alerts: tuple[str, ...] = ()
    attempt: int = 1
    retry_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertsSilenced:
    """Somebody wants not to be told of what these assets are to blame for, for a while. Their state goes on."""

    kind: ClassVar[str] = "alerts.silenced"
    silence: str
    select: str
    until: datetime
    reason: str | None = None
    silenced_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SilenceEnded:
    """Somebody ended a silence before its time."""

    kind: ClassVar[str] = "alerts.silence_ended"
    silence: str
    ended_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """An asset that is to be made by a deadline, as `AutomationCondition.keep_fresh()` asks for.

    `partition` is the first one that is due, where the policy asks for partitions; `attempt` counts the demands for the
    same deadline.
    """

    asset: str
    deadline: datetime
    partition: str | None = None
    attempt: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshnessDemanded:
    """The latest safe instant has come to begin with what these deadlines need; the reactor answers with one run.

    `targets` has everything that is to be made, with its partitions; an asset without any stands for itself.
    """

    kind: ClassVar[str] = "freshness.demanded"
    demands: tuple[Demand, ...]
    targets: Mapping[str, tuple[str, ...]]
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshnessAtRisk:
    """What is left to do no longer fits before the deadline; told once for each deadline, before it passes.

    `slow_hop` is the asset (or check) that takes the time, `expected_at` when the asset will be made by what was seen.
    """

    kind: ClassVar[str] = "freshness.at_risk"
    asset: str
    deadline: datetime
    expected_at: datetime
    slow_hop: str
    reason: str
    run_id: RunId | None = None


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
    | SourceAdvanced
    | SourceFailing
    | SourceWorking
    | DuplicateIgnored
    | RunSubmitted
    | EventDecided
    | EventReplayed
    | EventDeadLettered
    | ListeningPaused
    | ListeningResumed
    | FilterRequested
    | FilterEvaluated
    | SensorTriggered
    | SensorEvaluated
    | SensorFailed
    | RunKeysSuppressed
    | DynamicPartitionsChanged
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
    | FreshnessDemanded
    | FreshnessAtRisk
    | IncidentChanged
    | AlertDelivered
    | AlertFailed
    | AlertsSilenced
    | SilenceEnded
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
