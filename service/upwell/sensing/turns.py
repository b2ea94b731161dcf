"""A bound on how much is under way at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.abc


class Turns:
    """Starts what it is given in the order in which it came, at most `most` at a time; nothing before `begin`."""

    def __init__(self, most: int) -> None:
        self._tasks: anyio.abc.TaskGroup | None = None
        self._most = most
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self._under_way = 0
        self._stopped = False
        self._idle = anyio.Event()

    def start(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Have the function called when it is its turn."""
        if self._stopped:
            return
        self._waiting.append(partial(function, *args))
        self._start_next()

    def begin(self, tasks: anyio.abc.TaskGroup) -> None:
        """From here on, start things in this group."""
        self._tasks = tasks
        self._start_next()

    async def stop(self) -> None:
        """Start nothing any more; return when nothing is under way."""
        self._stopped = True
        self._waiting.clear()
        if self._under_way:
            await self._idle.wait()

    def _start_next(self) -> None:
        while self._tasks is not None and self._waiting and self._under_way < self._most:
            self._under_way += 1
            self._tasks.start_soon(self._take, self._waiting.popleft())

    async def _take(self, function: Callable[[], Awaitable[None]]) -> None:
        await function()
        self._under_way -= 1
        self._start_next()
        if not self._under_way:
            self._idle.set()
