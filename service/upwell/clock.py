"""Time, as something that is handed in: production sleeps, tests turn the hands."""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeAlias, TypeVar

import anyio
import anyio.lowlevel

T = TypeVar("T")

NEVER = datetime.max.replace(tzinfo=UTC)
"""Later than every deadline; keeps `min()` and comparisons plain."""

_TURNS = 10  # of the event loop, in which woken tasks do what they do
_LONGEST_SLEEP = 1.0  # seconds; the wall clock may jump, or the machine may sleep, under a longer one


class Clock(Protocol):
    """What the service knows of time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations within one process life."""

    async def sleep_until(self, deadline: datetime) -> None:
        """Return at or after `deadline`, also when the wall clock jumps meanwhile."""

    async def sleep(self, seconds: float) -> None:
        """Return after a duration; jumps of the wall clock make it neither shorter nor longer."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()  # of the process, so that threads may ask, too

    async def sleep_until(self, deadline: datetime) -> None:
        # Re-read at least every second: neither a clock jump nor a suspended machine may delay a deadline.
        while (remaining := (deadline - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 (time itself has no event)
            await anyio.sleep(min(remaining, _LONGEST_SLEEP))
        await anyio.lowlevel.checkpoint()  # a deadline that has passed must not starve the other tasks

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(0.0, seconds))


class Deadlines(Generic[T]):
    """A heap of (instant, key) with one entry a key; moving a key is O(log n), never a scan.

    Replaced entries stay in the heap and are dropped when they surface, or all together once they outnumber the live
    ones.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, T]] = []
        self._due: dict[T, tuple[datetime, int]] = {}
        self._serial = itertools.count()

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: T, deadline: datetime) -> None:
        """Make `deadline` the only one of `key`; NEVER removes it."""
        if deadline >= NEVER:
            self.discard(key)
            return
        entry = (deadline, next(self._serial))
        self._due[key] = entry
        heapq.heappush(self._heap, (*entry, key))
        if len(self._heap) > 64 + 2 * len(self._due):
            self._heap = [(due, serial, key) for key, (due, serial) in self._due.items()]
            heapq.heapify(self._heap)

    def discard(self, key: T) -> None:
        self._due.pop(key, None)

    def next(self) -> datetime:
        """The earliest deadline, or NEVER."""
        while self._heap:
            due, serial, key = self._heap[0]
            if self._due.get(key) == (due, serial):
                return due
            heapq.heappop(self._heap)
        return NEVER

    def pop_due(self, now: datetime) -> Iterator[tuple[datetime, T]]:
        """Remove and yield what is due at `now`, earliest first."""
        while self.next() <= now:
            due, _, key = heapq.heappop(self._heap)
            del self._due[key]
            yield due, key


class AlarmClock(Generic[T]):
    """Deadlines with one task asleep until the earliest; setting an earlier one wakes it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadlines: Deadlines[T] = Deadlines()
        self._changed = anyio.Event()

    def set(self, key: T, deadline: datetime) -> None:
        before = self._deadlines.next()
        self._deadlines.set(key, deadline)
        if self._deadlines.next() < before:
            self._changed.set()

    def discard(self, key: T) -> None:
        self._deadlines.discard(key)

    def next(self) -> datetime:
        """The earliest deadline that is set, or NEVER."""
        return self._deadlines.next()

    async def due(self) -> list[tuple[datetime, T]]:
        """Wait until at least one deadline has passed; return all that have, earliest first."""
        while True:
            if ready := list(self._deadlines.pop_due(self._clock.now())):
                return ready
            self._changed = anyio.Event()
            deadline = self._deadlines.next()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._wake_on_change, tasks.cancel_scope)
                if deadline < NEVER:
                    await self._clock.sleep_until(deadline)
                else:
                    await self._changed.wait()
                tasks.cancel_scope.cancel()

    async def _wake_on_change(self, scope: anyio.CancelScope) -> None:
        await self._changed.wait()
        scope.cancel()


class FakeClock:
    """A clock that stands still until the test moves it.

    `advance` moves in steps from sleeper to sleeper, letting each run before time goes on, so that a simulated
    hour takes milliseconds and everything happens at its own instant.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("FakeClock needs an aware datetime, e.g. datetime(2024, 1, 1, tzinfo=UTC)")
        self._now = start.astimezone(UTC)
        self._elapsed = timedelta(0)
        self._until: list[_UntilInstant] = []  # heap of sleepers that follow the wall clock
        self._for: list[_ForDuration] = []  # heap of sleepers that follow elapsed time
        self._serial = itertools.count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    async def sleep_until(self, deadline: datetime) -> None:
        if deadline <= self._now:
            await anyio.lowlevel.checkpoint()
        else:
            await _rest(self._until, (deadline, next(self._serial), anyio.Event()))

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
        else:
            await _rest(self._for, (self._elapsed + timedelta(seconds=seconds), next(self._serial), anyio.Event()))

    def jump(self, to: datetime) -> None:
        """Set the wall clock, back or forth, as an operator or NTP would; wakes who is due."""
        self._now = to.astimezone(UTC)
        self._wake()

    async def advance(self, seconds: float = math.inf, *, to: datetime | None = None) -> None:
        """Let time pass, by `seconds` or up to `to`; sleepers wake at their own instants, in order.

        Without either it passes until nobody sleeps any more, which is never while a timer repeats.
        """
        end = to if to is not None else NEVER if math.isinf(seconds) else self._now + timedelta(seconds=seconds)
        while True:
            await _settled()
            instant = self._next_waking()
            if instant >= NEVER or instant > end:
                break
            self._pass_to(instant)
        if end < NEVER:
            self._pass_to(end)
        await _settled()

    def _next_waking(self) -> datetime:
        instants = [self._until[0][0]] if self._until else []
        if self._for:
            instants.append(self._now + (self._for[0][0] - self._elapsed))
        return min(instants, default=NEVER)

    def _pass_to(self, instant: datetime) -> None:
        passed = max(timedelta(0), instant - self._now)
        self._now += passed
        self._elapsed += passed
        self._wake()

    def _wake(self) -> None:
        while self._until and self._until[0][0] <= self._now:
            heapq.heappop(self._until)[2].set()
        while self._for and self._for[0][0] <= self._elapsed:
            heapq.heappop(self._for)[2].set()


_UntilInstant: TypeAlias = tuple[datetime, int, anyio.Event]
_ForDuration: TypeAlias = tuple[timedelta, int, anyio.Event]
_Sleeper = TypeVar("_Sleeper", _UntilInstant, _ForDuration)


async def _rest(heap: list[_Sleeper], sleeper: _Sleeper) -> None:
    heapq.heappush(heap, sleeper)
    try:
        await sleeper[2].wait()
    finally:
        if not sleeper[2].is_set():
            heap.remove(sleeper)
            heapq.heapify(heap)


async def _settled() -> None:
    """Return once every other task waits for something that only time, or the outside world, can bring."""
    # wait_all_tasks_blocked() alone takes 0.1 s whenever one is not, and overlooks what a callback is about to wake.
    for _ in range(2):
        for _ in range(_TURNS):
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
