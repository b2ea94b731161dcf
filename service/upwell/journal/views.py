"""What queries answer with: the present state, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from upwell.events import CheckSeverity, ErrorInfo, FreshnessState, Json, PlannedStep, RunId

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
