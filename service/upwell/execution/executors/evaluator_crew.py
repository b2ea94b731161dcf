"""The evaluator of one generation of a code location: a worker that evaluates its sensors and filters, many at a time.

What many share, one can break for all. So an evaluation whose worker ended, or stopped answering, while others were
under way there has not failed yet: all of them are repeated, each alone in a worker of its own, and what breaks that
one is guilty. From then on it is evaluated alone, until it has ended well once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.abc

from upwell.clock import Clock
from upwell.events import ErrorInfo
from upwell.execution.executors.loading import load_code
from upwell.execution.executors.nursery_process import NurseryGone, NurseryProcess
from upwell.execution.executors.worker_process import WorkerEnded, WorkerProcess, open_worker
from upwell.runtime.messages import (
    MOST_EVALUATIONS,
    Abandoned,
    Evaluation,
    EvaluationReport,
    FilterReport,
    LoadLocation,
    SensorReport,
    SensorTask,
)

_MARGIN = 2.0  # seconds beyond its timeout in which an evaluation must have answered that it passed it
_GRACE = 60.0  # seconds that the evaluations under way in a worker have when it is replaced
_SUSPECTS, _GUILTY = 8, 4  # workers with one evaluation each; nobody waits for the guilty, who take longer
_LONGEST_PAUSE = 30.0  # seconds between attempts to replace a worker whose code does not load


class EvaluatorCrew:
    """Keeps one shared worker ready, brings in a fresh one when it ends or has to be replaced.

    `retire` lets what is under way come to its end; `run` returns when the last worker is gone.
    """

    def __init__(
        self,
        *,
        nursery: NurseryProcess,
        load: LoadLocation,
        logs: Path,
        load_timeout: float,
        clock: Clock,
        on_failed_replacement: Callable[[ErrorInfo], None],
    ) -> None:
        self._nursery = nursery
        self._load = load
        self._logs = logs
        self._log = f"sensors/{quote(load.spec.name, safe='')}.log"
        self._load_timeout = load_timeout
        self._clock = clock
        self._on_failed_replacement = on_failed_replacement
        self._shift = _Shift()
        self._retired = anyio.Event()
        self._changed = anyio.Event()
        self._turns = anyio.Semaphore(MOST_EVALUATIONS)
        self._guilty: set[str] = set()
        self._turns_of_guilty = anyio.Semaphore(_GUILTY)
        self._turns_of_suspects = anyio.Semaphore(_SUSPECTS)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that the next evaluation would take place in."""
        return () if self._shift.worker is None else (self._shift.worker.pid,)

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep a worker ready until the crew is retired and the last evaluation is over."""
        failures = 0
        async with anyio.create_task_group() as shifts:
            task_status.started()
            while not self._retired.is_set():
                shift = self._shift = _Shift()
                shifts.start_soon(self._serve, shift)
                await shift.leaving.wait()
                failures = 0 if shift.worker is not None else failures + 1
                if failures:
                    await self._pause(min(2.0 ** (failures - 1), _LONGEST_PAUSE))

    def retire(self) -> None:
        """Begin no evaluation any more."""
        self._retired.set()
        self._shift.leaving.set()
        self._tell_changed()

    async def evaluate(self, task: Evaluation) -> EvaluationReport | None:
        """What came of it; none when this generation is over, so that the next one is to be asked."""
        try:
            if _who(task) in self._guilty:
                return await self._alone(task, self._turns_of_guilty)
            async with self._turns:
                shift = await self._on_duty()
                if shift is None:
                    return None
                reply = await self._shared(task, shift)
            if reply is None:
                return await self._alone(task, self._turns_of_suspects)
        except NurseryGone:
            return None
        if isinstance(reply, Abandoned):
            shift.leaving.set()
            return self._timed_out(task, reply)
        return reply

    # The shared worker.

    async def _serve(self, shift: _Shift) -> None:
        """One shared worker, from its start until the last evaluation in it is over."""
        try:
            async with open_worker(self._nursery, self._logs, rolling=True) as worker:
                error = await self._make_ready(worker)
                if error is not None:
                    self._tell_failed(error)
                    return
                shift.worker = worker
                self._tell_changed()
                async with anyio.create_task_group() as watching:
                    watching.start_soon(_leave_with, worker, shift)
                    await shift.leaving.wait()
                    with anyio.move_on_after(_GRACE):
                        await shift.until_idle()
                    watching.cancel_scope.cancel()
        except NurseryGone:
            pass  # the next generation comes with the next nursery
        except OSError as error:
            self._tell_failed(ErrorInfo(type="WorkerNotStarted", message=str(error)))
        finally:
            shift.leaving.set()

    async def _on_duty(self) -> _Shift | None:
        while not self._retired.is_set():
            shift = self._shift
            if shift.worker is not None and not shift.leaving.is_set() and not shift.worker.has_ended:
                return shift
            await self._changed.wait()
        return None

    async def _shared(self, task: Evaluation, shift: _Shift) -> EvaluationReport | Abandoned | None:
        """What came of it beside others; none when the worker broke, which any of them may have done."""
        assert shift.worker is not None
        shift.begin()
        try:
            with anyio.fail_after(task.timeout + _MARGIN):
                return await shift.worker.evaluate(task)
        except TimeoutError:  # not even an answer that it passed its timeout: nothing runs there any more
            alone = shift.under_way == 1
            await shift.worker.kill()
            return Abandoned(id=task.id) if alone else None
        except WorkerEnded:
            return None
        finally:
            shift.end()

    # Workers with one evaluation each.

    async def _alone(self, task: Evaluation, turns: anyio.Semaphore) -> EvaluationReport | None:
        async with turns:
            while True:
                try:
                    async with open_worker(self._nursery, self._logs, rolling=True) as worker:
                        return await self._alone_in(worker, task)
                except NurseryGone:
                    return None
                except OSError as error:  # no memory for another process just now
                    self._tell_failed(ErrorInfo(type="WorkerNotStarted", message=str(error)))
                    await self._clock.sleep(_LONGEST_PAUSE)

    async def _alone_in(self, worker: WorkerProcess, task: Evaluation) -> EvaluationReport | None:
        error = await self._make_ready(worker)
        if error is not None:
            return None if self._nursery.ended.is_set() else _failed(task, error)
        try:
            with anyio.fail_after(task.timeout + _MARGIN):
                reply = await worker.evaluate(task)
        except TimeoutError:
            reply = Abandoned(id=task.id)
        except WorkerEnded as end:
            if self._nursery.ended.is_set():
                return None
            self._guilty.add(_who(task))
            message = f"the worker (pid {worker.pid}) that evaluated {_who(task)} {end}"
            return _failed(task, ErrorInfo(type="WorkerEnded", message=message))
        if isinstance(reply, Abandoned):
            return self._timed_out(task, reply)
        self._guilty.discard(_who(task))
        return reply

    def _timed_out(self, task: Evaluation, abandoned: Abandoned) -> EvaluationReport:
        self._guilty.add(_who(task))
        message = (
            f"{_who(task)} took longer than its timeout of {task.timeout:g} s and could not be stopped; "
            "its worker is replaced"
        )
        return _failed(task, ErrorInfo(type="Timeout", message=message, traceback=abandoned.traceback))

    # Both.

    async def _make_ready(self, worker: WorkerProcess) -> ErrorInfo | None:
        report = await load_code(worker, self._load, self._load_timeout)
        if report.error is None:
            worker.output.begin(self._log)
        return report.error

    def _tell_failed(self, error: ErrorInfo) -> None:
        if not self._retired.is_set() and not self._nursery.ended.is_set():
            self._on_failed_replacement(error)

    def _tell_changed(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _pause(self, seconds: float) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_when_retired, tasks.cancel_scope)
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds))
            tasks.cancel_scope.cancel()

    async def _cancel_when_retired(self, scope: anyio.CancelScope) -> None:
        await self._retired.wait()
        scope.cancel()


class _Shift:
    """A shared worker's time: it begins when its code is loaded, and `leaving` says that it takes nothing new."""

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.leaving = anyio.Event()
        self.under_way = 0
        self._ended = anyio.Event()

    def begin(self) -> None:
        self.under_way += 1

    def end(self) -> None:
        self.under_way -= 1
        ended, self._ended = self._ended, anyio.Event()
        ended.set()

    async def until_idle(self) -> None:
        while self.under_way:
            await self._ended.wait()


async def _leave_with(worker: WorkerProcess, shift: _Shift) -> None:
    await worker.wait()
    shift.leaving.set()


def _who(task: Evaluation) -> str:
    return f"sensor {task.sensor}" if isinstance(task, SensorTask) else f"filter {', '.join(task.filters)}"


def _failed(task: Evaluation, error: ErrorInfo) -> EvaluationReport:
    return (SensorReport if isinstance(task, SensorTask) else FilterReport)(id=task.id, error=error)
