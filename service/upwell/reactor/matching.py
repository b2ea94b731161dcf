"""Which assets listen to an event, and which of their partitions it is about. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import jsonpath

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.reactions import On
from upwell.definitions.snapshot import AssetNode
from upwell.events import FileChanged, Json, SourceEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """What an event means: partitions by asset, and why it means nothing to some that listen."""

    targets: Mapping[str, tuple[str | None, ...]]
    misses: tuple[str, ...] = ()

    @property
    def pairs(self) -> list[tuple[str, str | None]]:
        return [(asset, partition) for asset, partitions in self.targets.items() for partition in partitions]


class NoPartition(ValueError):
    """The event does not say which partition it is about, or names one that does not exist."""


def match(event: SourceEvent, graph: AssetGraph, now: datetime) -> Matching:
    """The assets that listen to the event's source, each with the partitions that the event is about."""
    listeners = graph.listeners.get(event.source, ())
    if not listeners:
        return Matching(targets={}, misses=(f"nothing listens to {event.source}",))
    if isinstance(event, FileChanged) and event.change == "deleted":
        return Matching(targets={}, misses=(f"{event.path} was deleted, so there is nothing to read",))
    targets: dict[str, dict[str | None, None]] = {}
    misses: list[str] = []
    for node, on in listeners:
        try:
            keys = partitions_of(event, node, on, now)
        except NoPartition as miss:
            misses.append(str(miss))
        else:
            targets.setdefault(node.key, {}).update(dict.fromkeys(keys))
    return Matching(targets={asset: tuple(keys) for asset, keys in targets.items()}, misses=tuple(misses))


def partitions_of(event: SourceEvent, node: AssetNode, on: On, now: datetime) -> Sequence[str | None]:
    """The partitions of one listener; `(None,)` when it has none, whatever the event captured.

    Raises:
        NoPartition: none is named, or one that does not exist.
    """
    definition = node.partitions
    if definition is None:
        return (None,)
    keys = _from_data(event, node, on.partition) if on.partition else _from_captures(event, node, definition, now)
    for key in keys:
        if not definition.has_partition_key(key, now):
            raise NoPartition(f"{node.key} has no partition {key!r}{_hint(definition, now)}")
    return keys


def _from_data(event: SourceEvent, node: AssetNode, path: str) -> list[str]:
    found = [_as_key(value) for value in _compiled(path).findall(_searchable(event.data))]
    if not found:
        raise NoPartition(f"the event's data has nothing at {path}, which names the partition of {node.key}")
    return list(dict.fromkeys(found))


def _from_captures(
    event: SourceEvent, node: AssetNode, definition: AnyPartitionsDefinition, now: datetime
) -> Sequence[str]:
    captures = event.captures
    if len(captures) == 1:
        return tuple(captures.values())
    if "partition" in captures:
        return (captures["partition"],)
    if captures:
        raise NoPartition(
            f"{event.source} captures {', '.join(captures)}, and {node.key} has one dimension; "
            "call the one that is its key {partition}"
        )
    last = definition.get_last_partition_key(now) if isinstance(definition, TimeWindowPartitionsDefinition) else None
    if last is None:
        raise NoPartition(
            f"{node.key} is partitioned and the event names no partition; "
            "give its source one: webhook(…, partition='$.path') or files('…/{date}.csv')"
        )
    return (last,)


def _as_key(value: Json) -> str:
    return value if isinstance(value, str) else str(value)


def _searchable(data: Json) -> Json:
    """JSONPath looks into objects and arrays; there is nothing to be found in a bare value."""
    return data if isinstance(data, dict | list) else {}


@lru_cache(maxsize=1024)
def _compiled(path: str) -> jsonpath.JSONPath | jsonpath.CompoundJSONPath:
    return jsonpath.compile(path)


def _hint(definition: AnyPartitionsDefinition, now: datetime) -> str:
    first, last = definition.get_first_partition_key(now), definition.get_last_partition_key(now)
    return f"; its partitions are {first} to {last}" if first is not None else "; it has none at all yet"
