"""From what the service knows to what the API shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from pydantic_core import from_json

from upwell.definitions.freshness.model import AnyFreshnessPolicy
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.dynamic import DynamicPartitionsDefinition
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, CheckNode
from upwell.events import PlannedStep, encode
from upwell.journal.journal import Record
from upwell.journal.projections import run_of, source_of
from upwell.journal.views import (
    AssetState,
    CheckState,
    FreshnessRow,
    PartitionState,
    PartitionSummary,
    RunView,
    StepView,
)
from upwell.planning.blame import Blame
from upwell.planning.status import AssetStatus
from upwell.web import models
from upwell.web.freshness_now import deadline_in_force

RECENT_PARTITIONS = 50
"""The newest partitions of an asset that are shown one by one."""

_MOST_KEYS = 1000

_POLICY: TypeAdapter[AnyFreshnessPolicy] = TypeAdapter(AnyFreshnessPolicy)


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """The assets that are late, since when, and what makes others' input late."""

    since: Mapping[str, datetime]
    blame: Blame


@dataclass(frozen=True, kw_only=True)
class Present:
    """The present state of the catalogue, as far as it was asked for."""

    graph: AssetGraph
    states: Mapping[str, AssetState]
    statuses: Mapping[str, AssetStatus]
    freshness: Mapping[str, FreshnessRow]
    late: Lateness
    risks: Mapping[str, models.FreshnessRisk]
    checks: Mapping[str, CheckState]  # by "asset:name"
    now: datetime


def present_event(record: Record) -> models.Event:
    """A record with all the fields of its event."""
    event = record.event
    return models.Event(
        id=record.id,
        at=record.at,
        kind=event.kind,
        asset=getattr(event, "asset", None),
        partition=getattr(event, "partition", None),
        run_id=run_of(event),
        source=source_of(event),
        data=from_json(encode(event)),
    )


def present_run(run: RunView) -> models.RunSummary:
    return models.RunSummary(
        run_id=run.run_id,
        status=run.status,
        reason=run.reason,
        cause=run.cause,
        roots=run.roots,
        partition=run.partition,
        assets=tuple(dict.fromkeys(asset for step in run.plan for asset in step.assets)),
        event_ids=run.event_ids,
        tags=run.tags,
        retry_of=run.retry_of,
        job=run.job,
        sensor=run.sensor,
        run_key=run.run_key,
        requested_id=run.requested_id,
        requested_at=run.requested_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration=_seconds_between(run.started_at, run.ended_at),
        error=run.error,
        cancel_requested=run.cancel_requested,
    )


def present_run_detail(run: RunView, steps: Iterable[StepView]) -> models.RunDetail:
    """The run with every planned step, begun or not."""
    begun = {step.step_id: step for step in steps}
    return models.RunDetail(
        **dict(present_run(run)),
        config=run.config,
        steps=tuple(_present_step(planned, begun.get(planned.id)) for planned in run.plan),
    )


def _present_step(planned: PlannedStep, begun: StepView | None) -> models.RunStep:
    plan = {name: getattr(planned, name) for name in PlannedStep.__dataclass_fields__}
    if begun is None:
        return models.RunStep(**plan, status="PENDING")
    return models.RunStep(
        **plan,
        status=begun.status,
        attempt=begun.attempt,
        started_at=begun.started_at,
        ended_at=begun.ended_at,
        retry_at=begun.retry_at,
        error=begun.error,
        reason=begun.reason,
        log=begun.log,
    )


def present_asset(key: str, present: Present) -> models.Asset:
    node = present.graph.assets[key]
    state = present.states.get(key) or AssetState(asset=key)
    checks = [present.checks.get(check.key) for check in present.graph.checks_of(key)]
    return models.Asset(
        key=key,
        group=node.group,
        description=node.description,
        kinds=node.kinds,
        tags=node.tags,
        owners=node.owners,
        code_version=node.code_version,
        external=node.step is None,
        partitioned=node.partitions is not None,
        location=present.graph.location_of_step.get(node.step or ""),
        status=present.statuses[key],
        freshness=present_freshness(node, present),
        last_materialization=_materialization(state),
        failure=_failure(state),
        checks_passed=sum(check is not None and check.passed for check in checks),
        checks_failed=sum(check is not None and not check.passed for check in checks),
        sources=tuple(on.source.name for on in node.on),
    )


