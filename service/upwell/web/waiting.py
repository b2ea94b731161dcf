"""`Prefer: wait`: a delivery that is answered once the run that it leads to has ended, or when its time is over.

One follower reads the journal for everybody who waits, and only while somebody does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

import anyio
import anyio.abc
from starlette.types import Receive

from upwell.clock import Clock
from upwell.events import (
    Event,
    EventDecided,
    FilterEvaluated,
    RunCanceled,
    RunFailed,
    RunSucceeded,
    SensorEvaluated,
    SensorFailed,
)
from upwell.journal.journal import Journal, Record
from upwell.web.awaiting import AwaitedEvent, Key

_MOST = 1000  # that wait at the same time; who comes then is answered at once
_REACH = 10_000  # records that are read to find what became of an event of the past


class SenderGone(Exception):
    """Nobody waits for the answer any more."""


def preferred_wait(preferences: bytes, longest: float) -> float | None:
    """The seconds that a `Prefer` header (RFC 7240) would have us wait, at most `longest`; none when it does not.

    `wait` without a number is as long as there is.
    """
    for preference in preferences.decode("latin-1").split(","):
        name, equals, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() != "wait":
            continue
        seconds = value.strip().strip('"')
        if not equals:
            return longest or None
        return (min(float(seconds[:9]), longest) or None) if seconds.isascii() and seconds.isdigit() else None
    return None


class Outcomes:
    """What becomes of events, for those who wait for it."""

    def __init__(self, journal: Journal, clock: Clock, draining: anyio.Event) -> None:
        self._journal = journal
        self._clock = clock
        self._draining = draining
        self._waiting: dict[Key, dict[_Waiter, None]] = {}
        self._catching_up: dict[_Waiter, None] = {}
        self._count = 0
        self._position = 0  # of the last record that those who wait were told
        self._following = False
        self._wanted = anyio.Event()

    async def run(self) -> None:
        """Follow the journal whenever somebody waits, until it is closed."""
        while True:
            await self._wanted.wait()
            if not await self._follow():
                return

    async def of(self, event_id: int, seconds: float, receive: Receive) -> AwaitedEvent | None:
        """What became of an event, as far as it went within so many seconds; none when too many wait already.

        Raises:
            SenderGone: the client hung up meanwhile.
        """
        if self._count >= _MOST or self._journal.head - event_id > _REACH:
            return None
        waiter = _Waiter(event_id)
        with self._registered(waiter):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_note_departure, receive, waiter, tasks.cancel_scope)
                tasks.start_soon(_cancel_when, self._draining, tasks.cancel_scope)
                tasks.start_soon(self._cancel_after, seconds, tasks.cancel_scope)
                await self._catch_up(waiter)
                await waiter.over.wait()
                tasks.cancel_scope.cancel()
        if waiter.deserted:
            raise SenderGone
        return waiter.event

    @contextmanager
    def _registered(self, waiter: _Waiter) -> Iterator[None]:
        self._count += 1
        self._index(waiter)
        self._catching_up[waiter] = None
        if not self._following:
            self._following, self._position = True, waiter.event.event_id
            self._wanted.set()
        try:
            yield
        finally:
            self._count -= 1
            self._catching_up.pop(waiter, None)
            for key in waiter.keys:
                del self._waiting[key][waiter]
                if not self._waiting[key]:
                    del self._waiting[key]

    async def _catch_up(self, waiter: _Waiter) -> None:
        """Tell it what the follower had read before it came; then, what the follower has read since."""
        position, end = waiter.event.event_id, self._position
        if position < end:
            async with aclosing(_subscription(self._journal, position)) as batches:
                async for records in batches:
                    waiter.take([record for record in records if record.id <= end])
                    if records[-1].id >= end:
                        break
        del self._catching_up[waiter]
        waiter.take(waiter.missed)
        self._index(waiter)
        waiter.look()

    async def _follow(self) -> bool:
        """Tell everybody who waits, until nobody does; false when the journal is closed."""
        async with aclosing(_subscription(self._journal, self._position)) as batches:
            async for records in batches:
                told = {waiter for record in records for waiter in self._tell(record)}
                self._position = records[-1].id
                for waiter in told:
                    waiter.look()
                if not self._count:
                    self._following, self._wanted = False, anyio.Event()
                    return True
        return False

    def _tell(self, record: Record) -> Collection[_Waiter]:
        """Tell of a record those whom it concerns; answer who they are."""
        if not (keys := _keys_of(record.event)):
            return ()
        for waiter in self._catching_up:
            waiter.missed.append(record)
        concerned = {waiter for key in keys for waiter in self._waiting.get(key, ())} - self._catching_up.keys()
        for waiter in concerned:
            waiter.take([record])
            self._index(waiter)
        return concerned

    def _index(self, waiter: _Waiter) -> None:
        for key in waiter.event.keys:
            self._waiting.setdefault(key, {})[waiter] = None
            waiter.keys.add(key)

    async def _cancel_after(self, seconds: float, scope: anyio.CancelScope) -> None:
        await self._clock.sleep(seconds)
        scope.cancel()


class _Waiter:
    """One request that waits."""

    def __init__(self, event_id: int) -> None:
        self.event = AwaitedEvent(event_id)
        self.keys: set[Key] = set()
        self.missed: list[Record] = []  # while it catches up
        self.deserted = False
        self.over = anyio.Event()

    def take(self, records: Iterable[Record]) -> None:
        for record in records:
            self.event.take(record.id, record.event)

    def look(self) -> None:
        if self.event.over:
            self.over.set()


def _keys_of(event: Event) -> Collection[Key]:
    match event:
        case EventDecided() | SensorEvaluated() | SensorFailed():
            return event.event_ids
        case FilterEvaluated():
            return (event.event_id,)
        case RunSucceeded() | RunFailed() | RunCanceled():
            return (event.run_id, *event.event_ids)
        case _:
            return ()


def _subscription(journal: Journal, after: int) -> Any:
    """The journal's iterator, which is a generator that can be closed."""
    records: AsyncIterator[Sequence[Record]] = journal.subscribe(after)
    return records


async def _note_departure(receive: Receive, waiter: _Waiter, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    waiter.deserted = True
    scope.cancel()


async def _cancel_when(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
