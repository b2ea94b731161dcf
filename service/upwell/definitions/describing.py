"""From `Definitions` to a `Snapshot`: plain data that the service works with, or every mistake found on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from upwell.definitions.asset_nodes import keys_made
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.declarations import Declarations
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvalidDefinitionErrors
from upwell.definitions.graph import AssetGraph, sources_at_odds
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.mistakes import mistakes_in
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.selection import select, select_checks
from upwell.definitions.sensor_nodes import sensor_nodes
from upwell.definitions.snapshot import JobNode, Snapshot, StepNode
from upwell.errors import DefinitionError, DefinitionErrors, SelectionError


def build_snapshot(definitions: Declarations, location: str, code_hash: str = "") -> Snapshot:
    """Describe a project.

    Raises:
        DagsterInvalidDefinitionError: something is wrong (`DagsterInvalidDefinitionErrors`: several things are); each
            problem names the thing, its file and line, and the mend.
    """
    problems: list[DefinitionError] = list(mistakes_in(definitions))
    try:
        graph = definitions.graph
        jobs = _job_nodes(definitions.jobs, graph, problems)
        sensors = sensor_nodes(definitions, graph, problems)
        problems += sources_at_odds([*graph.assets.values(), *sensors])
    except DefinitionErrors as wrong:
        problems += wrong.problems
    if problems:
        raise _together(problems)
    return Snapshot(
        location=location,
        code_hash=code_hash,
        assets=graph.snapshots[0].assets,
        steps=(
            *(_step_node(key, compute) for key, compute in definitions.computations.items()),
            *(StepNode(key=key) for key in definitions.op_jobs),
        ),
        checks=graph.snapshots[0].checks,
        jobs=jobs,
        sensors=sensors,
    )


def _together(problems: list[DefinitionError]) -> DagsterInvalidDefinitionError:
    distinct = {str(one): one for one in problems}  # a function that makes several assets may be told of once for each
    problems = sorted(distinct.values(), key=lambda one: (one.file or "", one.line or 0))
    named = [DagsterInvalidDefinitionError(one.message, file=one.file, line=one.line) for one in problems]
    return named[0] if len(named) == 1 else DagsterInvalidDefinitionErrors(named)


def _step_node(key: str, compute: ComputeDefinition) -> StepNode:
    return StepNode(
        key=key,
        assets=tuple(asset.to_user_string() for asset in keys_made(compute)),
        checks=tuple(check.key.to_user_string() for check in compute.checks),
        reads=tuple(one.key.to_user_string() for one in compute.inputs),
        can_subset=compute.can_subset,
        pool=compute.pool,
        timeout=compute.timeout,
        retry=compute.retry_policy,
        asks=compute.asks,
    )


def _job_nodes(
    jobs: Iterable[JobDeclaration], graph: AssetGraph, problems: list[DefinitionError]
) -> tuple[JobNode, ...]:
    nodes = []
    for job in jobs:
        if isinstance(job, OpJobDeclaration):
            nodes.append(_op_job_node(job))
            continue
        try:
            nodes.append(_job_node(job, graph))
            problems += _partitions_at_odds(job, nodes[-1], graph)
        except SelectionError as wrong:
            problems.append(job.place.error(f"job {job.name!r}: {wrong}"))
    return tuple(nodes)


def _op_job_node(job: OpJobDeclaration) -> JobNode:
    """Its own config is not here: a run has it from the job itself, for it may depend on the partition."""
    return JobNode(
        name=job.name,
        step=job.step,
        partitions=cast(AnyPartitionsDefinition | None, job.partitions_def),
        description=job.description,
        tags=job.tags,
    )


def _partitions_at_odds(job: JobDeclaration, node: JobNode, graph: AssetGraph) -> Iterable[DefinitionError]:
    for key in node.assets:
        partitions = graph.assets[key].partitions
        if job.partitions_def is not None and partitions not in (None, job.partitions_def):
            yield job.place.error(
                f"job {job.name!r} has partitions_def={job.partitions_def}, but its asset {key!r} is partitioned by "
                f"{partitions}; leave partitions_def= of the job out"
            )


def _job_node(job: JobDeclaration, graph: AssetGraph) -> JobNode:
    chosen = {key for key in select(graph, job.selection) if graph.assets[key].step is not None}
    return JobNode(
        name=job.name,
        assets=tuple(graph.in_order(chosen)),
        checks=tuple(sorted(select_checks(graph, job.selection))),
        description=job.description,
        tags=job.tags,
        config=job.config,
    )
