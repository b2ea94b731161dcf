"""`context.instance` of a sensor that the service calls: dynamic partitions, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.partitions.dynamic import DynamicKeys
from upwell.events import PartitionsWanted


class CallInstance:
    """The keys of the dynamic partitions of what the sensor is for, as they were when it was called.

    What it adds or deletes here counts at once for the call itself, and for everybody once the call has succeeded.
    """

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        self._known = frozenset(keys)
        self._keys = DynamicKeys(keys)
        self.changes: list[PartitionsWanted] = []

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """The keys of the dynamic partitions of this name, in the order in which they came."""
        return list(self._of(partitions_def_name).get_dynamic_partitions(partitions_def_name))

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether the dynamic partitions of this name have this key."""
        return self._of(partitions_def_name).has_dynamic_partition(partitions_def_name, partition_key)

    def add_dynamic_partitions(self, partitions_def_name: str, partition_keys: Sequence[str]) -> None:
        """Add keys to the dynamic partitions of this name."""
        self._keys.change(partitions_def_name, added=partition_keys)
        self.changes.append(PartitionsWanted(name=partitions_def_name, added=tuple(partition_keys)))

    def delete_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> None:
        """Take a key from the dynamic partitions of this name."""
        self._keys.change(partitions_def_name, removed=[partition_key])
        self.changes.append(PartitionsWanted(name=partitions_def_name, removed=(partition_key,)))

    def _of(self, name: str) -> DynamicKeys:
        if name not in self._known:
            raise DagsterInvariantViolationError(
                f"the keys of dynamic partitions {name!r} do not come with this call: "
                + (f"it has those of {', '.join(sorted(self._known))}" if self._known else "it has none")
                + ", by the assets and jobs that the sensor or schedule is for"
            )
        return self._keys

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise DagsterInvariantViolationError(
            f"in the service, context.instance has dynamic partitions and no {name!r}: what a function needs comes "
            "with the call (context.cursor, context.events, the asset event, context.dagster_run), and the HTTP API "
            "(/api/v1) answers the rest"
        )
