"""A job of ops as one step of a run: what its ops did is in the step's log, the assets they told of in its report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from upwell.clock import SystemClock
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.events import AssetMaterialized, AssetObserved, Event, StepFailed, StepSkipped, StepStarted, StepSucceeded
from upwell.runtime.blocking import Blocking
from upwell.runtime.messages import StepReport, StepResult, StepTask
from upwell.runtime.ops.running import OpsRun
from upwell.runtime.ops.starting import job_config, opened_resources, surroundings_of
from upwell.runtime.tracebacks import error_info


async def run_job(
    task: StepTask,
    job: OpJobDeclaration,
    *,
    blocking: Blocking,
    log: logging.Logger,
    on_error: Callable[[BaseException], None] | None = None,
) -> StepReport:
    """Run the job to its end. Whatever goes wrong is in the report; `on_error` is given the exception itself."""
    began = time.perf_counter()
    results: list[StepResult] = []

    def tell(event: Event) -> None:
        if isinstance(event, AssetMaterialized | AssetObserved):
            results.append(replace(event, step_id=task.step_id))
        else:
            _log(event, log)

    try:
        error = await _first_error(task, job, tell, blocking, log)
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever user code raises ends its step and nothing else
        error = raised
    if error is not None and on_error is not None:
        on_error(error)
    return StepReport(
        results=tuple(results),
        error=None if error is None else error_info(error),
        duration=time.perf_counter() - began,
    )


async def _first_error(
    task: StepTask, job: OpJobDeclaration, tell: Callable[[Event], None], blocking: Blocking, log: logging.Logger
) -> BaseException | None:
    config = job_config(job, task.config, task.partition, task.now)
    with opened_resources(job, config, task.run_id) as opened:
        around = surroundings_of(
            job,
            config,
            opened,
            run_id=task.run_id,
            partition=task.partition,
            clock=SystemClock(),
            blocking=blocking,
            log=log,
            tags=task.tags,
        )
        run = OpsRun(surroundings=around, tell=tell)
        await run.run(job.graph, job.input_values)
    return run.errors[0] if run.errors else None


def _log(event: Event, log: logging.Logger) -> None:
    match event:
        case StepStarted(step_id=op, attempt=attempt):
            log.info("op %s begins%s", op, f", attempt {attempt}" if attempt > 1 else "")
        case StepSucceeded(step_id=op, duration=duration):
            log.info("op %s succeeded in %.3f s", op, duration)
        case StepSkipped(step_id=op, reason=reason):
            log.info("op %s is skipped: %s", op, reason)
        case StepFailed(step_id=op, error=error, retry_at=retry_at):
            again = "" if retry_at is None else f"; it is tried again at {retry_at:%H:%M:%S}"
            log.error("op %s failed: %s: %s%s\n%s", op, error.type, error.message, again, error.traceback or "")
        case _:
            pass
