"""The thread in which synchronous user code runs, one call after the other."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

# `Any`: calls of all types pass through one queue.
_Call = tuple["asyncio.Future[Any]", contextvars.Context, Callable[..., Any], tuple[Any, ...]]


class StepThread:
    """Calls functions in a thread of its own, always the same one: what a library keeps per thread stays usable.

    A pool of threads would serve as well and costs twice as much time for each call.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        threading.Thread(target=self._run, name="step", daemon=True).start()

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]:
        """Have `function` called there; await the result."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((result, contextvars.copy_context(), function, args))
        return result

    def _run(self) -> None:
        while True:
            future, context, function, args = self._calls.get()
            try:
                value = context.run(function, *args)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is for the one who called
                future.get_loop().call_soon_threadsafe(_fail, future, error)
            else:
                future.get_loop().call_soon_threadsafe(_succeed, future, value)


def _succeed(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if isinstance(error, StopIteration):  # a future cannot hold one
        error = RuntimeError("the function raised StopIteration")
    if not future.done():
        future.set_exception(error)
