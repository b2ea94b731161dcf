"""Partitions with fixed names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvalidInvocationError
from upwell.definitions.partitions.definition import (
    DynamicPartitionsStore,
    PartitionKeyRange,
    PartitionsDefinition,
    assign,
)

_RANGE_MARK = "..."  # stands between the two ends of a range of keys wherever one is written down


@dataclass(frozen=True, init=False)
class StaticPartitionsDefinition(PartitionsDefinition):
    """A fixed list of keys, in the order given."""

    type: Literal["static"]
    keys: tuple[str, ...]

    def __init__(self, partition_keys: Sequence[str]) -> None:
        keys = tuple(partition_keys)
        for key in keys:
            _check_key(key)
        if len(set(keys)) != len(keys):
            twice = sorted({key for key in keys if keys.count(key) > 1})
            raise DagsterInvalidDefinitionError(
                f"partition keys given more than once: {', '.join(twice)}. Name each once"
            )
        assign(self, type="static", keys=keys)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {key: place for place, key in enumerate(self.keys)}

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        return list(self.keys)

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> bool:
        return partition_key in self._places

    def get_partition_keys_in_range(
        self,
        partition_key_range: PartitionKeyRange,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        first, last = self._place(partition_key_range.start), self._place(partition_key_range.end)
        return list(self.keys[first : last + 1])

    def get_first_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        return self.keys[0] if self.keys else None

    def get_last_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        return self.keys[-1] if self.keys else None

    def _place(self, partition_key: str) -> int:
        if partition_key not in self._places:
            raise DagsterInvalidInvocationError(
                f"there is no partition {partition_key!r}; the keys are {', '.join(self.keys[:10])}"
                + (" …" if len(self.keys) > 10 else "")
            )
        return self._places[partition_key]

    def __str__(self) -> str:
        return ", ".join(self.keys)


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise TypeError(f"partition keys are strings, not {key!r}: StaticPartitionsDefinition(['a', 'b'])")
    if _RANGE_MARK in key:
        raise DagsterInvalidDefinitionError(
            f"partition key {key!r} holds '{_RANGE_MARK}', which separates the ends of a range. Choose another name"
        )
