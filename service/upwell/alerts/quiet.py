"""When nobody is to be told: silences that end, and maintenance that comes again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from upwell.alerts.incidents import Quiet
from upwell.clock import NEVER
from upwell.definitions.cron_ticks import CronTicks
from upwell.definitions.crons import plain_cron

EVERYTHING = "*"
"""The selection that also means what is about no asset: sensors, code locations, events set aside."""

_MOST_JOINED = 1000  # windows that follow each other without a gap


class Selecting(Protocol):
    """Which assets a selection means at present."""

    def has_any(self, select: str, assets: Sequence[str]) -> bool:
        """Whether one of these is among them."""


@dataclass(frozen=True, kw_only=True)
class Silence:
    """From one instant until another."""

    id: str
    select: str
    until: datetime
    since: datetime | None = None
    reason: str | None = None

    def at(self, now: datetime) -> Quiet | None:
        """What it says at `now`, if it holds then."""
        if now >= self.until or (self.since is not None and now < self.since):
            return None
        return Quiet(reason=self.reason or "silenced", until=self.until)


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    """A window that comes again: it begins at each tick of `cron` in `timezone` and lasts for `duration`.

    Where clocks are set within it, it is as long as it always is.
    """

    select: str
    cron: str
    duration: timedelta
    timezone: str = "UTC"
    reason: str | None = None

    def at(self, now: datetime) -> Quiet | None:
        """What it says at `now`, if it holds then; windows without a gap are one."""
        ticks = CronTicks(plain_cron(self.cron, "a maintenance window"), ZoneInfo(self.timezone))
        begins = ticks.after(now - self.duration)
        if begins > now:
            return None
        until = begins + self.duration
        for _ in range(_MOST_JOINED):
            begins = ticks.after(begins)
            if begins > until or begins >= NEVER:
                break
            until = begins + self.duration
        return Quiet(reason=self.reason or "maintenance", until=until)


class QuietTimes:
    """All of them: those of the settings, and those that somebody asks for."""

    def __init__(self, fixed: Sequence[Silence | Maintenance], selecting: Selecting) -> None:
        self._fixed = tuple(fixed)
        self._selecting = selecting
        self._asked: dict[str, Silence] = {}

    @property
    def asked(self) -> Mapping[str, Silence]:
        """Those that somebody asked for, by id."""
        return self._asked

    def add(self, silence: Silence) -> None:
        self._asked[silence.id] = silence

    def end(self, silence: str) -> None:
        self._asked.pop(silence, None)

    def quiet_for(self, assets: Sequence[str], now: datetime) -> Quiet | None:
        """Why nobody is told of what these assets are to blame for; of several reasons the one that lasts longest."""
        for over in [silence.id for silence in self._asked.values() if silence.until <= now]:
            del self._asked[over]
        found = [quiet for one in self._matching(assets) if (quiet := one.at(now)) is not None]
        return max(found, key=lambda quiet: quiet.until, default=None)

    def _matching(self, assets: Sequence[str]) -> Iterator[Silence | Maintenance]:
        for one in (*self._fixed, *self._asked.values()):
            if one.select == EVERYTHING or self._selecting.has_any(one.select, assets):
                yield one
