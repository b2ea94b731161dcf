"""Partitions that are windows of time: hours, days, weeks, months, or whatever a cron schedule cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterUnknownPartitionError
from upwell.definitions.partitions.definition import (
    DynamicPartitionsStore,
    PartitionKeyRange,
    PartitionsDefinition,
    assign,
    moment,
)
from upwell.definitions.partitions.ticks import (
    Ticks,
    at_or_after,
    at_or_before,
    localized,
    shifted,
    ticks_of,
)

_DATE = "%Y-%m-%d"
_HOUR = "%Y-%m-%d-%H:%M"


class ScheduleType(Enum):
    """How long the windows are."""

    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"

    def cron(self, minute: int, hour: int, day: int) -> str:
        """The cron schedule of the windows' boundaries."""
        match self:
            case ScheduleType.HOURLY:
                return f"{minute} * * * *"
            case ScheduleType.DAILY:
                return f"{minute} {hour} * * *"
            case ScheduleType.WEEKLY:
                return f"{minute} {hour} * * {day}"
            case ScheduleType.MONTHLY:
                return f"{minute} {hour} {day} * *"


class TimeWindow(NamedTuple):
    """From `start` up to, not including, `end`; both aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, init=False, eq=False)
class TimeWindowPartitionsDefinition(PartitionsDefinition):
    """Windows between the ticks of a cron schedule; a window's key is its start, written by `fmt`.

    A window exists once it has ended; `end_offset` moves that by so many windows (1: the one under way exists too).
    `start` and `end` are wall-clock times of `timezone`; nothing outside of them exists.

    Raises:
        DagsterInvalidDefinitionError: an invalid cron schedule or an unknown time zone.
        ValueError: a start or end that does not fit `fmt`.
    """

    type: Literal["time_window"]
    start_at: datetime
    fmt: str
    timezone: str
    cron_schedule: str
    end_at: datetime | None
    end_offset: int

    def __init__(
        self,
        start: datetime | str,
        fmt: str,
        end: datetime | str | None = None,
        schedule_type: ScheduleType | None = None,
        timezone: str | None = None,
        end_offset: int = 0,
        minute_offset: int = 0,
        hour_offset: int = 0,
        day_offset: int | None = None,
        cron_schedule: str | None = None,
    ) -> None:
        if cron_schedule is None:
            if schedule_type is None:
                raise DagsterInvalidDefinitionError("time windows need a cron_schedule= or a schedule_type=")
            first_day = 1 if schedule_type is ScheduleType.MONTHLY else 0
            cron_schedule = schedule_type.cron(
                minute_offset, hour_offset, first_day if day_offset is None else day_offset
            )
        zone = _zone(timezone or "UTC")
        assign(
            self,
            type="time_window",
            start_at=_instant(start, fmt, zone),
            fmt=fmt,
            timezone=timezone or "UTC",
            cron_schedule=cron_schedule,
            end_at=None if end is None else _instant(end, fmt, zone),
            end_offset=end_offset,
        )
        self.ticks.after(self.start_at)  # an invalid schedule shows here, where it was written

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimeWindowPartitionsDefinition) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        return (self.start_at, self.fmt, self.timezone, self.cron_schedule, self.end_at, self.end_offset)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of the boundaries and keys."""
        return _zone(self.timezone)

    @cached_property
    def ticks(self) -> Ticks:
        """The boundaries of the windows, without limits."""
        return ticks_of(self.cron_schedule, self.zone, self.start_at)

    @property
    def start(self) -> datetime:
        """Nothing before this exists."""
        return self.start_at.astimezone(self.zone)

    @property
    def end(self) -> datetime | None:
        """No window that ends after this exists."""
        return self.end_at and self.end_at.astimezone(self.zone)

    def get_cron_schedule(self) -> str:
        """The cron schedule of the boundaries."""
        return self.cron_schedule

    @cached_property
    def first_start(self) -> datetime:
        """Where the first window begins (UTC), whether or not it exists yet."""
        return at_or_after(self.ticks, self.start_at)

    def last_end(self, now: datetime) -> datetime:
        """Where the last window that exists at `now` ends (UTC); `first_start` or earlier when none does."""
        reached = shifted(self.ticks, at_or_before(self.ticks, now), self.end_offset)
        if self.end_at is None or reached <= self.end_at:
            return reached
        return at_or_before(self.ticks, self.end_at)

    def get_num_partitions(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> int:
        return self.ticks.count(self.first_start, self.last_end(moment(current_time)))

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        return [
            self.key_of(start) for start in self.starts_between(self.first_start, self.last_end(moment(current_time)))
        ]

    def starts_between(self, low: datetime, high: datetime) -> Iterator[datetime]:
        """The starts of the windows from the one at or after `low` up to `high`, not included."""
        start = at_or_after(self.ticks, low)
        while start < high:
            yield start
            start = self.ticks.after(start)

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> bool:
        start = self.start_of(partition_key)
        if start is None or start < self.first_start:
            return False
        return self.ticks.after(start) <= self.last_end(moment(current_time))

    def get_partition_keys_in_range(
        self,
        partition_key_range: PartitionKeyRange,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        first, last = self._known_start(partition_key_range.start), self._known_start(partition_key_range.end)
        if first < self.first_start or (self.end_at is not None and self.ticks.after(last) > self.end_at):
            raise DagsterUnknownPartitionError(
                f"{partition_key_range.start} to {partition_key_range.end} leaves the partitions, which are {self}"
            )
        return [self.key_of(start) for start in self.starts_between(first, self.ticks.after(last))]

    def get_first_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        exists = self.ticks.after(self.first_start) <= self.last_end(moment(current_time))
        return self.key_of(self.first_start) if exists else None

    def get_last_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> str | None:
        start = self.ticks.before(self.last_end(moment(current_time)))
        return self.key_of(start) if start >= self.first_start else None

    def get_next_partition_key(self, partition_key: str, current_time: datetime | None = None) -> str | None:
        """The key after this one, if it exists already."""
        start = self.ticks.after(self._known_start(partition_key))
        return self.key_of(start) if self.ticks.after(start) <= self.last_end(moment(current_time)) else None

    def get_prev_partition_key(self, partition_key: str) -> str | None:
        """The key before this one, if there is any."""
        start = self.ticks.before(self._known_start(partition_key))
        return self.key_of(start) if start >= self.first_start else None

    def time_window_for_partition_key(self, partition_key: str) -> TimeWindow:
        """The window of a key, in `timezone`, whether or not it exists (yet).

        Raises:
            ValueError: the key does not fit `fmt`.
        """
        start = at_or_after(self.ticks, self._parse(partition_key))
        return self._window(start, self.ticks.after(start))

    def _window(self, start: datetime, end: datetime) -> TimeWindow:
        return TimeWindow(start.astimezone(self.zone), end.astimezone(self.zone))

    def start_time_for_partition_key(self, partition_key: str) -> datetime:
        """Where the window of a key begins."""
        return self.time_window_for_partition_key(partition_key).start

    def end_time_for_partition_key(self, partition_key: str) -> datetime:
        """Where the window of a key ends."""
        return self.time_window_for_partition_key(partition_key).end

    def get_partition_key_for_timestamp(self, timestamp: float, end_closed: bool = False) -> str:
        """The key of the window, existing or not, that an instant (seconds since the epoch) lies in. With `end_closed`,
        the end of a window is still of it."""
        instant = datetime.fromtimestamp(timestamp, UTC)
        return self.key_of(self.ticks.before(instant) if end_closed else at_or_before(self.ticks, instant))

    def get_partition_key_range_for_time_window(self, time_window: TimeWindow) -> PartitionKeyRange:
        """From the key of the window that starts with the time window to that of the one that ends with it."""
        first, last = at_or_before(self.ticks, time_window.start), self.ticks.before(time_window.end)
        return PartitionKeyRange(self.key_of(first), self.key_of(last))

    def get_next_partition_window(
        self, end_dt: datetime, current_time: datetime | None = None, respect_bounds: bool = True
    ) -> TimeWindow | None:
        """The first window that starts at `end_dt` or later; with `respect_bounds`, if it exists."""
        start = max(at_or_after(self.ticks, end_dt), self.first_start)
        end = self.ticks.after(start)
        return None if respect_bounds and end > self.last_end(moment(current_time)) else self._window(start, end)

    def get_prev_partition_window(self, start_dt: datetime, respect_bounds: bool = True) -> TimeWindow | None:
        """The last window that ends at `start_dt` or earlier; with `respect_bounds`, if it is not before the first."""
        end = at_or_before(self.ticks, start_dt)
        start = self.ticks.before(end)
        return None if respect_bounds and start < self.first_start else self._window(start, end)

    def get_first_partition_window(self, current_time: datetime | None = None) -> TimeWindow | None:
        """The window of the first key, if there is any."""
        key = self.get_first_partition_key(current_time)
        return None if key is None else self.time_window_for_partition_key(key)

    def get_partition_keys_in_time_window(self, time_window: TimeWindow) -> Sequence[str]:
        """The keys whose windows start in `time_window`, existing or not."""
        return [self.key_of(start) for start in self.starts_between(time_window.start, time_window.end)]

    def get_last_partition_window(self, current_time: datetime | None = None) -> TimeWindow | None:
        """The window of the last key that exists, if there is any."""
        key = self.get_last_partition_key(current_time)
        return None if key is None else self.time_window_for_partition_key(key)

    def order_of(self, partition_key: str) -> float:
        """A number that grows in the order of the keys, to tell which of two is the later.

        Raises:
            DagsterUnknownPartitionError: this can be no key.
        """
        return self._known_start(partition_key).timestamp()

    def key_of(self, start: datetime) -> str:
        """The key of the window that begins at `start`."""
        wall = start.astimezone(self.zone)
        marked = self.ticks.repeats_hours and wall.fold == 1 and "%z" not in self.fmt
        return wall.strftime(self.fmt + "%z" if marked else self.fmt)

    def start_of(self, partition_key: str) -> datetime | None:
        """The start (UTC) of the window of this key, or none when no window, of any time, has it."""
        try:
            start = at_or_after(self.ticks, self._parse(partition_key))
        except ValueError:
            return None
        return start if self.key_of(start) == partition_key else None

    def _known_start(self, partition_key: str) -> datetime:
        start = self.start_of(partition_key)
        if start is None:
            sample = ", ".join(
                self.key_of(start)
                for start in islice(self.starts_between(self.first_start, datetime.max.replace(tzinfo=UTC)), 2)
            )
            raise DagsterUnknownPartitionError(f"there is no partition {partition_key!r}; keys look like {sample}")
        return start

    def _parse(self, partition_key: str) -> datetime:
        return _instant(partition_key, self.fmt, self.zone)

    def __str__(self) -> str:
        until = f" to {self.end}" if self.end_at else ""
        return f"windows of {self.cron_schedule!r} ({self.timezone}) from {self.start}{until}"


class HourlyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """An hour each, keyed `2024-01-31-15:00`."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        cron = ScheduleType.HOURLY.cron(minute_offset, 0, 0)
        super().__init__(start_date, fmt or _HOUR, end_date, None, timezone, end_offset, cron_schedule=cron)


class DailyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """A day each, keyed `2024-01-31`, from `hour_offset:minute_offset` to the same time of the next day."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        hour_offset: int = 0,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        cron = ScheduleType.DAILY.cron(minute_offset, hour_offset, 0)
        super().__init__(start_date, fmt or _DATE, end_date, None, timezone, end_offset, cron_schedule=cron)


class WeeklyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """A week each, keyed by its first day; `day_offset` 0 is Sunday."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        hour_offset: int = 0,
        day_offset: int = 0,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        cron = ScheduleType.WEEKLY.cron(minute_offset, hour_offset, day_offset)
        super().__init__(start_date, fmt or _DATE, end_date, None, timezone, end_offset, cron_schedule=cron)


class MonthlyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """A month each, keyed by its first day; `day_offset` is the day of the month on which it begins."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        hour_offset: int = 0,
        day_offset: int = 1,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        cron = ScheduleType.MONTHLY.cron(minute_offset, hour_offset, day_offset)
        super().__init__(start_date, fmt or _DATE, end_date, None, timezone, end_offset, cron_schedule=cron)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise DagsterInvalidDefinitionError(
            f"there is no time zone {name!r}; use a name such as 'Europe/Berlin'"
        ) from problem


def _instant(when: datetime | str, fmt: str, zone: ZoneInfo) -> datetime:
    """The instant of a wall-clock time of `zone`: a datetime's own zone does not count, an offset in a key does."""
    if isinstance(when, datetime):
        return localized(when.replace(tzinfo=None), zone)
    try:
        parsed = datetime.strptime(when, fmt)  # noqa: DTZ007  (the zone is given to it below)
    except ValueError:
        parsed = datetime.strptime(when, fmt + "%z")  # noqa: DTZ007  (has an offset)
    return localized(parsed, zone) if parsed.tzinfo is None else parsed.astimezone(UTC)
