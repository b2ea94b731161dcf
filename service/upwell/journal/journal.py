"""The journal as its users see it: one ordered log of events, durable when `append` returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from upwell.events import Event, RunId


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """An event with its place in the order and the instant it was written."""

    id: int
    at: datetime
    event: Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """Where an event stands. A duplicate delivery has the id and instant of the first."""

    id: int
    at: datetime
    duplicate: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a consumer has decided; committed together with its decisions."""

    consumer: str
    event_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StillQueued:
    """A guard: the append takes place only if this run has not started (nor ended) by then."""

    run_id: RunId


class Journal(Protocol):
    """One ordered, durable log. All methods are for one event loop."""

    @property
    def head(self) -> int:
        """The id of the newest committed event; 0 when there is none."""

    async def append(
        self, *events: Event, progress: Progress | None = None, expect: Sequence[StillQueued] = ()
    ) -> tuple[Receipt, ...]:
        """Write events, in order, in one transaction; return once they are on disk.

        A source event whose (source, delivery_id) was accepted within the last 7 days is not written again:
        its receipt names the first one. A cancelled caller does not cut the transaction.

        Raises:
            JournalUnavailable: nothing was written; the same call may succeed later.
            ExpectationFailed: one of `expect` did not hold; nothing was written.
        """

    def post(self, *events: Event) -> None:
        """Write events, in order with everything else, without waiting.

        After a crash a prefix of what was posted is there, never a gap. While the disk refuses, posted events
        wait and are tried again; nothing behind them overtakes.
        """

    async def flush(self) -> None:
        """Return once everything posted or appended before is on disk."""

    def subscribe(self, after: int) -> AsyncIterator[Sequence[Record]]:
        """Every committed event with an id above `after`, in order, in batches, without end.

        Catches up from disk, then follows live; a slow subscriber never holds up the writer.
        """
