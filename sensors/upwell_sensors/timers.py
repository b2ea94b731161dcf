"""Time as an event source: `every` so often, and `cron` by the wall clock of a time zone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Literal, TypeAlias, assert_never, get_args
from zoneinfo import ZoneInfo

import structlog
from cronsim import CronSim, CronSimError

from upwell.clock import NEVER, Clock
from upwell.definitions.reactions import On, SourceSpec
from upwell.errors import DefinitionError
from upwell.events import TimerFired
from upwell.sources.background import first_of
from upwell.sources.durations import format_duration, parse_duration
from upwell.sources.source import Cursor

CatchUp: TypeAlias = Literal["latest", "all", "none"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST = timedelta(milliseconds=10)
_PUNCTUAL = timedelta(seconds=2)  # a tick noticed within this is not called caught up
_LONGEST_WAIT = 60.0  # seconds; a clock that was set back is noticed within this
_CHUNK = 500  # ticks in a batch when many are caught up
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

log = structlog.get_logger(__name__)


def every(interval: str | timedelta, *, catch_up: CatchUp = "latest") -> On:
    """An event each `interval`, at its multiples since 1970 in UTC: `every("10s")` ticks at :00, :10, :20 …

    A restart keeps the phase, and two services tick together.

    Args:
        interval: `"500ms"`, `"10s"`, `"5m"`, `"1h"`, `"1d"` or a timedelta; from 10 ms.
        catch_up: which of the ticks missed while the service was down still come: the `latest`, `all` or `none`.

    Raises:
        DefinitionError: the interval cannot be read or is too short.
    """
    length = parse_duration(interval, what="every(interval)")
    if length < _SHORTEST:
        raise DefinitionError(f"every({interval!r}): the shortest interval is {format_duration(_SHORTEST)}")
    text = format_duration(length)
    return On(source=SourceSpec(kind="every", name=f"every:{text}", params={"interval": text, **_stated(catch_up)}))


def cron(schedule: str, *, timezone: str = "UTC", catch_up: CatchUp = "latest") -> On:
    """An event at each tick of a cron schedule, as cron(8) understands it, also on days when the clock changes.

    Args:
        schedule: five fields (`"0 6 * * 1-5"`), six with the seconds first, or `@hourly`, `@daily`, `@weekly` …
        timezone: the IANA zone in which the schedule is read.
        catch_up: which of the ticks missed while the service was down still come: the `latest`, `all` or `none`.

    Raises:
        DefinitionError: the schedule or the zone cannot be read, or the schedule never comes.
    """
    text = " ".join(schedule.split())
    name = f"cron:{text}@{timezone}"
    if CronSource(name, schedule=text, timezone=timezone).tick_after(_EPOCH) >= NEVER:
        raise DefinitionError(f"cron({schedule!r}): no such day exists; the schedule would never come")
    params = {"schedule": text, "timezone": timezone, **_stated(catch_up)}
    return On(source=SourceSpec(kind="cron", name=name, params=params))


def _checked(catch_up: CatchUp) -> CatchUp:
    if catch_up not in get_args(CatchUp):
        raise DefinitionError(f'catch_up={catch_up!r} is unknown; choose "latest", "all" or "none"')
    return catch_up


def _stated(catch_up: CatchUp) -> dict[str, str]:
    return {} if _checked(catch_up) == "latest" else {"catch_up": catch_up}


class TimerSource(ABC):
    """Ticks of a schedule; the cursor is the last tick, so none is repeated and none forgotten.

    The first start ever begins with the next tick. After a pause (the service was down, the machine slept, the
    clock was set forward) the missed ticks come by `catch_up`, marked `caught_up`. A clock set back by no more than
    `_patience` repeats no tick: the timer waits until its time comes again. Set back further, the new time counts
    at once, as in cron(8).
    """

    _patience: timedelta

    def __init__(self, name: str, *, catch_up: CatchUp = "latest") -> None:
        self.name = name
        self._catch_up = _checked(catch_up)

    @abstractmethod
    def tick_after(self, instant: datetime) -> datetime:
        """The first tick later than `instant`, or NEVER."""

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[TimerFired]]:
        stored = cursor.get("tick")
        last = clock.now() if stored is None else datetime.fromisoformat(stored)
        while True:
            last = self._after_setting_back(last, clock.now())
            tick = self.tick_after(last)
            await _come(tick, clock)
            now = clock.now()
            due = self._due(tick, now)
            while ticks := list(islice(due, _CHUNK)):
                yield [self._fired(tick, now) for tick in ticks]
            last = max(last, now) if now >= tick else last

    def _after_setting_back(self, last: datetime, now: datetime) -> datetime:
        if last - now <= self._patience:
            return last
        log.warning("source.clock_set_back", source=self.name, seconds=(last - now).total_seconds())
        return now

    def _due(self, tick: datetime, now: datetime) -> Iterator[datetime]:
        """Those of the ticks from `tick` to `now` that still come."""
        if tick > now:
            return
        match self._catch_up:
            case "all":
                yield from self._ticks(tick, now)
            case "latest":
                yield self._latest(tick, now)
            case "none":
                if now - (latest := self._latest(tick, now)) <= _PUNCTUAL:
                    yield latest
            case _:
                assert_never(self._catch_up)

    def _ticks(self, tick: datetime, now: datetime) -> Iterator[datetime]:
        while tick <= now:
            yield tick
            tick = self.tick_after(tick)

    def _latest(self, tick: datetime, now: datetime) -> datetime:
        # By halving: a schedule of every second has 30 million ticks after a year's pause.
        latest, end = tick, now  # no tick lies between `end` and `now`
        while (following := self.tick_after(latest)) <= now:
            middle = following + (end - following) / 2
            if (found := self.tick_after(middle)) <= now:
                latest = found
            else:
                latest, end = following, middle
        return latest

    def _fired(self, tick: datetime, now: datetime) -> TimerFired:
        at = tick.isoformat()
        late = now - tick > _PUNCTUAL
        return TimerFired(source=self.name, data={"tick": at}, occurred_at=tick, caught_up=late, cursor={"tick": at})


class EverySource(TimerSource):
    """Ticks at the multiples of an interval since 1970."""

    _patience = timedelta(seconds=2)

    def __init__(self, name: str, *, interval: str | timedelta, catch_up: CatchUp = "latest") -> None:
        super().__init__(name, catch_up=catch_up)
        self._interval = parse_duration(interval, what="interval")

    def tick_after(self, instant: datetime) -> datetime:
        return _EPOCH + ((instant - _EPOCH) // self._interval + 1) * self._interval


class CronSource(TimerSource):
    """Ticks of a cron schedule in a time zone."""

    _patience = timedelta(hours=3)  # as cron(8): more is a correction of the clock

    def __init__(self, name: str, *, schedule: str, timezone: str = "UTC", catch_up: CatchUp = "latest") -> None:
        super().__init__(name, catch_up=catch_up)
        self._schedule = _NICKNAMES.get(schedule.lower(), schedule)
        self._zone = _zone(timezone)
        try:
            CronSim(self._schedule, _EPOCH)
        except CronSimError as error:
            raise DefinitionError(
                f"cron({schedule!r}): {error}; write minute hour day month weekday, for example '0 6 * * 1-5'"
            ) from None

    def tick_after(self, instant: datetime) -> datetime:
        # CronSim forgets which of two equal wall times (the clock was set back) it was asked from,
        # and may then answer with the first one, which has been.
        for tick in CronSim(self._schedule, instant.astimezone(self._zone)):
            if (at := tick.astimezone(UTC)) > instant:
                return at
        return NEVER


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise DefinitionError(f"timezone={name!r} is unknown; write an IANA name such as 'Europe/Paris'") from None


async def _come(tick: datetime, clock: Clock) -> None:
    """Return when `tick` has come, by the wall clock or by the time it should have taken.

    The second differs only when the wall clock was set back meanwhile; then the tick has to be reconsidered.
    """
    elapsed = min((tick - clock.now()).total_seconds(), _LONGEST_WAIT)
    await first_of(partial(clock.sleep_until, tick), partial(clock.sleep, elapsed))
