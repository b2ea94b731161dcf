"""Cron against a model that walks through time minute by minute, in twenty zones, around every change of their clocks.

The model shares nothing with what it checks: it reads the fields itself and does what cron(8) says. A job at a given
time runs once where the hour is repeated, and right after the change where it is skipped; a job with `*` for the
minute or the hour runs whenever the wall clock shows its time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upwell_sensors.timer_source import CronSource

ZONES = [
    "Africa/Cairo",  # midnight does not exist in spring
    "Africa/Casablanca",  # set back for Ramadan
    "America/Havana",  # the hour after midnight comes twice
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",  # midnight does not exist in spring
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",  # changes by two hours
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Lord_Howe",  # changes by half an hour
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Chatham",
]
SCHEDULES = [
    "30 2 * * *",
    "30 1 * * *",
    "0 0 * * *",
    "20 0 * * 5,6,0",
    "45 23 * * *",
    "0 2,3 * * *",
    "0-30/10 0-3 * * *",
    "*/15 * * * *",
    "0 * * * *",
    "10 */3 * * *",
    "*/20 0,2 * * *",
    "*/10 0 * * 0,5",
    "15 1 13 * 5",
    "59 23 28-31 * *",
]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEGIN, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
QUIET = [datetime(2024, 2, 29, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)]


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """The hours in which the clock of a zone is set, within a year."""
    hours = [BEGIN + HOUR * number for number in range(int((END - BEGIN) / HOUR))]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return tuple(hours[at] for at in range(1, len(hours)) if offsets[at] != offsets[at - 1])


@cache
def minutes(zone: str, middle: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """The minutes around an instant: the instant, and what a clock on the wall shows."""
    instants = (middle - 30 * HOUR + MINUTE * number for number in range(60 * 60))
    return tuple((instant, instant.astimezone(ZoneInfo(zone))) for instant in instants)


def values(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


class Model:
    """One schedule as a person reads it."""

    def __init__(self, schedule: str) -> None:
        minute, hour, day, month, weekday = schedule.split()
        self.by_real_time = minute.startswith("*") or hour.startswith("*")
        self.both_days = day.startswith("*") or weekday.startswith("*")
        self.minutes, self.hours = values(minute, 0, 59), values(hour, 0, 23)
        self.days, self.months = values(day, 1, 31), values(month, 1, 12)
        self.weekdays = {number % 7 for number in values(weekday, 0, 7)}

    def shows(self, wall: datetime) -> bool:
        if wall.minute not in self.minutes or wall.hour not in self.hours or wall.month not in self.months:
            return False
        days = (wall.day in self.days, (wall.weekday() + 1) % 7 in self.weekdays)
        return all(days) if self.both_days else any(days)

    def ticks(self, walk: tuple[tuple[datetime, datetime], ...]) -> Iterator[datetime]:
        before = walk[0][1].replace(tzinfo=None) - MINUTE
        for instant, there in walk:
            wall = there.replace(tzinfo=None)
            skipped = [before + MINUTE * number for number in range(1, max(0, int((wall - before) / MINUTE)))]
            again = there.fold == 1 and not self.by_real_time
            if (self.shows(wall) and not again) or (not self.by_real_time and any(map(self.shows, skipped))):
                yield instant
            before = wall


def assert_alike(schedule: str, zone: str, middle: datetime) -> None:
    walk = minutes(zone, middle)
    start, end = walk[0][0] - MINUTE, walk[-1][0]
    expected = list(Model(schedule).ticks(walk))
    source = CronSource("cron", schedule=schedule, timezone=zone)
    found, tick = [], source.tick_after(start)
    while tick <= end:
        found.append(tick)
        tick = source.tick_after(tick)
    assert found == expected
    # Asked from anywhere, as a service is that starts then.
    for number in range(0, 60 * 60, 97):
        instant = start + MINUTE * number + timedelta(seconds=1)
        place = bisect_right(expected, instant)
        if place < len(expected):
            assert source.tick_after(instant) == expected[place], instant


@pytest.mark.parametrize("zone", ZONES)
def test_cron_ticks_as_the_model_around_every_change_of_the_clock(zone: str) -> None:
    for middle in (*changes(zone), *QUIET):
        for schedule in SCHEDULES:
            assert_alike(schedule, zone, middle)


def test_the_zones_do_change_their_clocks() -> None:
    assert sum(len(changes(zone)) for zone in ZONES) >= 2 * 16


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        st.sampled_from([f"*/{step}" for step in (2, 5, 7, 15) if step <= high]),
        number.map(str),
        st.lists(number, min_size=2, max_size=4, unique=True).map(lambda many: ",".join(map(str, sorted(many)))),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    )


@settings(max_examples=60, deadline=None)
@example("*/5 0 * * 5", "Africa/Cairo", 0)
@example("* 0 * * 0", "America/Havana", 1)
@given(
    st.tuples(fields(0, 59), fields(0, 4), st.just("*"), st.just("*"), fields(0, 6)).map(" ".join),
    st.sampled_from([zone for zone in ZONES if changes(zone)]),
    st.integers(0, 3),
)
def test_any_schedule_of_the_small_hours_ticks_as_the_model(schedule: str, zone: str, number: int) -> None:
    around = changes(zone)
    assert_alike(schedule, zone, around[number % len(around)])
