"""What can be wrong with definitions that are each valid by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias, cast, get_args

from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.compute import DEFAULT_IO_MANAGER
from upwell.definitions.declarations import AnySchedule, Declarations
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.keys import AssetCheckKey, AssetKey
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.partitions.mapping import (
    AnyPartitionMapping,
    TimeWindowPartitionMapping,
    check_mapping,
    default_mapping,
)
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.reactions import CalledOn, On
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensors import SensorDefinition
from upwell.definitions.signature import Place
from upwell.definitions.specs import AssetDep, AssetSpec

Mistakes: TypeAlias = Iterator[DagsterInvalidDefinitionError]


def mistakes_in(definitions: Declarations) -> Mistakes:
    """Every mistake, except for what the graph shows: circles, sources at odds, jobs that select what is not there."""
    several = definitions.assets_definitions
    yield from _assets_declared_twice(several)
    yield from _checks_declared_twice(several)
    yield from _jobs_declared_twice(definitions)
    yield from _steps_in_a_circle(several)
    yield from _names_taken_twice([*definitions.sensors, *definitions.schedules])
    yield from _filters_that_are_mistaken(definitions)
    for sensing in [*definitions.sensors, *definitions.schedules]:
        if isinstance(sensing, SensingDefinition):
            yield from _unknown_jobs(sensing, definitions)
            yield from _resources_not_there(
                sensing.required_resource_keys, sensing.what, sensing.place, definitions.resources
            )
    for job in definitions.jobs:
        if isinstance(job, OpJobDeclaration):
            there = {**definitions.resources, **job.resource_defs}
            yield from _resources_not_there(job.required_resource_keys, f"job {job.name!r}", job.place, there)
    for sensor in definitions.sensors:
        for on in sensor.on:
            yield from _unguarded_webhook(on, sensor.place)
    for one in several:
        yield from _missing_resources(one, definitions.resources)
        yield from _wrong_listeners(one)
        for spec in one.specs:
            yield from _wrong_partitions(spec, one.place, definitions.specs)
        for check in one.check_specs:
            if not any(check.asset_key.path):
                yield one.place.error(f"check {check.name!r} is of no asset; name one: asset=orders")


def _assets_declared_twice(several: Iterable[AssetsDefinition]) -> Mistakes:
    first: dict[AssetKey, AssetsDefinition] = {}
    for one in sorted(several, key=lambda one: one.is_external):
        for key in sorted(one.keys, key=AssetKey.to_user_string):
            other = first.setdefault(key, one)
            if other is one or (other.is_external and one.is_external):
                continue
            how = "computed by a function and declared as external" if one.is_external else "defined twice"
            yield (other if one.is_external else one).place.error(
                f"asset {key.to_user_string()!r} is {how}{_elsewhere(other, one)}. "
                "Remove one, rename it, or give it a key_prefix"
            )


def _elsewhere(other: AssetsDefinition, one: AssetsDefinition) -> str:
    if one.is_external or other.place.file is None:
        return ""
    return f"; the other definition is at {other.place.file}:{other.place.line}"


def _checks_declared_twice(several: Iterable[AssetsDefinition]) -> Mistakes:
    seen: set[AssetCheckKey] = set()
    for one in several:
        for check in one.check_specs:
            if check.key in seen:
                yield one.place.error(f"check {check.key.to_user_string()!r} is defined twice; rename one")
            seen.add(check.key)


def _jobs_declared_twice(definitions: Declarations) -> Mistakes:
    seen: set[str] = set()
    for job in definitions.jobs:
        if job.name in seen:
            yield job.place.error(f"job {job.name!r} is defined twice; rename one")
        seen.add(job.name)


def _names_taken_twice(several: Iterable[SensorDefinition | AnySchedule]) -> Mistakes:
    """The two share their names: the journal, the API and the command line know both by them."""
    seen: set[str] = set()
    for one in several:
        if one.name in seen:
            yield one.place.error(f"there are two sensors or schedules of the name {one.name!r}; rename one")
        seen.add(one.name)


def _filters_that_are_mistaken(definitions: Declarations) -> Mistakes:
    """A filter stays in the workers, which know it by its key only."""
    first: dict[str | None, object] = {}
    listening = [(one.on, one.place) for one in definitions.assets_definitions]
    listening += [(sensor.on, sensor.place) for sensor in definitions.sensors]
    for listeners, place in listening:
        for on in listeners:
            if isinstance(on, CalledOn) and first.setdefault(on.filter_call, on.function) != on.function:
                yield place.error(
                    f"two different filters of listeners to {on.source.name} are both {on.filter_call}, and cannot be "
                    "told apart; give each a name of its own: def big(event): …"
                )


def _unknown_jobs(sensing: SensingDefinition, definitions: Declarations) -> Mistakes:
    known = [job.name for job in definitions.jobs]
    for job in sensing.target.jobs:
        if isinstance(job, str) and job not in known:
            yield sensing.place.error(
                f"{sensing.what} asks for job {job!r}, which is not there; the jobs are: {', '.join(known) or 'none'}"
            )


def _steps_in_a_circle(several: Iterable[AssetsDefinition]) -> Mistakes:
    """Assets may depend on each other without a circle while the functions that make several of them at once do."""
    maker = {key: one for one in several if one.is_executable for key in one.keys}
    needs: dict[int, set[int]] = {}
    by_id = {id(one): one for one in maker.values()}
    for one in by_id.values():
        if one.can_subset:
            continue  # the planner may divide it
        made_by = (maker.get(key) for key in one.dependency_keys)
        needs[id(one)] = {id(other) for other in made_by if other and other is not one and not other.can_subset}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as circle:
        around = [by_id[step] for step in circle.args[1]]
        if any(len(one.specs) > 1 for one in around):
            names = " -> ".join(one.compute.name for one in reversed(around) if one.compute)
            yield around[0].place.error(
                f"these functions wait for each other: {names}. "
                "Set can_subset=True on the one that makes several assets, or divide it"
            )


def _wrong_listeners(one: AssetsDefinition) -> Mistakes:
    for on in one.on:
        if on.partition is not None and all(spec.partitions_def is None for spec in one.specs):
            yield one.place.error(
                f"{on.source.name!r} is to say the partition ({on.partition}), but {_names(one)} has no partitions; "
                "give it partitions_def=, or leave partition= out"
            )
        yield from _unguarded_webhook(on, one.place)


def _unguarded_webhook(on: On, place: Place) -> Mistakes:
    params = on.source.params
    known = params.get("secrets") or params.get("scheme") == "mtls"  # whose clients have certificates
    if on.source.kind == "webhook" and not known and not params.get("insecure"):
        yield place.error(
            f"{on.source.name!r} has no secret, so that anybody could send events: give secret=EnvVar('…'), "
            "or say insecure=True"
        )


def _missing_resources(one: AssetsDefinition, resources: Mapping[str, object]) -> Mistakes:
    yield from _resources_not_there(
        one.required_resource_keys - {DEFAULT_IO_MANAGER}, _names(one), one.place, resources
    )


def _resources_not_there(keys: AbstractSet[str], what: str, place: Place, resources: Mapping[str, object]) -> Mistakes:
    for key in sorted(keys - resources.keys()):
        known = ", ".join(sorted(resources)) or "none"
        yield place.error(
            f"{what} needs the resource {key!r}, which is not there (there are: {known}). "
            f"Add it: Definitions(resources={{{key!r}: …}})"
        )


_PARTITIONS = get_args(get_args(AnyPartitionsDefinition)[0])


def _wrong_partitions(spec: AssetSpec, place: Place, specs: Mapping[AssetKey, AssetSpec]) -> Mistakes:
    name = spec.key.to_user_string()
    own = spec.partitions_def
    if own is not None and not isinstance(own, _PARTITIONS):
        yield place.error(f"asset {name!r} has partitions of a kind that is not known: {own!r}")
        return
    for dep in spec.deps:
        upstream = specs.get(dep.asset_key)
        known = cast(AnyPartitionsDefinition | None, own)
        yield from _wrong_mapping(name, dep, upstream.partitions_def if upstream else None, known, place)
        if dep.asset_key == spec.key and not _reads_the_past(dep, own):
            yield place.error(
                f"asset {name!r} depends on itself. Only earlier partitions can be read so: "
                "AssetDep(…, partition_mapping=TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))"
            )


def _wrong_mapping(
    name: str,
    dep: AssetDep,
    upstream: PartitionsDefinition | None,
    own: AnyPartitionsDefinition | None,
    place: Place,
) -> Mistakes:
    if not isinstance(upstream, _PARTITIONS):
        return
    mapping = dep.partition_mapping or default_mapping(cast(AnyPartitionsDefinition, upstream), own)
    if not isinstance(mapping, get_args(get_args(AnyPartitionMapping)[0])):
        yield place.error(f"asset {name!r} has a partition mapping of a kind that is not known: {mapping!r}")
        return
    try:
        check_mapping(cast(AnyPartitionMapping, mapping), cast(AnyPartitionsDefinition, upstream), own)
    except DagsterInvalidDefinitionError as wrong:
        yield place.error(f"asset {name!r} cannot read {dep.asset_key.to_user_string()!r} like this: {wrong.message}")


def _reads_the_past(dep: AssetDep, partitions: PartitionsDefinition | None) -> bool:
    mapping = dep.partition_mapping
    return partitions is not None and isinstance(mapping, TimeWindowPartitionMapping) and mapping.end_offset < 0


def _names(one: AssetsDefinition) -> str:
    if one.compute is not None and len(one.specs) != 1:
        return f"{one.compute.name}()"
    return ", ".join(f"asset {spec.key.to_user_string()!r}" for spec in one.specs)
