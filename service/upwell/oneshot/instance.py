"""What `materialize()` remembers from call to call, under Dagster's names: for tests and notebooks.

The service keeps its history in the journal; this one lives as long as the object.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from upwell.definitions.checks import AssetCheckEvaluation
from upwell.definitions.event_records import DagsterEvent, EventLogRecord
from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.dynamic import DynamicKeys
from upwell.definitions.resources import IOManager
from upwell.definitions.results import AssetMaterialization, AssetObservation
from upwell.definitions.runs import DagsterRun, DagsterRunStatus
from upwell.events import PlannedStep, RunId
from upwell.oneshot.history import Evaluated, History
from upwell.runtime.io.memory import InMemoryIOManager


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
class EventRecordsResult:
    """A page of records; `cursor` is where the next one begins."""

    records: Sequence[EventLogRecord]
    cursor: str
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class RunChange:
    """A run came to its end, with the place of that among the ends of runs."""

    storage_id: int
    run: DagsterRun
    event: DagsterEvent


class Remembered(Protocol):
    """What an instance takes from the result of a run."""

    @property
    def all_events(self) -> Sequence[DagsterEvent]:
        """Everything that happened, in order."""

    @property
    def steps(self) -> Sequence[PlannedStep]:
        """What the run was to do."""


class DagsterInstance:
    """Runs and materialisations of this process. Values that no other IO manager stores are kept here, too."""

    def __init__(self) -> None:
        self.io_manager: IOManager = InMemoryIOManager()
        self._runs: list[DagsterRun] = []
        self._records: dict[AssetKey, list[EventLogRecord]] = {}
        self._changes: list[RunChange] = []
        self._step_failures: dict[RunId, list[DagsterEvent]] = {}
        self._count = 0
        self._dynamic = DynamicKeys()
        self.history = History()

    @classmethod
    def ephemeral(cls) -> DagsterInstance:
        """A new one that knows of nothing."""
        return cls()

    def remember(self, run: DagsterRun, result: Remembered) -> None:
        """Take in a run that has ended."""
        self._runs.append(run)
        self.history.plan(result.steps, run.run_id)
        for event in result.all_events:
            told = event.materialization or event.observation or event.check_evaluation
            if told is not None:
                self._add(told, run.run_id)
        self._step_failures[run.run_id] = [event for event in result.all_events if event.is_step_failure]
        self._changes.append(RunChange(storage_id=len(self._changes) + 1, run=run, event=result.all_events[-1]))

    def report_runless_asset_event(
        self, asset_event: AssetMaterialization | AssetObservation | AssetCheckEvaluation
    ) -> None:
        """Remember something that happened outside of any run; observations are of no interest here."""
        self._add(asset_event, None)

    @property
    def last_event_id(self) -> int:
        """The number of the newest materialisation, observation or evaluation of a check; 0 before the first."""
        return self._count

    def _add(self, told: AssetMaterialization | AssetObservation | AssetCheckEvaluation, run_id: RunId | None) -> None:
        self._count += 1
        number, now = self._count, time.time()
        if isinstance(told, AssetMaterialization):
            self._records.setdefault(told.asset_key, []).append(
                EventLogRecord(storage_id=number, timestamp=now, run_id=run_id, asset_materialization=told)
            )
        elif isinstance(told, AssetCheckEvaluation):
            newest = self.get_latest_materialization_event(told.asset_key)
            target = newest.storage_id if newest is not None else 0
            self.history.evaluate(
                Evaluated(storage_id=number, timestamp=now, run_id=run_id, evaluation=told, target=target)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        """Nothing is to be put away; Dagster's instances are used as context managers, too."""

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

    def materializations_of(self, asset_key: AssetKey) -> Sequence[EventLogRecord]:
        """Every materialisation of an asset, oldest first."""
        return tuple(self._records.get(asset_key, ()))

    def run_changes(self) -> Sequence[RunChange]:
        """The ends of all runs, oldest first."""
        return tuple(self._changes)

    def step_failures_of(self, run_id: RunId) -> Sequence[DagsterEvent]:
        """The steps of a run that failed for good."""
        return tuple(self._step_failures.get(run_id, ()))

    def get_materialized_partitions(self, asset_key: AssetKey) -> set[str]:
        """The partitions of an asset that have been materialised."""
        keys = (record.partition_key for record in self._records.get(asset_key, ()))
        return {key for key in keys if key is not None}

    def add_dynamic_partitions(self, partitions_def_name: str, partition_keys: Sequence[str]) -> None:
        """Add keys to the dynamic partitions of this name; one that is there already keeps its place."""
        self._dynamic.change(partitions_def_name, added=_keys(partition_keys))

    def delete_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> None:
        """Take a key from the dynamic partitions of this name, if it is there."""
        self._dynamic.change(partitions_def_name, removed=[partition_key])

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """The keys of the dynamic partitions of this name, in the order in which they came."""
        return list(self._dynamic.get_dynamic_partitions(partitions_def_name))

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether the dynamic partitions of this name have this key."""
        return self._dynamic.has_dynamic_partition(partitions_def_name, partition_key)

    def has_asset_key(self, asset_key: AssetKey) -> bool:
        """Whether the asset was ever materialised."""
        return asset_key in self._records


def _keys(keys: Sequence[str]) -> Sequence[str]:
    if isinstance(keys, str) or not all(isinstance(key, str) for key in keys):
        raise TypeError(f"partition_keys is a list of keys, which are text, not {keys!r}")
    return keys
