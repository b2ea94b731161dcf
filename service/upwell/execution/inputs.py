"""What a step reads from outside its run, and whether it is there. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from upwell.definitions.errors import DagsterUnknownPartitionError
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.dimensions import dimensions_of, parts_of
from upwell.definitions.partitions.dynamic import DynamicPartitionsDefinition
from upwell.definitions.partitions.mapping import AllPartitionMapping, default_mapping, upstream_partitions
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.snapshot import DepNode
from upwell.events import PlannedStep

Pair: TypeAlias = tuple[str, str | None]
"""An asset and one of its partitions; `None` stands for the asset as a whole, or any partition of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutsideInput:
    """`reader` needs one of these to have been materialised before the run."""

    reader: str
    asset: str
    any_of: tuple[Pair, ...]

    @property
    def missing_reason(self) -> str:
        keys = [key for _, key in self.any_of if key is not None]
        what = f"partition {', '.join(keys[:3])} of {self.asset}" if keys else self.asset
        return f"{self.reader} reads {what}, which was never materialised"


def outside_inputs(
    graph: AssetGraph, step: PlannedStep, planned: Collection[Pair], now: datetime
) -> Iterator[OutsideInput]:
    """The inputs of a step that its run does not make itself.

    External assets do not count: nobody here knows when they are made. Of an upstream that is read as a whole, any
    partition will do.
    """
    for asset in step.assets:
        node = graph.assets.get(asset)
        for dep in node.deps if node is not None else ():
            upstream = graph.assets[dep.asset]
            if upstream.step is None or upstream.step == step.step:
                continue
            any_of = _pairs_read(graph, dep, asset, step.partition, now)
            if not any(pair in planned for pair in any_of):
                yield OutsideInput(reader=asset, asset=dep.asset, any_of=any_of)


def dynamic_keys(graph: AssetGraph, step: PlannedStep, now: datetime) -> dict[str, Sequence[str]]:
    """Those keys of dynamic partitions that the step's inputs are made up of, by name, in order.

    With these alone a worker finds the same inputs as with all that there are.
    """
    found: dict[str, set[str]] = {}
    for asset in step.assets:
        node = graph.assets.get(asset)
        for dep in node.deps if node is not None else ():
            above = graph.assets[dep.asset].partitions
            if node is None or above is None or not above.dynamic_names:
                continue
            for key in upstream_partitions(dep.mapping, above, node.partitions, step.partition, now):
                for name, part in _dynamic_parts(above, key):
                    found.setdefault(name, set()).add(part)
    return {name: _in_order(graph, name, keys) for name, keys in found.items()}


def _dynamic_parts(definition: AnyPartitionsDefinition, key: str | None) -> Iterator[tuple[str, str]]:
    """The parts of a key that are dynamic, each with the name that its key is kept under."""
    try:
        parts = {} if key is None else parts_of(definition, key)
    except DagsterUnknownPartitionError:
        return  # the key of other partitions, by an IdentityPartitionMapping: the worker says that there is none
    dimensions = dimensions_of(definition)
    for name, part in parts.items():
        if isinstance(one := dimensions[name], DynamicPartitionsDefinition):
            yield one.name, part


def _in_order(graph: AssetGraph, name: str, keys: Collection[str]) -> Sequence[str]:
    """Those of the keys that exist."""
    known = [key for key in keys if graph.dynamic.has_dynamic_partition(name, key)]
    return known if len(known) < 2 else [key for key in graph.dynamic.get_dynamic_partitions(name) if key in keys]


def _pairs_read(graph: AssetGraph, dep: DepNode, reader: str, partition: str | None, now: datetime) -> tuple[Pair, ...]:
    above, below = graph.assets[dep.asset].partitions, graph.assets[reader].partitions
    whole: tuple[Pair, ...] = ((dep.asset, None),)
    if above is None:
        return whole
    mapping = dep.mapping or default_mapping(above, below)
    if isinstance(mapping, AllPartitionMapping):
        return whole  # without listing every partition there is
    return tuple((dep.asset, key) for key in upstream_partitions(mapping, above, below, partition, now)) or whole
