"""Running one attempt of a step: build the arguments, call the user's function, take what it gives."""

from __future__ import annotations

import contextlib
import inspect
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from upwell.definitions.compute import ComputeDefinition
from upwell.runtime.blocking import Blocking
from upwell.runtime.code import Code
from upwell.runtime.contexts import AssetCheckExecutionContext, AssetExecutionContext, StepContext
from upwell.runtime.inputs import arguments, op_config, partitions_read, shown_config
from upwell.runtime.messages import StepReport, StepResult, StepTask
from upwell.runtime.ops.step import run_job
from upwell.runtime.outputs import Outputs
from upwell.runtime.resources import OpenResources
from upwell.runtime.retrying import retry_wish
from upwell.runtime.tracebacks import error_info


async def run_step(
    task: StepTask,
    code: Code,
    *,
    blocking: Blocking,
    log: logging.Logger,
    on_error: Callable[[BaseException], None] | None = None,
) -> StepReport:
    """Run the step to its end. Whatever goes wrong is in the report, beside what had happened before.

    `on_error` is given the exception itself, for callers in the same process.
    """
    if (job := code.op_job(task.step)) is not None:
        return await run_job(task, job, blocking=blocking, log=log, on_error=on_error)
    started_at = time.perf_counter()
    attempt: _Attempt | None = None
    error: BaseException | None = None
    try:
        attempt = _Attempt(task, code, log)
        await attempt.run(blocking)
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever user code raises ends its step and nothing else
        error = raised
        if on_error is not None:
            on_error(raised)
    return StepReport(
        results=attempt.results if attempt is not None else (),
        error=error_info(error) if error is not None else None,
        retry=retry_wish(error),
        duration=time.perf_counter() - started_at,
    )


class _Attempt:
    def __init__(self, task: StepTask, code: Code, log: logging.Logger) -> None:
        self._task = task
        self._code = code
        self._log = log
        self._compute = code.computation(task.step)
        self._outputs: Outputs | None = None

    @property
    def results(self) -> tuple[StepResult, ...]:
        """What happened so far."""
        return self._outputs.results if self._outputs is not None else ()

    async def run(self, blocking: Blocking) -> None:
        compute = self._compute
        match compute.style:
            case "function" | "generator":
                await blocking(self._run_sync)
            case "coroutine":
                await self._run_coroutine(blocking)
            case "async_generator":
                await self._run_async_generator(blocking)
            case _:
                assert_never(compute.style)

    def _run_sync(self) -> None:
        with self._prepared() as prepared:
            value = self._compute.function(**prepared.arguments())
            if inspect.isgenerator(value):
                for part in value:
                    prepared.outputs.take(part)
                prepared.outputs.finish()
            else:
                prepared.outputs.take_returned(value)

    async def _run_coroutine(self, blocking: Blocking) -> None:
        with self._prepared() as prepared:
            given = await self._given(prepared, blocking)
            value = await self._compute.function(**given)
            if any(output.has_value for output in self._compute.outputs):
                await blocking(prepared.outputs.take_returned, value)
            else:
                prepared.outputs.take_returned(value)

    async def _run_async_generator(self, blocking: Blocking) -> None:
        with self._prepared() as prepared:
            given = await self._given(prepared, blocking)
            async with contextlib.aclosing(self._compute.function(**given)) as parts:
                async for part in parts:
                    await blocking(prepared.outputs.take, part)
            prepared.outputs.finish()

    async def _given(self, prepared: _Prepared, blocking: Blocking) -> dict[str, Any]:
        return await blocking(prepared.arguments) if self._compute.inputs else prepared.arguments()

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[_Prepared]:
        """Resources are opened here, and put away whatever happens."""
        task, compute, code = self._task, self._compute, self._code
        config = op_config(task, compute)
        with code.opened(task.config, task.run_id, self._log) as opened:
            context = _context(task, compute, code, self._log, config, opened)
            self._outputs = Outputs(task, compute, code, context, opened)
            yield _Prepared(
                outputs=self._outputs,
                arguments=lambda: arguments(task, compute, code, context, config, opened),
            )


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """All that an attempt needs, while its resources are open."""

    outputs: Outputs
    arguments: Callable[[], dict[str, Any]]


def _context(
    task: StepTask, compute: ComputeDefinition, code: Code, log: logging.Logger, config: Any, opened: OpenResources
) -> StepContext:
    kind = AssetExecutionContext if compute.outputs else AssetCheckExecutionContext
    wanted_by = f"step {compute.name!r}"
    return kind(
        task=task,
        compute=compute,
        log=log,
        resources=vars(opened.namespace(compute.required_resource_keys, wanted_by)),
        op_config=shown_config(config),
        partitions_read=lambda name: partitions_read(task, compute, code, name),
    )
