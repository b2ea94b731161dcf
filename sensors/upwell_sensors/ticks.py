"""When a timer ticks: by an interval, by cron schedules in a time zone, at given instants. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from upwell.clock import NEVER
from upwell.errors import DefinitionError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SECOND = timedelta(seconds=1)
_STEP = timedelta(days=7)  # no zone sets its clock twice within
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def interval_tick_after(instant: datetime, interval: timedelta) -> datetime:
    """The first multiple of `interval` since 1970 that is later than `instant`, or NEVER."""
    try:
        return EPOCH + ((instant - EPOCH) // interval + 1) * interval
    except OverflowError:
        return NEVER


class CronTicks:
    """The ticks of cron schedules in a time zone; where several coincide it is one tick.

    As cron(8): a job at a given time that falls into the hour that is skipped when the clock is set forward runs right
    after it, one that falls into the hour that is repeated when it is set back runs once, the first time. Jobs with
    `*` for the minute or the hour, and those with seconds, run by real time.

    Raises:
        DefinitionError: a schedule or the zone cannot be read.
    """

    def __init__(self, schedules: Sequence[str], timezone: str) -> None:
        self._schedules = [_readable(schedule) for schedule in schedules]
        self._zone = zone(timezone)

    def after(self, instant: datetime) -> datetime:
        """The first tick later than `instant`, or NEVER."""
        return min(
            (self._by_wall_time if _has_a_given_time(schedule) else self._by_real_time)(schedule, instant)
            for schedule in self._schedules
        )

    def _by_wall_time(self, schedule: str, instant: datetime) -> datetime:
        # CronSim forgets which of two equal wall times (the clock was set back) it was asked from,
        # and may then answer with the first one, which has been.
        for tick in CronSim(schedule, instant.astimezone(self._zone)):
            if (at := tick.astimezone(UTC)) > instant:
                return at
        return NEVER

    def _by_real_time(self, schedule: str, instant: datetime) -> datetime:
        # CronSim goes by the hour through such a day, and so errs where a clock is set by half an hour or at midnight.
        # Here it only knows the calendar, and is asked anew from each change of the clock.
        since, offset = instant.replace(microsecond=0), self._offset(instant)
        while True:
            tick = next(CronSim(schedule, (since + offset).replace(tzinfo=None)), None)
            if tick is None:
                return NEVER
            at = tick.replace(tzinfo=UTC) - offset
            change = self._first_change(since, at, offset)
            if change is None:
                return at
            since, offset = change - _SECOND, self._offset(change)

    def _first_change(self, since: datetime, until: datetime, offset: timedelta) -> datetime | None:
        """The first second after `since` and up to `until` in which the clock shows another offset."""
        while since < until:
            end = min(since + _STEP, until)
            if self._offset(end) != offset:
                return (
                    since
                    + bisect_left(
                        range(int((end - since) / _SECOND) + 1),
                        True,
                        lo=1,
                        key=lambda seconds: self._offset(since + seconds * _SECOND) != offset,
                    )
                    * _SECOND
                )
            since = end
        return None

    def _offset(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self._zone).utcoffset()
        assert offset is not None, "an instant in a zone has an offset"
        return offset


def _has_a_given_time(schedule: str) -> bool:
    fields = schedule.split()
    return len(fields) == 5 and not fields[0].startswith("*") and not fields[1].startswith("*")


def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name.

    Raises:
        DefinitionError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        raise DefinitionError(f"timezone={name!r} is unknown; write an IANA name such as 'Europe/Paris'") from None


def in_order(given: Iterable[str | datetime], timezone: tzinfo | None = None) -> list[datetime]:
    """Instants as users write them, in UTC and in order, each once.

    Args:
        timezone: that of those without an offset.

    Raises:
        DefinitionError: there is none, or one cannot be read, or has no offset.
    """
    read = sorted({_instant(each, timezone) for each in given})
    if not read:
        raise DefinitionError('at(): name an instant, for example "2025-01-01T06:00:00+01:00"')
    return read


def instant_after(instant: datetime, ordered: Sequence[datetime]) -> datetime:
    """The first of `ordered` that is later than `instant`, or NEVER."""
    place = bisect_right(ordered, instant)
    return ordered[place] if place < len(ordered) else NEVER


def _readable(schedule: str) -> str:
    text = _NICKNAMES.get(schedule.strip().lower(), schedule)
    try:
        CronSim(text, EPOCH)
    except CronSimError as error:
        raise DefinitionError(
            f"cron({schedule!r}): {error}; write minute hour day month weekday, for example '0 6 * * 1-5'"
        ) from None
    return text


def _instant(given: str | datetime, timezone: tzinfo | None) -> datetime:
    try:
        read = given if isinstance(given, datetime) else datetime.fromisoformat(given)
        read = read if read.tzinfo is not None else read.replace(tzinfo=timezone)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise DefinitionError(
            f'at({given!r}) is no instant; write it as "2025-01-01T06:00:00+01:00" or as a datetime'
        ) from None
    raise DefinitionError(f"at({given!r}) leaves open where; write an offset as in +01:00, or timezone='Europe/Paris'")
