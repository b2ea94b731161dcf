"""`context`, as the function of a multi-asset sensor gets it, under Dagster's names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

from upwell.clock import SystemClock
from upwell.definitions.asset_cursor import AssetCursor, parse_cursor, write_cursor
from upwell.definitions.errors import DagsterInvalidInvocationError, DagsterInvariantViolationError
from upwell.definitions.event_records import EventLogRecord
from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.partitions.mapping import AnyPartitionMapping, downstream_partitions
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.runtime.evaluation_context import Surroundings
from upwell.runtime.sensor_contexts import SensorEvaluationContext


class MultiAssetSensorEvaluationContext(SensorEvaluationContext):
    """What the function of a multi-asset sensor is told: what is new of the assets that it watches.

    A materialisation stays new until the function says, by `advance_cursor` or `advance_all_cursors`, that it used it.
    """

    def __init__(self, surroundings: Surroundings, *, monitored: Sequence[AssetKey], **more: Any) -> None:
        super().__init__(surroundings, **more)
        self._monitored = list(monitored)
        self._cursors = parse_cursor(self._cursor)
        self._used: dict[AssetKey, dict[int, str | None]] = defaultdict(dict)
        self._past_all = False

    @classmethod
    def beside(cls, context: SensorEvaluationContext, monitored: Sequence[AssetKey]) -> Self:
        """A context that knows what `context` knows, for a sensor that watches these assets."""
        return cls(
            context.surroundings,
            monitored=monitored,
            cursor=context.cursor,
            sensor_name=context._sensor_name,
            last_run_key=context.last_run_key,
            last_called_at=context.last_called_at,
            started_at=context.last_sensor_start_time,
            events=context.events,
            records_of=context._records_of,
        )

    @property
    def asset_keys(self) -> Sequence[AssetKey]:
        """The assets that the sensor watches."""
        return list(self._monitored)

    # What is new.

    def latest_materialization_records_by_key(
        self, asset_keys: Sequence[AssetKey] | None = None
    ) -> Mapping[AssetKey, EventLogRecord | None]:
        """By asset: its newest materialisation, none where there is nothing new."""
        found: dict[AssetKey, EventLogRecord | None] = {}
        for key in self._monitored if asset_keys is None else asset_keys:
            newest = self._after_cursor(key)[-1:]
            found[key] = newest[0] if newest else None
        return found

    def materialization_records_for_key(
        self, asset_key: AssetKey, limit: int | None = None
    ) -> Sequence[EventLogRecord]:
        """The new materialisations of an asset, oldest first."""
        self._check_monitored(asset_key)
        return self._after_cursor(asset_key)[: limit or None]

    def latest_materialization_records_by_partition(
        self, asset_key: AssetKey, after_cursor_partition: bool | None = False
    ) -> Mapping[str, EventLogRecord]:
        """By partition: its newest materialisation that was not used, in the order in which they happened."""
        self._check_monitored(asset_key)
        partitions = self._partitions_of(asset_key)
        keys = list(partitions.get_partition_keys(self.surroundings.now))
        at = self._cursor_of(asset_key).partition
        if after_cursor_partition and at is not None:
            keys = keys[keys.index(at) + 1 :]
        existing, found = set(keys), dict[str, EventLogRecord]()
        for record in [*self.get_trailing_unconsumed_events(asset_key), *self._after_cursor(asset_key)]:
            if record.partition_key is not None and record.partition_key in existing:
                found.pop(record.partition_key, None)
                found[record.partition_key] = record
        return found

    def latest_materialization_records_by_partition_and_asset(
        self,
    ) -> Mapping[str, Mapping[AssetKey, EventLogRecord]]:
        """By partition and asset: the newest materialisation that was not used. All assets have the same partitions."""
        if len({self._partitions_or_none(key) for key in self._monitored}) != 1:
            raise DagsterInvalidInvocationError(
                "the assets that the sensor watches have different partitions; ask for those of one asset: "
                "latest_materialization_records_by_partition(key)"
            )
        found: dict[str, dict[AssetKey, EventLogRecord]] = defaultdict(dict)
        for key in self._monitored:
            for partition, record in self.latest_materialization_records_by_partition(key).items():
                found[partition][key] = record
        return found

    def get_trailing_unconsumed_events(self, asset_key: AssetKey) -> Sequence[EventLogRecord]:
        """What was left out so far: older than the cursor and not used, oldest first."""
        left = set(self._cursor_of(asset_key).trailing.values())
        return [record for record in self.records_of(asset_key) if record.storage_id in left]

    def get_cursor_partition(self, asset_key: AssetKey | None) -> str | None:
        """The partition of the last materialisation that was used."""
        key = self._monitored[0] if asset_key is None and len(self._monitored) == 1 else asset_key
        if key is None or key not in self._monitored:
            raise DagsterInvalidInvocationError(
                f"name one of the assets that the sensor watches, not {asset_key!r}: {self._names()}"
            )
        return self._cursor_of(key).partition

    def all_partitions_materialized(self, asset_key: AssetKey, partitions: Sequence[str] | None = None) -> bool:
        """Whether all partitions of an asset (or these) have been materialised at any time.

        Raises:
            DagsterInvariantViolationError: in the service, which tells a sensor what is new and nothing else.
        """
        if partitions is not None and not partitions:
            raise DagsterInvalidInvocationError("name at least one partition, or leave partitions out for all of them")
        if partitions is None:
            self._check_monitored(asset_key, DagsterInvariantViolationError)
            partitions = self._partitions_of(asset_key).get_partition_keys(self.surroundings.now)
        materialized: set[str] = self.instance.get_materialized_partitions(asset_key)
        return set(partitions) <= materialized

    def get_downstream_partition_keys(
        self, partition_key: str, from_asset_key: AssetKey, to_asset_key: AssetKey
    ) -> Sequence[str]:
        """The partitions of an asset that are made of a partition of another one."""
        definitions = self.repository_def
        if definitions is None or not {from_asset_key, to_asset_key} <= definitions.specs.keys():
            raise DagsterInvalidInvocationError(
                f"{from_asset_key!r} or {to_asset_key!r} is not among the definitions, so how their partitions relate "
                "is not known"
            )
        upstream = self._partitions_of(from_asset_key, DagsterInvalidInvocationError)
        downstream = self._partitions_of(to_asset_key, DagsterInvalidInvocationError)
        mapping = definitions.specs[to_asset_key].partition_mappings.get(from_asset_key)
        now = self.surroundings.now or SystemClock().now()
        # The casts: definitions of other classes are among the mistakes of the project.
        found = downstream_partitions(
            cast(AnyPartitionMapping | None, mapping),
            cast(AnyPartitionsDefinition, upstream),
            cast(AnyPartitionsDefinition, downstream),
            partition_key,
            now,
        )
        return [key for key in found if key is not None]

    # What was used.

    def advance_cursor(self, materialization_records_by_key: Mapping[AssetKey, EventLogRecord | None]) -> None:
        """Say that these were used, and with them the older ones of the same asset and partition."""
        for key, record in materialization_records_by_key.items():
            if record is not None:
                self._used[key][record.storage_id] = record.partition_key
        self.cursor_updated = True

    def advance_all_cursors(self) -> None:
        """Say that everything was used that there is."""
        self.advance_cursor(self.latest_materialization_records_by_key())
        self._past_all = True

    def update_cursor_after_evaluation(self) -> None:
        """Move the cursor as the function said, once it has ended."""
        if not self._used:
            return
        moved = {key: self._moved(key) for key in self._monitored}
        self._cursor = write_cursor(moved)
        self._cursors, self._past_all = moved, False
        self._used.clear()

    def _moved(self, key: AssetKey) -> AssetCursor:
        known = [*self.get_trailing_unconsumed_events(key), *self._after_cursor(key)]
        events = [(record.storage_id, record.partition_key) for record in known]
        return self._cursor_of(key).advanced(self._used[key], events, past_all=self._past_all)

    # Look-ups.

    def _cursor_of(self, key: AssetKey) -> AssetCursor:
        return self._cursors.get(key, AssetCursor())

    def _after_cursor(self, key: AssetKey) -> list[EventLogRecord]:
        since = self._cursor_of(key).id or 0
        return [record for record in self.records_of(key) if record.storage_id > since]

    def _check_monitored(self, key: AssetKey, error: type[Exception] = DagsterInvalidInvocationError) -> None:
        if key not in self._monitored:
            raise error(f"the sensor does not watch {key!r}; it watches {self._names()}")

    def _names(self) -> str:
        return ", ".join(key.to_user_string() for key in self._monitored)

    def _partitions_or_none(self, key: AssetKey) -> PartitionsDefinition | None:
        definitions = self.surroundings.definitions
        spec = definitions.specs.get(key) if definitions is not None else None
        partitions, instance = spec.partitions_def if spec is not None else None, self.surroundings.instance
        return partitions if partitions is None or instance is None else partitions.known_by(instance)

    def _partitions_of(
        self, key: AssetKey, error: type[Exception] = DagsterInvariantViolationError
    ) -> PartitionsDefinition:
        partitions = self._partitions_or_none(key)
        if partitions is None:
            raise error(
                f"{key!r} has no partitions here; ask for what is new by latest_materialization_records_by_key()"
            )
        return partitions
