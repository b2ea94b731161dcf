"""What the API takes and gives: the typed JSON of every route under /api/v1, /healthz and /readyz.

A list comes in an object that names it, so that it can grow a cursor. Instants are RFC 3339 in UTC, durations are
seconds, assets are named `a/b`. A null `next` says that there is no further page.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from upwell.events import CheckSeverity, ErrorInfo, FreshnessState, Json
from upwell.journal.views import RunStatus, StepStatus
from upwell.planning.status import AssetStatus

CheckStatus: TypeAlias = Literal["never", "passed", "failed"]
Metadata: TypeAlias = Mapping[str, Json]


class Answer(BaseModel):
    """What the service says."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Request(BaseModel):
    """What a client says; an unknown field is refused, for it is most often a misspelt one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Answer):
    """An RFC 9457 problem document (`application/problem+json`); every error of the API is one."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: tuple[FieldProblem, ...] | None = None


class FieldProblem(Answer):
    """One wrong field of a request: where it is (`body.partition`), and what is wrong with it."""

    field: str
    message: str


class RunSubmission(Request):
    """`POST /runs`: of `select`, a selection as on the command line, of a job, or of `checks` ("asset:name") alone.

    `downstream` adds everything below what is selected.
    """

    select: Annotated[str | None, Field(min_length=1, max_length=10_000)] = None
    job: Annotated[str | None, Field(min_length=1, max_length=1_000)] = None
    checks: Annotated[tuple[str, ...] | None, Field(min_length=1, max_length=10_000)] = None
    partition: Annotated[str | None, Field(max_length=1_000)] = None
    downstream: bool = False
    config: Json = None
    tags: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        if sum(given is not None for given in (self.select, self.job, self.checks)) != 1:
            raise ValueError("give one of select, job and checks")
        if self.checks is not None and self.downstream:
            raise ValueError("nothing is downstream of checks; leave out downstream")
        return self


class RunAccepted(Answer):
    run_id: str


class RunSummary(Answer):
    """A run. `requested_id` is its place in the order; `event_ids` are all events that it answers.

    `sensor` is the sensor or schedule that asked for it, under `run_key`.
    """

    run_id: str
    status: RunStatus
    reason: str
    cause: str
    roots: tuple[str, ...]
    partition: str | None
    assets: tuple[str, ...]
    event_ids: tuple[int, ...]
    tags: Mapping[str, str]
    retry_of: str | None
    job: str | None
    sensor: str | None
    run_key: str | None
    requested_id: int
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration: float | None
    error: str | None
    cancel_requested: bool


class RunStep(Answer):
    """A planned step and how far it has come; PENDING until it begins or is skipped."""

    id: str
    step: str
    assets: tuple[str, ...]
    checks: tuple[str, ...]
    partition: str | None
    waits_for: tuple[str, ...]
    asked: bool
    status: Literal["PENDING"] | StepStatus
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    retry_at: datetime | None = None
    error: ErrorInfo | None = None
    reason: str | None = None
    log: str | None = None


class RunDetail(RunSummary):
    config: Json
    steps: tuple[RunStep, ...]


class RunPage(Answer):
    """Newest first; `next` goes into `before`."""

    runs: tuple[RunSummary, ...]
    next: int | None


class Materialization(Answer):
    event_id: int
    at: datetime
    run_id: str | None
    partition: str | None
    duration: float | None
    code_version: str | None
    data_version: str | None
    data_time: datetime | None
    metadata: Metadata


class Failure(Answer):
    event_id: int
    at: datetime
    run_id: str | None
    error: ErrorInfo | None


class FreshnessRisk(Answer):
    """Since when it is known that a deadline will not be kept, and which asset (or check) takes the time."""

    since: datetime
    deadline: datetime
    expected_at: datetime
    slow_hop: str
    reason: str


class Freshness(Answer):
    """An asset's own state, and, as another fact, the late asset above it that its input inherits lateness from.

    `deadline` is the one that was missed, or else the next one, where it is known.
    """

    asset: str
    state: FreshnessState
    changed_at: datetime | None = None
    deadline: datetime | None = None
    last_materialized: datetime | None = None
    cause: str | None = None
    inherited_from: str | None = None
    inherited_since: datetime | None = None
    at_risk: FreshnessRisk | None = None


class FreshnessList(Answer):
    freshness: tuple[Freshness, ...]


class Check(Answer):
    """A check as declared, and its newest evaluation."""

    asset: str
    name: str
    status: CheckStatus
    blocking: bool
    description: str | None
    severity: CheckSeverity | None = None
    evaluated_at: datetime | None = None
    event_id: int | None = None
    run_id: str | None = None
    partition: str | None = None
    result: str | None = None
    metadata: Metadata = Field(default_factory=dict)


class CheckList(Answer):
    checks: tuple[Check, ...]


class Asset(Answer):
    """A row of the catalogue. Null: `freshness` without a policy, `failure` unless the newest attempt failed."""

    key: str
    group: str
    description: str | None
    kinds: tuple[str, ...]
    tags: Mapping[str, str]
    owners: tuple[str, ...]
    code_version: str | None
    external: bool
    partitioned: bool
    location: str | None
    status: AssetStatus
    freshness: Freshness | None
    last_materialization: Materialization | None
    failure: Failure | None
    checks_passed: int
    checks_failed: int
    sources: tuple[str, ...]


