"""What service and workers say to each other: code to load, a step to run, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from upwell.definitions.snapshot import Snapshot
from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated, ErrorInfo, Json, RunId

StepResult: TypeAlias = AssetMaterialized | AssetObserved | CheckEvaluated


@dataclass(frozen=True, kw_only=True, slots=True)
class TriggerEvent:
    """An element of `context.events`: an event that the materialisation answers."""

    id: int
    source: str
    time: datetime
    data: Json = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTask:
    """One attempt of one step. `attempt` counts from 1; `log` is a path below the logs folder."""

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


ServiceMessage: TypeAlias = LoadLocation | StepTask
WorkerMessage: TypeAlias = LocationReport | StepReport
