"""Runs that somebody asked for by name: of assets, or another try of an earlier run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import JobNode
from upwell.errors import PartitionError, SelectionError
from upwell.events import PlannedStep, RunRequested, RunSubmitted
from upwell.journal.views import ENDED
from upwell.planning.check_plan import alone, check_plan, checked_assets, together
from upwell.planning.job_plan import lane_of_job, op_job_plan
from upwell.planning.planner import plan
from upwell.reactor.condensing import lane_of
from upwell.reactor.knowledge import Known


class Refusal(ValueError):
    """Somebody asked for a run that cannot be; the text says why."""


def submitted_run(submitted: RunSubmitted, graph: AssetGraph, now: datetime, known: Known) -> RunRequested:
    """The run that was asked for.

    Raises:
        Refusal: there can be no such run.
    """
    return _retry(submitted, graph, known) if submitted.retry_of is not None else _manual(submitted, graph, now)


def _manual(submitted: RunSubmitted, graph: AssetGraph, now: datetime) -> RunRequested:
    who = submitted.submitted_by or "somebody"
    job = _job(submitted, graph)
    assets, checks = submitted.assets, submitted.checks
    if job is not None and not assets and not checks:
        assets, checks = job.assets, job.checks
    steps, lane = planned_run(assets, checks, job, submitted.partition, graph, now, downstream=submitted.downstream)
    what = f"job {job.name}" if job is not None else _named([*assets, *checks])
    return RunRequested(
        run_id=submitted.run_id,
        lane=lane,
        plan=steps,
        reason=f"{who} asked for {what}" + (" and what is downstream" if submitted.downstream else ""),
        cause="manual",
        job=submitted.job,
        roots=roots_of(assets, checks, graph),
        partition=submitted.partition,
        config=submitted.config if submitted.config is not None or job is None else job.config,
        tags={**(job.tags if job is not None else {}), **submitted.tags},
    )


def _job(submitted: RunSubmitted, graph: AssetGraph) -> JobNode | None:
    if submitted.job is None:
        return None
    if submitted.job not in graph.jobs:
        known = ", ".join(sorted(graph.jobs)) or "none"
        raise Refusal(f"there is no job {submitted.job!r}; the jobs are: {known}")
    return graph.jobs[submitted.job]


def planned_run(
    assets: Sequence[str],
    checks: Sequence[str],
    job: JobNode | None,
    partition: str | None,
    graph: AssetGraph,
    now: datetime,
    *,
    downstream: bool = False,
) -> tuple[tuple[PlannedStep, ...], str]:
    """The plan of a run, and its lane: of a job of ops, or of assets, or of checks without theirs.

    Raises:
        Refusal: there can be no such run.
    """
    if job is not None and job.step is not None:
        try:
            return op_job_plan(job, partition, now), lane_of_job(job, partition)
        except PartitionError as wrong:
            raise Refusal(str(wrong)) from None
    extra = alone(graph, checks, assets)
    requests = requests_for(assets, partition, graph, now) if assets or not extra else {}
    try:
        checking = check_plan(graph, extra, partition, now) if extra else ()
    except (SelectionError, PartitionError) as wrong:
        raise Refusal(str(wrong)) from None
    made = plan(graph, requests, now=now, downstream=downstream)
    targets = [(asset, key) for asset, keys in requests.items() for key in keys]
    targets += [(check, step.partition) for step in checking for check in step.checks]
    return together(made, checking), lane_of(targets)


def roots_of(assets: Sequence[str], checks: Sequence[str], graph: AssetGraph) -> tuple[str, ...]:
    """What a run is about: the assets that it is asked to make, and those that it checks."""
    return tuple(dict.fromkeys([*assets, *checked_assets(graph, checks)]))


def _named(assets: Sequence[str]) -> str:
    return ", ".join(assets[:3]) + (f" and {len(assets) - 3} more" if len(assets) > 3 else "")


def requests_for(
    assets: Sequence[str], partition: str | None, graph: AssetGraph, now: datetime
) -> Mapping[str, tuple[str | None]]:
    """Each asset with the partition to be made of it; none of an unpartitioned one.

    Raises:
        Refusal: an asset or the partition does not exist, or the partition is missing or in vain.
    """
    if not assets:
        raise Refusal("no asset was asked for; name at least one")
    requests = {key: (_asked_partition(key, partition, graph, now),) for key in assets}
    if partition is not None and all(key is None for (key,) in requests.values()):
        raise Refusal(f"partition {partition!r} was asked for, but {_named(assets)} has no partitions")
    return requests


def _asked_partition(key: str, partition: str | None, graph: AssetGraph, now: datetime) -> str | None:
    node = graph.assets.get(key)
    if node is None:
        raise Refusal(f"there is no asset {key!r}{_similar(key, graph.assets)}")
    if node.step is None:
        raise Refusal(f"{key} is external: nothing here makes it, it can only be reported")
    if node.partitions is None:
        return None
    if partition is None:
        last = node.partitions.get_last_partition_key(now)
        raise Refusal(f"{key} is partitioned; say which partition" + (f", e.g. {last!r}" if last is not None else ""))
    if not node.partitions.has_partition_key(partition, now):
        first, last = node.partitions.get_first_partition_key(now), node.partitions.get_last_partition_key(now)
        raise Refusal(f"{key} has no partition {partition!r}; its partitions are {first} to {last}")
    return partition


def _similar(key: str, known: Collection[str]) -> str:
    close = [other for other in known if other.rsplit("/", 1)[-1] == key.rsplit("/", 1)[-1]]
    return f"; did you mean {', '.join(sorted(close)[:3])}?" if close else ""


def _retry(submitted: RunSubmitted, graph: AssetGraph, known: Known) -> RunRequested:
    run = known.run
    if run is None:
        raise Refusal(f"there is no run {submitted.retry_of} to retry")
    if run.status not in ENDED:
        raise Refusal(f"run {run.run_id} has not ended yet; cancel it first, or wait")
    passed = {step.step_id for step in known.steps if step.status == "SUCCESS"}
    rest = _remaining(run.plan, passed)
    if not rest:
        raise Refusal(f"every step of run {run.run_id} succeeded; there is nothing to retry")
    gone = [step.step for step in rest if step.step not in graph.steps]
    if gone:
        raise Refusal(f"run {run.run_id} cannot be retried: {', '.join(sorted(set(gone)))} is no longer defined")
    return RunRequested(
        run_id=submitted.run_id,
        lane=run.lane,
        plan=rest,
        reason=f"{submitted.submitted_by or 'somebody'} asked to retry run {run.run_id} from where it failed",
        cause="retry",
        job=run.job,
        roots=run.roots,
        partition=run.partition,
        event_ids=run.event_ids,
        config=run.config,
        tags={**run.tags, **submitted.tags},
        retry_of=run.run_id,
    )


def _remaining(steps: Sequence[PlannedStep], passed: Collection[str]) -> tuple[PlannedStep, ...]:
    """The steps that did not succeed, waiting for each other only."""
    return tuple(
        replace(step, waits_for=tuple(wait for wait in step.waits_for if wait not in passed))
        for step in steps
        if step.id not in passed
    )
