"""Which partitions a step makes and reads: the part of `context` that is about them, under Dagster's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.partitions.definition import PartitionKeyRange, PartitionsDefinition
from upwell.definitions.partitions.multi import MultiPartitionKey, whole_key, window_of
from upwell.definitions.partitions.time_windows import TimeWindow
from upwell.runtime.messages import StepTask


class PartitionsRead(NamedTuple):
    """The partitions of an asset, and those of them that are read or made."""

    definition: PartitionsDefinition
    keys: Sequence[str]


PartitionsOf: TypeAlias = Callable[[str], PartitionsRead | None]
"""Of the argument of this name; none where its asset has no partitions."""


class PartitionContext:
    """What a function is told of partitions."""

    def __init__(self, task: StepTask, compute: ComputeDefinition, partitions_read: PartitionsOf) -> None:
        self._task = task
        self._compute = compute
        self._partitions_read = partitions_read

    @property
    def has_partition_key(self) -> bool:
        """Whether the step runs for a partition."""
        return self._task.partition is not None

    @property
    def partition_key(self) -> str:
        """The partition that the step runs for.

        Raises:
            DagsterInvariantViolationError: it runs for none.
        """
        if self._task.partition is None:
            raise DagsterInvariantViolationError(
                f"step {self._task.step_id!r} runs for no partition; "
                "give the run one (--partition), or ask has_partition_key"
            )
        return whole_key(self._compute.partitions_def, self._task.partition)

    @property
    def partition_keys(self) -> Sequence[str]:
        """The partitions that the step runs for."""
        return [self.partition_key]

    @property
    def partition_key_range(self) -> PartitionKeyRange:
        """From the first to the last partition that the step runs for."""
        return PartitionKeyRange(self.partition_key, self.partition_key)

    @property
    def has_partition_key_range(self) -> bool:
        return False

    @property
    def partition_time_window(self) -> TimeWindow:
        """The time that the partition covers.

        Raises:
            DagsterInvariantViolationError: there are no partitions, or not by time.
        """
        window = window_of(self._compute.partitions_def, self.partition_key)
        if window is None:
            raise DagsterInvariantViolationError(f"step {self._task.step_id!r} is not partitioned by time")
        return window

    @property
    def asset_partition_key_range(self) -> PartitionKeyRange:
        """From the first to the last partition that the step runs for."""
        return self.partition_key_range

    @property
    def multi_partition_key(self) -> MultiPartitionKey:
        """The partition that the step runs for, which has several dimensions.

        Raises:
            DagsterInvariantViolationError: it has one, or there is none.
        """
        key = self.partition_key
        if not isinstance(key, MultiPartitionKey):
            raise DagsterInvariantViolationError(f"partition {key!r} has one dimension; use partition_key")
        return key

    def asset_partitions_def_for_input(self, input_name: str) -> PartitionsDefinition:
        """The partitions of the asset that an argument reads.

        Raises:
            DagsterInvariantViolationError: it has none, or there is no such argument. So with what follows.
        """
        return self._read(input_name).definition

    def asset_partition_keys_for_input(self, input_name: str) -> Sequence[str]:
        """The partitions that an argument reads."""
        read = self._read(input_name)
        return [whole_key(read.definition, key) for key in read.keys]

    def asset_partition_key_for_input(self, input_name: str) -> str:
        """The only partition that an argument reads."""
        return _only(self.asset_partition_keys_for_input(input_name), input_name)

    def asset_partition_key_range_for_input(self, input_name: str) -> PartitionKeyRange:
        """From the first to the last partition that an argument reads."""
        return _range(self.asset_partition_keys_for_input(input_name), input_name)

    def asset_partitions_time_window_for_input(self, input_name: str) -> TimeWindow:
        """From the start of the first partition that an argument reads to the end of the last one."""
        return _window(self._read(input_name), input_name)

    def asset_partitions_def_for_output(self, output_name: str = "result") -> PartitionsDefinition:
        """The partitions of the asset that an output makes.

        Raises:
            DagsterInvariantViolationError: it has none, or there is no such output. So with what follows.
        """
        return self._made(output_name).definition

    def asset_partition_keys_for_output(self, output_name: str = "result") -> Sequence[str]:
        """The partitions of an output that the step makes."""
        return self._made(output_name).keys

    def asset_partition_key_for_output(self, output_name: str = "result") -> str:
        """The only partition of an output that the step makes."""
        return _only(self.asset_partition_keys_for_output(output_name), output_name)

    def asset_partition_key_range_for_output(self, output_name: str = "result") -> PartitionKeyRange:
        """From the first to the last partition of an output that the step makes."""
        return _range(self.asset_partition_keys_for_output(output_name), output_name)

    def asset_partitions_time_window_for_output(self, output_name: str = "result") -> TimeWindow:
        """The time that the partitions of an output cover."""
        return _window(self._made(output_name), output_name)

    def _read(self, name: str) -> PartitionsRead:
        read = self._partitions_read(name)
        if read is None:
            known = ", ".join(given.name for given in self._compute.inputs) or "none"
            raise DagsterInvariantViolationError(
                f"argument {name!r} reads no partitions; the arguments that read assets are: {known}"
            )
        return read

    def _made(self, name: str) -> PartitionsRead:
        output = self._compute.output(name)
        if output is None or output.spec.partitions_def is None:
            known = ", ".join(output.name for output in self._compute.outputs) or "none"
            raise DagsterInvariantViolationError(
                f"output {name!r} has no partitions or does not exist; the outputs are: {known}"
            )
        return PartitionsRead(output.spec.partitions_def, [whole_key(output.spec.partitions_def, self.partition_key)])


def _only(keys: Sequence[str], name: str) -> str:
    if len(keys) != 1:
        raise DagsterInvariantViolationError(f"{name!r} has {len(keys)} partitions here; ask for all of them")
    return keys[0]


def _range(keys: Sequence[str], name: str) -> PartitionKeyRange:
    if not keys:
        raise DagsterInvariantViolationError(f"{name!r} has no partitions here")
    return PartitionKeyRange(keys[0], keys[-1])


def _window(read: PartitionsRead, name: str) -> TimeWindow:
    first, last = (
        (window_of(read.definition, key) for key in (read.keys[0], read.keys[-1])) if read.keys else (None, None)
    )
    if first is None or last is None:
        raise DagsterInvariantViolationError(f"{name!r} has no partitions by time here")
    return TimeWindow(first.start, last.end)
