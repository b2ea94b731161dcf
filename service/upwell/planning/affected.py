"""Which partitions of which assets a request reaches."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from upwell.definitions.conditions.model import EAGER
from upwell.definitions.graph import AssetGraph
from upwell.planning.edges import Partition, PartitionEdges

Affected: TypeAlias = Mapping[str, Mapping[Partition, bool]]
"""By asset, upstream first: its affected partitions, and whether each was asked for by name."""


def affected_partitions(
    graph: AssetGraph, requests: Mapping[str, Collection[Partition]], edges: PartitionEdges, *, downstream: bool
) -> Affected:
    """What was asked for, what is made together with it and, with `downstream`, everything that reads it."""
    order = graph.in_order(_reached(graph, requests, downstream=downstream))
    place = {key: index for index, key in enumerate(order)}
    found: dict[str, dict[Partition, bool]] = {}
    fresh: dict[str, dict[Partition, None]] = {}
    heap: list[int] = []

    def add(key: str, partitions: Iterable[Partition], *, asked: bool) -> None:
        known = found.setdefault(key, {})
        for partition in partitions:
            if partition not in known:
                fresh.setdefault(key, {})[partition] = None
                heapq.heappush(heap, place[key])
            known[partition] = known.get(partition, False) or asked

    for key, partitions in requests.items():
        if graph.assets[key].step is not None:
            add(key, sorted(partitions, key=lambda partition: partition or ""), asked=True)
    while heap:
        key = order[heapq.heappop(heap)]
        for partition in fresh.pop(key, ()):
            for other in _made_together(graph, key):
                add(other, (partition,), asked=found[key][partition])
            for reader in _readers(graph, key) if downstream else ():
                add(reader, edges.followers(key, reader, partition), asked=False)
    return {key: found[key] for key in order if key in found}


def _reached(graph: AssetGraph, requests: Iterable[str], *, downstream: bool) -> list[str]:
    reached: dict[str, None] = {}
    open_keys = [key for key in requests if graph.assets[key].step is not None]
    while open_keys:
        key = open_keys.pop()
        if key in reached:
            continue
        reached[key] = None
        open_keys.extend(_made_together(graph, key))
        if downstream:
            open_keys.extend(_readers(graph, key))
    return list(reached)


def _made_together(graph: AssetGraph, key: str) -> Iterator[str]:
    """The other assets of a step that can only make all of its assets."""
    step = graph.steps.get(graph.assets[key].step or "")
    if step is not None and not step.can_subset:
        yield from (other for other in step.assets if other != key)


def _readers(graph: AssetGraph, key: str) -> Iterator[str]:
    """The assets that follow when `key` changes.

    `eager` asks for just that; an asset with any other condition of its own is governed by the condition instead.
    """
    if graph.assets[key].on_downstream == "none":
        return
    for reader in graph.downstream(key):
        node = graph.assets[reader]
        if node.step is not None and node.automation in (None, EAGER):
            yield reader
