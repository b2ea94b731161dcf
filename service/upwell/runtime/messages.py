"""What service and workers say to each other: a step to run, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated, ErrorInfo, Json, RunId


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

    results: tuple[AssetMaterialized | AssetObserved | CheckEvaluated, ...] = ()
    error: ErrorInfo | None = None
    retry: RetryWish | None = None
    duration: float = 0.0
