"""How the dimensions of two partitions definitions belong together, and the keys that this makes.

A definition of one dimension counts as one without a name (`None`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.partitions.multi import MultiPartitionsDefinition, OneDimension
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition

M = TypeVar("M")

Dimension: TypeAlias = str | None


@dataclass(frozen=True, kw_only=True)
class Link(Generic[M]):
    """A dimension of the upstream whose keys follow from those of a dimension of the downstream, by a mapping."""

    up: Dimension
    down: Dimension
    mapping: M


def dimensions_of(definition: AnyPartitionsDefinition) -> Mapping[Dimension, OneDimension]:
    """Each dimension with its partitions, in order."""
    if isinstance(definition, MultiPartitionsDefinition):
        return {one.name: one.partitions_def for one in definition.dimensions}
    return {None: definition}


def parts_of(definition: AnyPartitionsDefinition, key: str) -> Mapping[Dimension, str]:
    """The key's part in each dimension.

    Raises:
        DagsterUnknownPartitionError: this can be no key.
    """
    if isinstance(definition, MultiPartitionsDefinition):
        return dict(definition.get_partition_key_from_str(key).keys_by_dimension.items())
    return {None: key}


def crossed(definition: AnyPartitionsDefinition, parts: Mapping[Dimension, Sequence[str]]) -> tuple[str, ...]:
    """The keys with one of these parts in each dimension."""
    if not isinstance(definition, MultiPartitionsDefinition):
        return tuple(parts[None])
    return tuple(definition.crossed([parts[name] for name in definition.by_name]))


def single_dimension(multi: MultiPartitionsDefinition, single: OneDimension, wanted: str | None) -> tuple[str, bool]:
    """The dimension that a definition of one dimension stands for, and whether the two are the same.

    `wanted` is its name, where somebody says it. The same partitions come first; else the only windows of time match
    other windows of time.

    Raises:
        DagsterInvalidDefinitionError: there is none, or more than one.
    """
    if wanted is not None and wanted not in multi.by_name:
        raise DagsterInvalidDefinitionError(
            f"partition_dimension_name={wanted!r} is no dimension; there are {', '.join(multi.by_name)}"
        )
    candidates = [one for one in multi.dimensions if wanted in (None, one.name)]
    same = [one.name for one in candidates if one.partitions_def == single]
    if len(same) == 1:
        return same[0], True
    if same:
        raise DagsterInvalidDefinitionError(
            f"the dimensions {', '.join(same)} have the same partitions; say which is meant: "
            f"MultiToSingleDimensionPartitionMapping({same[0]!r})"
        )
    times = [one.name for one in candidates if isinstance(one.partitions_def, TimeWindowPartitionsDefinition)]
    if len(times) == 1 and isinstance(single, TimeWindowPartitionsDefinition):
        return times[0], False
    raise DagsterInvalidDefinitionError(
        f"none of the dimensions {', '.join(multi.by_name)} has the partitions {single}; "
        "name them in a MultiPartitionMapping, or read AllPartitionMapping()"
    )


def common_dimensions(
    up: MultiPartitionsDefinition, down: MultiPartitionsDefinition, pairs: Sequence[tuple[str, str]]
) -> None:
    """See that each pair names a dimension of either side, and each dimension once.

    Raises:
        DagsterInvalidDefinitionError: says which does not.
    """
    for side, definition, names in (
        ("upstream", up, [pair[0] for pair in pairs]),
        ("downstream", down, [pair[1] for pair in pairs]),
    ):
        wrong = next((name for name in names if name not in definition.by_name or names.count(name) > 1), None)
        if wrong is not None:
            raise DagsterInvalidDefinitionError(
                f"a MultiPartitionMapping names the {side} dimension {wrong!r}, "
                + ("and names it twice" if wrong in definition.by_name else "which does not exist")
                + f"; there are {', '.join(definition.by_name)}"
            )
