"""The newest committed records in memory, for those who follow; what is older they read from disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

import anyio

from upwell.journal.journal import Record

_MAX_RECORDS = 4096
_MAX_CHARACTERS = 16 * 1024 * 1024


class Feed:
    """A bounded tail of the journal, and the bell that rings when it grows."""

    def __init__(self, head: int) -> None:
        self.head = head
        self.closed = False
        self._recent: deque[tuple[Record, int]] = deque()
        self._characters = 0
        self._changed = anyio.Event()

    @property
    def oldest(self) -> int:
        """The id of the first record that is still in memory; one past the head when there is none."""
        return self._recent[0][0].id if self._recent else self.head + 1

    def publish(self, head: int, records: Sequence[Record], sizes: Sequence[int]) -> None:
        """Make committed records known; those who wait wake."""
        if records and records[0].id != self.head + 1:
            self._forget_all()  # somebody else wrote in between: followers read that from disk
        self._recent.extend(zip(records, sizes, strict=True))
        self._characters += sum(sizes)
        while len(self._recent) > _MAX_RECORDS or (self._characters > _MAX_CHARACTERS and len(self._recent) > 1):
            self._characters -= self._recent.popleft()[1]
        self.head = head
        self._ring()

    def after(self, position: int, limit: int) -> list[Record]:
        """The records that follow `position`, which must not be older than memory reaches."""
        newer = self.head - position
        first = len(self._recent) - newer
        return [record for record, _ in islice(self._recent, first, first + limit)]

    async def wait_beyond(self, position: int) -> None:
        """Return once there is something after `position`, or nothing will come any more."""
        while self.head <= position and not self.closed:
            await self._changed.wait()

    def close(self) -> None:
        """Let those who follow come to an end."""
        self.closed = True
        self._ring()

    def _ring(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _forget_all(self) -> None:
        self._recent.clear()
        self._characters = 0
