"""Partitions of several dimensions, such as a region and a day: each combination of their keys is one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import product
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field

from upwell.definitions.errors import (
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DagsterUnknownPartitionError,
)
from upwell.definitions.partitions.definition import (
    PARTITION_TAG,
    DynamicPartitionsStore,
    PartitionKeyRange,
    PartitionsDefinition,
    assign,
)
from upwell.definitions.partitions.dynamic import DynamicPartitionsDefinition
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import TimeWindow, TimeWindowPartitionsDefinition

OneDimension: TypeAlias = Annotated[
    StaticPartitionsDefinition | TimeWindowPartitionsDefinition | DynamicPartitionsDefinition,
    Field(discriminator="type"),
]

_MARK = "|"
_NOT_IN_STATIC_KEYS = frozenset("|,[]")


class MultiPartitionKey(str):
    """A key of several dimensions: text, with the dimensions in the order of their names."""

    keys_by_dimension: Mapping[str, str]

    def __new__(cls, keys_by_dimension: Mapping[str, str]) -> Self:
        for name, key in keys_by_dimension.items():
            if not isinstance(name, str) or not isinstance(key, str):
                raise TypeError(f"dimensions and keys are text: MultiPartitionKey({{'region': 'eu'}}), not {key!r}")
        ordered = dict(sorted(keys_by_dimension.items()))
        text = super().__new__(cls, _MARK.join(ordered.values()))
        text.keys_by_dimension = ordered
        return text

    def __reduce__(self) -> tuple[type[Self], tuple[Mapping[str, str]]]:
        return (type(self), (self.keys_by_dimension,))


@dataclass(frozen=True)
class PartitionDimensionDefinition:
    """A dimension: its name and its partitions."""

    name: str
    partitions_def: OneDimension


@dataclass(frozen=True, init=False)
class MultiPartitionsDefinition(PartitionsDefinition):
    """Every combination of the keys of its dimensions (two or more), keyed `2024-01-31|eu`: by the names of the
    dimensions, which is also their order.

    Raises:
        DagsterInvalidDefinitionError: a dimension with dimensions of its own, or with keys that hold `|`, `,` or
            brackets.
        DagsterInvalidInvocationError: fewer than two dimensions.
    """

    type: Literal["multi"]
    dimensions: tuple[PartitionDimensionDefinition, ...]

    def __init__(self, partitions_defs: Mapping[str, PartitionsDefinition]) -> None:
        if len(partitions_defs) < 2:
            raise DagsterInvalidInvocationError(
                f"partitions of several dimensions have two or more, not {len(partitions_defs)}; "
                "use the one that there is by itself"
            )
        dimensions = (_dimension(name, partitions_defs[name]) for name in sorted(partitions_defs))
        assign(self, type="multi", dimensions=tuple(dimensions))

    @property
    def partitions_defs(self) -> Sequence[PartitionDimensionDefinition]:
        """The dimensions, by name."""
        return self.dimensions

    @property
    def partition_dimension_names(self) -> Sequence[str]:
        """The names of the dimensions, in order."""
        return [one.name for one in self.dimensions]

    @cached_property
    def by_name(self) -> Mapping[str, OneDimension]:
        """The partitions of each dimension."""
        return {one.name: one.partitions_def for one in self.dimensions}

    def get_partitions_def_for_dimension(self, dimension_name: str) -> OneDimension:
        """The partitions of one dimension.

        Raises:
            DagsterInvalidInvocationError: there is no such dimension.
        """
        if dimension_name not in self.by_name:
            raise DagsterInvalidInvocationError(
                f"there is no dimension {dimension_name!r}; there are {', '.join(self.by_name)}"
            )
        return self.by_name[dimension_name]

    @property
    def dynamic_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.dimensions for name in one.partitions_def.dynamic_names))

    def known_by(self, store: DynamicPartitionsStore) -> Self:
        if not self.dynamic_names:
            return self
        return type(self)({name: one.known_by(store) for name, one in self.by_name.items()})

    def get_partition_key_from_str(self, partition_key_str: str) -> MultiPartitionKey:
        """The key of this text, whether or not it exists.

        Raises:
            DagsterUnknownPartitionError: it has another number of dimensions.
        """
        parts = partition_key_str.split(_MARK)
        if len(parts) != len(self.dimensions):
            raise DagsterUnknownPartitionError(
                f"there is no partition {partition_key_str!r}; a key is {_MARK.join(self.by_name)}"
            )
        return MultiPartitionKey(dict(zip(self.by_name, parts, strict=True)))

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[MultiPartitionKey]:
        return self.crossed(
            one.get_partition_keys(current_time, dynamic_partitions_store) for one in self.by_name.values()
        )

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> bool:
        parts = partition_key.split(_MARK)
        return len(parts) == len(self.dimensions) and all(
            one.has_partition_key(part, current_time, dynamic_partitions_store)
            for one, part in zip(self.by_name.values(), parts, strict=True)
        )

    def get_partition_keys_in_range(
        self,
        partition_key_range: PartitionKeyRange,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[MultiPartitionKey]:
        """Every combination of the ranges of the dimensions: a rectangle, not all between two keys in order."""
        starts = self.get_partition_key_from_str(partition_key_range.start).keys_by_dimension
        ends = self.get_partition_key_from_str(partition_key_range.end).keys_by_dimension
        return self.crossed(
            one.get_partition_keys_in_range(PartitionKeyRange(starts[name], ends[name]), dynamic_partitions_store)
            for name, one in self.by_name.items()
        )

    def get_first_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> MultiPartitionKey | None:
        ask = {
            name: one.get_first_partition_key(current_time, dynamic_partitions_store)
            for name, one in self.by_name.items()
        }
        return _whole(ask)

    def get_last_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> MultiPartitionKey | None:
        ask = {
            name: one.get_last_partition_key(current_time, dynamic_partitions_store)
            for name, one in self.by_name.items()
        }
        return _whole(ask)

    def get_num_partitions(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> int:
        return math.prod(
            one.get_num_partitions(current_time, dynamic_partitions_store) for one in self.by_name.values()
        )

    def get_multipartition_keys_with_dimension_value(
        self,
        dimension_name: str,
        dimension_partition_key: str,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
        current_time: datetime | None = None,
    ) -> Sequence[MultiPartitionKey]:
        """The keys that have this key in one of their dimensions."""
        self.get_partitions_def_for_dimension(dimension_name)
        return self.crossed(
            [dimension_partition_key]
            if name == dimension_name
            else one.get_partition_keys(current_time, dynamic_partitions_store)
            for name, one in self.by_name.items()
        )

    def get_multipartition_keys_with_dimension_values(
        self, dimension_name: str, dimension_partition_keys: Sequence[str]
    ) -> Sequence[MultiPartitionKey]:
        """The keys that have one of these keys in one of their dimensions, by these."""
        find = self.get_multipartition_keys_with_dimension_value
        return [key for part in dimension_partition_keys for key in find(dimension_name, part)]

    @cached_property
    def time_dimension(self) -> str | None:
        """The name of the only dimension of time windows, if there is exactly one."""
        names = [name for name, one in self.by_name.items() if isinstance(one, TimeWindowPartitionsDefinition)]
        return names[0] if len(names) == 1 else None

    @property
    def has_time_window_dimension(self) -> bool:
        """Whether one dimension is of time windows, so that a key has a time."""
        return self.time_dimension is not None

    @property
    def time_window_dimension(self) -> PartitionDimensionDefinition:
        """The dimension of time windows.

        Raises:
            DagsterInvalidInvocationError: there is not exactly one.
        """
        if self.time_dimension is None:
            raise DagsterInvalidInvocationError(f"not exactly one of {', '.join(self.by_name)} is of time windows")
        return next(one for one in self.dimensions if one.name == self.time_dimension)

    def time_window_for_partition_key(self, partition_key: str) -> TimeWindow:
        """The window of the key's part that is one."""
        dimension = self.time_window_dimension
        part = self.get_partition_key_from_str(partition_key).keys_by_dimension[dimension.name]
        assert isinstance(dimension.partitions_def, TimeWindowPartitionsDefinition)
        return dimension.partitions_def.time_window_for_partition_key(part)

    def get_tags_for_partition_key(self, partition_key: str) -> dict[str, str]:
        parts = self.get_partition_key_from_str(partition_key).keys_by_dimension
        whole = super().get_tags_for_partition_key(partition_key)
        return {**whole, **{f"{PARTITION_TAG}/{name}": part for name, part in parts.items()}}

    def crossed(self, keys: Iterable[Sequence[str]]) -> Sequence[MultiPartitionKey]:
        """Every combination of keys of the dimensions, given in their order."""
        names = self.partition_dimension_names
        usable = ([key for key in each if _MARK not in key] for each in keys)  # a dynamic key may hold anything
        return [MultiPartitionKey(dict(zip(names, parts, strict=True))) for parts in product(*usable)]

    def __str__(self) -> str:
        return "; ".join(f"{name}: {one}" for name, one in self.by_name.items())


