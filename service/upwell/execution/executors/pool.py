"""The workers of one generation of a code location: loaded, replaced when they end, given out one step at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.abc

from upwell.clock import Clock
from upwell.events import ErrorInfo
from upwell.execution.executors.loading import load_code
from upwell.execution.executors.nursery_process import NurseryGone, NurseryProcess
from upwell.execution.executors.worker_process import WorkerProcess, open_worker
from upwell.runtime.messages import LoadLocation, LocationReport

_LONGEST_PAUSE = 30.0  # seconds between attempts to replace a worker whose code does not load


class WorkerPool:
    """Keeps `size` workers ready that have loaded the same code.

    `retire` lets those at work finish and ends the others; `run` returns when the last one is gone.
    """

    def __init__(
        self,
        *,
        nursery: NurseryProcess,
        load: LoadLocation,
        logs: Path,
        size: int,
        load_timeout: float,
        clock: Clock,
        on_failed_replacement: Callable[[ErrorInfo], None],
    ) -> None:
        self._nursery = nursery
        self._load = load
        self._logs = logs
        self._size = size
        self._load_timeout = load_timeout
        self._clock = clock
        self._on_failed_replacement = on_failed_replacement
        self._give, self._take = anyio.create_memory_object_stream[WorkerProcess](math.inf)
        self._workers: set[WorkerProcess] = set()
        self._busy: set[WorkerProcess] = set()
        self._retired = anyio.Event()
        self._first_loaded = anyio.Event()
        self._first: LocationReport | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of its workers."""
        return tuple(worker.pid for worker in self._workers)

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep every seat taken until the pool is retired and its last step is over."""
        async with anyio.create_task_group() as seats:
            for _ in range(self._size):
                seats.start_soon(self._keep_a_seat_taken)
            task_status.started()

    async def first_report(self) -> LocationReport:
        """What came of the first worker's loading; when it failed, the pool has nobody to give."""
        await self._first_loaded.wait()
        assert self._first is not None
        return self._first

    @property
    def load(self) -> LoadLocation:
        """How to load the very code that its workers have."""
        return self._load

    @property
    def retired(self) -> bool:
        """Whether it gives out nobody any more."""
        return self._retired.is_set()

    def retire(self) -> None:
        """Give nobody out any more."""
        self._retired.set()
        self._give.close()
        for worker in self._workers - self._busy:
            worker.dismiss()

    async def acquire(self) -> WorkerProcess | None:
        """A worker that has nothing to do, as soon as there is one; none when the pool is retired."""
        while True:
            try:
                worker = await self._take.receive()
            except anyio.EndOfStream:
                return None
            if not worker.has_ended and not self._retired.is_set():
                self._busy.add(worker)
                return worker

    def release(self, worker: WorkerProcess) -> None:
        """Take back what `acquire` gave."""
        self._busy.discard(worker)
        if self._retired.is_set():
            worker.dismiss()
        elif not worker.has_ended:
            self._give.send_nowait(worker)

    async def _keep_a_seat_taken(self) -> None:
        failures = 0
        while not self._retired.is_set():
            try:
                async with open_worker(self._nursery, self._logs) as worker:
                    loaded = await self._seat(worker)
            except NurseryGone:
                self._report(LocationReport(error=_error("NurseryGone", "the process that starts workers has ended")))
                return
            except OSError as error:
                loaded = False
                self._report(LocationReport(error=_error("WorkerNotStarted", str(error))))
            failures = 0 if loaded else failures + 1
            if failures:
                await self._pause(min(2.0 ** (failures - 1), _LONGEST_PAUSE))

    async def _seat(self, worker: WorkerProcess) -> bool:
        """Load the code and serve until the worker ends; false when the code did not load."""
        self._workers.add(worker)
        try:
            report = await load_code(worker, self._load, self._load_timeout)
            if self._is_of_another_version(report):
                return True  # the files were changed just now; the next attempt has the sources of the first worker
            self._report(report)
            if report.error is None:
                self.release(worker)
                await worker.wait()
            return report.error is None
        finally:
            self._workers.discard(worker)

    def _is_of_another_version(self, report: LocationReport) -> bool:
        if self._first is None or self._first.snapshot is None or report.snapshot is None:
            return False
        return report.snapshot.code_hash != self._first.snapshot.code_hash

    def _report(self, report: LocationReport) -> None:
        if self._first is None:
            self._first = report
            # From here on, whatever happens to the files, each worker of this pool loads the same code.
            self._load = replace(self._load, sources=report.sources)
            self._first_loaded.set()
        elif report.error is not None and self._first.error is None and not self._retired.is_set():
            self._on_failed_replacement(report.error)

    async def _pause(self, seconds: float) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_when_retired, tasks.cancel_scope)
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds))
            tasks.cancel_scope.cancel()

    async def _cancel_when_retired(self, scope: anyio.CancelScope) -> None:
        await self._retired.wait()
        scope.cancel()


def _error(kind: str, message: str) -> ErrorInfo:
    return ErrorInfo(type=kind, message=message)
