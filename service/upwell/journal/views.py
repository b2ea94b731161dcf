"""What queries answer with: the present state, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from upwell.events import (
    CheckSeverity,
    ErrorInfo,
    FreshnessState,
    Json,
    Lateness,
    Listening,
    Member,
    PlannedStep,
    RunId,
    Severity,
    Trouble,
)

RunStatus: TypeAlias = Literal["QUEUED", "STARTED", "SUCCESS", "FAILURE", "CANCELED"]
StepStatus: TypeAlias = Literal["STARTED", "SUCCESS", "FAILURE", "RETRYING", "SKIPPED"]

ENDED: frozenset[RunStatus] = frozenset({"SUCCESS", "FAILURE", "CANCELED"})


@dataclass(frozen=True, kw_only=True, slots=True)
class StepView:
    """A step that has begun, or was skipped; `attempt` is the newest."""

    run_id: RunId
    step_id: str
    status: StepStatus
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    retry_at: datetime | None = None
    error: ErrorInfo | None = None
    reason: str | None = None  # of a skip
    log: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunView:
    """A run. `event_ids` are all events that it answers, those that joined included."""

    run_id: RunId
    status: RunStatus
    lane: str
    reason: str
    cause: str
    plan: tuple[PlannedStep, ...]
    requested_at: datetime
    requested_id: int  # id of the RunRequested event
    roots: tuple[str, ...] = ()
    partition: str | None = None
    event_ids: tuple[int, ...] = ()
    config: Json = None
    tags: Mapping[str, str] = field(default_factory=dict)
    retry_of: RunId | None = None
    job: str | None = None
    sensor: str | None = None
    run_key: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    cancel_requested: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetState:
    """The newest facts about an asset, over all its partitions.

    `failed_id` is newer than `materialized_id` when the newest attempt failed; the ids compare like time does.
    """

    asset: str
    materialized_id: int = 0
    materialized_at: datetime | None = None
    materialized_run: RunId | None = None
    materialized_partition: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    code_version: str | None = None
    data_version: str | None = None
    duration: float | None = None
    failed_id: int = 0
    failed_at: datetime | None = None
    failed_run: RunId | None = None
    error: ErrorInfo | None = None
    started_id: int = 0  # the newest start of a step that makes it ...
    ended_id: int = 0  # ... and the newest end; materializing while started_id > ended_id
    observed_at: datetime | None = None
    partitions_materialized: int = 0
    reported_at: datetime | None = None  # of a materialisation that was told later than it was made
    data_time: datetime | None = None  # up to when its data are complete
    data_id: int = 0  # the event that said so


@dataclass(slots=True)
class NewestMade:
    """Of the facts about an asset those that tell how fresh it is, for very many at once."""

    asset: str
    materialized_id: int = 0
    materialized_at: datetime | None = None
    partition: str | None = None
    observed_at: datetime | None = None
    reported_at: datetime | None = None
    data_time: datetime | None = None
    data_id: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionState:
    """The newest facts about one partition of an asset."""

    asset: str
    partition: str
    materialized_id: int = 0
    materialized_at: datetime | None = None
    run_id: RunId | None = None
    failed_id: int = 0
    metadata: Mapping[str, Json] = field(default_factory=dict)
    data_time: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionSummary:
    """How many partitions of an asset are there or failed last, and those that something happened to last."""

    materialized: int
    failed: int
    newest: tuple[PartitionState, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckState:
    """The newest evaluation of a check."""

    asset: str
    check: str
    passed: bool
    severity: CheckSeverity
    blocking: bool
    evaluated_at: datetime
    event_id: int
    partition: str | None = None
    run_id: RunId | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    description: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshnessRow:
    """The freshness state that was told last."""

    asset: str
    state: FreshnessState
    changed_at: datetime
    deadline: datetime | None = None
    last_materialized: datetime | None = None
    cause: str | None = None
    known_since: datetime | None = None  # when its policy became known


@dataclass(frozen=True, kw_only=True, slots=True)
class DemandRow:
    """What was demanded last to keep an asset fresh, and which deadline was last said to be at risk."""

    asset: str
    deadline: datetime | None = None
    partition: str | None = None
    attempt: int = 0
    demand_id: int = 0
    demanded_at: datetime | None = None
    risk_deadline: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationView:
    """A code location: what is loaded, and the error of the newest attempt when that failed."""

    location: str
    generation: int = 0
    code_hash: str = ""
    assets: int = 0
    loaded_at: datetime | None = None
    error: ErrorInfo | None = None
    failed_at: datetime | None = None


SensorStatus: TypeAlias = Literal["requested", "skipped", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorState:
    """The newest call of a sensor or a schedule, and what it remembers.

    `reason` is of a skip, `error` of a failure; `failures` counts those in a row; `tick_id` is the event of the call.
    """

    sensor: str
    cursor: str | None = None
    tick_id: int = 0
    called_at: datetime | None = None
    status: SensorStatus | None = None
    reason: str | None = None
    error: ErrorInfo | None = None
    failures: int = 0
    run_key: str | None = None  # the newest


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorCall:
    """A call that a `SensorTriggered` asked for and that has not been made for good; `attempt` ones failed."""

    trigger_id: int
    sensor: str
    event_ids: tuple[int, ...]
    attempt: int = 0
    retry_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterCall:
    """An event that waits for the answers of users' filters."""

    event_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingEvent:
    """An event that a gate holds back."""

    gate: str
    event_id: int
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FailingSource:
    """A source that cannot tell anything at present, and why."""

    source: str
    since: datetime
    error: ErrorInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Switch:
    """What somebody said last about whether a source, a sensor or a schedule is active."""

    what: Listening
    name: str
    active: bool
    at: datetime
    said_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """An event whose consequences failed to the last; `dead_id` is the event that said so."""

    event_id: int
    dead_id: int
    at: datetime
    reason: str
    error: ErrorInfo | None = None
    attempts: int = 1
    run_id: RunId | None = None
    sensor: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentView:
    """An incident as it stands; `members` only where they were asked for."""

    incident: str
    number: int
    trouble: Trouble
    subject: str
    severity: Severity
    opened_at: datetime
    happened_at: datetime
    summary: str
    open: bool
    affected: int = 0
    assets: tuple[str, ...] = ()
    lateness: Lateness | None = None
    run_id: RunId | None = None
    step_id: str | None = None
    error: ErrorInfo | None = None
    closes_at: datetime | None = None
    silenced: str | None = None
    silenced_until: datetime | None = None
    merged_into: str | None = None
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SilenceView:
    """A silence that somebody asked for."""

    silence: str
    select: str
    since: datetime
    until: datetime
    reason: str | None = None
    silenced_by: str | None = None
