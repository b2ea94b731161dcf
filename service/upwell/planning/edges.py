"""Which partitions of a reader depend on a partition of what it reads, remembered for the time of one decision."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TypeAlias

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.mapping import downstream_partitions, upstream_partitions
from upwell.definitions.partitions.multi import newest_keys
from upwell.definitions.snapshot import DepNode

Partition: TypeAlias = str | None

_WHOLE: tuple[Partition, ...] = (None,)


class PartitionEdges:
    """The edges of a graph, partition by partition, as they are at one instant."""

    def __init__(self, graph: AssetGraph, now: datetime) -> None:
        self._graph = graph
        self._now = now
        self._deps: dict[str, dict[str, DepNode]] = {}
        self._down: dict[tuple[str, str, Partition], Collection[Partition]] = {}

    def down(self, upstream: str, reader: str, partition: Partition) -> Collection[Partition]:
        """The partitions of `reader` that read this partition of `upstream`."""
        key = (upstream, reader, partition)
        found = self._down.get(key)
        if found is None:
            found = self._down[key] = self.down_by(self._dep(reader, upstream), reader, partition)
        return found

    def followers(self, upstream: str, reader: str, partition: Partition) -> Collection[Partition]:
        """The partitions of `reader` that an update of this partition of `upstream` makes again.

        An upstream without partitions is read by every window of a reader, but only the newest one follows its updates,
        as in `AutomationCondition.eager()`: a post to a webhook must not redo years.
        """
        below = self._graph.assets[reader].partitions
        if self._graph.assets[upstream].partitions is None and below is not None:
            return newest_keys(below, self._now)
        return self.down(upstream, reader, partition)

    def down_among(
        self, upstream: str, reader: str, partition: Partition, among: Collection[Partition]
    ) -> Iterator[Partition]:
        """Those `among` some partitions of `reader` that read this partition of `upstream`."""
        if self._graph.assets[upstream].partitions is None:
            yield from among  # reached by all; listing every key there is would cost the reader's whole history
            return
        yield from (key for key in self.down(upstream, reader, partition) if key in among)

    def down_by(self, dep: DepNode, reader: str, partition: Partition) -> Collection[Partition]:
        """The same for an edge that is not one between assets, such as a check's further input."""
        above, below = self._graph.assets[dep.asset].partitions, self._graph.assets[reader].partitions
        if above is None and below is None:
            return _WHOLE
        return downstream_partitions(dep.mapping, above, below, partition, self._now)

    def up(self, dep: DepNode, reader: str, partition: Partition) -> Collection[Partition]:
        """The partitions of `dep.asset` that this partition of `reader` reads."""
        above, below = self._graph.assets[dep.asset].partitions, self._graph.assets[reader].partitions
        if above is None:
            return _WHOLE
        return upstream_partitions(dep.mapping, above, below, partition, self._now)

    def _dep(self, reader: str, upstream: str) -> DepNode:
        deps = self._deps.get(reader)
        if deps is None:
            deps = self._deps[reader] = {dep.asset: dep for dep in self._graph.assets[reader].deps}
        return deps[upstream]
