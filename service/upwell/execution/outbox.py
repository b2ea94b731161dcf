"""Posting events even while the journal takes no more."""

from __future__ import annotations

from collections import deque

import anyio
import anyio.abc

from upwell.errors import JournalBusy
from upwell.events import Event
from upwell.journal.journal import Journal


class Outbox:
    """Posts in order; what the journal refuses waits here until it has written what it holds.

    It cannot grow without bound: no run starts before its `RunStarted` has been written, so only what comes of the runs
    that had started before gathers here.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kept: deque[tuple[Event, ...]] = deque()
        self._filled = anyio.Event()

    def post(self, *events: Event) -> None:
        """Have the events written, in order with those posted before."""
        if not events:
            return
        if not self._kept:
            try:
                self._journal.post(*events)
            except JournalBusy:
                self._filled.set()
            else:
                return
        self._kept.append(events)

    async def wait_filled(self) -> None:
        """Return once something waits here."""
        await self._filled.wait()

    async def empty(self) -> None:
        """Return once everything that waits has been handed to the journal."""
        while self._kept:
            await self._journal.flush()
            try:
                while self._kept:
                    self._journal.post(*self._kept[0])
                    self._kept.popleft()
            except JournalBusy:
                continue
        self._filled = anyio.Event()
