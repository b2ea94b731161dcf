"""Which sources fail at present, and what is to be told of that: only what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from upwell.clock import Clock
from upwell.events import ErrorInfo, SourceAdvanced, SourceEvent, SourceFailing, SourceWorking
from upwell.sources.source import Emitted


class Failing(Protocol):
    """A source of which it was told that it fails."""

    @property
    def source(self) -> str: ...

    @property
    def error(self) -> ErrorInfo: ...

    @property
    def since(self) -> datetime: ...


class Troubles:
    """Follows each source: whether it was started in vain, or says itself that it cannot go on.

    Args:
        clean: takes secrets out of what an error says.
    """

    def __init__(self, clock: Clock, clean: Callable[[str], str] = str) -> None:
        self._clock = clock
        self._clean = clean
        self._known: dict[str, tuple[ErrorInfo, datetime]] = {}  # why, and since when
        self._own: set[str] = set()  # those that go on by themselves, and say when it is over

    def restore(self, failing: Iterable[Failing]) -> None:
        """Go on with what was told before a restart."""
        self._known = {one.source: (one.error, one.since) for one in failing}

    def unproven(self, source: str) -> bool:
        """Whether the source failed, and would not say itself that it works again."""
        return source in self._known and source not in self._own

    def failed(self, source: str, error: ErrorInfo) -> list[Emitted]:
        """What there is to tell of a source that ended."""
        self._own.discard(source)
        return self._failing(source, error)

    def works(self, source: str) -> list[Emitted]:
        """What there is to tell of a source that works."""
        return [SourceWorking(source=source)] if source in self._known else []

    def read(self, source: str, batch: Sequence[Emitted]) -> list[Emitted]:
        """A batch of a source, where what it says of itself has become what there is to tell of it."""
        told: list[Emitted] = []
        if self.unproven(source) and any(isinstance(event, SourceEvent | SourceAdvanced) for event in batch):
            told += self.works(source)
        for event in batch:
            match event:
                case SourceFailing():
                    self._own.add(source)
                    told += self._failing(source, event.error)
                case SourceWorking():
                    told += self.works(source)
                case _:
                    told.append(event)
        return told

    def note(self, told: Iterable[Emitted]) -> None:
        """These are on disk."""
        for event in told:
            match event:
                case SourceFailing(source=source, error=error, since=since):
                    self._known[source] = (error, since or self._clock.now())
                case SourceWorking(source=source):
                    self._known.pop(source, None)
                    self._own.discard(source)
                case _:
                    pass

    def _failing(self, source: str, error: ErrorInfo) -> list[Emitted]:
        error = replace(error, message=self._clean(error.message))
        known = self._known.get(source)
        if known is not None and known[0] == error:
            return []
        return [SourceFailing(source=source, error=error, since=self._clock.now() if known is None else known[1])]
