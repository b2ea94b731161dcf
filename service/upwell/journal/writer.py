"""The only writer: while one commit is under way the next batch gathers, so that one sync serves many appends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import anyio
import anyio.abc
import structlog

from upwell.clock import Clock
from upwell.errors import JournalBusy, JournalError, JournalUnavailable
from upwell.journal.batch import Entry, Outcome, Written, write
from upwell.journal.feed import Feed
from upwell.journal.journal import Receipt
from upwell.journal.store import Store

_BATCH_ENTRIES = 1024
_BATCH_CHARACTERS = 8 * 1024 * 1024
_FIRST_PAUSE = timedelta(seconds=0.1)  # before what was posted is tried again; doubled up to ...
_LONGEST_PAUSE = timedelta(seconds=5)

_log = structlog.get_logger("upwell.journal")


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueBounds:
    """How much may wait for the writer before appends are refused, in events and in characters of their bodies.

    What is posted is bounded too, far above: it comes from work under way, and none begins while appends fail.
    """

    events: int = 8192
    characters: int = 64 * 1024 * 1024
    posted_factor: int = 16


@dataclass(slots=True, eq=False)
class _Waiting:
    """An entry in the queue. `kept` entries stay there while the database refuses; the others fail at once."""

    entry: Entry
    kept: bool
    # A future of asyncio's, as the drivers are asyncio's too: on this path an anyio.Event costs several times as much.
    done: asyncio.Future[tuple[Receipt, ...]] | None = None

    def settle(self, outcome: Outcome | Exception) -> None:
        if self.done is None or self.done.done():
            return  # nobody waits (any more: a caller that is cancelled cancels its future)
        if isinstance(outcome, Exception):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class Writer:
    """Takes entries in order and commits them in groups."""

    def __init__(self, store: Store, feed: Feed, clock: Clock, bounds: QueueBounds) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock
        self._bounds = bounds
        self._queue: deque[_Waiting] = deque()
        self._queued_events = 0
        self._queued_characters = 0
        self._committing = False
        self._singly = 0  # this many entries are to be tried each on its own: one of them is at fault
        self._pause: timedelta | None = None  # set while the database refuses
        self._stopping = False
        self._wake = anyio.Event()

    def append(self, entry: Entry) -> asyncio.Future[tuple[Receipt, ...]]:
        """Have it written; done once it is on disk. The writing goes on when the caller is cancelled."""
        self._require_room(entry, factor=1)
        return self._awaited(entry, kept=False)

    def post(self, entry: Entry) -> None:
        """Have it written, in order, at the next opportunity."""
        self._require_room(entry, factor=self._bounds.posted_factor)
        self._enqueue(_Waiting(entry, kept=True))

    async def flush(self) -> None:
        """Return once everything that was handed in before is on disk, however long the database refuses."""
        if self._queue or self._committing:
            await self._awaited(Entry(events=(), bodies=(), size=0), kept=True)

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Commit what arrives, until `stop`."""
        # Shielded: stations that are being cancelled still hand in how their work ended, and `stop` comes after them.
        with anyio.CancelScope(shield=True):
            task_status.started()
            while not (self._stopping and not self._queue):
                if not self._queue:
                    await self._wake.wait()
                elif not await self._commit(self._take()):
                    await self._rest()

    def stop(self) -> None:
        """End after writing what is queued; what the database refuses then is lost, and said to be."""
        self._stopping = True
        self._wake.set()

    def _awaited(self, entry: Entry, *, kept: bool) -> asyncio.Future[tuple[Receipt, ...]]:
        done: asyncio.Future[tuple[Receipt, ...]] = asyncio.get_running_loop().create_future()
        self._enqueue(_Waiting(entry, kept, done))
        return done

    def _require_room(self, entry: Entry, *, factor: int) -> None:
        if self._stopping:
            raise JournalUnavailable("the journal is closed")
        events = self._queued_events + len(entry.events)
        characters = self._queued_characters + entry.size
        if self._queue and (events > factor * self._bounds.events or characters > factor * self._bounds.characters):
            raise JournalBusy(f"{self._queued_events} events wait to be written already; try again in a moment")

    def _enqueue(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        self._count(waiting, 1)
        if self._pause is None or not waiting.kept:
            self._wake.set()

    def _count(self, waiting: _Waiting, sign: int) -> None:
        self._queued_events += sign * len(waiting.entry.events)
        self._queued_characters += sign * waiting.entry.size

    def _take(self) -> list[_Waiting]:
        self._wake = anyio.Event()
        most = 1 if self._singly else _BATCH_ENTRIES
        self._singly = max(0, self._singly - 1)
        batch: list[_Waiting] = []
        size = 0
        while (
            self._queue and len(batch) < most and (not batch or size + self._queue[0].entry.size <= _BATCH_CHARACTERS)
        ):
            batch.append(self._queue.popleft())
            self._count(batch[-1], -1)
            size += batch[-1].entry.size
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> bool:
        """Write the batch; false when the database refuses for now."""
        self._committing = True
        entries = [waiting.entry for waiting in batch]
        try:
            written = await self._store.transact(write(entries, self._clock.now(), self._store.statements))
        except JournalUnavailable as error:
            self._refused(batch, error)
            return False
        except Exception as error:  # noqa: BLE001  # whatever one entry brings about must not reach the others
            self._isolate(batch, error)
        else:
            self._committed(batch, written)
        finally:
            self._committing = False
        return True

    def _committed(self, batch: Sequence[_Waiting], written: Written) -> None:
        if self._pause is not None:
            self._pause = None
            _log.info("journal.recovered", event_id=written.head)
        self._feed.publish(written.head, written.records, written.sizes)
        for waiting, outcome in zip(batch, written.outcomes, strict=True):
            waiting.settle(outcome)

    def _refused(self, batch: Sequence[_Waiting], error: JournalUnavailable) -> None:
        """Appends fail; what was posted goes back to the head of the queue, in order."""
        if self._pause is None:
            _log.error("journal.unavailable", reason=str(error))
        self._pause = _FIRST_PAUSE if self._pause is None else min(2 * self._pause, _LONGEST_PAUSE)
        self._put_back([waiting for waiting in batch if waiting.kept])
        for waiting in batch:
            if not waiting.kept:
                waiting.settle(_again(error))
        if self._stopping:
            self._give_up(error)

    def _isolate(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Something in the batch can never be written: find it by trying each entry alone, and set it aside."""
        if len(batch) > 1:
            self._put_back(batch)
            self._singly = len(batch)
            return
        [waiting] = batch
        kinds = [event.kind for event in waiting.entry.events]
        _log.error("journal.event_refused", kinds=kinds, reason=str(error))
        refusal = JournalError(f"{', '.join(kinds)} cannot be stored: {error}")
        refusal.__cause__ = error
        waiting.settle(refusal)

    def _put_back(self, batch: Sequence[_Waiting]) -> None:
        self._queue.extendleft(reversed(batch))
        for waiting in batch:
            self._count(waiting, 1)

    def _give_up(self, error: JournalUnavailable) -> None:
        lost = self._queued_events
        while self._queue:
            waiting = self._queue.popleft()
            self._count(waiting, -1)
            waiting.settle(_again(error))
        if lost:
            _log.error("journal.events_lost", events=lost, reason=str(error))

    async def _rest(self) -> None:
        """Wait until a new append wants to try, or the pause is over."""
        if self._pause is None or self._stopping or any(not waiting.kept for waiting in self._queue):
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_on_wake, tasks.cancel_scope)
            await self._clock.sleep_until(self._clock.now() + self._pause)
            tasks.cancel_scope.cancel()

    async def _cancel_on_wake(self, scope: anyio.CancelScope) -> None:
        await self._wake.wait()
        scope.cancel()


def _again(error: JournalUnavailable) -> JournalUnavailable:
    """The same for another caller: an exception that two tasks raise would mix their tracebacks."""
    copy = JournalUnavailable(str(error))
    copy.__cause__ = error
    return copy