def _dimension(name: str, definition: PartitionsDefinition) -> PartitionDimensionDefinition:
    allowed = get_args(get_args(OneDimension)[0])
    if not isinstance(definition, allowed):
        raise DagsterInvalidDefinitionError(
            f"dimension {name!r} has partitions of a kind that cannot be one: {definition!r}; "
            "use static, dynamic or time-window partitions"
        )
    if isinstance(definition, StaticPartitionsDefinition):
        wrong = next((key for key in definition.keys if _NOT_IN_STATIC_KEYS & set(key)), None)
        if wrong is not None:
            raise DagsterInvalidDefinitionError(
                f"key {wrong!r} of dimension {name!r} holds one of | , [ ], which mark the parts of a key. Rename it"
            )
    return PartitionDimensionDefinition(name, definition)


def _whole(parts: Mapping[str, str | None]) -> MultiPartitionKey | None:
    found = {name: part for name, part in parts.items() if part is not None}
    return MultiPartitionKey(found) if len(found) == len(parts) else None


def whole_key(definition: PartitionsDefinition | None, key: str) -> str:
    """The key with its parts, where it has several."""
    if not isinstance(definition, MultiPartitionsDefinition) or key.count(_MARK) + 1 != len(definition.dimensions):
        return key
    return definition.get_partition_key_from_str(key)


