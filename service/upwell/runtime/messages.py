"""What service and workers say to each other: code to load, a step to run, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from upwell.definitions.snapshot import Snapshot
from upwell.definitions.updates import Update
from upwell.events import (
    AssetMaterialized,
    AssetObserved,
    CheckEvaluated,
    ErrorInfo,
    Event,
    FileChanged,
    Json,
    MessageReceived,
    PartitionsWanted,
    RunId,
    TimerFired,
    WantedRun,
    WebhookAccepted,
)

StepResult: TypeAlias = AssetMaterialized | AssetObserved | CheckEvaluated

MOST_EVALUATIONS = 320
"""Under way in one worker: the service sends no more, and the worker has a thread for each, so none waits there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TriggerEvent:
    """An element of `context.events`: an event that the materialisation answers."""

    id: int
    source: str
    time: datetime
    data: Json = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Recorded(Protocol):
    """An event with its place in the journal."""

    @property
    def id(self) -> int: ...

    @property
    def at(self) -> datetime: ...

    @property
    def event(self) -> Event: ...


def trigger_events(records: Iterable[Recorded]) -> tuple[TriggerEvent, ...]:
    """Those of the records that came from a source, as user code sees them."""
    return tuple(
        TriggerEvent(
            id=record.id,
            source=event.source,
            time=event.occurred_at or record.at,
            data=event.data,
            path=event.path,
            headers=event.headers,
        )
        for record in records
        if isinstance(event := record.event, WebhookAccepted | FileChanged | TimerFired | MessageReceived)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTask:
    """One attempt of one step. `attempt` counts from 1; `log` is a path below the logs folder.

    `dynamic` has the keys of dynamic partitions that matter to the step, by name; `updates` answers what it asks.
    """

    run_id: RunId
    step_id: str
    step: str
    location: str
    attempt: int
    now: datetime
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    partition: str | None = None
    timeout: float | None = None  # seconds
    events: tuple[TriggerEvent, ...] = ()
    config: Json = None
    tags: Mapping[str, str] = field(default_factory=dict)
    dynamic: Mapping[str, Sequence[str]] = field(default_factory=dict)
    updates: tuple[Update, ...] = ()
    log: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryWish:
    """User code's own word on retrying: `RetryRequested`, or `Failure(allow_retries=False)` (max_retries=0)."""

    max_retries: int
    seconds_to_wait: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What came of an attempt. Results stand also when an error followed them.

    `error` is none on success.
    """

    results: tuple[StepResult, ...] = ()
    error: ErrorInfo | None = None
    retry: RetryWish | None = None
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationSpec:
    """A code location: Python files and modules that hold definitions, found from a working directory."""

    name: str
    files: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    working_directory: str = "."


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A module of user code as it was when it was loaded."""

    module: str
    path: str
    text: str
    package: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadLocation:
    """Import the code of `spec` and describe it. `home` is UPWELL_HOME, where values are stored by default.

    Modules among `sources` are taken from there, whatever their files hold by now.
    """

    spec: LocationSpec
    home: str
    sources: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationReport:
    """What came of loading: a snapshot and the source that it stands for, or an error."""

    snapshot: Snapshot | None = None
    error: ErrorInfo | None = None
    sources: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedEvent:
    """An event of the journal that a sensor watches for (a materialisation, a run that ended), as it is stored."""

    id: int
    at: datetime
    kind: str
    body: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedRun:
    """The run that a run status sensor is called about."""

    run_id: RunId
    status: str
    job: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    config: Json = None
    partition: str | None = None
    assets: tuple[str, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    step_errors: Mapping[str, ErrorInfo] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorTask:
    """One call of a sensor or a schedule. Several may be under way in one worker; `id` tells their reports apart.

    `events` are of its sources, `watched` of the journal: what an asset sensor, or a run status sensor (with `run`), is
    called about. For a multi-asset sensor `watched` has every materialisation of its assets that its cursor has not
    passed. `scheduled_at` is the tick that a schedule answers. `dynamic` has the keys of the dynamic partitions of what
    it is for, by name. `log` is a path below the logs folder.
    """

    id: int
    sensor: str
    location: str
    now: datetime
    timeout: float  # seconds
    attempt: int = 1
    cursor: str | None = None
    last_run_key: str | None = None
    last_called_at: datetime | None = None
    events: tuple[TriggerEvent, ...] = ()
    watched: tuple[WatchedEvent, ...] = ()
    run: WatchedRun | None = None
    scheduled_at: datetime | None = None
    dynamic: Mapping[str, Sequence[str]] = field(default_factory=dict)
    log: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorReport:
    """What came of a call. With an `error`, nothing else counts. A null `cursor` means that it did not change."""

    id: int
    runs: tuple[WantedRun, ...] = ()
    skip_reason: str | None = None
    cursor: str | None = None
    results: tuple[StepResult, ...] = ()
    partitions: tuple[PartitionsWanted, ...] = ()
    error: ErrorInfo | None = None
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterTask:
    """Whether an event counts for the listeners that have these filters."""

    id: int
    location: str
    filters: tuple[str, ...]
    event: TriggerEvent
    timeout: float  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterReport:
    """What the filters answered; with an `error`, one of them could not."""

    id: int
    answers: Mapping[str, bool] = field(default_factory=dict)
    error: ErrorInfo | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Abandoned:
    """An evaluation passed its timeout in a thread that nobody can end: it goes on until its worker is replaced.

    `traceback` says where the thread was.
    """

    id: int
    traceback: str | None = None


Evaluation: TypeAlias = SensorTask | FilterTask
EvaluationReport: TypeAlias = SensorReport | FilterReport
ServiceMessage: TypeAlias = LoadLocation | StepTask | Evaluation
WorkerMessage: TypeAlias = LocationReport | StepReport | EvaluationReport | Abandoned
