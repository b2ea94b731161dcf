"""Assets and checks as plain data, without what is wrong with them: that is found elsewhere (`mistakes`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.conditions.model import shown_as
from upwell.definitions.freshness.model import AnyFreshnessPolicy
from upwell.definitions.keys import AssetKey
from upwell.definitions.metadata import encode_definition_metadata
from upwell.definitions.partitions.mapping import AnyPartitionMapping
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.reactions import plain
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode
from upwell.definitions.specs import AssetDep, AssetSpec


def asset_nodes(
    several: Iterable[AssetsDefinition], computations: Mapping[str, ComputeDefinition]
) -> tuple[AssetNode, ...]:
    """Each asset once; where one is both computed and external, as computed (the mistake is reported elsewhere)."""
    step_of = {key: step for step, compute in computations.items() for key in keys_made(compute)}
    nodes: dict[AssetKey, AssetNode] = {}
    for one in several:
        for spec in one.specs:
            if spec.key not in nodes or one.is_executable:
                nodes[spec.key] = _asset_node(spec, one, step_of.get(spec.key))
    return tuple(nodes.values())


def check_nodes(computations: Mapping[str, ComputeDefinition]) -> tuple[CheckNode, ...]:
    """Each check with the step that evaluates it."""
    return tuple(_check_node(check, step) for step, compute in computations.items() for check in compute.checks)


def keys_made(compute: ComputeDefinition) -> Iterable[AssetKey]:
    """The assets that a function makes."""
    return (output.key for output in compute.outputs)


def dep_nodes(deps: Iterable[AssetDep]) -> tuple[DepNode, ...]:
    """Dependencies as plain data."""
    return tuple(
        # The cast: a mapping of another class is among the mistakes, so that this node is not used.
        DepNode(asset=dep.asset_key.to_user_string(), mapping=cast(AnyPartitionMapping | None, dep.partition_mapping))
        for dep in deps
    )


def _check_node(check: AssetCheckSpec, step: str) -> CheckNode:
    return CheckNode(
        asset=check.asset_key.to_user_string(),
        name=check.name,
        step=step,
        blocking=check.blocking,
        description=check.description,
        deps=dep_nodes(check.additional_deps),
        automation=shown_as(check.automation_condition) if check.automation_condition else None,
    )


def _asset_node(spec: AssetSpec, one: AssetsDefinition, step: str | None) -> AssetNode:
    kinds = spec.kinds or ({one.compute.compute_kind} if one.compute and one.compute.compute_kind else set())
    return AssetNode(
        key=spec.key.to_user_string(),
        step=step,
        deps=dep_nodes(spec.deps),
        group=spec.group_name or "default",
        description=spec.description,
        kinds=tuple(sorted(kinds)),
        tags=spec.tags,
        owners=spec.owners,
        code_version=spec.code_version,
        metadata=encode_definition_metadata(spec.metadata),
        # The casts: a definition of another class is among the mistakes, so that this node is not used.
        partitions=cast(AnyPartitionsDefinition | None, spec.partitions_def),
        freshness=cast(AnyFreshnessPolicy | None, spec.freshness_policy),
        automation=shown_as(spec.automation_condition) if spec.automation_condition else None,
        on=tuple(map(plain, one.on)),
        on_downstream=one.on_downstream,
        file=one.place.file,
        line=one.place.line,
    )
