"""What every partitions definition can answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from upwell.clock import SystemClock

PARTITION_TAG = "dagster/partition"
"""The tag of a run that names its partition (as in Dagster)."""


@dataclass(frozen=True)
class PartitionKeyRange:
    """All keys from `start` to `end`, both included."""

    start: str
    end: str


class DynamicPartitionsStore(Protocol):
    """Who knows the keys of dynamic partitions: a `DagsterInstance`, or the project."""

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """The keys of this name, in the order in which they came; none where nobody added any."""

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether the key is one of this name; never lists the others."""


class PartitionsDefinition(ABC):
    """A set of keys in an order, which may grow as time passes.

    `current_time` is the instant at which the question is asked (aware); left out, it is the present. Dynamic
    partitions are asked of `dynamic_partitions_store`; left out, of the store that the definition is known by.
    """

    @abstractmethod
    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """Every key that exists, in order."""

    @abstractmethod
    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> bool:
        """Whether the key exists; never lists the others."""

    @abstractmethod
    def get_partition_keys_in_range(
        self,
        partition_key_range: PartitionKeyRange,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """The keys of the range; none when its start lies behind its end.

        Raises:
            DagsterUnknownPartitionError: of time windows, the start or the end is no key.
            DagsterInvalidInvocationError: of others.
        """

    @abstractmethod
    def get_first_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        """The first key, if there is any."""

    @abstractmethod
    def get_last_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        """The last key that exists, if there is any."""

    def get_tags_for_partition_key(self, partition_key: str) -> dict[str, str]:
        """The tags by which a run says its partition."""
        return {PARTITION_TAG: partition_key}

    @property
    def dynamic_names(self) -> tuple[str, ...]:
        """The names of the dynamic partitions whose keys make up these; none for most."""
        return ()

    def known_by(self, store: DynamicPartitionsStore) -> Self:
        """The same partitions, which ask this store for dynamic keys."""
        return self

    def get_num_partitions(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> int:
        """How many keys exist."""
        return len(self.get_partition_keys(current_time, dynamic_partitions_store))


def moment(current_time: datetime | None) -> datetime:
    """The instant that the caller gave, or the present."""
    return SystemClock().now() if current_time is None else current_time


def assign(instance: object, **fields: Any) -> None:
    """Fill the fields of a frozen dataclass from its own `__init__`. (`Any`: whatever the fields hold.)"""
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
