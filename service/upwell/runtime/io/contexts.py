"""What an IO manager is told: of the value to be stored, or of the one to be loaded."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.keys import AssetKey
from upwell.definitions.metadata import MetadataValue, normalize_metadata
from upwell.definitions.partitions.definition import PartitionKeyRange, PartitionsDefinition
from upwell.definitions.partitions.multi import whole_key, window_of
from upwell.definitions.partitions.time_windows import TimeWindow
from upwell.definitions.specs import UNSET


@dataclass(frozen=True, kw_only=True)
class IOContext:
    """What loading and storing have in common.

    Attributes:
        name: of the output, or of the argument that is to be filled.
        partition_keys: those of the asset that are stored or loaded; none when it has no partitions.
        run_partition: the partition that the step runs for.
        definition_metadata: given with the output (or with `AssetIn`).
        annotation: the type that the function's signature names, or `UNSET`.
        is_of_asset: false for values that ops pass on; `asset_key` then is a place of its own for each.
    """

    asset_key: AssetKey
    name: str
    step_key: str
    run_id: str
    log: logging.Logger
    resources: SimpleNamespace
    partitions_def: PartitionsDefinition | None = None
    partition_keys: Sequence[str] | None = None
    run_partition: str | None = None
    definition_metadata: Mapping[str, object] = field(default_factory=dict)
    annotation: object = UNSET
    is_of_asset: bool = True

    @property
    def metadata(self) -> Mapping[str, object]:
        """The same as `definition_metadata` (Dagster's older name)."""
        return self.definition_metadata

    @property
    def dagster_type(self) -> object:
        """The same as `annotation` (Dagster's name)."""
        return self.annotation

    @property
    def has_asset_key(self) -> bool:
        return self.is_of_asset

    @property
    def has_partition_key(self) -> bool:
        """Whether the step runs for a partition."""
        return self.run_partition is not None

    @property
    def partition_key(self) -> str:
        """The partition that the step runs for."""
        if self.run_partition is None:
            raise DagsterInvariantViolationError(
                f"the step {self.step_key!r} runs for no partition; ask has_partition_key"
            )
        return whole_key(self.partitions_def, self.run_partition)

    @property
    def has_asset_partitions(self) -> bool:
        """Whether the asset that is stored or loaded has partitions."""
        return self.partition_keys is not None

    @property
    def asset_partition_keys(self) -> Sequence[str]:
        """The partitions that are stored or loaded."""
        if self.partition_keys is None:
            raise DagsterInvariantViolationError(
                f"asset {self.asset_key.to_user_string()!r} has no partitions; ask has_asset_partitions"
            )
        return [whole_key(self.partitions_def, key) for key in self.partition_keys]

    @property
    def asset_partition_key(self) -> str:
        """The one partition that is stored or loaded."""
        keys = self.asset_partition_keys
        if len(keys) != 1:
            raise DagsterInvariantViolationError(
                f"{len(keys)} partitions of asset {self.asset_key.to_user_string()!r} are read; "
                "use asset_partition_keys"
            )
        return keys[0]

    @property
    def asset_partition_key_range(self) -> PartitionKeyRange:
        """From the first to the last partition that is stored or loaded."""
        keys = self.asset_partition_keys
        if not keys:
            raise DagsterInvariantViolationError(
                f"no partition of asset {self.asset_key.to_user_string()!r} is stored or loaded"
            )
        return PartitionKeyRange(keys[0], keys[-1])

    @property
    def asset_partitions_def(self) -> PartitionsDefinition | None:
        return self.partitions_def

    @property
    def asset_partitions_time_window(self) -> TimeWindow:
        """From the start of the first partition to the end of the last one."""
        windows = [window_of(self.partitions_def, key) for key in self.asset_partition_keys]
        first, last = (windows[0], windows[-1]) if windows else (None, None)
        if first is None or last is None:
            raise DagsterInvariantViolationError(
                f"asset {self.asset_key.to_user_string()!r} is not partitioned by time"
            )
        return TimeWindow(first.start, last.end)

    def get_identifier(self) -> Sequence[str]:
        """The parts of the asset's key, and the partition where there is one."""
        partition = [self.asset_partition_key] if self.has_asset_partitions else []
        return [*self.asset_key.path, *partition]

    get_asset_identifier = get_identifier


@dataclass(frozen=True, kw_only=True)
class OutputContext(IOContext):
    """Of a value to be stored. What `add_output_metadata` adds goes to the materialisation."""

    added_metadata: dict[str, MetadataValue] = field(default_factory=dict)

    def add_output_metadata(self, metadata: Mapping[str, object]) -> None:
        """Add entries to the metadata of the materialisation."""
        self.added_metadata.update(normalize_metadata(metadata))


@dataclass(frozen=True, kw_only=True)
class InputContext(IOContext):
    """Of a value to be loaded; `upstream_output` is how the asset that holds it was declared."""

    upstream_output: OutputContext
