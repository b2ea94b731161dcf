"""What a step reads from outside its run, and whether it is there. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.mapping import AllPartitionMapping, default_mapping, upstream_partitions
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


def _pairs_read(graph: AssetGraph, dep: DepNode, reader: str, partition: str | None, now: datetime) -> tuple[Pair, ...]:
    above, below = graph.assets[dep.asset].partitions, graph.assets[reader].partitions
    whole: tuple[Pair, ...] = ((dep.asset, None),)
    if above is None:
        return whole
    mapping = dep.mapping or default_mapping(above, below)
    if isinstance(mapping, AllPartitionMapping):
        return whole  # without listing every partition there is
    return tuple((dep.asset, key) for key in upstream_partitions(mapping, above, below, partition, now)) or whole