def newest_keys(definition: PartitionsDefinition, now: datetime) -> Sequence[str]:
    """The partitions of the newest window of time: one, or one for each key of the other dimensions; all, where there
    is not exactly one dimension of time."""
    if isinstance(definition, TimeWindowPartitionsDefinition):
        last = definition.get_last_partition_key(now)
        return () if last is None else (last,)
    if not isinstance(definition, MultiPartitionsDefinition) or definition.time_dimension is None:
        return definition.get_partition_keys(now)
    last = definition.by_name[definition.time_dimension].get_last_partition_key(now)
    if last is None:
        return ()
    return definition.get_multipartition_keys_with_dimension_value(definition.time_dimension, last, current_time=now)


def time_part(definition: PartitionsDefinition | None, key: str) -> tuple[TimeWindowPartitionsDefinition, str] | None:
    """The only dimension of time, with the key's part in it, if there is exactly one."""
    if isinstance(definition, MultiPartitionsDefinition) and definition.time_dimension is not None:
        parts = key.split(_MARK)
        if len(parts) != len(definition.dimensions):
            return None
        key = parts[definition.partition_dimension_names.index(definition.time_dimension)]
        definition = definition.by_name[definition.time_dimension]
    return (definition, key) if isinstance(definition, TimeWindowPartitionsDefinition) else None


def window_of(definition: PartitionsDefinition | None, key: str) -> TimeWindow | None:
    """The time that a partition covers, if there is exactly one dimension of time."""
    found = time_part(definition, key)
    return None if found is None else found[0].time_window_for_partition_key(found[1])
