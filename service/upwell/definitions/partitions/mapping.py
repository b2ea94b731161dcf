"""Which partitions of an upstream asset a partition of a downstream asset reads, and the way back.

`upstream_partitions` and `downstream_partitions` are what planner, runtime and supervisor use. A key of `None` stands
for an asset without partitions. Where nobody said which mapping, the two definitions decide (`default_mapping`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeAlias, assert_never, get_args

from pydantic import Field

from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.partitions.definition import assign
from upwell.definitions.partitions.dimensions import (
    Link,
    common_dimensions,
    crossed,
    dimensions_of,
    parts_of,
    single_dimension,
)
from upwell.definitions.partitions.multi import MultiPartitionsDefinition
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.ticks import at_or_after, at_or_before, shifted
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition

Keys: TypeAlias = tuple[str | None, ...]


class PartitionMapping:
    """The base of all mappings, for annotations."""


@dataclass(frozen=True, init=False)
class IdentityPartitionMapping(PartitionMapping):
    """The partition of the same key. Reading one that the upstream does not have fails when it is loaded."""

    type: Literal["identity"]

    def __init__(self) -> None:
        assign(self, type="identity")


@dataclass(frozen=True, init=False)
class AllPartitionMapping(PartitionMapping):
    """Every partition of the upstream."""

    type: Literal["all"]

    def __init__(self) -> None:
        assign(self, type="all")


@dataclass(frozen=True, init=False)
class LastPartitionMapping(PartitionMapping):
    """The last partition of the upstream that exists; an update of an older one reaches nothing."""

    type: Literal["last"]

    def __init__(self) -> None:
        assign(self, type="last")


@dataclass(frozen=True, init=False)
class SpecificPartitionsPartitionMapping(PartitionMapping):
    """These partitions of the upstream."""

    type: Literal["specific"]
    partition_keys: tuple[str, ...]

    def __init__(self, partition_keys: Sequence[str]) -> None:
        assign(self, type="specific", partition_keys=tuple(partition_keys))


@dataclass(frozen=True, init=False)
class StaticPartitionMapping(PartitionMapping):
    """By upstream key: the downstream keys that read it."""

    type: Literal["static"]
    pairs: tuple[tuple[str, tuple[str, ...]], ...]

    def __init__(
        self, downstream_partition_keys_by_upstream_partition_key: Mapping[str, str | Collection[str]]
    ) -> None:
        given = downstream_partition_keys_by_upstream_partition_key
        pairs = ((up, (down,) if isinstance(down, str) else tuple(sorted(down))) for up, down in given.items())
        assign(self, type="static", pairs=tuple(pairs))


@dataclass(frozen=True, init=False)
class TimeWindowPartitionMapping(PartitionMapping):
    """The upstream windows that overlap with the downstream one.

    Offsets move the start and the end of the downstream window by so many windows of its own before looking. What they
    reach beyond the upstream's first or last window is left out; what the window itself lacks fails when it is loaded,
    unless `allow_nonexistent_upstream_partitions`.
    """

    type: Literal["time_window"]
    start_offset: int
    end_offset: int
    allow_nonexistent_upstream_partitions: bool

    def __init__(
        self, start_offset: int = 0, end_offset: int = 0, allow_nonexistent_upstream_partitions: bool = False
    ) -> None:
        assign(
            self,
            type="time_window",
            start_offset=start_offset,
            end_offset=end_offset,
            allow_nonexistent_upstream_partitions=allow_nonexistent_upstream_partitions,
        )


OneDimensionMapping: TypeAlias = Annotated[
    IdentityPartitionMapping
    | AllPartitionMapping
    | LastPartitionMapping
    | SpecificPartitionsPartitionMapping
    | StaticPartitionMapping
    | TimeWindowPartitionMapping,
    Field(discriminator="type"),
]


@dataclass(frozen=True, init=False)
class DimensionPartitionMapping:
    """The downstream dimension that an upstream one belongs to, and which keys of the two belong together."""

    dimension_name: str
    partition_mapping: OneDimensionMapping

    def __init__(self, dimension_name: str, partition_mapping: PartitionMapping) -> None:
        if not isinstance(partition_mapping, get_args(get_args(OneDimensionMapping)[0])):
            raise DagsterInvalidDefinitionError(
                f"a DimensionPartitionMapping has a mapping between single dimensions, not {partition_mapping!r}"
            )
        assign(self, dimension_name=dimension_name, partition_mapping=partition_mapping)


@dataclass(frozen=True, init=False)
class MultiToSingleDimensionPartitionMapping(PartitionMapping):
    """Between partitions of several dimensions and of one, which is among them: every key that has that part.

    Which dimension is meant shows from the partitions; `partition_dimension_name` says it where several are the same.
    """

    type: Literal["multi_to_single"]
    partition_dimension_name: str | None

    def __init__(self, partition_dimension_name: str | None = None) -> None:
        assign(self, type="multi_to_single", partition_dimension_name=partition_dimension_name)


@dataclass(frozen=True, init=False)
class MultiPartitionMapping(PartitionMapping):
    """Between partitions of several dimensions: dimension by dimension, by the name of the upstream's.

    Of a dimension that is not named, every key counts.
    """

    type: Literal["multi"]
    pairs: tuple[tuple[str, DimensionPartitionMapping], ...]

    def __init__(self, downstream_mappings_by_upstream_dimension: Mapping[str, DimensionPartitionMapping]) -> None:
        assign(self, type="multi", pairs=tuple(downstream_mappings_by_upstream_dimension.items()))


AnyPartitionMapping: TypeAlias = Annotated[
    IdentityPartitionMapping
    | AllPartitionMapping
    | LastPartitionMapping
    | SpecificPartitionsPartitionMapping
    | StaticPartitionMapping
    | TimeWindowPartitionMapping
    | MultiToSingleDimensionPartitionMapping
    | MultiPartitionMapping,
    Field(discriminator="type"),
]


def default_mapping(
    up_def: AnyPartitionsDefinition | None, down_def: AnyPartitionsDefinition | None
) -> AnyPartitionMapping:
    """What holds when nobody said: all partitions, where one has none; else a common dimension, windows or the key."""
    if up_def is None or down_def is None:
        return AllPartitionMapping()
    if isinstance(up_def, MultiPartitionsDefinition) != isinstance(down_def, MultiPartitionsDefinition):
        try:
            _links(MultiToSingleDimensionPartitionMapping(), up_def, down_def)
        except DagsterInvalidDefinitionError:
            return IdentityPartitionMapping()
        return MultiToSingleDimensionPartitionMapping()
    if isinstance(up_def, TimeWindowPartitionsDefinition) and isinstance(down_def, TimeWindowPartitionsDefinition):
        return TimeWindowPartitionMapping()
    return IdentityPartitionMapping()


def upstream_partitions(
    mapping: AnyPartitionMapping | None,
    up_def: AnyPartitionsDefinition | None,
    down_def: AnyPartitionsDefinition | None,
    key: str | None,
    now: datetime,
) -> Keys:
    """What `key` of the downstream reads of the upstream: `(None,)` when that has no partitions.

    A key may be among them that does not exist (yet); reading it is then the error.

    Raises:
        DagsterUnknownPartitionError: `key` can be no key of `down_def`.
        DagsterInvalidDefinitionError: the mapping does not suit the definitions.
    """
    if up_def is None:
        return (None,)
    mapping = mapping or default_mapping(up_def, down_def)
    match mapping:
        case AllPartitionMapping():
            return tuple(up_def.get_partition_keys(now))
        case LastPartitionMapping():
            last = up_def.get_last_partition_key(now)
            return () if last is None else (last,)
        case SpecificPartitionsPartitionMapping():
            return tuple(one for one in mapping.partition_keys if up_def.has_partition_key(one, now))
        case StaticPartitionMapping():
            return tuple(up for up, down in mapping.pairs if key in down)
        case IdentityPartitionMapping():
            return _same_key(key)
        case TimeWindowPartitionMapping():
            return _windows_read(mapping, *_windows(up_def, down_def), key, now)
        case MultiToSingleDimensionPartitionMapping() | MultiPartitionMapping():
            if key is None or down_def is None:
                return ()
            links, given, found = _links(mapping, up_def, down_def), parts_of(down_def, key), {}
            above, below = dimensions_of(up_def), dimensions_of(down_def)
            for link in links:
                found[link.up] = upstream_partitions(
                    link.mapping, above[link.up], below[link.down], given[link.down], now
                )
            return _crossed(up_def, found, now)
        case _:
            assert_never(mapping)


def downstream_partitions(
    mapping: AnyPartitionMapping | None,
    up_def: AnyPartitionsDefinition | None,
    down_def: AnyPartitionsDefinition | None,
    key: str | None,
    now: datetime,
) -> Keys:
    """Which existing partitions of the downstream an update of `key` of the upstream reaches.

    `(None,)` when the downstream has no partitions, `()` when it reaches none. An upstream without partitions reaches
    all of them.

    Raises:
        DagsterUnknownPartitionError: `key` can be no key of `up_def`.
        DagsterInvalidDefinitionError: the mapping does not suit the definitions.
    """
    mapping = mapping or default_mapping(up_def, down_def)
    match mapping:
        case AllPartitionMapping():
            return _all(down_def, now)
        case LastPartitionMapping():
            return _all(down_def, now) if up_def is None or key == up_def.get_last_partition_key(now) else ()
        case SpecificPartitionsPartitionMapping():
            return _all(down_def, now) if key in mapping.partition_keys else ()
        case StaticPartitionMapping():
            reached = [down for up, keys in mapping.pairs if up == key for down in keys]
            return tuple(down for down in reached if down_def is not None and down_def.has_partition_key(down, now))
        case IdentityPartitionMapping():
            if down_def is None:
                return (None,)
            return _same_key(key) if key is not None and down_def.has_partition_key(key, now) else ()
        case TimeWindowPartitionMapping():
            return _windows_reached(mapping, *_windows(up_def, down_def), key, now)
        case MultiToSingleDimensionPartitionMapping() | MultiPartitionMapping():
            if key is None or up_def is None or down_def is None:
                return _all(down_def, now)
            links, given, found = _links(mapping, up_def, down_def), parts_of(up_def, key), {}
            above, below = dimensions_of(up_def), dimensions_of(down_def)
            for link in links:
                found[link.down] = downstream_partitions(
                    link.mapping, above[link.up], below[link.down], given[link.up], now
                )
            return _crossed(down_def, found, now)
        case _:
            assert_never(mapping)


def check_mapping(
    mapping: AnyPartitionMapping, up_def: AnyPartitionsDefinition | None, down_def: AnyPartitionsDefinition | None
) -> None:
    """Raise when a mapping does not suit the definitions that it stands between.

    Raises:
        DagsterInvalidDefinitionError: says which mapping needs which definitions.
    """
    if up_def is None:
        return  # also for an external asset that nobody described
    if isinstance(mapping, TimeWindowPartitionMapping):
        _windows(up_def, down_def)
    if isinstance(mapping, IdentityPartitionMapping) and down_def is None:
        raise DagsterInvalidDefinitionError(
            "an IdentityPartitionMapping takes partitions on both sides; use AllPartitionMapping or another"
        )
    if isinstance(mapping, MultiToSingleDimensionPartitionMapping | MultiPartitionMapping):
        _links(mapping, up_def, down_def)
    if isinstance(mapping, StaticPartitionMapping):
        _check_static(mapping, up_def, down_def)


def _check_static(
    mapping: StaticPartitionMapping, up_def: AnyPartitionsDefinition | None, down_def: AnyPartitionsDefinition | None
) -> None:
    if not (isinstance(up_def, StaticPartitionsDefinition) and isinstance(down_def, StaticPartitionsDefinition)):
        raise DagsterInvalidDefinitionError(
            "a StaticPartitionMapping stands between two StaticPartitionsDefinitions only"
        )
    above = [(key, up_def) for key, _ in mapping.pairs]
    below = [(key, down_def) for _, keys in mapping.pairs for key in keys]
    for key, definition in (*above, *below):
        if not definition.has_partition_key(key):
            raise DagsterInvalidDefinitionError(
                f"a StaticPartitionMapping names {key!r}, which is none of {definition}"
            )


def _links(
    mapping: MultiToSingleDimensionPartitionMapping | MultiPartitionMapping,
    up_def: AnyPartitionsDefinition,
    down_def: AnyPartitionsDefinition | None,
) -> Sequence[Link[OneDimensionMapping]]:
    """Which dimensions belong together, and how.

    Raises:
        DagsterInvalidDefinitionError: the mapping does not suit the definitions.
    """
    if isinstance(mapping, MultiPartitionMapping):
        if not (isinstance(up_def, MultiPartitionsDefinition) and isinstance(down_def, MultiPartitionsDefinition)):
            raise DagsterInvalidDefinitionError(
                "a MultiPartitionMapping stands between two MultiPartitionsDefinitions only"
            )
        common_dimensions(up_def, down_def, [(up, one.dimension_name) for up, one in mapping.pairs])
        return [Link(up=up, down=one.dimension_name, mapping=one.partition_mapping) for up, one in mapping.pairs]
    wanted = mapping.partition_dimension_name
    if isinstance(up_def, MultiPartitionsDefinition):
        if down_def is not None and not isinstance(down_def, MultiPartitionsDefinition):
            name, same = single_dimension(up_def, down_def, wanted)
            return [
                Link(up=name, down=None, mapping=IdentityPartitionMapping() if same else TimeWindowPartitionMapping())
            ]
    elif isinstance(down_def, MultiPartitionsDefinition):
        name, same = single_dimension(down_def, up_def, wanted)
        return [Link(up=None, down=name, mapping=IdentityPartitionMapping() if same else TimeWindowPartitionMapping())]
    raise DagsterInvalidDefinitionError(
        "a MultiToSingleDimensionPartitionMapping stands between partitions of several dimensions and of one"
    )


def _crossed(definition: AnyPartitionsDefinition, found: Mapping[str | None, Keys], now: datetime) -> Keys:
    """The keys with the parts that were found; of a dimension that nothing was found about, every key counts."""
    parts = {
        name: [key for key in found[name] if key is not None] if name in found else one.get_partition_keys(now)
        for name, one in dimensions_of(definition).items()
    }
    return crossed(definition, parts)


def _all(definition: AnyPartitionsDefinition | None, now: datetime) -> Keys:
    return (None,) if definition is None else tuple(definition.get_partition_keys(now))


def _same_key(key: str | None) -> Keys:
    return () if key is None else (key,)


def _windows(
    up_def: AnyPartitionsDefinition | None, down_def: AnyPartitionsDefinition | None
) -> tuple[TimeWindowPartitionsDefinition, TimeWindowPartitionsDefinition]:
    if isinstance(up_def, TimeWindowPartitionsDefinition) and isinstance(down_def, TimeWindowPartitionsDefinition):
        if up_def.timezone != down_def.timezone:
            raise DagsterInvalidDefinitionError(
                f"windows of {up_def.timezone} and of {down_def.timezone} do not meet; give both one timezone"
            )
        return up_def, down_def
    raise DagsterInvalidDefinitionError(
        "a TimeWindowPartitionMapping stands between two assets with time windows only; "
        "use AllPartitionMapping, LastPartitionMapping or SpecificPartitionsPartitionMapping"
    )


def _windows_read(
    mapping: TimeWindowPartitionMapping,
    up: TimeWindowPartitionsDefinition,
    down: TimeWindowPartitionsDefinition,
    key: str | None,
    now: datetime,
) -> Keys:
    if key is None:
        return ()
    window = down.time_window_for_partition_key(key)
    start = shifted(down.ticks, window.start, mapping.start_offset)
    end = shifted(down.ticks, window.end, mapping.end_offset)
    low, high = at_or_before(up.ticks, start), at_or_after(up.ticks, end)
    lenient = mapping.allow_nonexistent_upstream_partitions
    if lenient or mapping.start_offset != 0:
        low = max(low, up.first_start)
    if lenient or mapping.end_offset > 0:
        high = min(high, up.last_end(now))
    return tuple(up.key_of(start) for start in up.starts_between(low, high))


def _windows_reached(
    mapping: TimeWindowPartitionMapping,
    up: TimeWindowPartitionsDefinition,
    down: TimeWindowPartitionsDefinition,
    key: str | None,
    now: datetime,
) -> Keys:
    if key is None:
        return ()
    window = up.time_window_for_partition_key(key)
    first, last = at_or_before(down.ticks, window.start), down.ticks.before(window.end)
    low = max(shifted(down.ticks, first, -mapping.end_offset), down.first_start)
    high = min(down.ticks.after(shifted(down.ticks, last, -mapping.start_offset)), down.last_end(now))
    return tuple(down.key_of(start) for start in down.starts_between(low, high))
