"""The port for event sources: what a source is given, what it yields, and what it may rely on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from upwell.clock import Clock
from upwell.events import Json, SourceAdvanced, SourceEvent, SourceFailing, SourceWorking

Cursor: TypeAlias = Mapping[str, Json]
"""What the source had told the journal, by the `cursor` of its events, up to now."""


Emitted: TypeAlias = SourceEvent | SourceAdvanced | SourceFailing | SourceWorking
"""An event, a cursor to keep where there was nothing to tell, or how a source fares that mends its trouble itself."""


class EventSource(Protocol):
    """Something outside that can happen, as a stream of events.

    A source is made by its factory (an entry point in `upwell.sources`) as `factory(name, **params)`.
    """

    @property
    def name(self) -> str:
        """Its identity in the journal and in logs; every event it yields carries it as `source`."""

    def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[Emitted]]:
        """Yield events as they happen, in batches, for ever, starting from what `cursor` remembers.

        The host commits each batch before it asks for the next one: when the generator goes on after a `yield`,
        those events and their cursor are on disk, and a broker may be told so. It raises when it cannot go on (a
        `SourceError` where a sentence says everything: it is logged without a traceback); the host then starts it
        again, after a pause, from the cursor of the last commit. It must pick up what
        happened while it was not running (marked `caught_up`), and must not yield the same thing twice for one
        cursor. A source that tries again by itself yields `SourceFailing` when it cannot go on, and `SourceWorking`
        when it can; what changes nothing is left out by the host.
        """
