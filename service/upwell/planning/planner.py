"""From a request to a plan: the affected part of the graph in dependency order, partitions mapped edge by edge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, TypeAlias

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import CheckNode
from upwell.errors import DefinitionError
from upwell.events import PlannedStep
from upwell.planning.affected import Affected, affected_partitions
from upwell.planning.edges import Partition, PartitionEdges

Requests: TypeAlias = Mapping[str, Collection[Partition]]
"""Which partitions of which assets; `None` stands for an unpartitioned asset as a whole."""


class _StepKey(NamedTuple):
    step: str
    partition: Partition

    @property
    def id(self) -> str:
        return self.step if self.partition is None else f"{self.step}@{self.partition}"


def plan(graph: AssetGraph, requests: Requests, *, now: datetime, downstream: bool) -> tuple[PlannedStep, ...]:
    """The steps that answer `requests`, each after everything it waits for.

    With `downstream`, every dependent is included as well, except those that have an automation condition of their own
    and what lies below an asset with `on_downstream="none"`. External assets are never steps. The cost follows the
    affected part of the graph, not its size.

    Raises:
        KeyError: an asset that the graph does not know.
        DefinitionError: steps that would have to wait for each other.
    """
    edges = PartitionEdges(graph, now)
    return _Planner(graph, edges, affected_partitions(graph, requests, edges, downstream=downstream)).steps()


class _Planner:
    """Turns affected partitions of assets into steps that wait for each other."""

    def __init__(self, graph: AssetGraph, edges: PartitionEdges, affected: Affected) -> None:
        self._graph = graph
        self._edges = edges
        self._affected = affected
        self._assets: dict[_StepKey, dict[str, None]] = defaultdict(dict)
        self._checks: dict[_StepKey, list[CheckNode]] = defaultdict(list)
        self._asked: set[_StepKey] = set()
        self._waits: dict[_StepKey, dict[_StepKey, None]] = {}
        self._gates: dict[tuple[str, Partition], list[_StepKey]] = defaultdict(list)

    def steps(self) -> tuple[PlannedStep, ...]:
        for key in self._affected:
            self._add_asset(key)
        for key in self._affected:
            self._add_waits(key)
        for step in self._checks:
            self._add_check_waits(step)
        return tuple(self._planned(step) for step in self._in_order())

    def _step_of(self, asset: str, partition: Partition) -> _StepKey:
        step = self._graph.assets[asset].step
        assert step is not None, f"{asset} is external and never affected"
        return _StepKey(step, partition)

    def _add_asset(self, key: str) -> None:
        for partition, asked in self._affected[key].items():
            step = self._step_of(key, partition)
            self._assets[step][key] = None
            self._waits.setdefault(step, {})
            if asked:
                self._asked.add(step)
            for check in self._graph.checks_of(key):
                if check.step != step.step:
                    self._add_check(check, partition, asked)

    def _add_check(self, check: CheckNode, partition: Partition, asked: bool) -> None:
        step = _StepKey(check.step, partition)
        self._checks[step].append(check)
        self._waits.setdefault(step, {})
        if asked:
            self._asked.add(step)
        if check.blocking:
            self._gates[check.asset, partition].append(step)

    def _add_waits(self, key: str) -> None:
        """Let every planned reader of `key` wait for it and for the checks that guard it."""
        for reader in self._graph.downstream(key):
            partitions = self._affected.get(reader)
            if not partitions:
                continue
            for partition in self._affected[key]:
                maker = self._step_of(key, partition)
                for read_by in self._edges.down_among(key, reader, partition, partitions):
                    step = self._step_of(reader, read_by)
                    if step != maker:
                        self._waits[step][maker] = None
                        self._waits[step].update(dict.fromkeys(self._gates.get((key, partition), ())))

    def _add_check_waits(self, step: _StepKey) -> None:
        for check in self._checks[step]:
            self._waits[step][self._step_of(check.asset, step.partition)] = None
            for dep in check.deps:
                for partition in self._affected.get(dep.asset, {}):
                    if step.partition in self._edges.down_by(dep, check.asset, partition):
                        self._waits[step][self._step_of(dep.asset, partition)] = None

    def _in_order(self) -> Iterable[_StepKey]:
        try:
            return list(TopologicalSorter(self._waits).static_order())
        except CycleError as cycle:
            circle: list[_StepKey] = cycle.args[1]
            raise DefinitionError(
                f"these steps would wait for each other: {' -> '.join(step.id for step in reversed(circle))}. "
                "Split the multi-asset (or blocking check) among them, so that it no longer reads what depends on it"
            ) from None

    def _planned(self, step: _StepKey) -> PlannedStep:
        made = self._assets.get(step, {})
        node = self._graph.steps.get(step.step)
        assets = tuple(key for key in node.assets if key in made) if node is not None and made else tuple(made)
        return PlannedStep(
            id=step.id,
            step=step.step,
            assets=assets,
            checks=tuple(self._check_keys(step, assets)),
            partition=step.partition,
            waits_for=tuple(wait.id for wait in self._waits[step]),
            asked=step in self._asked,
        )

    def _check_keys(self, step: _StepKey, assets: tuple[str, ...]) -> Iterator[str]:
        """The checks that run in this step: its own, or those that its assets' function evaluates itself."""
        node = self._graph.steps.get(step.step)
        if node is not None and node.checks and not node.can_subset:
            yield from node.checks
            return
        for check in self._checks.get(step, ()):
            yield check.key
        for asset in assets:
            yield from (check.key for check in self._graph.checks_of(asset) if check.step == step.step)
