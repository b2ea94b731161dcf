"""For sources that do several things at once: tasks beside a generator, and waiting for the first of several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio

T = TypeVar("T")


class Background:
    """Tasks that run beside an asynchronous generator, for as long as the `async with` around its `yield`s lasts.

    An anyio task group there would answer the closing of the generator with an exception group, because it sees
    `GeneratorExit` as a failure; this one does not. As with any cancel scope, the generator must be
    advanced and closed by one task.
    """

    def __init__(self) -> None:
        self._tasks = anyio.create_task_group()

    def start_soon(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a task; its exception ends the generator."""
        self._tasks.start_soon(function)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        if kind is GeneratorExit:
            await self._tasks.__aexit__(None, None, None)
            return None
        return await self._tasks.__aexit__(kind, error, traceback)


async def first_of(*waits: Callable[[], Awaitable[T]]) -> T:
    """Return what the first of `waits` to end returns; the others are cancelled."""
    answers: list[T] = []
    async with anyio.create_task_group() as tasks:

        async def run(wait: Callable[[], Awaitable[T]]) -> None:
            answers.append(await wait())
            tasks.cancel_scope.cancel()

        for wait in waits:
            tasks.start_soon(run, wait)
    return answers[0]
