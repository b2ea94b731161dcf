"""The boundaries of time windows: instants at which one partition ends and the next begins.

Three kinds of schedules have arithmetic of their own, since they are nearly all there are: every hour, and once
a day (week, month) at one time of day. Any other cron expression steps through cronsim.

Where a local time does not exist (clocks go forward), the boundary is the instant of the change; where it comes twice,
the second pass counts, except for the hour after midnight (as in Dagster). Hours are real hours: the repeated hour
of autumn has two, the skipped one of spring none.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from upwell.definitions.errors import DagsterInvalidDefinitionError

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Ticks(Protocol):
    """An endless series of instants (UTC), in both directions."""

    @property
    def repeats_hours(self) -> bool:
        """Whether both passes of a repeated hour may have a tick, so that a key must tell them apart."""

    def after(self, instant: datetime) -> datetime:
        """The first tick later than `instant`."""

    def before(self, instant: datetime) -> datetime:
        """The last tick earlier than `instant`."""

    def count(self, low: datetime, high: datetime) -> int:
        """How many ticks there are from the tick `low` up to the tick `high`, not included."""


def at_or_after(ticks: Ticks, instant: datetime) -> datetime:
    """The first tick that is not earlier than `instant`."""
    return ticks.after(instant - timedelta(microseconds=1))


def at_or_before(ticks: Ticks, instant: datetime) -> datetime:
    """The last tick that is not later than `instant`."""
    return ticks.before(instant + timedelta(microseconds=1))


def shifted(ticks: Ticks, tick: datetime, by: int) -> datetime:
    """The tick that lies `by` places further on (back, when negative)."""
    if isinstance(ticks, HourlyTicks):
        return tick + by * _HOUR
    for _ in range(abs(by)):
        tick = ticks.after(tick) if by > 0 else ticks.before(tick)
    return tick


@dataclass(frozen=True)
class HourlyTicks:
    """Every real hour, before and after `anchor`."""

    anchor: datetime
    repeats_hours: bool = True

    def after(self, instant: datetime) -> datetime:
        return self.anchor + (math.floor((instant - self.anchor) / _HOUR) + 1) * _HOUR

    def before(self, instant: datetime) -> datetime:
        return self.anchor + (math.ceil((instant - self.anchor) / _HOUR) - 1) * _HOUR

    def count(self, low: datetime, high: datetime) -> int:
        return max(0, round((high - low) / _HOUR))


@dataclass(frozen=True)
class CalendarTicks:
    """Once on each day that `next_day` names, at one time of day in a zone."""

    zone: ZoneInfo
    at: time
    next_day: Callable[[date, int], date]
    """The nearest scheduled day from a date on (itself included), forward (1) or backward (-1)."""
    every_day: bool = False
    repeats_hours: bool = False

    def after(self, instant: datetime) -> datetime:
        day = self.next_day(instant.astimezone(self.zone).date() - _DAY, 1)
        while (tick := self._on(day)) <= instant:
            day = self.next_day(day + _DAY, 1)
        return tick

    def before(self, instant: datetime) -> datetime:
        day = self.next_day(instant.astimezone(self.zone).date() + _DAY, -1)
        while (tick := self._on(day)) >= instant:
            day = self.next_day(day - _DAY, -1)
        return tick

    def count(self, low: datetime, high: datetime) -> int:
        if not self.every_day:
            return _counted(self, low, high)
        return max(0, (high.astimezone(self.zone).date() - low.astimezone(self.zone).date()).days)

    def _on(self, day: date) -> datetime:
        wall = datetime.combine(day, self.at)
        first, second = (localized(wall.replace(fold=fold), self.zone) for fold in (0, 1))
        if first == second or self.at.hour == 0:
            return first
        return second if first < second else _change_between(second, first, self.zone)


@dataclass(frozen=True)
class CronTicks:
    """Whenever a cron expression says so."""

    cron: str
    zone: ZoneInfo
    repeats_hours: bool = True

    def after(self, instant: datetime) -> datetime:
        return self._step(instant, reverse=False)

    def before(self, instant: datetime) -> datetime:
        return self._step(instant, reverse=True)

    def count(self, low: datetime, high: datetime) -> int:
        return _counted(self, low, high)

    def _step(self, instant: datetime, *, reverse: bool) -> datetime:
        return next(CronSim(self.cron, instant.astimezone(self.zone), reverse=reverse)).astimezone(UTC)


def _counted(ticks: Ticks, low: datetime, high: datetime) -> int:
    found = 0
    while low < high:
        found, low = found + 1, ticks.after(low)
    return found


def localized(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which clocks in `zone` show the naive time `wall`, for the first or (fold=1) second time."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """When the clocks change; in a gap the later offset gives the earlier of the two instants."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high


def ticks_of(cron: str, zone: ZoneInfo, near: datetime) -> Ticks:
    """The ticks of a cron expression; hours are counted from the first one after `near`.

    Raises:
        DagsterInvalidDefinitionError: the expression cannot be read, or has not five fields.
    """
    fields = ["*" if field == "?" else field for field in cron.split()]  # cronsim does not know that synonym
    plain = " ".join(fields)
    try:
        next(CronSim(plain, near.astimezone(zone)))
        wrong: object = None if len(fields) == 5 else f"{len(fields)} fields"
    except (CronSimError, StopIteration) as problem:
        wrong = problem
    if wrong is not None:
        raise DagsterInvalidDefinitionError(
            f"invalid cron schedule {cron!r} ({wrong}): its five fields are minute, hour, day, month and weekday, "
            "e.g. '0 6 * * *'"
        )
    return _hourly(fields, zone, near) or _calendar(fields, zone) or CronTicks(plain, zone)


def _hourly(fields: list[str], zone: ZoneInfo, near: datetime) -> Ticks | None:
    if not fields[0].isdigit() or fields[1:] != ["*", "*", "*", "*"]:
        return None
    wall = near.astimezone(zone)
    minutes = (int(fields[0]) - wall.minute) % 60
    return HourlyTicks(near.replace(second=0, microsecond=0) + timedelta(minutes=minutes))


def _calendar(fields: list[str], zone: ZoneInfo) -> Ticks | None:
    minute, hour, day, month, weekday = fields
    if month != "*" or not (minute.isdigit() and hour.isdigit()):
        return None
    at = time(int(hour), int(minute))
    if day == weekday == "*":
        return CalendarTicks(zone, at, lambda day, step: day, every_day=True)
    if day == "*" and weekday.isdigit():
        return CalendarTicks(zone, at, _weekly(int(weekday) % 7))
    if day.isdigit() and weekday == "*":
        return CalendarTicks(zone, at, _monthly(int(day)))
    return None


def _weekly(weekday: int) -> Callable[[date, int], date]:
    def next_day(day: date, step: int) -> date:
        return day + step * timedelta(days=(step * (weekday - day.isoweekday())) % 7)

    return next_day


def _monthly(day_of_month: int) -> Callable[[date, int], date]:
    def next_day(day: date, step: int) -> date:
        year, month = day.year, day.month
        while True:
            if day_of_month <= monthrange(year, month)[1]:
                found = date(year, month, day_of_month)
                if (found >= day) if step > 0 else (found <= day):
                    return found
            year, month = divmod(year * 12 + month - 1 + step, 12)
            month += 1

    return next_day
