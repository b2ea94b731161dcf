"""Runs as user code sees them, under Dagster's names."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum

from upwell.definitions.keys import AssetKey
from upwell.events import Json, RunId

EPHEMERAL_JOB = "__ephemeral_asset_job__"
"""The job of a run that `materialize()` makes (as in Dagster)."""


class DagsterRunStatus(Enum):
    """How a run stands."""

    QUEUED = "QUEUED"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    CANCELED = "CANCELED"


@dataclass(frozen=True, kw_only=True)
class DagsterRun:
    """A run as it is remembered."""

    run_id: RunId
    status: DagsterRunStatus = DagsterRunStatus.STARTED
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    run_config: Json = field(default=None, hash=False)
    job_name: str = EPHEMERAL_JOB
    asset_selection: AbstractSet[AssetKey] | None = None

    @property
    def is_success(self) -> bool:
        return self.status is DagsterRunStatus.SUCCESS

    @property
    def is_failure(self) -> bool:
        return self.status is DagsterRunStatus.FAILURE

    @property
    def is_finished(self) -> bool:
        return self.status not in (DagsterRunStatus.QUEUED, DagsterRunStatus.STARTED)


@dataclass(frozen=True)
class JobSelector:
    """A job of this or another code location, for `monitored_jobs`; names of jobs are known to all locations."""

    job_name: str
    location_name: str | None = None
    repository_name: str | None = None

    @property
    def name(self) -> str:
        return self.job_name
