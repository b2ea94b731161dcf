"""What `materialize()` remembers from call to call, under Dagster's names: for tests and notebooks.

The service keeps its history in the journal; this one lives as long as the object.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from upwell.definitions.keys import AssetKey
from upwell.definitions.resources import IOManager
from upwell.definitions.results import AssetMaterialization
from upwell.events import Json, RunId
from upwell.runtime.io.memory import InMemoryIOManager


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
    job_name: str = "__ephemeral_asset_job__"

    @property
    def is_success(self) -> bool:
        return self.status is DagsterRunStatus.SUCCESS

    @property
    def is_failure(self) -> bool:
        return self.status is DagsterRunStatus.FAILURE


@dataclass(frozen=True, kw_only=True)
class RunsFilter:
    """Which runs to look for; what is not given does not matter."""

    run_ids: Sequence[str] | None = None
    statuses: Collection[DagsterRunStatus] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def admits(self, run: DagsterRun) -> bool:
        """Whether the run is one of those looked for."""
        return (
            (self.run_ids is None or run.run_id in self.run_ids)
            and (self.statuses is None or run.status in self.statuses)
            and all(run.tags.get(key) == value for key, value in self.tags.items())
        )


@dataclass(frozen=True, kw_only=True)
class EventLogRecord:
    """A materialisation with its place in the order."""

    storage_id: int
    timestamp: float  # seconds since the epoch
    run_id: RunId
    asset_materialization: AssetMaterialization

    @property
    def asset_key(self) -> AssetKey:
        return self.asset_materialization.asset_key

    @property
    def partition_key(self) -> str | None:
        return self.asset_materialization.partition


@dataclass(frozen=True, kw_only=True)
class EventRecordsResult:
    """A page of records; `cursor` is where the next one begins."""

    records: Sequence[EventLogRecord]
    cursor: str
    has_more: bool


class Remembered(Protocol):
    """What an instance takes from the result of a run."""

    def asset_materializations(self) -> Iterable[AssetMaterialization]:
        """Every materialisation, in order."""


class DagsterInstance:
    """Runs and materialisations of this process. Values that no other IO manager stores are kept here, too."""

    def __init__(self) -> None:
        self.io_manager: IOManager = InMemoryIOManager()
        self._runs: list[DagsterRun] = []
        self._records: dict[AssetKey, list[EventLogRecord]] = {}
        self._count = 0

    @classmethod
    def ephemeral(cls) -> DagsterInstance:
        """A new one that knows of nothing."""
        return cls()

    def remember(self, run: DagsterRun, result: Remembered) -> None:
        """Take in a run that has ended."""
        self._runs.append(run)
        for materialization in result.asset_materializations():
            self._count += 1
            self._records.setdefault(materialization.asset_key, []).append(
                EventLogRecord(
                    storage_id=self._count,
                    timestamp=time.time(),
                    run_id=run.run_id,
                    asset_materialization=materialization,
                )
            )

    def get_runs(self, filters: RunsFilter | None = None, limit: int | None = None) -> Sequence[DagsterRun]:
        """Runs, newest first."""
        wanted = filters or RunsFilter()
        return [run for run in reversed(self._runs) if wanted.admits(run)][:limit]

    def get_run_by_id(self, run_id: str) -> DagsterRun | None:
        """The run of this id, if there was one."""
        return next((run for run in self._runs if run.run_id == run_id), None)

    def get_latest_materialization_event(self, asset_key: AssetKey) -> EventLogRecord | None:
        """The newest materialisation of an asset."""
        records = self._records.get(asset_key)
        return records[-1] if records else None

    def fetch_materializations(
        self, records_filter: AssetKey, limit: int, cursor: str | None = None, ascending: bool = False
    ) -> EventRecordsResult:
        """Up to `limit` materialisations of an asset, newest first unless `ascending`."""
        records = self._records.get(records_filter, [])
        if cursor is not None:
            place = int(cursor)
            records = [one for one in records if (one.storage_id > place if ascending else one.storage_id < place)]
        ordered = records if ascending else records[::-1]
        page = ordered[:limit]
        end = str(page[-1].storage_id) if page else (cursor or "0")
        return EventRecordsResult(records=page, cursor=end, has_more=len(ordered) > limit)

    def get_materialized_partitions(self, asset_key: AssetKey) -> set[str]:
        """The partitions of an asset that have been materialised."""
        keys = (record.partition_key for record in self._records.get(asset_key, ()))
        return {key for key in keys if key is not None}

    def has_asset_key(self, asset_key: AssetKey) -> bool:
        """Whether the asset was ever materialised."""
        return asset_key in self._records
