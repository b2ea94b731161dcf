"""Running one attempt of a step: build the arguments, call the user's function, take what it gives."""

from __future__ import annotations

import contextlib
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ParamSpec, Protocol, TypeVar, assert_never

from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.failures import Failure, RetryRequested
from upwell.definitions.resources import ConfigurableResource
from upwell.runtime.code import Code
from upwell.runtime.contexts import AssetCheckExecutionContext, AssetExecutionContext, StepContext
from upwell.runtime.inputs import arguments, op_config
from upwell.runtime.messages import RetryWish, StepReport, StepTask
from upwell.runtime.outputs import Outputs
from upwell.runtime.tracebacks import error_info

T = TypeVar("T")
P = ParamSpec("P")


class Blocking(Protocol):
    """Calls a function that may block, in a thread or (where nobody else waits) right here."""

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]: ...


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
        results=attempt.outputs.results if attempt is not None else (),
        error=error_info(error) if error is not None else None,
        retry=_retry_wish(error),
        duration=time.perf_counter() - started_at,
    )


class _Attempt:
    def __init__(self, task: StepTask, code: Code, log: logging.Logger) -> None:
        self._task = task
        self._code = code
        self._compute = code.computation(task.step)
        self._context = _context(task, self._compute, code, log)
        self.outputs = Outputs(task, self._compute, code, self._context)

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
        with self._resources():
            value = self._compute.function(**self._arguments())
            if inspect.isgenerator(value):
                for part in value:
                    self.outputs.take(part)
                self.outputs.finish()
            else:
                self.outputs.take_returned(value)

    async def _run_coroutine(self, blocking: Blocking) -> None:
        with self._resources():
            given = await blocking(self._arguments) if self._compute.inputs else self._arguments()
            value = await self._compute.function(**given)
            if any(output.has_value for output in self._compute.outputs):
                await blocking(self.outputs.take_returned, value)
            else:
                self.outputs.take_returned(value)

    async def _run_async_generator(self, blocking: Blocking) -> None:
        with self._resources():
            given = await blocking(self._arguments) if self._compute.inputs else self._arguments()
            async with contextlib.aclosing(self._compute.function(**given)) as parts:
                async for part in parts:
                    await blocking(self.outputs.take, part)
            self.outputs.finish()

    def _arguments(self) -> dict[str, Any]:
        return arguments(self._task, self._compute, self._code, self._context)

    @contextlib.contextmanager
    def _resources(self) -> Iterator[None]:
        """Set up the resources that the step uses, and tear them down whatever happens."""
        with contextlib.ExitStack() as stack:
            for key in sorted(self._compute.required_resource_keys):
                resource = self._code.resource(key, f"step {self._compute.name!r}")
                if isinstance(resource, ConfigurableResource):
                    resource.setup_for_execution(self._context)
                    stack.callback(resource.teardown_after_execution, self._context)
            yield


def _context(task: StepTask, compute: ComputeDefinition, code: Code, log: logging.Logger) -> StepContext:
    kind = AssetExecutionContext if compute.outputs else AssetCheckExecutionContext
    wanted_by = f"step {compute.name!r}"
    return kind(
        task=task,
        compute=compute,
        log=log,
        resources={key: code.resource(key, wanted_by) for key in compute.required_resource_keys},
        op_config=op_config(task, compute),
    )


def _retry_wish(error: BaseException | None) -> RetryWish | None:
    match error:
        case RetryRequested():
            return RetryWish(max_retries=error.max_retries, seconds_to_wait=error.seconds_to_wait)
        case Failure(allow_retries=False):
            return RetryWish(max_retries=0)
        case _:
            return None
