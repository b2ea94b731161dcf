"""What every partitions definition can answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upwell.clock import SystemClock


@dataclass(frozen=True)
class PartitionKeyRange:
    """All keys from `start` to `end`, both included."""

    start: str
    end: str


class PartitionsDefinition(ABC):
    """A set of keys in an order, which may grow as time passes.

    `current_time` is the instant at which the question is asked (aware); left out, it is the present.
    """

    @abstractmethod
    def get_partition_keys(self, current_time: datetime | None = None) -> Sequence[str]:
        """Every key that exists, in order."""

    @abstractmethod
    def has_partition_key(self, partition_key: str, current_time: datetime | None = None) -> bool:
        """Whether the key exists; never lists the others."""

    @abstractmethod
    def get_partition_keys_in_range(self, partition_key_range: PartitionKeyRange) -> Sequence[str]:
        """The keys of the range; none when its start lies behind its end.

        Raises:
            DagsterUnknownPartitionError: the start or the end is no key.
        """

    @abstractmethod
    def get_first_partition_key(self, current_time: datetime | None = None) -> str | None:
        """The first key, if there is any."""

    @abstractmethod
    def get_last_partition_key(self, current_time: datetime | None = None) -> str | None:
        """The last key that exists, if there is any."""

    @abstractmethod
    def order_of(self, partition_key: str) -> float:
        """A number that grows in the order of the keys, to tell which of two is the later.

        Raises:
            DagsterUnknownPartitionError: this can be no key.
        """

    def get_num_partitions(self, current_time: datetime | None = None) -> int:
        """How many keys exist."""
        return len(self.get_partition_keys(current_time))


def moment(current_time: datetime | None) -> datetime:
    """The instant that the caller gave, or the present."""
    return SystemClock().now() if current_time is None else current_time


def assign(instance: object, **fields: Any) -> None:
    """Fill the fields of a frozen dataclass from its own `__init__`. (`Any`: whatever the fields hold.)"""
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
