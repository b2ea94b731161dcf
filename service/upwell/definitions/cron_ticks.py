"""When a cron expression comes due in a time zone, exactly, also on days on which clocks are set. Pure.

As cron(8): a job at a given time that falls into the hour that is skipped when the clock is set forward runs right
after it, one that falls into the hour that is repeated when it is set back runs once, the first time. Jobs with `*`
for the minute or the hour, and those with seconds, run by real time.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from upwell.clock import NEVER

_SECOND = timedelta(seconds=1)
_STEP = timedelta(days=7)  # no zone sets its clock twice within


@dataclass(frozen=True)
class CronTicks:
    """The ticks of one expression, in words that cronsim understands."""

    schedule: str
    zone: ZoneInfo

    def after(self, instant: datetime) -> datetime:
        """The first tick later than `instant` (UTC), or NEVER."""
        return self._by_wall_time(instant) if _has_a_given_time(self.schedule) else self._by_real_time(instant)

    def _by_wall_time(self, instant: datetime) -> datetime:
        # CronSim forgets which of two equal wall times (the clock was set back) it was asked from,
        # and may then answer with the first one, which has been.
        for tick in CronSim(self.schedule, instant.astimezone(self.zone)):
            if (at := tick.astimezone(UTC)) > instant:
                return at
        return NEVER

    def _by_real_time(self, instant: datetime) -> datetime:
        # CronSim goes by the hour through such a day, and so errs where a clock is set by half an hour or at midnight.
        # Here it only knows the calendar, and is asked anew from each change of the clock.
        since, offset = instant.replace(microsecond=0), self._offset(instant)
        while True:
            tick = next(CronSim(self.schedule, (since + offset).replace(tzinfo=None)), None)
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
        offset = instant.astimezone(self.zone).utcoffset()
        assert offset is not None, "an instant in a zone has an offset"
        return offset


def _has_a_given_time(schedule: str) -> bool:
    fields = schedule.split()
    return len(fields) == 5 and not fields[0].startswith("*") and not fields[1].startswith("*")
