"""The instants at which something is due: cron ticks, moved to business days. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from upwell.clock import NEVER
from upwell.definitions.cron_ticks import CronTicks
from upwell.definitions.crons import plain_cron
from upwell.definitions.freshness.calendar import BusinessCalendar

EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=2)

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_NEAR = 64  # ticks that are walked through to get to an instant; further away the walk begins there
_MOST = 1024  # ticks that are remembered
_HORIZON = timedelta(days=366 * 30)  # a calendar that leaves no deadline within has none at all
_FIRST_LOOK_BACK, _LONGEST_LOOK_BACK = timedelta(minutes=2), timedelta(days=366 * 40)


class _After(Protocol):
    def after(self, instant: datetime) -> datetime: ...


class Deadlines:
    """A series of instants, asked in both directions.

    Policies share it, and it remembers where it was asked last: a hundred thousand assets with one deadline cost one
    look at the calendar.
    """

    def __init__(self, ticks: _After) -> None:
        self._ticks = ticks
        self._since = NEVER  # the ticks after this ...
        self._known: list[datetime] = []  # ... up to the last one of these are known

    def after(self, instant: datetime) -> datetime:
        """The first one later than `instant`, or NEVER."""
        if instant >= NEVER:
            return NEVER
        self._reach(instant)
        return self._known[bisect_right(self._known, instant)]

    def before(self, instant: datetime) -> datetime:
        """The last one earlier than `instant`; `EARLIEST` when there is none."""
        self._reach(instant)
        if (place := bisect_left(self._known, instant)) > 0:
            return self._known[place - 1]
        span = _FIRST_LOOK_BACK
        while span < _LONGEST_LOOK_BACK and instant - EARLIEST > span:
            start = instant - span
            if self._ticks.after(start) < instant:
                self._since, self._known = start, []
                while not self._known or self._known[-1] < instant:
                    self._known.append(self._ticks.after(self._known[-1] if self._known else start))
                return self._known[bisect_left(self._known, instant) - 1]
            span *= 4
        return EARLIEST

    def up_to(self, instant: datetime) -> datetime:
        """The last one that is not later than `instant`; `EARLIEST` when there is none."""
        return self.before(instant + timedelta(microseconds=1))

    def _reach(self, instant: datetime) -> None:
        if instant < self._since:
            self._since, self._known = instant, [self._ticks.after(instant)]
        walked = 0
        while self._known[-1] <= instant:
            if walked == _NEAR:
                self._since, self._known = instant, []
            self._known.append(self._ticks.after(self._known[-1] if self._known else instant))
            walked += 1
        if len(self._known) > _MOST:
            self._since, self._known = self._known[_MOST // 2], self._known[_MOST // 2 + 1 :]


class _OnBusinessDays:
    """Ticks, each moved to where its calendar wants it; several that meet are one."""

    def __init__(self, ticks: CronTicks, calendar: BusinessCalendar) -> None:
        self._ticks = ticks
        self._calendar = calendar

    def after(self, instant: datetime) -> datetime:
        best, last_day = NEVER, None
        horizon = min(instant, NEVER - _HORIZON) + _HORIZON
        tick = self._ticks.after(self._start(instant))
        while tick < horizon:
            moved = self._calendar.rolled(tick, self._ticks.zone)
            if moved is not None:
                day = moved.astimezone(self._ticks.zone).date()
                if last_day is not None and day > last_day:
                    break  # days come in order, times of a day may not
                if moved > instant:
                    best, last_day = min(best, moved), day
            tick = self._ticks.after(tick)
        return best

    def _start(self, instant: datetime) -> datetime:
        """Before every tick that may have been moved beyond `instant`: they are of the free days before its day."""
        if self._calendar.roll != "next":
            return instant
        day = instant.astimezone(self._ticks.zone).date()
        worked = self._calendar.nearest(day - _DAY, -1)
        if worked is None:
            return instant
        start = datetime.combine(worked + _DAY, time.min).replace(tzinfo=self._ticks.zone).astimezone(UTC)
        return min(start - timedelta(microseconds=1), instant)


@lru_cache(maxsize=4096)
def cron_deadlines(cron: str, timezone: str, calendar: BusinessCalendar | None) -> Deadlines:
    """The deadlines of a cron expression; one object for each, so that what it remembers is shared."""
    ticks = CronTicks(plain_cron(cron, "a freshness policy"), ZoneInfo(timezone))
    return Deadlines(ticks if calendar is None else _OnBusinessDays(ticks, calendar))


def opened_at(deadline: datetime, window: timedelta, zone: ZoneInfo) -> datetime:
    """When the window that ends at `deadline` opens: when clocks on the wall showed `window` less.

    A window of eight hours before 09:00 opens at 01:00 on every day, also on one with a change of the clocks in it.
    Where clocks show that time twice or never, the window is as long in real time as it says.
    """
    wall = deadline.astimezone(zone).replace(tzinfo=None) - window
    real = deadline - window
    return min((wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0)), key=lambda at: abs(at - real))


@lru_cache(maxsize=1024)
def shortest_interval(cron: str) -> timedelta:
    """The shortest time between two ticks, as clocks on the wall show it: changes of the clock shorten none."""
    ticks = CronTicks(plain_cron(cron, "a freshness policy"), ZoneInfo("UTC"))
    first = last = ticks.after(datetime(2023, 12, 31, tzinfo=UTC))  # the years that follow hold a leap day
    shortest = timedelta.max
    for _ in range(2000):
        following = ticks.after(last)
        if following >= NEVER:
            break
        shortest, last = min(shortest, following - last), following
        if shortest <= _MINUTE or last - first > timedelta(days=5 * 366):
            break
    return shortest
