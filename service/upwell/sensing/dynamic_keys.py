"""The keys of dynamic partitions that a call of a sensor comes with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.definition import DynamicPartitionsStore
from upwell.definitions.snapshot import SensorNode
from upwell.events import DynamicPartitionsChanged, Event


def dynamic_keys(graph: AssetGraph, node: SensorNode) -> dict[str, Sequence[str]]:
    """By name: all keys of the dynamic partitions of the assets that the sensor is for or watches."""
    if not graph.dynamic_names:
        return {}
    of_jobs = (asset for job in node.jobs if job in graph.jobs for asset in graph.jobs[job].assets)
    nodes = map(graph.assets.get, (*node.assets, *node.watched_assets, *of_jobs))
    definitions = (one.partitions for one in nodes if one is not None and one.partitions is not None)
    names = {name for definition in definitions for name in definition.dynamic_names}
    return {name: graph.dynamic.get_dynamic_partitions(name) for name in sorted(names)}


def without_repeats(events: Iterable[Event], known: DynamicPartitionsStore) -> tuple[Event, ...]:
    """The events, without keys that come and are there already: those keep their place among the others."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, DynamicPartitionsChanged):
            fresh = tuple(key for key in event.added if not known.has_dynamic_partition(event.name, key))
            if fresh or event.removed:
                found.append(replace(event, added=fresh))
        else:
            found.append(event)
    return tuple(found)
