"""Runs steps in warm worker processes, a pool for each code location."""

from __future__ import annotations

import anyio

from upwell.events import ErrorInfo
from upwell.execution.executors.pool import WorkerPool
from upwell.execution.executors.worker_process import WorkerEnded, WorkerProcess
from upwell.runtime.messages import StepReport, StepTask


class WorkerExecutor:
    """Gives each step to an idle worker of its code location; `Locations` brings and replaces the pools."""

    def __init__(self) -> None:
        self._pools: dict[str, WorkerPool] = {}
        self._changed = anyio.Event()

    def install(self, location: str, pool: WorkerPool) -> None:
        """Let `pool` take over; the one before finishes the steps that it has."""
        before = self._pools.get(location)
        self._pools[location] = pool
        if before is not None:
            before.retire()
        self._tell_changed()

    def remove(self, location: str) -> None:
        """Run nothing of this location any more."""
        if (pool := self._pools.pop(location, None)) is not None:
            pool.retire()
            self._tell_changed()

    async def run(self, task: StepTask) -> StepReport:
        while (pool := self._pools.get(task.location)) is not None:
            worker = await pool.acquire()
            if worker is None:  # the pool has ended: wait for the next generation, unless it is there already
                while self._pools.get(task.location) is pool:
                    await self._changed.wait()
                continue
            try:
                return await _run_on(worker, task)
            finally:
                pool.release(worker)
        return _failed(
            "LocationNotLoaded", f"no code of location {task.location!r} is loaded; its newest error says why"
        )

    def _tell_changed(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


async def _run_on(worker: WorkerProcess, task: StepTask) -> StepReport:
    started_at = anyio.current_time()
    worker.output.begin(task.log)
    try:
        report = await _ask(worker, task)
        if not _is_about(task, report):
            await worker.kill()
            return _failed("WorkerEnded", "the worker answered for a step that was not its own, and was killed for it")
        return report
    except TimeoutError:
        await worker.kill()
        message = f"step {task.step_id!r} took longer than its timeout of {task.timeout:g} s; its worker was killed"
        return _failed("Timeout", message, since=started_at)
    except WorkerEnded as end:
        message = f"the worker (pid {worker.pid}) that ran step {task.step_id!r} {end}"
        return _failed("WorkerEnded", message, since=started_at)
    except BaseException:  # cancelled: the work must not go on
        await worker.kill()
        raise
    finally:
        with anyio.CancelScope(shield=True):  # short: what has been written is there to be read already
            await worker.output.end()


async def _ask(worker: WorkerProcess, task: StepTask) -> StepReport:
    if task.timeout is None:
        return await worker.ask(task, StepReport)
    with anyio.fail_after(task.timeout):
        return await worker.ask(task, StepReport)


def _is_about(task: StepTask, report: StepReport) -> bool:
    """Whether the report speaks of the step that was asked for and of nothing else."""
    asked = (task.run_id, task.step_id)
    return all((result.run_id, result.step_id) == asked for result in report.results)


def _failed(kind: str, message: str, *, since: float | None = None) -> StepReport:
    duration = anyio.current_time() - since if since is not None else 0.0
    return StepReport(error=ErrorInfo(type=kind, message=message), duration=duration)
