"""Partitions whose keys come and go while the service runs: customers, files, experiments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Self

from upwell.definitions.errors import (
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DagsterInvariantViolationError,
)
from upwell.definitions.partitions.definition import (
    DynamicPartitionsStore,
    PartitionKeyRange,
    PartitionsDefinition,
    assign,
)
from upwell.definitions.partitions.requests import (
    AddDynamicPartitionsRequest,
    DeleteDynamicPartitionsRequest,
    PartitionsRequest,
)


class DynamicKeys:
    """The keys of dynamic partitions by name, in the order in which they came.

    To add, remove or find one costs the same however many there are; a list of them is kept until one changes.
    """

    def __init__(self, keys: Mapping[str, Iterable[str]] | None = None) -> None:
        self._keys = {name: dict.fromkeys(each) for name, each in (keys or {}).items()}
        self._listed: dict[str, tuple[str, ...]] = {}

    def change(self, name: str, *, added: Iterable[str] = (), removed: Iterable[str] = ()) -> None:
        """Take in that keys came and went; one that is there already keeps its place."""
        keys = self._keys.setdefault(name, {})
        for key in removed:
            keys.pop(key, None)
        for key in added:
            keys.setdefault(key)
        self._listed.pop(name, None)

    def replace(self, keys: Mapping[str, Iterable[str]]) -> None:
        """Forget what was known, and know these."""
        self._keys = {name: dict.fromkeys(each) for name, each in keys.items()}
        self._listed.clear()

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """The keys of this name, in the order in which they came."""
        listed = self._listed.get(partitions_def_name)
        if listed is None:
            listed = self._listed[partitions_def_name] = tuple(self._keys.get(partitions_def_name, ()))
        return listed

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether the key is one of this name."""
        return partition_key in self._keys.get(partitions_def_name, ())


class ChangedKeys:
    """The keys of a store as they will be once these requests are carried out."""

    def __init__(self, store: DynamicPartitionsStore, requests: Iterable[PartitionsRequest]) -> None:
        self._store = store
        self._becomes = {
            (request.partitions_def_name, key): isinstance(request, AddDynamicPartitionsRequest)
            for request in requests
            for key in request.partition_keys
        }

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """The keys of this name; new ones last."""
        known = self._store.get_dynamic_partitions(partitions_def_name)
        added = (key for (name, key), there in self._becomes.items() if there and name == partitions_def_name)
        kept = (key for key in known if self._becomes.get((partitions_def_name, key), True))
        return list(dict.fromkeys((*kept, *added)))

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether the key will be one of this name."""
        becomes = self._becomes.get((partitions_def_name, partition_key))
        if becomes is not None:
            return becomes
        return self._store.has_dynamic_partition(partitions_def_name, partition_key)


def keys_after(
    store: DynamicPartitionsStore | None, requests: Iterable[PartitionsRequest]
) -> DynamicPartitionsStore | None:
    """Who knows the keys once these requests are carried out; nobody, where nobody knows them now."""
    return None if store is None else ChangedKeys(store, requests)


@dataclass(frozen=True, init=False)
class DynamicPartitionsDefinition(PartitionsDefinition):
    """Keys that are added and deleted at any time: by a sensor's `SensorResult(dynamic_partitions_requests=…)`, over
    HTTP, or by an instance. Definitions of one name share their keys.

    Raises:
        DagsterInvalidDefinitionError: no name.
    """

    type: Literal["dynamic"]
    name: str

    _store: ClassVar[DynamicPartitionsStore | None] = None  # an instance's own hides it once somebody knows the keys

    def __init__(self, partition_fn: None = None, name: str | None = None) -> None:
        if partition_fn is not None or not isinstance(name, str) or not name:
            raise DagsterInvalidDefinitionError(
                "dynamic partitions have a name, under which their keys are kept: "
                "DynamicPartitionsDefinition(name='customers')"
            )
        assign(self, type="dynamic", name=name)

    @property
    def dynamic_names(self) -> tuple[str, ...]:
        return (self.name,)

    def known_by(self, store: DynamicPartitionsStore) -> Self:
        known = type(self)(name=self.name)
        assign(known, _store=store)
        return known

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        return self._known(dynamic_partitions_store).get_dynamic_partitions(self.name)

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> bool:
        return self._known(dynamic_partitions_store).has_dynamic_partition(self.name, partition_key)

    def get_partition_keys_in_range(
        self,
        partition_key_range: PartitionKeyRange,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        keys = self.get_partition_keys(None, dynamic_partitions_store)
        for key in (partition_key_range.start, partition_key_range.end):
            if not self.has_partition_key(key, None, dynamic_partitions_store):
                raise DagsterInvalidInvocationError(f"there is no partition {key!r} of {self}; add it first")
        return keys[keys.index(partition_key_range.start) : keys.index(partition_key_range.end) + 1]

    def get_first_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        keys = self.get_partition_keys(current_time, dynamic_partitions_store)
        return keys[0] if keys else None

    def get_last_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        keys = self.get_partition_keys(current_time, dynamic_partitions_store)
        return keys[-1] if keys else None

    def build_add_request(self, partition_keys: Sequence[str]) -> AddDynamicPartitionsRequest:
        """What a sensor answers to have these keys added."""
        return AddDynamicPartitionsRequest(self.name, partition_keys)

    def build_delete_request(self, partition_keys: Sequence[str]) -> DeleteDynamicPartitionsRequest:
        """What a sensor answers to have these keys deleted."""
        return DeleteDynamicPartitionsRequest(self.name, partition_keys)

    def _known(self, given: DynamicPartitionsStore | None) -> DynamicPartitionsStore:
        store = given if given is not None else self._store
        if store is None:
            raise DagsterInvariantViolationError(
                f"nobody here knows the keys of {self}; give the instance that does: "
                "dynamic_partitions_store=context.instance"
            )
        return store

    def __str__(self) -> str:
        return f"dynamic partitions {self.name!r}"
