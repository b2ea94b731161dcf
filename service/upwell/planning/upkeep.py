"""What has to be made, upstream first, so that an asset is fresh by a deadline. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from upwell.definitions.conditions.model import EAGER, KEEP_FRESH
from upwell.definitions.graph import AssetGraph
from upwell.events import RunId
from upwell.planning.edges import Partition, PartitionEdges

Pair: TypeAlias = tuple[str, Partition]

_MOST_PARTITIONS = 100  # of an upstream, the newest ones that are read


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """The newest materialisation of an asset."""

    id: int
    at: datetime
    run_id: RunId | None = None
    data_time: datetime | None = None


def keeps_fresh(graph: AssetGraph, asset: str) -> bool:
    """Whether the asset is to be kept fresh, and can be."""
    node = graph.assets.get(asset)
    return node is not None and node.step is not None and node.automation == KEEP_FRESH and node.freshness is not None


def ruled_elsewhere(graph: AssetGraph) -> frozenset[str]:
    """The assets that something else makes in its own time: an event source, a sensor or a schedule, a condition."""
    found = {node.key for node in graph.assets.values() if node.on or node.automation not in (None, EAGER, KEEP_FRESH)}
    for sensor in graph.sensors.values():
        found.update(sensor.assets)
        for job in sensor.jobs:
            if job in graph.jobs:
                found.update(graph.jobs[job].assets)
    return frozenset(found)


class Upkeep:
    """What is above the assets of a graph that nothing else makes."""

    def __init__(self, graph: AssetGraph) -> None:
        self.graph = graph
        self._ruled = ruled_elsewhere(graph)
        self._above: dict[str, tuple[str, ...]] = {}

    def above(self, asset: str) -> tuple[str, ...]:
        """Everything above `asset` that would be made together with it if need be, upstream first."""
        if asset not in self._above:
            found: dict[str, None] = {}
            open_keys = [asset]
            while open_keys:
                for key in self._inputs(open_keys.pop()):
                    node = self.graph.assets[key]
                    if key != asset and key not in found and node.step is not None and key not in self._ruled:
                        found[key] = None
                        open_keys.append(key)
            self._above[asset] = tuple(self.graph.in_order(found))
        return self._above[asset]

    def _inputs(self, asset: str) -> Iterator[str]:
        return (key for key in self.graph.upstream(asset) if key != asset)

    def needed(
        self,
        asset: str,
        partitions: Collection[Partition],
        made: Mapping[str, Made],
        *,
        too_old: Callable[[str], bool],
        is_due: Callable[[str], bool],
        is_there: Callable[[Pair], bool],
        now: datetime,
    ) -> dict[str, tuple[Partition, ...]]:
        """`asset`, and what has to be made before it, upstream first.

        That is, of what is above: what was never made, what reads something newer than itself or something that is
        made now, what is kept fresh itself and due, and what reads nothing that is made here and is too old. What is
        up to date with inputs that do not change stays as it is: to make it again would change nothing.

        Args:
            too_old: whether an asset, as it is, is too old for the deadline.
            is_due: whether an asset that is kept fresh has to be made by then in any case.
            is_there: whether a partition was ever made; of an asset with partitions those that are not there are made.
        """
        edges = PartitionEdges(self.graph, now)
        above = self.above(asset)
        read = self._read(asset, partitions, above, edges, now)
        found: dict[str, tuple[Partition, ...]] = {}
        for key in above:
            inputs = list(self._inputs(key))
            changed = [one for one in inputs if one in found]
            if self.graph.assets[key].partitions is not None:
                keys = tuple(
                    partition
                    for partition in read.get(key, ())
                    if not is_there((key, partition)) or self._reads(key, partition, changed, found, edges)
                )
                if keys:
                    found[key] = keys
            elif (
                changed
                or key not in made
                or any(_newer(made.get(one), made[key]) for one in inputs)
                or (keeps_fresh(self.graph, key) and is_due(key))
                or (not any(one in made or self.graph.assets[one].step is not None for one in inputs) and too_old(key))
            ):
                found[key] = (None,)
        found[asset] = tuple(partitions)
        return found

    def _read(
        self,
        asset: str,
        partitions: Collection[Partition],
        above: Sequence[str],
        edges: PartitionEdges,
        now: datetime,
    ) -> dict[str, list[Partition]]:
        """Of each asset above with partitions, those that are read, directly or not; by what has none the newest."""
        wanted: dict[str, dict[Partition, None]] = {asset: dict.fromkeys(partitions)}
        for reader in (asset, *reversed(above)):
            if reader not in wanted:
                continue
            for dep in self.graph.assets[reader].deps:
                definition = self.graph.assets[dep.asset].partitions
                if dep.asset not in above:
                    continue
                keys = wanted.setdefault(dep.asset, {})
                if definition is None:
                    keys[None] = None
                elif self.graph.assets[reader].partitions is None:
                    last = definition.get_last_partition_key(now)
                    keys.update({} if last is None else {last: None})
                else:
                    for partition in wanted[reader]:
                        keys.update(dict.fromkeys(list(edges.up(dep, reader, partition))[-_MOST_PARTITIONS:]))
        return {
            key: [one for one in keys if one is not None and self._exists(key, one, now)]
            for key, keys in wanted.items()
        }

    def _exists(self, asset: str, partition: str, now: datetime) -> bool:
        definition = self.graph.assets[asset].partitions
        return definition is not None and definition.has_partition_key(partition, now)

    def _reads(
        self,
        reader: str,
        partition: Partition,
        changed: Collection[str],
        found: Mapping[str, Collection[Partition]],
        edges: PartitionEdges,
    ) -> bool:
        """Whether this partition reads something that is made now."""
        for dep in self.graph.assets[reader].deps:
            if dep.asset in changed and not set(found[dep.asset]).isdisjoint(edges.up(dep, reader, partition)):
                return True
        return False


def _newer(other: Made | None, made: Made) -> bool:
    """Within a run the plan keeps the order; a multi-asset may report what it made in any order."""
    if other is None or other.id <= made.id:
        return False
    return other.run_id is None or other.run_id != made.run_id


def data_time_after(
    graph: AssetGraph, asset: str, making: Collection[str], made: Mapping[str, Made], at: datetime
) -> datetime | None:
    """Up to when the data of `asset` will be complete once everything in `making` has been made from `at` on."""
    times: dict[str, datetime | None] = {}
    for key in graph.in_order(dict.fromkeys([*making, asset])):
        inputs = [one for one in graph.upstream(key) if one != key]
        known = [times[one] if one in times else (made[one].data_time if one in made else None) for one in inputs]
        times[key] = min((time for time in known if time is not None), default=None) if inputs else at
    return times[asset]
