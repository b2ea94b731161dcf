"""The assets and checks that conditions are about: their partitions, and how those of one follow from another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import cached_property

from upwell.definitions.conditions.state import EMPTY, WHOLE, Subset
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.mapping import (
    AnyPartitionMapping,
    IdentityPartitionMapping,
    TimeWindowPartitionMapping,
    default_mapping,
    downstream_partitions,
    upstream_partitions,
)
from upwell.definitions.partitions.multi import MultiPartitionsDefinition
from upwell.definitions.partitions.time_windows import TimeWindow, TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.selection import AssetSelection, select_existing


class Places:
    """Assets and checks of a graph, with their partitions at one instant; what was found out once is kept."""

    def __init__(self, graph: AssetGraph, now: datetime) -> None:
        self.graph = graph
        self.now = now
        self._all: dict[AnyPartitionsDefinition, Subset] = {}
        self._latest: dict[tuple[AnyPartitionsDefinition, timedelta | None], Subset] = {}
        self._mapped: dict[tuple[str, str, bool, Subset], Subset] = {}
        self._mappings: dict[tuple[str, str], AnyPartitionMapping] = {}
        self._chosen: dict[AssetSelection, AbstractSet[str]] = {}

    def partitions_of(self, key: str) -> AnyPartitionsDefinition | None:
        """How an asset is partitioned; checks are not."""
        node = self.graph.assets.get(key)
        return None if node is None else node.partitions

    def everything(self, key: str) -> Subset:
        """All partitions of an asset or check."""
        partitions = self.partitions_of(key)
        if partitions is None:
            return WHOLE
        if partitions not in self._all:
            self._all[partitions] = frozenset(partitions.get_partition_keys(self.now))
        return self._all[partitions]

    def shape(self, key: str) -> str:
        """How an asset is partitioned, in a text that is another when it is partitioned otherwise.

        As in Dagster, other keys with names do not make other partitions, but other windows do.
        """
        partitions = self.partitions_of(key)
        if partitions is None:
            return ""
        return repr(partitions) if isinstance(partitions, TimeWindowPartitionsDefinition) else "named"

    def latest_window(self, key: str, lookback: timedelta | None) -> Subset:
        """The partitions in the newest window of time; without such, all."""
        partitions = self.partitions_of(key)
        if partitions is None:
            return WHOLE
        if (partitions, lookback) not in self._latest:
            self._latest[partitions, lookback] = self._latest_window(key, partitions, lookback)
        return self._latest[partitions, lookback]

    def _latest_window(self, key: str, partitions: AnyPartitionsDefinition, lookback: timedelta | None) -> Subset:
        time: AnyPartitionsDefinition = partitions
        if isinstance(partitions, MultiPartitionsDefinition) and partitions.time_dimension is not None:
            time = partitions.by_name[partitions.time_dimension]
        if not isinstance(time, TimeWindowPartitionsDefinition):
            return self.everything(key)
        window = time.get_last_partition_window(self.now)
        if window is None:
            return EMPTY
        if lookback is not None:
            window = TimeWindow(max(time.start, window.end - lookback), window.end)
        keys = time.get_partition_keys_in_time_window(window)
        if not isinstance(partitions, MultiPartitionsDefinition):
            return self.everything(key) & frozenset(keys)
        dimensions = partitions.by_name.items()
        return frozenset(
            partitions.crossed(
                keys if name == partitions.time_dimension else one.get_partition_keys(self.now)
                for name, one in dimensions
            )
        )

    def mapped(self, source: str, to: str, subset: Subset, *, down: bool) -> Subset:
        """The partitions of `to` that read those of `source` (`down`), or that those of `source` read."""
        above, below = (self.partitions_of(source), self.partitions_of(to))
        if not subset:
            return EMPTY
        if below is None or (down and above is None):
            return self.everything(to)
        upstream, reader = (source, to) if down else (to, source)
        mapping = self.mapping(reader, upstream)
        if above == below and _keeps_keys(mapping):
            return subset & self.everything(to)
        asked = (source, to, down, subset)
        if asked not in self._mapped:
            self._mapped[asked] = self._map(mapping, above, below, subset, down=down) & self.everything(to)
        return self._mapped[asked]

    def _map(
        self,
        mapping: AnyPartitionMapping,
        source: AnyPartitionsDefinition | None,
        to: AnyPartitionsDefinition,
        subset: Subset,
        *,
        down: bool,
    ) -> Subset:
        if down:
            return frozenset(
                found for key in subset for found in downstream_partitions(mapping, source, to, key, self.now)
            )
        return frozenset(found for key in subset for found in upstream_partitions(mapping, to, source, key, self.now))

    def mapping(self, reader: str, upstream: str) -> AnyPartitionMapping:
        """The mapping between two assets; what holds by default where nobody said, or one does not read the other."""
        if (reader, upstream) not in self._mappings:
            node = self.graph.assets.get(reader)
            said = next((dep.mapping for dep in node.deps if dep.asset == upstream), None) if node else None
            self._mappings[reader, upstream] = said or default_mapping(
                self.partitions_of(upstream), self.partitions_of(reader)
            )
        return self._mappings[reader, upstream]

    def in_one_run(self, upstream: str, reader: str) -> bool:
        """Whether a partition of one can be made in one run with that of the other."""
        partitions = self.partitions_of(reader)
        if partitions != self.partitions_of(upstream):
            return False
        return partitions is None or isinstance(
            self.mapping(reader, upstream), IdentityPartitionMapping | TimeWindowPartitionMapping
        )

    def chosen(self, selection: AssetSelection) -> AbstractSet[str]:
        """The assets that a selection chooses, of those that exist."""
        if selection not in self._chosen:
            self._chosen[selection] = select_existing(self.graph, selection)
        return self._chosen[selection]

    def made_together(self, key: str) -> list[str]:
        """The other assets, and the checks, of a step that can only make all of its assets."""
        node = self.graph.assets.get(key)
        step = self.graph.steps.get(node.step or "") if node else None
        if step is None or step.can_subset:
            return []
        return [other for other in (*step.assets, *step.checks) if other != key]

    def below(self, key: str) -> list[str]:
        """Every asset downstream of an asset, in the order of their names."""
        found: set[str] = set()
        open_keys = list(self.graph.downstream(key))
        while open_keys:
            reached = open_keys.pop()
            if reached not in found:
                found.add(reached)
                open_keys.extend(self.graph.downstream(reached))
        return sorted(found)

    def anew(self, now: datetime) -> Places:
        """The same at another instant, at which other partitions exist; the order is not found out again."""
        places = Places(self.graph, now)
        places._levels = self._levels
        places._mappings = self._mappings
        places._chosen = self._chosen
        return places

    def deps(self, key: str) -> list[str]:
        """The assets that an asset reads, or that a check is about, in the order of their names."""
        if key in self.graph.assets:
            return sorted(set(self.graph.upstream(key)))
        check = self.graph.checks[key]
        return sorted({check.asset, *(dep.asset for dep in check.deps)})

    def in_order(self, keys: Iterable[str]) -> list[str]:
        """Level by level from the roots, in a level assets before checks, each in the order of their names (as Dagster
        evaluates them)."""
        return sorted(keys, key=self.place_in_order)

    def place_in_order(self, key: str) -> tuple[int, bool, str]:
        """What sorts assets and checks as they are evaluated."""
        return (self._levels[key], key in self.graph.checks, key)

    @cached_property
    def _levels(self) -> Mapping[str, int]:
        levels: dict[str, int] = {}
        for key in (*self.graph.in_order(self.graph.assets), *self.graph.checks):
            levels[key] = 1 + max((levels[dep] for dep in self.deps(key) if dep != key), default=-1)
        return levels


def _keeps_keys(mapping: AnyPartitionMapping) -> bool:
    return isinstance(mapping, IdentityPartitionMapping) or mapping == TimeWindowPartitionMapping()
