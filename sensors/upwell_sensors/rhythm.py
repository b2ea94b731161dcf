"""When a source that polls looks next, and what it says while it cannot: for everything that is asked, not heard."""

from __future__ import annotations

import random
from datetime import datetime

import structlog

from upwell.clock import Clock
from upwell.events import ErrorInfo, SourceFailing, SourceWorking
from upwell.sources.source import Emitted

_FIRST_WITHIN = 5.0  # seconds after a start; a thousand sources that start together spread over them
_JITTER = 0.1  # of the interval
_FIRST_PAUSE = 1.0  # seconds before it is tried again after trouble
_LONGEST_PAUSE = 300.0  # seconds; a longer interval counts instead
_LONGEST_ASKED_FOR = 86_400.0  # seconds that the other side may ask us to stay away

log = structlog.get_logger(__name__)


class Trouble(Exception):
    """The outside could not be asked this time.

    Args:
        kind: what sort of trouble it is; as long as it lasts each kind is logged once.
        message: what happened, and the mend where there is one.
        retry_after: seconds that the other side asks us to stay away.
    """

    def __init__(self, kind: str, message: str, *, retry_after: float | None = None) -> None:
        self.kind = kind
        self.retry_after = retry_after
        super().__init__(message)


class Rhythm:
    """The pauses between looks: an interval at a phase of the source's own, and growing pauses while there is trouble.

    Both the phase and the jitter come from the source's name, so many sources with the same interval neither fire
    together nor move their times at a restart.
    """

    def __init__(self, source: str, interval: float, clock: Clock) -> None:
        self._source = source
        self._interval = interval
        self._clock = clock
        self._chance = random.Random(source)
        self._phase = self._chance.random()
        self._pause = self._phase * min(interval, _FIRST_WITHIN)
        self._troubles = 0
        self._told: set[str] = set()

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return self._pause

    async def rest(self) -> None:
        """Return when it is time to look."""
        await self._clock.sleep(self._pause)

    def succeeded(self) -> list[Emitted]:
        """The outside answered: look again when the next turn comes. The source yields what there is to tell of it."""
        working: list[Emitted] = [SourceWorking(source=self._source)] if self._told else []
        if self._told:
            log.info("source.recovered", source=self._source)
        self._told.clear()
        self._troubles = 0
        self._pause = self._until_turn(self._clock.now()) + self._chance.random() * _JITTER * self._interval
        return working

    def failed(self, trouble: Trouble) -> list[Emitted]:
        """It did not: look again after a pause that doubles with each time, and is no shorter than was asked for.

        The source yields what there is to tell of it.
        """
        longest = max(_LONGEST_PAUSE, self._interval)
        pause = min(longest, _FIRST_PAUSE * 2.0 ** min(self._troubles, 30))
        self._troubles += 1
        asked = min(trouble.retry_after or 0.0, _LONGEST_ASKED_FOR)
        self._pause = max(pause * (0.5 + self._chance.random() / 2), asked)
        if trouble.kind in self._told:
            return []
        self._told.add(trouble.kind)
        log.warning(
            "source.unreachable",
            source=self._source,
            kind=trouble.kind,
            error=str(trouble),
            retry_in=round(self._pause, 3),
        )
        message = str(trouble).removeprefix(f"{trouble.kind}: ")
        return [SourceFailing(source=self._source, error=ErrorInfo(type=trouble.kind, message=message))]

    def _until_turn(self, now: datetime) -> float:
        """Seconds until the next turn that is at least half an interval away: a first look is not followed at once."""
        at = now.timestamp() + self._interval / 2
        return self._interval / 2 + (self._phase * self._interval - at) % self._interval
