"""The bridge from a broker's client, which calls back, to a source's generator, which asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

import anyio

M = TypeVar("M")


class Inflow(Generic[M]):
    """Messages that wait for the journal, in order, at most `limit` of them.

    When it is full, `hand` waits: the client then reads nothing more, or its broker has already stopped sending for
    want of acknowledgements. A message that is still here when the source ends was not acknowledged.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[tuple[M, Hashable]] = deque()
        self._under_way: list[tuple[M, Hashable]] = []
        self._keys: set[Hashable] = set()
        self._arrived = anyio.Event()
        self._freed = anyio.Event()
        self._closed = False
        self._failure: BaseException | None = None
        self.handed = 0
        """How many there were."""

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    async def hand(self, message: M, key: Hashable = None) -> None:
        """Take a message over, once there is room for it.

        One with the `key` of a message that is here, or under way to the journal, is that message once more.
        """
        while len(self._waiting) >= self._limit and key not in self._keys and not self._closed:
            await self._freed.wait()
        self.put(message, key)

    def put(self, message: M, key: Hashable = None) -> None:
        """Take a message over, whether there is room for it or not."""
        if self._closed or key in self._keys:
            return
        if key is not None:
            self._keys.add(key)
        self._waiting.append((message, key))
        self.handed += 1
        self._arrived.set()

    async def next(self, most: int) -> list[M]:
        """What has come, as soon as there is something, and not more than `most`.

        Raises:
            BaseException: what `fail` was told, before anything else.
        """
        while not self._waiting and self._failure is None:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        if self._failure is not None:
            raise self._failure
        self._under_way = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        freed, self._freed = self._freed, anyio.Event()
        freed.set()
        return [message for message, _ in self._under_way]

    def settled(self) -> None:
        """What `next` answered is acknowledged."""
        self._keys.difference_update(key for _, key in self._under_way)
        self._under_way = []

    def fail(self, error: BaseException) -> None:
        """The broker cannot go on; the first error counts."""
        self._failure = self._failure or error
        self._arrived.set()

    def close(self) -> list[M]:
        """Nobody asks any more: let go who wants to hand something over, and answer what was not acknowledged."""
        self._closed = True
        self._freed.set()
        left = [message for message, _ in (*self._under_way, *self._waiting)]
        self._under_way, self._waiting = [], deque()
        return left
