"""The snapshot: everything the service knows of a code location, as plain data that a worker described.

Keys are `AssetKey.to_user_string()`; a check is named `asset:check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from upwell.definitions.freshness.model import AnyFreshnessPolicy
from upwell.definitions.partitions.mapping import AnyPartitionMapping
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.reactions import On
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.updates import UpdateQuestion
from upwell.events import Json


@dataclass(frozen=True, kw_only=True)
class DepNode:
    """An edge: the upstream asset and which of its partitions are read (none: the default for the two)."""

    asset: str
    mapping: AnyPartitionMapping | None = None


@dataclass(frozen=True, kw_only=True)
class AssetNode:
    """An asset; `step` computes it, or nobody here does (external)."""

    key: str
    step: str | None
    deps: tuple[DepNode, ...] = ()
    group: str = "default"
    description: str | None = None
    kinds: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    code_version: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    partitions: AnyPartitionsDefinition | None = None
    freshness: AnyFreshnessPolicy | None = None
    automation: str | None = None  # the label of its automation condition
    on: tuple[On, ...] = ()
    on_downstream: Literal["all", "none"] = "all"
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class CheckNode:
    """An asset check; `step` evaluates it: its own, or the asset's when declared by `check_specs`."""

    asset: str
    name: str
    step: str
    blocking: bool = False
    description: str | None = None
    deps: tuple[DepNode, ...] = ()
    automation: str | None = None  # the label of its automation condition

    @property
    def key(self) -> str:
        return f"{self.asset}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class StepNode:
    """One computation: a user function that makes `assets` and evaluates `checks`, given the values of `reads`.

    What it `asks` of the journal is answered when it starts.
    """

    key: str
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    can_subset: bool = False
    pool: str | None = None
    timeout: float | None = None  # seconds
    retry: RetryPolicy | None = None
    asks: tuple[UpdateQuestion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobNode:
    """A named part of the graph that people run as one, or (`step`) ops, which run as one step, of `partitions`."""

    name: str
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()  # those that run without their assets
    step: str | None = None
    partitions: AnyPartitionsDefinition | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    config: Json = None


SensorKind: TypeAlias = Literal["polling", "event", "asset", "multi_asset", "run_status", "schedule"]
WatchedRunStatus: TypeAlias = Literal["QUEUED", "STARTED", "SUCCESS", "FAILURE", "CANCELED"]


@dataclass(frozen=True, kw_only=True)
class SensorNode:
    """A sensor, or a schedule, which is a sensor on a timer.

    Attributes:
        kind: what makes it be called: its interval (`polling`), events of `on` (`event`, and the timer of a
            `schedule`), materialisations of `watched_assets`, or runs that reach one of `watched_statuses`.
        interval: seconds between two calls of a polling sensor.
        watched_jobs: of a run status sensor; none means all runs.
        jobs, assets, checks: what its run requests are for, where they do not say; `jobs` has every job that they may
            name, `checks` those that run without their assets.
        timeout: seconds that one call may take.
        active: whether it is switched on until somebody says otherwise.
        cron, timezone: of a schedule, for people to read; its ticks come from `on`.
    """

    name: str
    kind: SensorKind
    on: tuple[On, ...] = ()
    interval: float | None = None
    watched_assets: tuple[str, ...] = ()
    watched_statuses: tuple[WatchedRunStatus, ...] = ()
    watched_jobs: tuple[str, ...] | None = None
    jobs: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    timeout: float = 60.0
    active: bool = True
    cron: tuple[str, ...] = ()
    timezone: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Json] = field(default_factory=dict)
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A code location, described."""

    location: str
    code_hash: str = ""
    assets: tuple[AssetNode, ...] = ()
    steps: tuple[StepNode, ...] = ()
    checks: tuple[CheckNode, ...] = ()
    jobs: tuple[JobNode, ...] = ()
    sensors: tuple[SensorNode, ...] = ()
