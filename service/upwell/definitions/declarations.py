"""What a project declares, indexed in the ways that describing and running it need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeAlias, TypeVar

from upwell.definitions.asset_nodes import asset_nodes, check_nodes
from upwell.definitions.assets import AssetChecksDefinition, AssetsDefinition
from upwell.definitions.compute import ComputeDefinition, OutputDefinition
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.graph import AssetGraph
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.keys import AssetKey
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.definitions.partitioned_schedules import UnresolvedPartitionedAssetScheduleDefinition
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.reactions import CalledOn, FilterFunction
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.selection import select
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensors import SensorDefinition
from upwell.definitions.snapshot import Snapshot
from upwell.definitions.specs import AssetSpec

T = TypeVar("T")

_DECORATORS = {
    "assets": "asset",
    "asset_checks": "asset_check",
    "jobs": "job",
    "sensors": "sensor",
    "schedules": "schedule",
}

AnyAsset: TypeAlias = AssetsDefinition | AssetSpec
AnySchedule: TypeAlias = ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition


class Declarations:
    """Assets, checks, jobs, sensors, schedules, and the resources that they use, by key: the base of `Definitions`.

    The jobs and assets that sensors and schedules are given as such belong to it without being listed once more.

    Whether they fit together is found out when the whole is described (`describing.build_snapshot`), not here.

    Raises:
        DagsterInvalidDefinitionError: something else than a definition is among them.
    """

    def __init__(
        self,
        assets: Iterable[AnyAsset] | None = None,
        asset_checks: Iterable[AssetChecksDefinition] | None = None,
        jobs: Iterable[JobDeclaration] | None = None,
        resources: Mapping[str, object] | None = None,
        sensors: Iterable[SensorDefinition] | None = None,
        schedules: Iterable[AnySchedule] | None = None,
    ) -> None:
        self.sensors: Sequence[SensorDefinition] = distinct(_checked("sensors", sensors, (SensorDefinition,)))
        self.schedules: Sequence[AnySchedule] = distinct(
            _checked("schedules", schedules, (ScheduleDefinition, UnresolvedPartitionedAssetScheduleDefinition))
        )
        listed = distinct(_checked("assets", assets, (AssetsDefinition, AssetSpec)))
        self.assets: Sequence[AnyAsset] = [*listed, *self._assets_of_targets(listed)]
        self.asset_checks: Sequence[AssetChecksDefinition] = distinct(
            _checked("asset_checks", asset_checks, (AssetChecksDefinition,))
        )
        listed_jobs = _checked("jobs", jobs, (JobDeclaration,))
        self.jobs: Sequence[JobDeclaration] = distinct([*listed_jobs, *self._jobs_of_targets()])
        self.resources: Mapping[str, object] = dict(resources or {})

    def _assets_of_targets(self, listed: Iterable[AnyAsset]) -> list[AnyAsset]:
        """Assets that a sensor or a schedule is for, and that are not listed themselves."""
        known = {key for one in listed for key in _keys_of(one)}
        targets = (one.target for one in [*self.sensors, *self.schedules] if isinstance(one, SensingDefinition))
        given = distinct([asset for target in targets for asset in target.assets])
        return [one for one in given if not known & set(_keys_of(one))]

    def _jobs_of_targets(self) -> Iterable[JobDeclaration]:
        for one in [*self.sensors, *self.schedules]:
            yield from [one.job] if not isinstance(one, SensingDefinition) else one.target.declared_jobs

    @cached_property
    def assets_definitions(self) -> Sequence[AssetsDefinition]:
        """Assets and checks alike; an `AssetSpec` is an external asset."""
        wrapped = [AssetsDefinition(specs=[one]) if isinstance(one, AssetSpec) else one for one in self.assets]
        return distinct([*wrapped, *self.asset_checks])

    @cached_property
    def computations(self) -> Mapping[str, ComputeDefinition]:
        """Every computation by the key of its step: its name, with a number when another one has the same."""
        found: dict[str, ComputeDefinition] = {}
        seen: Counter[str] = Counter()
        for one in self.assets_definitions:
            if one.compute is None:
                continue
            name = one.compute.name
            seen[name] += 1
            while (key := name if seen[name] == 1 else f"{name}_{seen[name]}") in found:
                seen[name] += 1
            found[key] = one.compute if key == name else replace(one.compute, name=key)
        return found

    @cached_property
    def specs(self) -> Mapping[AssetKey, AssetSpec]:
        """Every asset's description; that of the computed one, where it is also named as external."""
        ordered = sorted(self.assets_definitions, key=lambda one: one.is_executable)
        return {spec.key: spec for one in ordered for spec in one.specs}

    @cached_property
    def outputs(self) -> Mapping[AssetKey, OutputDefinition]:
        """By asset: the output that makes it; external assets have none."""
        return {output.key: output for compute in self.computations.values() for output in compute.outputs}

    @cached_property
    def op_jobs(self) -> Mapping[str, OpJobDeclaration]:
        """The jobs of ops by the keys of the steps that run them."""
        return {job.step: job for job in self.jobs if isinstance(job, OpJobDeclaration)}

    # What is called.

    @cached_property
    def graph(self) -> AssetGraph:
        """The assets and their checks as a graph, so that selections can be resolved.

        Raises:
            DefinitionErrors: they do not make one.
        """
        nodes = asset_nodes(self.assets_definitions, self.computations)
        return AssetGraph([Snapshot(location="", assets=nodes, checks=check_nodes(self.computations))])

    @cached_property
    def sensing(self) -> Mapping[str, SensorDefinition | ScheduleDefinition]:
        """Every sensor and every schedule by name."""
        found: dict[str, SensorDefinition | ScheduleDefinition] = {one.name: one for one in self.sensors}
        for one in self.schedules:
            found[one.name] = one if isinstance(one, ScheduleDefinition) else one.resolve(self.partitions_of(one.job))
        return found

    @cached_property
    def filters(self) -> Mapping[str, FilterFunction]:
        """The users' filters by the keys under which listeners name them."""
        listeners = [on for asset in self.assets_definitions for on in asset.on]
        listeners += [on for sensor in self.sensors for on in sensor.on]
        return {on.filter_call: on.function for on in listeners if isinstance(on, CalledOn) and on.filter_call}

    def partitions_of(self, job: JobDeclaration) -> PartitionsDefinition | None:
        """The partitions of a job: as it says itself, else those of its assets; none when these have several."""
        if job.partitions_def is not None:
            return job.partitions_def
        found = self.partitions_of_assets(select(self.graph, job.selection))
        return found[0] if len(found) == 1 else None

    def partitions_of_assets(self, keys: Iterable[str]) -> Sequence[PartitionsDefinition]:
        """The different partitions that these assets have."""
        nodes = (self.graph.assets[key] for key in keys)
        return list(dict.fromkeys(node.partitions for node in nodes if node.partitions is not None))


def _keys_of(asset: AnyAsset) -> Iterable[AssetKey]:
    return [asset.key] if isinstance(asset, AssetSpec) else asset.keys


def _checked(what: str, given: Iterable[T] | None, kinds: tuple[type, ...]) -> list[T]:
    listed = list(given or ())
    for one in listed:
        if not isinstance(one, kinds):
            hint = f"decorate the function with @{_DECORATORS[what]}" if callable(one) else "see Definitions"
            raise DagsterInvalidDefinitionError(
                f"Definitions({what}=…) holds {one!r}, which cannot stand there: {hint}"
            )
    return listed


def distinct(several: Iterable[T]) -> list[T]:
    """Each object once: the same one may come by several ways."""
    return list({id(one): one for one in several}.values())