class AssetList(Answer):
    assets: tuple[Asset, ...]


class Partition(Answer):
    key: str
    status: Literal["materialized", "failed"]
    materialized_at: datetime | None
    run_id: str | None
    metadata: Metadata


class Partitions(Answer):
    """`total` is null where it cannot be counted; `recent` are the newest, by their last materialisation; `keys` are
    the first 1000 of static and dynamic ones; `dynamic` names the latter (`GET /partitions/{name}` has all)."""

    materialized: int
    failed: int
    total: int | None
    recent: tuple[Partition, ...]
    keys: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()


class DynamicPartitions(Answer):
    """The keys that came under this name, oldest first."""

    name: str
    keys: tuple[str, ...]


class PartitionsChange(Request):
    """`POST /partitions/{name}`: keys that come and keys that go."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class PartitionsChanged(Answer):
    """What was not so before; where all was, there is no event."""

    name: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    event_id: int | None


class AssetDetail(Asset):
    metadata: Metadata
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]
    checks: tuple[Check, ...]
    partitions: Partitions | None
    automation: str | None
    freshness_policy: Mapping[str, Json] | None
    file: str | None
    line: int | None


class Event(Answer):
    """A line of the journal: `data` has all fields of the event, as they were stored."""

    id: int
    at: datetime
    kind: str
    asset: str | None
    partition: str | None
    run_id: str | None
    source: str | None
    data: Mapping[str, Json]


class EventPage(Answer):
    """Newest first, `next` goes into `before`; with `order=asc` oldest first, `next` goes into `after`."""

    events: tuple[Event, ...]
    next: int | None


class _Report(Request):
    asset: Annotated[str, Field(min_length=1, max_length=1_000)]
    partition: Annotated[str | None, Field(max_length=1_000)] = None
    metadata: Metadata = Field(default_factory=dict)
    description: Annotated[str | None, Field(max_length=100_000)] = None


class MaterializationReport(_Report):
    """`POST /events`: an asset was made outside; at `materialized_at` where that was earlier.

    `data_time` is up to when its data are complete; by default as far as the oldest of what it reads.
    """

    type: Literal["materialization"]
    materialized_at: AwareDatetime | None = None
    data_time: AwareDatetime | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)
    data_version: str | None = None


class ObservationReport(_Report):
    """`POST /events`: something was learnt about an asset, for example up to when its data are complete."""

    type: Literal["observation"]
    data_time: AwareDatetime | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)
    data_version: str | None = None


class CheckReport(_Report):
    """`POST /events`: a check ran outside."""

    type: Literal["check"]
    check: Annotated[str, Field(min_length=1, max_length=1_000)]
    passed: bool
    severity: CheckSeverity = "ERROR"


Report: TypeAlias = Annotated[MaterializationReport | ObservationReport | CheckReport, Field(discriminator="type")]


class EventsAccepted(Answer):
    event_ids: tuple[int, ...]


class LineageNode(Answer):
    key: str
    group: str
    kinds: tuple[str, ...]
    external: bool
    status: AssetStatus
    freshness: FreshnessState | None


class LineageEdge(Answer):
    upstream: str
    downstream: str


class Lineage(Answer):
    """The selected assets, upstream first, and the edges between them."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]


class Location(Answer):
    """A code location; `error` is that of the newest attempt to load it, null when that went well."""

    location: str
    generation: int
    code_hash: str
    assets: int
    loaded_at: datetime | None
    error: ErrorInfo | None
    failed_at: datetime | None


class LocationList(Answer):
    locations: tuple[Location, ...]


class ReloadAccepted(Answer):
    location: str
    event_id: int


class Job(Answer):
    """A named part of the graph that people run as one; `step`, of a job of ops, is the step that runs it.

    `checks` run without their assets.
    """

    name: str
    assets: tuple[str, ...]
    checks: tuple[str, ...]
    step: str | None
    description: str | None
    tags: Mapping[str, str]


class JobList(Answer):
    jobs: tuple[Job, ...]


class Decision(Answer):
    """Something that was decided about the asset: `outcome` in a word, `reason` why, `sentence` as one would say it."""

    event_id: int
    at: datetime
    kind: str
    outcome: str
    reason: str
    sentence: str
    partition: str | None
    run_id: str | None
    caused_by: tuple[int, ...]


class Explanation(Answer):
    """Why the asset is as it is: its state as a sentence, what it waits for, then the decisions about it, newest first.

    `now` says what it listens to, when that was heard, and what keeps it from being made.
    """

    asset: str
    status: AssetStatus
    summary: str
    stale_because: tuple[str, ...]
    now: tuple[str, ...]
    decisions: tuple[Decision, ...]
    next: int | None


class WebhookReceipt(Answer):
    """The answer to a delivery that is on disk."""

    event_id: int
    duplicate: bool | None = None


class Liveness(Answer):
    status: Literal["alive"] = "alive"


class Readiness(Answer):
    """A canary went through journal and reactor; `event_id` is its decision, `milliseconds` the time it took."""

    status: Literal["ready"] = "ready"
    event_id: int
    milliseconds: float


Problem.model_rebuild()
