"""Time as an event source: `every` so often, `cron` by the wall clock of a time zone, `at` given instants."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Literal, TypeAlias, Unpack, assert_never, get_args

import structlog

from upwell.clock import NEVER, Clock
from upwell.definitions.reactions import On, SourceSpec
from upwell.durations import format_duration, parse_duration
from upwell.errors import DefinitionError
from upwell.events import SourceAdvanced, TimerFired
from upwell.sources.background import first_of
from upwell.sources.reaction import Reaction, listener
from upwell.sources.source import Cursor, Emitted
from upwell_sensors.ticks import EPOCH, CronTicks, in_order, instant_after, interval_tick_after, zone

CatchUp: TypeAlias = Literal["latest", "all", "none"]

_SHORTEST = timedelta(milliseconds=10)
_PUNCTUAL = timedelta(seconds=2)  # a tick noticed within this is not called caught up
_JUMP = timedelta(seconds=2)  # of the wall clock against elapsed time, that is worth a line in the log
_LONGEST_WAIT = 60.0  # seconds; a clock that was set back is noticed within this
_CHUNK = 500  # ticks in a batch when many are caught up
_MOST = 10_000  # ticks that `all` catches up with at once; a clock may be wrong by years
_SHOWN = 3  # schedules or instants in a name

log = structlog.get_logger(__name__)


def every(
    interval: str | timedelta,
    *,
    catch_up: CatchUp = "latest",
    jitter: str | timedelta | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event each `interval`, at its multiples since 1970 in UTC: `every("10s")` ticks at :00, :10, :20 …

    A restart keeps the phase, and two services tick together.

    Args:
        interval: `"500ms"`, `"10s"`, `"5m"`, `"1h"`, `"1d"` or a timedelta; from 10 ms.
        catch_up: which of the ticks missed while the service was down still come: the `latest`, `all` or `none`.
        jitter: spread timers over so long: each is late by a part of it that its name decides, always the same.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: the interval or an option cannot be read, or it is too short.
    """
    length = parse_duration(interval, what="every(interval)")
    if length < _SHORTEST:
        raise DefinitionError(f"every({interval!r}): the shortest interval is {format_duration(_SHORTEST)}")
    spread = _spread(jitter)
    if spread is not None and spread > length:
        raise DefinitionError(f"every({interval!r}): jitter={jitter!r} is longer than the interval")
    text = format_duration(length)
    params = {"interval": text, **_stated(catch_up, spread)}
    return listener(SourceSpec(kind="every", name=f"every:{text}", params=params), **reaction)


def cron(
    schedule: str | Sequence[str],
    *,
    timezone: str = "UTC",
    catch_up: CatchUp = "latest",
    jitter: str | timedelta | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event at each tick of a cron schedule, as cron(8) understands it, also on days when the clock changes.

    Args:
        schedule: five fields (`"0 6 * * 1-5"`), six with the seconds first, or `@hourly`, `@daily`, `@weekly` …; or a
            list of these, whose ticks come in turn, and once where they coincide.
        timezone: the IANA zone in which the schedule is read.
        catch_up: which of the ticks missed while the service was down still come: the `latest`, `all` or `none`.
        jitter: spread timers over so long: each is late by a part of it that its name decides, always the same.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: a schedule, the zone or an option cannot be read, or a schedule never comes.
    """
    given = [schedule] if isinstance(schedule, str) else list(schedule)
    texts = list(dict.fromkeys(" ".join(each.split()) for each in given))
    if not texts:
        raise DefinitionError("cron([]): name a schedule, for example '0 6 * * *'")
    for text in texts:
        if CronTicks([text], timezone).after(EPOCH) >= NEVER:
            raise DefinitionError(f"cron({text!r}): no such day exists; the schedule would never come")
    plain: str | list[str] = texts[0] if len(texts) == 1 else texts
    params = {"schedule": plain, "timezone": timezone, **_stated(catch_up, _spread(jitter))}
    return listener(SourceSpec(kind="cron", name=f"cron:{_named(texts)}@{timezone}", params=params), **reaction)


def at(
    *when: str | datetime,
    timezone: str | None = None,
    catch_up: CatchUp = "latest",
    **reaction: Unpack[Reaction],
) -> On:
    """An event at each of some instants: `at("2025-01-01T06:00:00+01:00")`.

    Args:
        when: each as ISO 8601 or as a datetime. What has been when the source is first started does not come.
        timezone: the IANA zone of those without an offset.
        catch_up: which of the instants missed while the service was down still come: the `latest`, `all` or `none`.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: an instant, the zone or an option cannot be read, or an instant has neither offset nor zone.
    """
    texts = [each.isoformat() for each in in_order(when, None if timezone is None else zone(timezone))]
    params = {"instants": texts, **_stated(catch_up, None)}
    return listener(SourceSpec(kind="at", name=f"at:{_named(texts)}", params=params), **reaction)


def _checked(catch_up: CatchUp) -> CatchUp:
    if catch_up not in get_args(CatchUp):
        raise DefinitionError(f'catch_up={catch_up!r} is unknown; choose "latest", "all" or "none"')
    return catch_up


def _stated(catch_up: CatchUp, jitter: timedelta | None) -> dict[str, str]:
    """Those options that differ from what they are without being stated."""
    stated = {} if _checked(catch_up) == "latest" else {"catch_up": str(catch_up)}
    return stated if jitter is None else {**stated, "jitter": format_duration(jitter)}


def _spread(jitter: str | timedelta | None) -> timedelta | None:
    return None if jitter is None else parse_duration(jitter, what="jitter")


def _named(texts: Sequence[str]) -> str:
    """A name that is short to read and another for other texts."""
    if len(texts) <= _SHOWN:
        return ", ".join(texts)
    digest = hashlib.blake2b("\n".join(texts).encode(), digest_size=4).hexdigest()
    return f"{', '.join(texts[:_SHOWN])} and {len(texts) - _SHOWN} more ({digest})"


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
        self.offset = _part_of(_spread(jitter) or timedelta(0), name)
        self._catch_up = _checked(catch_up)
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
