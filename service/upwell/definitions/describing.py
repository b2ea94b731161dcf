"""From `Definitions` to a `Snapshot`: plain data that the service works with, or every mistake found on the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.declarations import Declarations
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvalidDefinitionErrors
from upwell.definitions.freshness import AnyFreshnessPolicy
from upwell.definitions.graph import AssetGraph
from upwell.definitions.jobs import AssetJobDefinition
from upwell.definitions.keys import AssetKey
from upwell.definitions.metadata import encode_definition_metadata
from upwell.definitions.mistakes import mistakes_in
from upwell.definitions.partitions.mapping import AnyPartitionMapping
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.selection import select
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode, JobNode, Snapshot, StepNode
from upwell.definitions.specs import AssetDep, AssetSpec
from upwell.errors import DefinitionError, DefinitionErrors, SelectionError


def build_snapshot(definitions: Declarations, location: str, code_hash: str = "") -> Snapshot:
    """Describe a project.

    Raises:
        DagsterInvalidDefinitionError: something is wrong (`DagsterInvalidDefinitionErrors`: several things are); each
            problem names the thing, its file and line, and the mend.
    """
    problems: list[DefinitionError] = list(mistakes_in(definitions))
    snapshot = Snapshot(
        location=location,
        code_hash=code_hash,
        assets=_asset_nodes(definitions),
        steps=tuple(_step_node(key, compute) for key, compute in definitions.computations.items()),
        checks=_check_nodes(definitions),
    )
    try:
        jobs = _job_nodes(definitions.jobs, AssetGraph([snapshot]), problems)
    except DefinitionErrors as wrong:
        problems += wrong.problems
    if problems:
        raise _together(problems)
    return replace(snapshot, jobs=jobs)


def _together(problems: list[DefinitionError]) -> DagsterInvalidDefinitionError:
    distinct = {str(one): one for one in problems}  # a function that makes several assets may be told of once for each
    problems = sorted(distinct.values(), key=lambda one: (one.file or "", one.line or 0))
    named = [DagsterInvalidDefinitionError(one.message, file=one.file, line=one.line) for one in problems]
    return named[0] if len(named) == 1 else DagsterInvalidDefinitionErrors(named)


def _asset_nodes(definitions: Declarations) -> tuple[AssetNode, ...]:
    """Each asset once; where one is both computed and external, as computed (the mistake is reported elsewhere)."""
    step_of = {key: step for step, compute in definitions.computations.items() for key in _keys_made(compute)}
    nodes: dict[AssetKey, AssetNode] = {}
    for one in definitions.assets_definitions:
        for spec in one.specs:
            if spec.key not in nodes or one.is_executable:
                nodes[spec.key] = _asset_node(spec, one, step_of.get(spec.key))
    return tuple(nodes.values())


def _keys_made(compute: ComputeDefinition) -> Iterable[AssetKey]:
    return (output.key for output in compute.outputs)


def _asset_node(spec: AssetSpec, one: AssetsDefinition, step: str | None) -> AssetNode:
    kinds = spec.kinds or ({one.compute.compute_kind} if one.compute and one.compute.compute_kind else set())
    return AssetNode(
        key=spec.key.to_user_string(),
        step=step,
        deps=_dep_nodes(spec.deps),
        group=spec.group_name or "default",
        description=spec.description,
        kinds=tuple(sorted(kinds)),
        tags=spec.tags,
        owners=spec.owners,
        code_version=spec.code_version,
        metadata=encode_definition_metadata(spec.metadata),
        # The casts: a definition or mapping of another class is among the mistakes, so that this node is not used.
        partitions=cast(AnyPartitionsDefinition | None, spec.partitions_def),
        freshness=cast(AnyFreshnessPolicy | None, spec.freshness_policy),
        automation=spec.automation_condition.get_label() if spec.automation_condition else None,
        on=one.on,
        on_downstream=one.on_downstream,
        file=one.place.file,
        line=one.place.line,
    )


def _dep_nodes(deps: Iterable[AssetDep]) -> tuple[DepNode, ...]:
    return tuple(
        DepNode(asset=dep.asset_key.to_user_string(), mapping=cast(AnyPartitionMapping | None, dep.partition_mapping))
        for dep in deps
    )


def _check_nodes(definitions: Declarations) -> tuple[CheckNode, ...]:
    return tuple(
        _check_node(check, step) for step, compute in definitions.computations.items() for check in compute.checks
    )


def _check_node(check: AssetCheckSpec, step: str) -> CheckNode:
    return CheckNode(
        asset=check.asset_key.to_user_string(),
        name=check.name,
        step=step,
        blocking=check.blocking,
        description=check.description,
        deps=_dep_nodes(check.additional_deps),
    )


def _step_node(key: str, compute: ComputeDefinition) -> StepNode:
    return StepNode(
        key=key,
        assets=tuple(asset.to_user_string() for asset in _keys_made(compute)),
        checks=tuple(check.key.to_user_string() for check in compute.checks),
        reads=tuple(one.key.to_user_string() for one in compute.inputs),
        can_subset=compute.can_subset,
        pool=compute.pool,
        timeout=compute.timeout,
        retry=compute.retry_policy,
    )


def _job_nodes(
    jobs: Iterable[AssetJobDefinition], graph: AssetGraph, problems: list[DefinitionError]
) -> tuple[JobNode, ...]:
    nodes = []
    for job in jobs:
        try:
            nodes.append(_job_node(job, graph))
        except SelectionError as wrong:
            problems.append(job.place.error(f"job {job.name!r}: {wrong}"))
    return tuple(nodes)


def _job_node(job: AssetJobDefinition, graph: AssetGraph) -> JobNode:
    chosen = {key for key in select(graph, job.selection) if graph.assets[key].step is not None}
    return JobNode(
        name=job.name,
        assets=tuple(graph.in_order(chosen)),
        description=job.description,
        tags=job.tags,
        config=job.config,
    )
