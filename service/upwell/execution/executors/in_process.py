"""Runs steps in this very process: for tests and one-shot runs, without worker processes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import anyio

from upwell.definitions.declarations import Declarations
from upwell.definitions.resources import IOManager
from upwell.events import ErrorInfo, Json
from upwell.runtime.code import Code
from upwell.runtime.messages import StepReport, StepTask
from upwell.runtime.steps import run_step

T = TypeVar("T")


class InProcessExecutor:
    """Calls user functions directly; asynchronous ones are awaited.

    A timeout, and a cancellation, end an asynchronous function at its next await; a synchronous one runs to its end,
    for nobody can stop it from within its own process.
    """

    def __init__(
        self,
        definitions: Declarations,
        *,
        io_manager: IOManager,
        log: logging.Logger | None = None,
        on_error: Callable[[BaseException], None] | None = None,
        watch: Callable[[IOManager], IOManager] | None = None,
    ) -> None:
        self._on_error = on_error
        self._code = Code(definitions=definitions, default_io_manager=io_manager, watch=watch)
        self._log = log or logging.getLogger("upwell.step")

    @contextlib.contextmanager
    def resources_of_run(self, keys: Iterable[str], run_config: Json, run_id: str) -> Iterator[None]:
        """Open these resources once for all steps that follow, and put away what they opened at the end."""
        with self._code.opened(run_config, run_id, self._log) as opened:
            for key in sorted(keys):
                opened.get(key, "the run")
            own, self._code = self._code, replace(self._code, resources_of_run=opened)
            try:
                yield
            finally:
                self._code = own

    async def run(self, task: StepTask) -> StepReport:
        started_at = anyio.current_time()
        with anyio.move_on_after(task.timeout):
            return await run_step(task, self._code, blocking=right_here, log=self._log, on_error=self._on_error)
        message = f"step {task.step_id!r} took longer than its timeout of {task.timeout:g} s"
        error = ErrorInfo(type="Timeout", message=message)
        return StepReport(error=error, duration=anyio.current_time() - started_at)


async def right_here(function: Callable[..., T], /, *args: Any) -> T:
    """Call a function that may block, where nobody else waits. (`Any`: arguments of any type.)"""
    return function(*args)
