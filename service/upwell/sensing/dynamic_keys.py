"""The keys of dynamic partitions that a call of a sensor comes with. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import SensorNode


def dynamic_keys(graph: AssetGraph, node: SensorNode) -> dict[str, Sequence[str]]:
    """By name: all keys of the dynamic partitions of the assets that the sensor is for or watches."""
    if not graph.dynamic_names:
        return {}
    of_jobs = (asset for job in node.jobs if job in graph.jobs for asset in graph.jobs[job].assets)
    nodes = map(graph.assets.get, (*node.assets, *node.watched_assets, *of_jobs))
    definitions = (one.partitions for one in nodes if one is not None and one.partitions is not None)
    names = {name for definition in definitions for name in definition.dynamic_names}
    return {name: graph.dynamic.get_dynamic_partitions(name) for name in sorted(names)}