def present_asset_detail(key: str, present: Present, partitions: PartitionSummary, now: datetime) -> models.AssetDetail:
    node = present.graph.assets[key]
    checks = present.graph.checks_of(key)
    return models.AssetDetail(
        **dict(present_asset(key, present)),
        metadata=node.metadata,
        upstream=present.graph.upstream(key),
        downstream=present.graph.downstream(key),
        checks=tuple(present_check(check, present.checks.get(check.key)) for check in checks),
        partitions=_partitions(node.partitions, partitions, now) if node.partitions else None,
        automation=node.automation,
        freshness_policy=_POLICY.dump_python(node.freshness, mode="json") if node.freshness else None,
        file=node.file,
        line=node.line,
    )


def lateness(graph: AssetGraph, rows: Mapping[str, FreshnessRow]) -> Lateness:
    """Who is late, and whose input is."""
    late = {row.asset: row.changed_at for row in rows.values() if row.state == "FAIL" and row.asset in graph.assets}
    return Lateness(since=late, blame=Blame(graph, late))


def present_freshness(node: AssetNode, present: Present) -> models.Freshness | None:
    """The state told last; before anything was told it is unknown, and without a policy there is none."""
    if node.freshness is None:
        return None
    row, late = present.freshness.get(node.key), present.late
    own = models.Freshness(asset=node.key, state="UNKNOWN") if row is None else models.Freshness.model_validate(row)
    root = late.blame.cause(node.key) if late.since else None
    return own.model_copy(
        update={
            "deadline": deadline_in_force(node, row, present.states.get(node.key), present.now),
            "inherited_from": root,
            "inherited_since": None if root is None else late.since[root],
            "at_risk": present.risks.get(node.key),
        }
    )


def present_check(check: CheckNode, state: CheckState | None) -> models.Check:
    declared = models.Check(
        asset=check.asset, name=check.name, status="never", blocking=check.blocking, description=check.description
    )
    if state is None:
        return declared
    return declared.model_copy(
        update={
            "status": "passed" if state.passed else "failed",
            "severity": state.severity,
            "evaluated_at": state.evaluated_at,
            "event_id": state.event_id,
            "run_id": state.run_id,
            "partition": state.partition,
            "result": state.description,
            "metadata": state.metadata,
        }
    )


def present_lineage(keys: Iterable[str], present: Present) -> models.Lineage:
    """The assets and every edge between two of them."""
    order = present.graph.in_order(keys)
    chosen = set(order)
    return models.Lineage(
        nodes=tuple(_lineage_node(key, present) for key in order),
        edges=tuple(
            models.LineageEdge(upstream=upstream, downstream=key)
            for key in order
            for upstream in present.graph.upstream(key)
            if upstream in chosen
        ),
    )


def _lineage_node(key: str, present: Present) -> models.LineageNode:
    node = present.graph.assets[key]
    freshness = present_freshness(node, present)
    return models.LineageNode(
        key=key,
        group=node.group,
        kinds=node.kinds,
        external=node.step is None,
        status=present.statuses[key],
        freshness=freshness.state if freshness else None,
    )


def _materialization(state: AssetState) -> models.Materialization | None:
    if state.materialized_at is None:
        return None
    return models.Materialization(
        event_id=state.materialized_id,
        at=state.materialized_at,
        run_id=state.materialized_run,
        partition=state.materialized_partition,
        duration=state.duration,
        code_version=state.code_version,
        data_version=state.data_version,
        data_time=state.data_time,
        metadata=state.metadata,
    )


def _failure(state: AssetState) -> models.Failure | None:
    if state.failed_at is None or state.failed_id < state.materialized_id:
        return None
    return models.Failure(event_id=state.failed_id, at=state.failed_at, run_id=state.failed_run, error=state.error)


def _partitions(definition: AnyPartitionsDefinition, summary: PartitionSummary, now: datetime) -> models.Partitions:
    listed = isinstance(definition, StaticPartitionsDefinition | DynamicPartitionsDefinition)
    return models.Partitions(
        materialized=summary.materialized,
        failed=summary.failed,
        total=definition.get_num_partitions(now),
        recent=tuple(map(_partition, summary.newest)),
        keys=tuple(definition.get_partition_keys(now)[:_MOST_KEYS]) if listed else (),
        dynamic=definition.dynamic_names,
    )


def _partition(state: PartitionState) -> models.Partition:
    return models.Partition(
        key=state.partition,
        status="failed" if state.failed_id > state.materialized_id else "materialized",
        materialized_at=state.materialized_at,
        run_id=state.run_id,
        metadata=state.metadata,
    )


def _seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None
