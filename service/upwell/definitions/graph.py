"""The asset graph: the snapshots of all code locations as one immutable, indexed whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from upwell.definitions.partitions.definition import DynamicPartitionsStore
from upwell.definitions.partitions.dynamic import DynamicKeys
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, CheckNode, JobNode, SensorNode, Snapshot, StepNode
from upwell.errors import DefinitionError, DefinitionErrors


class AssetGraph:
    """Assets by key, their edges both ways, and who listens to what.

    An upstream key that no location defines is an external asset: it is known by name only. `dynamic` knows the keys of
    dynamic partitions as they are at any moment, as the clock knows which time windows exist: a key that comes or goes
    makes no new graph.

    Raises:
        DefinitionErrors: a duplicate key, a source that is declared in two ways, or a cycle.
    """

    def __init__(self, snapshots: Iterable[Snapshot] = (), dynamic: DynamicPartitionsStore | None = None) -> None:
        self.snapshots = tuple(snapshots)
        self.dynamic = dynamic if dynamic is not None else DynamicKeys()
        self.assets: Mapping[str, AssetNode] = self._merged_assets()
        self.steps: Mapping[str, StepNode] = {step.key: step for snap in self.snapshots for step in snap.steps}
        self.checks: Mapping[str, CheckNode] = {check.key: check for snap in self.snapshots for check in snap.checks}
        self.jobs: Mapping[str, JobNode] = {job.name: job for snap in self.snapshots for job in snap.jobs}
        self.location_of_step: Mapping[str, str] = {
            step.key: snap.location for snap in self.snapshots for step in snap.steps
        }
        self.sensors: Mapping[str, SensorNode] = self._merged_sensors()
        self.location_of_sensor: Mapping[str, str] = {
            sensor.name: snap.location for snap in self.snapshots for sensor in snap.sensors
        }
        self._rank = self._ranks()

    def _merged_assets(self) -> dict[str, AssetNode]:
        nodes: dict[str, AssetNode] = {}
        problems: list[DefinitionError] = []
        for snap in self.snapshots:
            for node in snap.assets:
                other = nodes.get(node.key)
                if other is not None and other.step is not None and node.step is not None:
                    problems.append(
                        DefinitionError(
                            f"asset {node.key!r} is defined twice; the other definition is at "
                            f"{other.file}:{other.line}. Rename one, or give one a key_prefix",
                            file=node.file,
                            line=node.line,
                        )
                    )
                if other is None or other.step is None:
                    nodes[node.key] = node
        sensors = [sensor for snap in self.snapshots for sensor in snap.sensors]
        problems += sources_at_odds([*nodes.values(), *sensors])
        if problems:
            raise DefinitionErrors(problems)
        named = [dep.asset for node in nodes.values() for dep in node.deps]
        for key in named:
            nodes.setdefault(key, AssetNode(key=key, step=None))
        for key, node in nodes.items():
            if node.partitions is not None and node.partitions.dynamic_names:
                nodes[key] = replace(node, partitions=node.partitions.known_by(self.dynamic))
        return nodes

    def _merged_sensors(self) -> dict[str, SensorNode]:
        nodes: dict[str, SensorNode] = {}
        for node in (sensor for snap in self.snapshots for sensor in snap.sensors):
            other = nodes.setdefault(node.name, node)
            if other is not node:
                raise DefinitionErrors(
                    [
                        DefinitionError(
                            f"{_noun(node)} {node.name!r} has the name of a {_noun(other)} at "
                            f"{other.file}:{other.line}; rename one",
                            file=node.file,
                            line=node.line,
                        )
                    ]
                )
        return nodes

    def _ranks(self) -> dict[str, int]:
        try:
            order = TopologicalSorter(
                {node.key: [dep.asset for dep in node.deps if dep.asset != node.key] for node in self.assets.values()}
            ).static_order()
            return {key: rank for rank, key in enumerate(order)}
        except CycleError as cycle:
            keys: list[str] = cycle.args[1]
            node = self.assets[keys[0]]
            raise DefinitionErrors(
                [
                    DefinitionError(
                        f"assets depend on each other in a circle: {' -> '.join(reversed(keys))}. "
                        "Remove one of these dependencies",
                        file=node.file,
                        line=node.line,
                    )
                ]
            ) from None

    @cached_property
    def _downstream(self) -> Mapping[str, tuple[str, ...]]:
        below: dict[str, list[str]] = defaultdict(list)
        for node in self.assets.values():
            for dep in node.deps:
                if dep.asset != node.key:
                    below[dep.asset].append(node.key)
        return {key: tuple(keys) for key, keys in below.items()}

    @cached_property
    def _checks_of(self) -> Mapping[str, tuple[CheckNode, ...]]:
        found: dict[str, list[CheckNode]] = defaultdict(list)
        for check in self.checks.values():
            found[check.asset].append(check)
        return {key: tuple(checks) for key, checks in found.items()}

    @cached_property
    def listeners(self) -> Mapping[str, tuple[tuple[AssetNode, On], ...]]:
        """By source name: the assets that listen to it, and how."""
        found: dict[str, list[tuple[AssetNode, On]]] = defaultdict(list)
        for node in self.assets.values():
            for on in node.on:
                found[on.source.name].append((node, on))
        return {name: tuple(pairs) for name, pairs in found.items()}

    @cached_property
    def listening_sensors(self) -> Mapping[str, tuple[tuple[SensorNode, On], ...]]:
        """By source name: the sensors that listen to it, and how."""
        found: dict[str, list[tuple[SensorNode, On]]] = defaultdict(list)
        for node in self.sensors.values():
            for on in node.on:
                found[on.source.name].append((node, on))
        return {name: tuple(pairs) for name, pairs in found.items()}

    @cached_property
    def asset_sensors(self) -> Mapping[str, tuple[SensorNode, ...]]:
        """By asset: the sensors that watch its materialisations."""
        found: dict[str, list[SensorNode]] = defaultdict(list)
        for node in self.sensors.values():
            for asset in node.watched_assets:
                found[asset].append(node)
        return {asset: tuple(nodes) for asset, nodes in found.items()}

    @cached_property
    def run_status_sensors(self) -> Mapping[str, tuple[SensorNode, ...]]:
        """By run status: the sensors that watch for it."""
        found: dict[str, list[SensorNode]] = defaultdict(list)
        for node in self.sensors.values():
            for status in node.watched_statuses:
                found[status].append(node)
        return {status: tuple(nodes) for status, nodes in found.items()}

    @cached_property
    def sources(self) -> Mapping[str, SourceSpec]:
        """Every declared source by name."""
        assets = {on.source.name: on.source for node in self.assets.values() for on in node.on}
        return assets | {on.source.name: on.source for node in self.sensors.values() for on in node.on}

    @cached_property
    def dynamic_names(self) -> frozenset[str]:
        """The names of all dynamic partitions."""
        definitions = (node.partitions for node in self.assets.values() if node.partitions is not None)
        return frozenset(name for definition in definitions for name in definition.dynamic_names)

    def downstream(self, key: str) -> tuple[str, ...]:
        """The assets that read `key` directly."""
        return self._downstream.get(key, ())

    def upstream(self, key: str) -> tuple[str, ...]:
        """The assets that `key` reads directly."""
        return tuple(dep.asset for dep in self.assets[key].deps)

    def checks_of(self, key: str) -> tuple[CheckNode, ...]:
        """The checks of an asset."""
        return self._checks_of.get(key, ())

    def unknown_inputs(self) -> list[DefinitionError]:
        """Values that a step reads of assets that no location defines or declares: it would fail whenever it runs."""
        declared = {node.key for snap in self.snapshots for node in snap.assets}
        found = [(step, key) for step in self.steps.values() for key in step.reads if key not in declared]
        return [_unknown_input(step.key, self._place_of(step), key, declared) for step, key in found]

    def _place_of(self, step: StepNode) -> AssetNode | None:
        """An asset that the step is about, to say where it stands."""
        about = (*step.assets, *(self.checks[check].asset for check in step.checks))
        return next((self.assets[asset] for asset in about if asset in self.assets), None)

    def in_order(self, keys: Iterable[str]) -> list[str]:
        """`keys`, each after everything it depends on."""
        return sorted(keys, key=self._rank.__getitem__)


def _noun(node: SensorNode) -> str:
    return "schedule" if node.kind == "schedule" else "sensor"


def sources_at_odds(nodes: Iterable[AssetNode | SensorNode]) -> Iterator[DefinitionError]:
    """One source may be declared in many places, but everywhere alike: else one place would decide for the others."""
    first: dict[str, tuple[SourceSpec, AssetNode | SensorNode]] = {}
    for node in nodes:
        for on in node.on:
            spec, other = first.setdefault(on.source.name, (on.source, node))
            if spec == on.source:
                continue
            names = {*spec.params, *on.source.params}
            differing = sorted(name for name in names if spec.params.get(name) != on.source.params.get(name))
            yield DefinitionError(
                f"source {on.source.name!r} is declared with other {', '.join(differing) or 'settings'} than at "
                f"{other.file}:{other.line}; declare it alike, e.g. once in a variable",
                file=node.file,
                line=node.line,
            )


def _unknown_input(step: str, place: AssetNode | None, key: str, declared: Collection[str]) -> DefinitionError:
    near = get_close_matches(key, declared, n=1)
    return DefinitionError(
        f"{step} reads {key!r}, which is not defined. "
        + (f"Did you mean {near[0]!r}? " if near else "")
        + f"If it is made elsewhere, declare it: AssetSpec({key!r})",
        file=place.file if place else None,
        line=place.line if place else None,
    )
