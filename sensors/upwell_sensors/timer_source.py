"""Timers at work: asleep until the next tick, with the ticks that were missed, whatever becomes of the clock."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import assert_never

import structlog

from upwell.clock import NEVER, Clock
from upwell.durations import parse_duration
from upwell.events import SourceAdvanced, TimerFired
from upwell.sources.background import first_of
from upwell.sources.source import Cursor, Emitted
from upwell_sensors.ticks import (
    CatchUp,
    CronTicks,
    catch_up_policy,
    in_order,
    instant_after,
    interval_tick_after,
    spread_of,
)

_PUNCTUAL = timedelta(seconds=2)  # a tick noticed within this is not called caught up
_JUMP = timedelta(seconds=2)  # of the wall clock against elapsed time, that is worth a line in the log
_LONGEST_WAIT = 60.0  # seconds; a clock that was set back is noticed within this
_CHUNK = 500  # ticks in a batch when many are caught up
_MOST = 10_000  # ticks that `all` catches up with at once; a clock may be wrong by years

log = structlog.get_logger(__name__)


class TimerSource(ABC):
    """Ticks of a schedule; the cursor is the last tick, so none is repeated and none forgotten.

    The first start ever begins with the next tick. After a pause (the service was down, the machine slept, the
    clock was set forward) the missed ticks come by `catch_up`, marked `caught_up`. A clock set back by no more than
    `patience` repeats no tick: the timer waits until its time comes again. Set back further, the new time counts
    at once, as in cron(8).
    """

    patience = timedelta(hours=3)  # as cron(8): more is a correction of the clock

    def __init__(self, name: str, *, catch_up: CatchUp = "latest", jitter: str | timedelta | None = None) -> None:
        self.name = name
        self.offset = _part_of(spread_of(jitter) or timedelta(0), name)
        self._catch_up = catch_up_policy(catch_up)
        self.told: datetime | None = None  # the last tick

    @abstractmethod
    def tick_after(self, instant: datetime) -> datetime:
        """The first tick later than `instant`, or NEVER."""

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[Emitted]]:
        # Every instant below is one of the schedule, which the jitter has run late by `offset`.
        if "tick" in cursor:
            last = self.told = datetime.fromisoformat(cursor["tick"])
        elif "began" in cursor:
            last = datetime.fromisoformat(cursor["began"])
        else:
            last = clock.now()
            yield [SourceAdvanced(source=self.name, cursor={"began": last.isoformat()})]
        while True:
            last = self._after_setting_back(last, clock.now())
            tick = self.tick_after(last)
            await self._come(tick, clock)
            now = clock.now() - self.offset
            due = self._due(tick, now)
            while ticks := list(islice(due, _CHUNK)):
                yield [self._fired(tick, now) for tick in ticks]
            last = max(last, now) if now >= tick else last

    async def _come(self, tick: datetime, clock: Clock) -> None:
        """Return when `tick` has come, by the wall clock or by the time it should have taken.

        The second differs only when the wall clock was set back meanwhile; then the tick has to be reconsidered.
        """
        due = tick + self.offset if tick < NEVER else NEVER
        now, elapsed = clock.now(), clock.monotonic()
        wait = min((due - now).total_seconds(), _LONGEST_WAIT)
        await first_of(partial(clock.sleep_until, due), partial(clock.sleep, wait))
        jump = clock.now() - now - timedelta(seconds=clock.monotonic() - elapsed)
        if abs(jump) > _JUMP:
            log.warning("source.clock_jumped", source=self.name, seconds=jump.total_seconds())

    def _after_setting_back(self, last: datetime, now: datetime) -> datetime:
        if last - now <= self.patience:
            return last
        log.warning("source.clock_set_back", source=self.name, seconds=(last - now).total_seconds())
        return now

    def _due(self, tick: datetime, now: datetime) -> Iterator[datetime]:
        """Those of the ticks from `tick` to `now` that still come."""
        if tick > now:
            return
        match self._catch_up:
            case "all":
                yield from self._all(tick, now)
            case "latest":
                yield self._latest(tick, now)
            case "none":
                if now - (latest := self._latest(tick, now)) <= _PUNCTUAL:
                    yield latest
            case _:
                assert_never(self._catch_up)

    def _all(self, tick: datetime, now: datetime) -> Iterator[datetime]:
        for _ in range(_MOST):
            yield tick
            if (tick := self.tick_after(tick)) > now:
                return
        latest = self._latest(tick, now)
        log.warning("source.ticks_left_out", source=self.name, first=tick.isoformat(), before=latest.isoformat())
        yield latest

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
        self.told = tick
        text = {"tick": tick.isoformat()}
        late = now - tick > _PUNCTUAL
        return TimerFired(source=self.name, data=text, occurred_at=tick, caught_up=late, cursor=text)


class EverySource(TimerSource):
    """Ticks at the multiples of an interval since 1970."""

    def __init__(
        self,
        name: str,
        *,
        interval: str | timedelta,
        catch_up: CatchUp = "latest",
        jitter: str | timedelta | None = None,
    ) -> None:
        super().__init__(name, catch_up=catch_up, jitter=jitter)
        self._interval = parse_duration(interval, what="interval")
        self.patience = max(self._interval, timedelta(seconds=2))  # silent for no more than two intervals

    def tick_after(self, instant: datetime) -> datetime:
        return interval_tick_after(instant, self._interval)


class CronSource(TimerSource):
    """Ticks of cron schedules in a time zone."""

    def __init__(
        self,
        name: str,
        *,
        schedule: str | Sequence[str],
        timezone: str = "UTC",
        catch_up: CatchUp = "latest",
        jitter: str | timedelta | None = None,
    ) -> None:
        super().__init__(name, catch_up=catch_up, jitter=jitter)
        self._ticks = CronTicks([schedule] if isinstance(schedule, str) else schedule, timezone)

    def tick_after(self, instant: datetime) -> datetime:
        return self._ticks.after(instant)


class AtSource(TimerSource):
    """Given instants, each once."""

    def __init__(self, name: str, *, instants: Sequence[str | datetime], catch_up: CatchUp = "latest") -> None:
        super().__init__(name, catch_up=catch_up)
        self._instants = in_order(instants)

    def tick_after(self, instant: datetime) -> datetime:
        # Once means once, whatever becomes of the clock.
        return instant_after(instant if self.told is None else max(instant, self.told), self._instants)


def _part_of(jitter: timedelta, name: str) -> timedelta:
    """From nothing to nearly all of `jitter`, always the same for one name."""
    share = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) / 2**32
    return timedelta(microseconds=int(jitter / timedelta(microseconds=1) * share))
