"""Runs: ask for one, look at them, cancel, retry. Every change is an event, which reactor and supervisor answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from upwell.definitions.graph import AssetGraph
from upwell.definitions.selection import select
from upwell.errors import PartitionError
from upwell.events import EventDecided, RunCancelRequested, RunId, RunSubmitted, new_run_id
from upwell.journal.views import ENDED, RunStatus, RunView
from upwell.planning.check_plan import check_plan
from upwell.planning.job_plan import op_job_plan
from upwell.web import models
from upwell.web.parts import Parts, WebParts
from upwell.web.presenting import present_run, present_run_detail
from upwell.web.problems import ProblemError, not_found

router = APIRouter(prefix="/runs", tags=["runs"])


@router.post("", status_code=202)
async def submit_run(submission: models.RunSubmission, parts: Parts) -> models.RunAccepted:
    """Ask for a run of the selected assets, of a job, or of checks without their assets."""
    assets: Sequence[str] = ()
    checks: Sequence[str] = submission.checks or ()
    if checks:
        check_plan(parts.project.graph, checks, submission.partition, parts.clock.now())
    elif submission.select is None:
        assets, checks = _of_job(parts, submission)
    else:
        assets = runnable(parts, submission.select)
        check_partition(parts, assets, submission.partition)
    event = RunSubmitted(
        run_id=new_run_id(),
        job=submission.job,
        assets=tuple(assets),
        checks=tuple(checks),
        partition=submission.partition,
        downstream=submission.downstream,
        config=submission.config,
        tags=submission.tags,
        submitted_by="api",
    )
    await parts.journal.append(event)
    return models.RunAccepted(run_id=event.run_id)


def _of_job(parts: WebParts, submission: models.RunSubmission) -> tuple[Sequence[str], Sequence[str]]:
    """The assets of the job that is asked for, and the checks that it runs without theirs; none of a job of ops.

    Raises:
        ProblemError: 404.
        SelectionError: a check that cannot run without its asset.
        PartitionError: the partition does not suit the job.
    """
    job = parts.project.graph.jobs.get(submission.job or "")
    if job is None:
        raise not_found("job", submission.job or "")
    if job.step is not None:
        op_job_plan(job, submission.partition, parts.clock.now())
        return (), ()
    if job.assets or not job.checks:
        check_partition(parts, job.assets, submission.partition)
    if job.checks:
        check_plan(parts.project.graph, job.checks, submission.partition, parts.clock.now())
    return job.assets, job.checks


@router.get("")
async def list_runs(
    parts: Parts,
    status: Annotated[list[RunStatus] | None, Query()] = None,
    asset: str | None = None,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> models.RunPage:
    """Runs, newest first."""
    runs = await parts.queries.runs(limit=limit, before=before, statuses=status, asset=asset)
    following = runs[-1].requested_id if len(runs) == limit else None
    return models.RunPage(runs=tuple(map(present_run, runs)), next=following)


@router.get("/{run_id}")
async def get_run(run_id: str, parts: Parts) -> models.RunDetail:
    """A run with its steps."""
    run = await find_run(parts, run_id)
    return present_run_detail(run, await parts.queries.steps(run_id))


@router.post("/{run_id}/cancel", status_code=202)
async def cancel_run(run_id: str, parts: Parts) -> models.RunAccepted:
    """Ask for the end of a run."""
    run = await find_run(parts, run_id)
    if run.status in ENDED:
        raise ProblemError(409, f"Run {run_id} has ended already ({run.status}).", kind="run-ended")
    await parts.journal.append(RunCancelRequested(run_id=run.run_id, requested_by="api"))
    return models.RunAccepted(run_id=run_id)


@router.post("/{run_id}/retry", status_code=202)
async def retry_run(run_id: str, parts: Parts) -> models.RunAccepted:
    """Ask for a new run of the steps that did not succeed."""
    run = await find_run(parts, run_id)
    if run.status not in ENDED:
        raise ProblemError(409, f"Run {run_id} has not ended ({run.status}). Cancel it first.", kind="run-open")
    if run.status == "SUCCESS":
        raise ProblemError(409, f"Run {run_id} succeeded; nothing of it can be retried.", kind="run-ended")
    event = RunSubmitted(
        run_id=new_run_id(),
        assets=run.roots,
        partition=run.partition,
        config=run.config,
        tags=run.tags,
        retry_of=run.run_id,
        submitted_by="api",
    )
    await parts.journal.append(event)
    return models.RunAccepted(run_id=event.run_id)


def runnable(parts: WebParts, selection: str) -> list[str]:
    """The selected assets that something here computes, upstream first.

    Raises:
        SelectionError: it cannot be read, or names what does not exist.
        ProblemError: 422, nothing is left.
    """
    graph = parts.project.graph
    assets = [key for key in graph.in_order(select(graph, selection)) if graph.assets[key].step is not None]
    if not assets:
        raise ProblemError(422, f"{selection!r} selects nothing that can be materialised.", kind="invalid-selection")
    return assets


def check_partition(parts: WebParts, assets: Collection[str], partition: str | None) -> None:
    """Raise unless the partition suits every asset that has partitions, and at least one has when a key is given.

    Raises:
        PartitionError: names the asset and the mend.
    """
    graph: AssetGraph = parts.project.graph
    now = parts.clock.now()
    partitioned = {key: node.partitions for key in assets if (node := graph.assets[key]).partitions is not None}
    if partition is None and partitioned:
        raise PartitionError(f"{next(iter(partitioned))} is partitioned. Say which partition")
    if partition is not None and not partitioned:
        raise PartitionError(f"nothing that is selected is partitioned. Leave out the partition {partition!r}")
    for key, definition in partitioned.items():
        if partition is not None and not definition.has_partition_key(partition, now):
            raise PartitionError(f"{key} has no partition {partition!r}")


async def find_run(parts: WebParts, run_id: str) -> RunView:
    """The run; also one that was submitted a moment ago and is not planned yet, or that was rejected.

    Raises:
        ProblemError: 404.
    """
    run = await parts.queries.run(run_id)
    if run is not None:
        return run
    kinds = (RunSubmitted.kind, EventDecided.kind)
    records = await parts.queries.events(run=run_id, kinds=kinds, newest_first=False, limit=2)
    if not records or not isinstance(submitted := records[0].event, RunSubmitted):
        raise not_found("run", run_id)
    rejected = next((one.event for one in records[1:] if isinstance(one.event, EventDecided)), None)
    return RunView(
        run_id=RunId(run_id),
        status="FAILURE" if rejected and rejected.outcome == "rejected" else "QUEUED",
        lane="",
        reason="submitted by " + (submitted.submitted_by or "somebody"),
        cause="retry" if submitted.retry_of else "manual",
        job=submitted.job,
        plan=(),
        requested_at=records[0].at,
        requested_id=records[0].id,
        roots=submitted.assets,
        partition=submitted.partition,
        config=submitted.config,
        tags=submitted.tags,
        retry_of=submitted.retry_of,
        error=rejected.reason if rejected and rejected.outcome == "rejected" else None,
    )
